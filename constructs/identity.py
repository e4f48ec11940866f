"""Roles that AWS services assume, each with the narrowest policy that does its job."""

from constructs import Construct
from constructs.account import Account
from constructs.aws import DataAwsIamPolicyDocument, IamRole, IamRolePolicy
from constructs.log_group import write_logs
from constructs.policy import Condition, Principals, Statement, allow, condition


class ServiceRole(Construct):
    """A role that one AWS service assumes, on behalf of resources of this account that match ``source_arn``.

    It is None for a service that does not name one. The conditions keep another account from borrowing the role through
    the same service
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html). Outputs: ``arn``, and ``policy`` (for
    what must not begin before the permissions).
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
        source_arn: str | None,
        statements: list[Statement],
    ) -> None:
        super().__init__(scope, id)
        trust = DataAwsIamPolicyDocument(
            self,
            "trust",
            statement=[
                Statement(
                    principals=[Principals(type="Service", identifiers=[service])],
                    actions=["sts:AssumeRole"],
                    condition=[
                        condition("StringEquals", "aws:SourceAccount", account.account_id),
                        *([condition("ArnLike", "aws:SourceArn", source_arn)] if source_arn else []),
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
        self, scope: Construct, id: str, *, name: str, description: str, account: Account, statements: list[Statement]
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


def list_bucket(bucket_arn: str) -> Statement:
    """Lets a reader of objects that may not exist distinguish a missing one from a forbidden one.

    S3 answers 404 for a missing key only to a caller that may list the bucket, and 403 to any other
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html).
    """
    return allow(
        "ListBucket",
        ["s3:ListBucket"],
        # Without a condition on the prefix: AWS does not document how it reads one when it answers GetObject
        # (https://github.com/ceph/ceph/pull/68577 copies what was seen). Listing shows this project's own keys only.
        [bucket_arn],
    )


def start_container(account: Account, *, project_prefix: str, log_group_name: str) -> list[Statement]:
    """What ECS needs to pull one of this project's images and to write to one log group."""
    return [
        # Signing in to ECR concerns no repository, so AWS offers no narrower resource
        # (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html).
        allow("SignInToRegistry", ["ecr:GetAuthorizationToken"], ["*"]),
        allow(
            "PullImage",
            ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            [account.arn("ecr", f"repository/{project_prefix}-*")],
        ),
        write_logs(account, log_group_name),
    ]


def in_cluster(account: Account, project_prefix: str) -> Condition:
    """Holds an ECS call to our cluster."""
    return condition("ArnEquals", "ecs:cluster", account.arn("ecs", f"cluster/{project_prefix}"))


def of_an_interview(side: str) -> Condition:
    """Holds a call to what carries an interview's tag; ``side`` is Request at its creation, Resource later."""
    return condition("StringLike", f"aws:{side}Tag/InterviewId", "?*")
