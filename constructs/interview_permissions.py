"""The permissions to create and destroy interviews, for every role that does so."""

from dataclasses import dataclass

from constructs.aws import (
    DataAwsIamPolicyDocumentStatement,
    DataAwsIamPolicyDocumentStatementCondition,
)
from constructs.certificate import Certificate
from constructs.identity import ServiceRole, condition, in_cluster, of_an_interview
from constructs.interview_roles import InterviewRoles
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
    def statements(self) -> list[DataAwsIamPolicyDocumentStatement]:
        """The policy statements."""
        record = self._record(self.record_domain) if self.record_domain else []
        return [*self._password(), *self._route(), *self._task(), *record]

    @staticmethod
    def waive_findings(role: ServiceRole) -> None:
        """Accepts what parliament finds in these statements as part of the policy of ``role``."""
        for waiver in _WAIVERS:
            waive(role.policy, *waiver)

    def _password(self) -> list[DataAwsIamPolicyDocumentStatement]:
        passwords = self.project.account.arn("ssm", f"parameter/{self.project.prefix}/interviews/*")
        return [
            DataAwsIamPolicyDocumentStatement(
                sid="KeepPassword",
                actions=[
                    "ssm:AddTagsToResource",
                    "ssm:DeleteParameter",
                    "ssm:DeleteParameters",
                    "ssm:GetParameter",
                    "ssm:ListTagsForResource",
                    "ssm:PutParameter",
                ],
                resources=[passwords],
            ),
            DataAwsIamPolicyDocumentStatement(
                sid="DescribePasswords",
                actions=["ssm:DescribeParameters"],
                resources=["*"],  # AWS offers no resource for it; it returns names and never values
            ),
            # https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html
            DataAwsIamPolicyDocumentStatement(
                sid="EncryptPassword",
                actions=["kms:Decrypt", "kms:Encrypt"],
                resources=[self.project.key.arn],
                condition=[condition("StringLike", "kms:EncryptionContext:PARAMETER_ARN", passwords)],
            ),
        ]

    def _route(self) -> list[DataAwsIamPolicyDocumentStatement]:
        """A target group, whose name is the interview's id alone, and a rule on our load balancer."""
        groups = self.project.account.arn("elasticloadbalancing", "targetgroup/*/*")
        listeners = self.project.account.arn("elasticloadbalancing", f"listener/app/{self.project.prefix}/*/*")
        rules = self.project.account.arn("elasticloadbalancing", f"listener-rule/app/{self.project.prefix}/*/*/*")
        return [
            DataAwsIamPolicyDocumentStatement(
                sid="CreateRoute",
                actions=["elasticloadbalancing:CreateRule", "elasticloadbalancing:CreateTargetGroup"],
                resources=[groups, listeners],
                condition=[self._of_this_project("Request"), of_an_interview("Request")],
            ),
            DataAwsIamPolicyDocumentStatement(
                sid="TagRoute",
                actions=["elasticloadbalancing:AddTags"],
                resources=[groups, rules],
                condition=[
                    condition("StringEquals", "elasticloadbalancing:CreateAction", "CreateRule", "CreateTargetGroup")
                ],
            ),
            DataAwsIamPolicyDocumentStatement(
                sid="ChangeRoute",
                actions=[
                    "elasticloadbalancing:DeleteRule",
                    "elasticloadbalancing:DeleteTargetGroup",
                    "elasticloadbalancing:ModifyTargetGroupAttributes",
                ],
                resources=[groups, rules],
                condition=[self._of_this_project("Resource"), of_an_interview("Resource")],
            ),
            DataAwsIamPolicyDocumentStatement(
                sid="DescribeRoutes",
                actions=[
                    "elasticloadbalancing:DescribeRules",
                    "elasticloadbalancing:DescribeTags",
                    "elasticloadbalancing:DescribeTargetGroupAttributes",
                    "elasticloadbalancing:DescribeTargetGroups",
                    "elasticloadbalancing:DescribeTargetHealth",
                ],
                resources=["*"],  # AWS offers no resource for what describes load balancing
            ),
            # Elastic Load Balancing asks for them when somebody creates a target group:
            # https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-api-permissions.html
            DataAwsIamPolicyDocumentStatement(
                sid="DescribeNetwork",
                actions=["ec2:DescribeInternetGateways", "ec2:DescribeVpcs"],
                resources=["*"],  # AWS offers no resource for what describes the network
            ),
        ]

    def _task(self) -> list[DataAwsIamPolicyDocumentStatement]:
        """A task definition and a service, which starts the tasks by itself."""
        services = self.project.account.arn("ecs", f"service/{self.project.prefix}/*")
        definitions = self.project.account.arn("ecs", f"task-definition/{self.project.prefix}-*:*")
        inside = in_cluster(self.project.account, self.project.prefix)
        return [
            DataAwsIamPolicyDocumentStatement(
                sid="RegisterTask",
                actions=["ecs:RegisterTaskDefinition"],
                resources=[definitions],
                condition=[self._of_this_project("Request"), of_an_interview("Request")],
            ),
            DataAwsIamPolicyDocumentStatement(
                sid="CreateService",
                actions=["ecs:CreateService"],
                resources=[services],
                condition=[inside, self._of_this_project("Request"), of_an_interview("Request")],
            ),
            DataAwsIamPolicyDocumentStatement(
                sid="TagTask",
                actions=["ecs:TagResource"],
                resources=[services, definitions],
                condition=[
                    condition("StringEquals", "ecs:CreateAction", "CreateService", "RegisterTaskDefinition"),
                ],
            ),
            DataAwsIamPolicyDocumentStatement(
                sid="ChangeService",
                actions=["ecs:DeleteService", "ecs:UpdateService"],
                resources=[services],
                condition=[inside, self._of_this_project("Resource"), of_an_interview("Resource")],
            ),
            DataAwsIamPolicyDocumentStatement(
                sid="DescribeServices", actions=["ecs:DescribeServices"], resources=[services], condition=[inside]
            ),
            DataAwsIamPolicyDocumentStatement(
                sid="DescribeTasks",
                actions=["ecs:DescribeTasks"],
                resources=[self.project.account.arn("ecs", f"task/{self.project.prefix}/*")],
                condition=[inside],
            ),
            DataAwsIamPolicyDocumentStatement(
                sid="ListTasks",
                actions=["ecs:ListTasks"],
                resources=["*"],
                condition=[inside],
            ),
            DataAwsIamPolicyDocumentStatement(
                sid="KnowTaskDefinitions",
                actions=["ecs:DeregisterTaskDefinition", "ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions"],
                resources=["*"],  # AWS offers no resource for them; what is deregistered goes on running
            ),
            DataAwsIamPolicyDocumentStatement(
                sid="PassTaskRoles",
                actions=["iam:PassRole"],
                resources=[self.roles.execution.arn, self.roles.task.arn],
                condition=[condition("StringEquals", "iam:PassedToService", "ecs-tasks.amazonaws.com")],
            ),
        ]

    def _record(self, domain: Certificate) -> list[DataAwsIamPolicyDocumentStatement]:
        zone = f"arn:{self.project.account.partition}:route53:::hostedzone/{domain.zone_id}"
        return [
            DataAwsIamPolicyDocumentStatement(
                sid="ChangeRecord",
                actions=["route53:ChangeResourceRecordSets"],
                resources=[zone],
                condition=[
                    condition(
                        "ForAllValues:StringLike",
                        "route53:ChangeResourceRecordSetsNormalizedRecordNames",
                        f"*.{domain.domain_name}",
                    ),
                    condition("ForAllValues:StringEquals", "route53:ChangeResourceRecordSetsRecordTypes", "A"),
                ],
            ),
            DataAwsIamPolicyDocumentStatement(
                sid="ReadRecords", actions=["route53:GetHostedZone", "route53:ListResourceRecordSets"], resources=[zone]
            ),
            DataAwsIamPolicyDocumentStatement(
                sid="AwaitChange",
                actions=["route53:GetChange"],
                # AWS makes up the id of a change.
                resources=[f"arn:{self.project.account.partition}:route53:::change/*"],
            ),
        ]

    def _of_this_project(self, side: str) -> DataAwsIamPolicyDocumentStatementCondition:
        """``side`` is Request for what is created, Resource for what exists."""
        return condition("StringEquals", f"aws:{side}Tag/Project", self.project.prefix)
