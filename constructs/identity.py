"""Roles that AWS services assume, each with the narrowest policy that does its job."""

from constructs import Construct
from constructs.account import Account
from constructs.aws import (
    DataAwsIamPolicyDocument,
    DataAwsIamPolicyDocumentStatement,
    DataAwsIamPolicyDocumentStatementCondition,
    DataAwsIamPolicyDocumentStatementPrincipals,
    IamRole,
    IamRolePolicy,
)


class ServiceRole(Construct):
    """A role that one AWS service assumes, on behalf of resources of this account that match ``source_arn``.

    The two conditions keep another account from borrowing the role through the same service
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html). Outputs: ``arn``, and ``policy`` (for
    whoever must not begin before the permissions).
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        name: str,
        description: str,
        service: str,
        account: Account,
        source_arn: str,
        statements: list[DataAwsIamPolicyDocumentStatement],
    ) -> None:
        super().__init__(scope, id)
        trust = DataAwsIamPolicyDocument(
            self,
            "trust",
            statement=[
                DataAwsIamPolicyDocumentStatement(
                    principals=[DataAwsIamPolicyDocumentStatementPrincipals(type="Service", identifiers=[service])],
                    actions=["sts:AssumeRole"],
                    condition=[
                        condition("StringEquals", "aws:SourceAccount", account.account_id),
                        condition("ArnLike", "aws:SourceArn", source_arn),
                    ],
                )
            ],
        )
        permissions = DataAwsIamPolicyDocument(self, "permissions", statement=statements)
        role = IamRole(self, "role", name=name, description=description, assume_role_policy=trust.json)
        self.policy = IamRolePolicy(self, "policy", name=name, role=role.name, policy=permissions.json)
        self.arn = role.arn


class TaskServiceRole(ServiceRole):
    """A role for ECS tasks of this account and region. Output: ``arn``."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        name: str,
        description: str,
        account: Account,
        statements: list[DataAwsIamPolicyDocumentStatement],
    ) -> None:
        super().__init__(
            scope,
            id,
            name=name,
            description=description,
            service="ecs-tasks.amazonaws.com",
            account=account,
            # AWS names no narrower source than the region's ECS resources
            # (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html).
            source_arn=account.arn("ecs", "*"),
            statements=statements,
        )


class InterviewExecutionRole(TaskServiceRole):
    """What ECS itself does to start an interview: pull the image, read the password, write the logs.

    Output: ``arn``.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        project_prefix: str,
        account: Account,
        log_group_name: str,
        kms_key_arn: str,
    ) -> None:
        passwords = account.arn("ssm", f"parameter/{project_prefix}/interviews/*")
        super().__init__(
            scope,
            id,
            name=f"{project_prefix}-execution",
            description="Starts interviews: image, password and logs",
            account=account,
            statements=[
                *start_container(account, project_prefix=project_prefix, log_group_name=log_group_name),
                DataAwsIamPolicyDocumentStatement(
                    sid="ReadPassword", actions=["ssm:GetParameters"], resources=[passwords]
                ),
                # https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html
                DataAwsIamPolicyDocumentStatement(
                    sid="DecryptPassword",
                    actions=["kms:Decrypt"],
                    resources=[kms_key_arn],
                    condition=[condition("StringLike", "kms:EncryptionContext:PARAMETER_ARN", passwords)],
                ),
            ],
        )


class InterviewTaskRole(TaskServiceRole):
    """What runs inside an interview may read: the challenges, and nothing else of the bucket.

    And only from inside ``vpc_id``, whose gateway endpoint all its requests to S3 pass: credentials that left it open
    nothing (https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-s3.html). Output: ``arn``.
    """

    def __init__(
        self, scope: Construct, id: str, *, project_prefix: str, account: Account, bucket_name: str, vpc_id: str
    ) -> None:
        bucket = account.bucket_arn(bucket_name)
        inside = condition("StringEquals", "aws:SourceVpc", vpc_id)
        super().__init__(
            scope,
            id,
            name=f"{project_prefix}-task",
            description="Reads the challenges",
            account=account,
            statements=[
                DataAwsIamPolicyDocumentStatement(
                    sid="ReadChallenges",
                    actions=["s3:GetObject"],
                    resources=[f"{bucket}/challenge/*"],
                    condition=[inside],
                ),
                DataAwsIamPolicyDocumentStatement(
                    sid="ListChallenges",
                    actions=["s3:ListBucket"],
                    resources=[bucket],
                    condition=[inside, condition("StringLike", "s3:prefix", "challenge/*")],
                ),
            ],
        )


def list_bucket(bucket_arn: str) -> DataAwsIamPolicyDocumentStatement:
    """What tells a missing object from a forbidden one, for whoever reads what may not be there yet.

    S3 answers 404 for a missing key only to who may list the bucket, and 403 to all others
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html).
    """
    return DataAwsIamPolicyDocumentStatement(
        sid="ListBucket",
        actions=["s3:ListBucket"],
        # Without a condition on the prefix: AWS does not document how it reads one when it answers GetObject
        # (https://github.com/ceph/ceph/pull/68577 copies what was seen). Listing tells this project's own keys only.
        resources=[bucket_arn],
    )


def start_container(
    account: Account, *, project_prefix: str, log_group_name: str
) -> list[DataAwsIamPolicyDocumentStatement]:
    """What ECS needs to pull one of this project's images and to write to one log group."""
    return [
        # Signing in to ECR concerns no repository, so AWS offers no narrower resource
        # (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html).
        DataAwsIamPolicyDocumentStatement(
            sid="SignInToRegistry", actions=["ecr:GetAuthorizationToken"], resources=["*"]
        ),
        DataAwsIamPolicyDocumentStatement(
            sid="PullImage",
            actions=["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            resources=[account.arn("ecr", f"repository/{project_prefix}-*")],
        ),
        DataAwsIamPolicyDocumentStatement(
            sid="WriteLogs",
            actions=["logs:CreateLogStream", "logs:PutLogEvents"],
            resources=[account.arn("logs", f"log-group:{log_group_name}:*")],
        ),
    ]


_LOAD_BALANCING = (
    "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awselasticloadbalancingv2.html"
)
INTERVIEW_WAIVERS = [
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
"""What parliament finds in ``interview_resources``, why it is no fault, and where that stands; for ``waive``."""


def interview_resources(
    account: Account,
    *,
    project_prefix: str,
    kms_key_arn: str,
    passed_role_arns: list[str],
    domain_name: str,
    hosted_zone_id: str | None,
) -> list[DataAwsIamPolicyDocumentStatement]:
    """What terraform needs to create and destroy what one interview consists of.

    ``hosted_zone_id`` is ``None`` when interviews need no DNS record.
    """
    return [
        *_interview_password(account, project_prefix, kms_key_arn),
        *_interview_route(account, project_prefix),
        *_interview_task(account, project_prefix, passed_role_arns),
        *(_interview_record(account, domain_name, hosted_zone_id) if hosted_zone_id else []),
    ]


def _interview_password(
    account: Account, project_prefix: str, kms_key_arn: str
) -> list[DataAwsIamPolicyDocumentStatement]:
    passwords = account.arn("ssm", f"parameter/{project_prefix}/interviews/*")
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
            resources=["*"],  # AWS offers no resource for it; it tells names and never values
        ),
        # https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html
        DataAwsIamPolicyDocumentStatement(
            sid="EncryptPassword",
            actions=["kms:Decrypt", "kms:Encrypt"],
            resources=[kms_key_arn],
            condition=[condition("StringLike", "kms:EncryptionContext:PARAMETER_ARN", passwords)],
        ),
    ]


def _interview_route(account: Account, project_prefix: str) -> list[DataAwsIamPolicyDocumentStatement]:
    """Its target group, whose name is the interview's id alone, and its rule on our load balancer."""
    groups = account.arn("elasticloadbalancing", "targetgroup/*/*")
    listeners = account.arn("elasticloadbalancing", f"listener/app/{project_prefix}/*/*")
    rules = account.arn("elasticloadbalancing", f"listener-rule/app/{project_prefix}/*/*/*")
    return [
        DataAwsIamPolicyDocumentStatement(
            sid="CreateRoute",
            actions=["elasticloadbalancing:CreateRule", "elasticloadbalancing:CreateTargetGroup"],
            resources=[groups, listeners],
            condition=[_of_this_project("Request", project_prefix), of_an_interview("Request")],
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
            condition=[_of_this_project("Resource", project_prefix), of_an_interview("Resource")],
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
    ]


def _interview_task(
    account: Account, project_prefix: str, passed_role_arns: list[str]
) -> list[DataAwsIamPolicyDocumentStatement]:
    """Its task definition and its service, which starts the tasks by itself."""
    services = account.arn("ecs", f"service/{project_prefix}/*")
    definitions = account.arn("ecs", f"task-definition/{project_prefix}-*:*")
    inside = in_cluster(account, project_prefix)
    return [
        DataAwsIamPolicyDocumentStatement(
            sid="RegisterTask",
            actions=["ecs:RegisterTaskDefinition"],
            resources=[definitions],
            condition=[_of_this_project("Request", project_prefix), of_an_interview("Request")],
        ),
        DataAwsIamPolicyDocumentStatement(
            sid="CreateService",
            actions=["ecs:CreateService"],
            resources=[services],
            condition=[inside, _of_this_project("Request", project_prefix), of_an_interview("Request")],
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
            condition=[inside, _of_this_project("Resource", project_prefix), of_an_interview("Resource")],
        ),
        DataAwsIamPolicyDocumentStatement(
            sid="DescribeServices", actions=["ecs:DescribeServices"], resources=[services], condition=[inside]
        ),
        DataAwsIamPolicyDocumentStatement(
            sid="DescribeTasks",
            actions=["ecs:DescribeTasks"],
            resources=[account.arn("ecs", f"task/{project_prefix}/*")],
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
            resources=passed_role_arns,
            condition=[condition("StringEquals", "iam:PassedToService", "ecs-tasks.amazonaws.com")],
        ),
    ]


def _interview_record(
    account: Account, domain_name: str, hosted_zone_id: str
) -> list[DataAwsIamPolicyDocumentStatement]:
    zone = f"arn:{account.partition}:route53:::hostedzone/{hosted_zone_id}"
    return [
        DataAwsIamPolicyDocumentStatement(
            sid="ChangeRecord",
            actions=["route53:ChangeResourceRecordSets"],
            resources=[zone],
            condition=[
                condition(
                    "ForAllValues:StringLike",
                    "route53:ChangeResourceRecordSetsNormalizedRecordNames",
                    f"*.{domain_name}",
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
            resources=[f"arn:{account.partition}:route53:::change/*"],
        ),
    ]


def condition(test: str, variable: str, *values: str) -> DataAwsIamPolicyDocumentStatementCondition:
    """A condition of a policy statement, in one line."""
    return DataAwsIamPolicyDocumentStatementCondition(test=test, variable=variable, values=list(values))


def in_cluster(account: Account, project_prefix: str) -> DataAwsIamPolicyDocumentStatementCondition:
    """Holds an ECS call to our cluster."""
    return condition("ArnEquals", "ecs:cluster", account.arn("ecs", f"cluster/{project_prefix}"))


def _of_this_project(side: str, project_prefix: str) -> DataAwsIamPolicyDocumentStatementCondition:
    """``side`` is Request for what is created, Resource for what exists."""
    return condition("StringEquals", f"aws:{side}Tag/Project", project_prefix)


def of_an_interview(side: str) -> DataAwsIamPolicyDocumentStatementCondition:
    """Holds a call to what carries an interview's tag; ``side`` is Request at its creation, Resource later."""
    return condition("StringLike", f"aws:{side}Tag/InterviewId", "?*")
