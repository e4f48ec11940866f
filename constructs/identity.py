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
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html). Output: ``arn``.
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
                        DataAwsIamPolicyDocumentStatementCondition(
                            test="StringEquals", variable="aws:SourceAccount", values=[account.account_id]
                        ),
                        DataAwsIamPolicyDocumentStatementCondition(
                            test="ArnLike", variable="aws:SourceArn", values=[source_arn]
                        ),
                    ],
                )
            ],
        )
        permissions = DataAwsIamPolicyDocument(self, "permissions", statement=statements)
        role = IamRole(self, "role", name=name, description=description, assume_role_policy=trust.json)
        IamRolePolicy(self, "policy", name=name, role=role.name, policy=permissions.json)
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
                    condition=[
                        DataAwsIamPolicyDocumentStatementCondition(
                            test="StringLike", variable="kms:EncryptionContext:PARAMETER_ARN", values=[passwords]
                        )
                    ],
                ),
            ],
        )


class InterviewTaskRole(TaskServiceRole):
    """What runs inside an interview may read: the challenges, and nothing else of the bucket. Output: ``arn``."""

    def __init__(self, scope: Construct, id: str, *, project_prefix: str, account: Account, bucket_name: str) -> None:
        bucket = account.bucket_arn(bucket_name)
        super().__init__(
            scope,
            id,
            name=f"{project_prefix}-task",
            description="Reads the challenges",
            account=account,
            statements=[
                DataAwsIamPolicyDocumentStatement(
                    sid="ReadChallenges", actions=["s3:GetObject"], resources=[f"{bucket}/challenge/*"]
                ),
                DataAwsIamPolicyDocumentStatement(
                    sid="ListChallenges",
                    actions=["s3:ListBucket"],
                    resources=[bucket],
                    condition=[
                        DataAwsIamPolicyDocumentStatementCondition(
                            test="StringLike", variable="s3:prefix", values=["challenge/*"]
                        )
                    ],
                ),
            ],
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
