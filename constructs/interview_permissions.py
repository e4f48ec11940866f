"""The permissions to create and destroy interviews, for every role that does so."""

from dataclasses import dataclass

from constructs.certificate import Certificate
from constructs.identity import ServiceRole, in_cluster, of_an_interview
from constructs.interview_roles import InterviewRoles
from constructs.policy import Condition, Statement, allow, condition
from constructs.project import Project
from constructs.waivers import waive

_LOAD_BALANCING = (
    "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awselasticloadbalancingv2.html"
)
_WAIVERS = [
    (
        "CreateRoute RESOURCE_MISMATCH",
        "parliament also wants a network load balancer's listener, which AWS takes in the place of ours, not beside it",
        _LOAD_BALANCING,
    ),
    (
        "ChangeRoute RESOURCE_MISMATCH",
        "parliament also wants a network load balancer's rule, which AWS takes in the place of ours, not beside it",
        _LOAD_BALANCING,
    ),
    (
        "TagRoute UNKNOWN_CONDITION_FOR_ACTION",
        "parliament looks for the condition among those of Classic Load Balancers, which share the prefix",
        "https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/tagging-resources-during-creation.html",
    ),
    (
        "ListTasks RESOURCE_STAR",
        "AWS offers container instances for it, which Fargate has not; the condition holds it to our cluster",
        "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html",
    ),
]
"""parliament's findings in these statements, why each is accepted, and the source; for ``waive``."""


@dataclass(frozen=True)
class InterviewPermissions:
    """What terraform needs to create and destroy the resources of interviews.

    AWS offers no resource for most calls that only describe. What changes something is held to interviews by name
    where their names are ours to choose, and otherwise by the tag ``InterviewId``, which neither the portal's resources
    nor anybody else's carry. ``record_domain`` is the domain in
    which each interview gets a DNS record of its own, or ``None``.
    """

    project: Project
    roles: InterviewRoles
    record_domain: Certificate | None

    @property
    def statements(self) -> list[Statement]:
        """The policy statements."""
        record = self._record(self.record_domain) if self.record_domain else []
        return [*self._password(), *self._route(), *self._task(), *record]

    @staticmethod
    def waive_findings(role: ServiceRole) -> None:
        """Accepts what parliament finds in these statements as part of the policy of ``role``."""
        for waiver in _WAIVERS:
            waive(role.policy, *waiver)

    def _password(self) -> list[Statement]:
        passwords = self.project.account.arn("ssm", f"parameter/{self.project.prefix}/interviews/*")
        return [
            allow(
                "KeepPassword",
                [
                    "ssm:AddTagsToResource",
                    "ssm:DeleteParameter",
                    "ssm:DeleteParameters",
                    "ssm:GetParameter",
                    "ssm:ListTagsForResource",
                    "ssm:PutParameter",
                ],
                [passwords],
            ),
            allow(
                "DescribePasswords",
                ["ssm:DescribeParameters"],
                ["*"],  # AWS offers no resource for it; it returns names and never values
            ),
            # https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html
            allow(
                "EncryptPassword",
                ["kms:Decrypt", "kms:Encrypt"],
                [self.project.key.arn],
                condition("StringLike", "kms:EncryptionContext:PARAMETER_ARN", passwords),
            ),
        ]

    def _route(self) -> list[Statement]:
        """A target group, whose name is the interview's id alone, and a rule on our load balancer."""
        groups = self.project.account.arn("elasticloadbalancing", "targetgroup/*/*")
        listeners = self.project.account.arn("elasticloadbalancing", f"listener/app/{self.project.prefix}/*/*")
        rules = self.project.account.arn("elasticloadbalancing", f"listener-rule/app/{self.project.prefix}/*/*/*")
        return [
            allow(
                "CreateRoute",
                ["elasticloadbalancing:CreateRule", "elasticloadbalancing:CreateTargetGroup"],
                [groups, listeners],
                *self._on_interviews("Request"),
            ),
            allow(
                "TagRoute",
                ["elasticloadbalancing:AddTags"],
                [groups, rules],
                condition("StringEquals", "elasticloadbalancing:CreateAction", "CreateRule", "CreateTargetGroup"),
            ),
            allow(
                "ChangeRoute",
                [
                    "elasticloadbalancing:DeleteRule",
                    "elasticloadbalancing:DeleteTargetGroup",
                    # A start opens its rule. A recovery may move it to another slot, and reverts what somebody changed.
                    "elasticloadbalancing:ModifyRule",
                    "elasticloadbalancing:ModifyTargetGroup",
                    "elasticloadbalancing:ModifyTargetGroupAttributes",
                    "elasticloadbalancing:SetRulePriorities",
                ],
                [groups, rules],
                *self._on_interviews("Resource"),
            ),
            allow(
                "DescribeRoutes",
                [
                    "elasticloadbalancing:DescribeRules",
                    "elasticloadbalancing:DescribeTags",
                    "elasticloadbalancing:DescribeTargetGroupAttributes",
                    "elasticloadbalancing:DescribeTargetGroups",
                    "elasticloadbalancing:DescribeTargetHealth",
                ],
                ["*"],  # AWS offers no resource for what describes load balancing
            ),
            # Elastic Load Balancing asks for them when somebody creates a target group:
            # https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-api-permissions.html
            allow(
                "DescribeNetwork",
                ["ec2:DescribeInternetGateways", "ec2:DescribeVpcs"],
                ["*"],  # AWS offers no resource for what describes the network
            ),
        ]

    def _task(self) -> list[Statement]:
        """A task definition and a service, which starts the tasks by itself."""
        services = self.project.account.arn("ecs", f"service/{self.project.prefix}/*")
        definitions = self.project.account.arn("ecs", f"task-definition/{self.project.prefix}-*:*")
        inside = in_cluster(self.project.account, self.project.prefix)
        return [
            allow("RegisterTask", ["ecs:RegisterTaskDefinition"], [definitions], *self._on_interviews("Request")),
            allow("CreateService", ["ecs:CreateService"], [services], inside, *self._on_interviews("Request")),
            allow(
                "TagTask",
                ["ecs:TagResource"],
                [services, definitions],
                condition("StringEquals", "ecs:CreateAction", "CreateService", "RegisterTaskDefinition"),
            ),
            allow(
                "ChangeService",
                ["ecs:DeleteService", "ecs:UpdateService"],
                [services],
                inside,
                *self._on_interviews("Resource"),
            ),
            # Its tags need no ecs:ListTagsForResource: CloudFormation reads AWS::ECS::Service, tags included, with this
            # permission alone (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resource-type-schemas.html).
            allow("DescribeServices", ["ecs:DescribeServices"], [services], inside),
            allow(
                "DescribeTasks",
                ["ecs:DescribeTasks"],
                [self.project.account.arn("ecs", f"task/{self.project.prefix}/*")],
                inside,
            ),
            allow("ListTasks", ["ecs:ListTasks"], ["*"], inside),
            allow(
                "KnowTaskDefinitions",
                ["ecs:DeregisterTaskDefinition", "ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions"],
                ["*"],  # AWS offers no resource for them; what is deregistered goes on running
            ),
            allow(
                "PassTaskRoles",
                ["iam:PassRole"],
                [self.roles.execution.arn, self.roles.task.arn],
                condition("StringEquals", "iam:PassedToService", "ecs-tasks.amazonaws.com"),
            ),
        ]

    def _record(self, domain: Certificate) -> list[Statement]:
        zone = f"arn:{self.project.account.partition}:route53:::hostedzone/{domain.zone_id}"
        return [
            allow(
                "ChangeRecord",
                ["route53:ChangeResourceRecordSets"],
                [zone],
                condition(
                    "ForAllValues:StringLike",
                    "route53:ChangeResourceRecordSetsNormalizedRecordNames",
                    f"*.{domain.domain_name}",
                ),
                condition("ForAllValues:StringEquals", "route53:ChangeResourceRecordSetsRecordTypes", "A"),
            ),
            allow("ReadRecords", ["route53:GetHostedZone", "route53:ListResourceRecordSets"], [zone]),
            allow(
                "AwaitChange",
                ["route53:GetChange"],
                # AWS makes up the id of a change.
                [f"arn:{self.project.account.partition}:route53:::change/*"],
            ),
        ]

    def _on_interviews(self, side: str) -> tuple[Condition, Condition]:
        """``side`` is Request for what is created, Resource for what exists."""
        return condition("StringEquals", f"aws:{side}Tag/Project", self.project.prefix), of_an_interview(side)
