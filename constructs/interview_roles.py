"""The two roles that every interview's task has."""

from dataclasses import dataclass

from constructs import Construct
from constructs.identity import TaskServiceRole, start_container
from constructs.network import Network
from constructs.policy import allow, condition
from constructs.project import Project
from constructs.storage import InstanceBucket
from contract.names import CHALLENGES, WORK, interview_log_group


class InterviewExecutionRole(TaskServiceRole):
    """What ECS itself does to start an interview: pull the image, read the password, write the logs.

    Output: ``arn``.
    """

    def __init__(self, scope: Construct, id: str, *, project: Project) -> None:
        account, project_prefix = project.account, project.prefix
        log_group = interview_log_group(project_prefix)
        passwords = account.arn("ssm", f"parameter/{project_prefix}/interviews/*")
        super().__init__(
            scope,
            id,
            name=f"{project_prefix}-execution",
            description="Starts interviews: image, password and logs",
            account=account,
            statements=[
                *start_container(account, project_prefix=project_prefix, log_group_name=log_group),
                allow("ReadPassword", ["ssm:GetParameters"], [passwords]),
                # https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html
                allow(
                    "DecryptPassword",
                    ["kms:Decrypt"],
                    [project.key.arn],
                    condition("StringLike", "kms:EncryptionContext:PARAMETER_ARN", passwords),
                ),
            ],
        )


class InterviewTaskRole(TaskServiceRole):
    """What runs inside an interview may do: read the challenges, and save work in states that it cannot decrypt.

    It may create states and read them as they are stored; it may not overwrite, list or delete any. KMS makes data keys
    for it and decrypts none (docs/decisions/0033-saved-work.md). It may use the bucket only from inside the VPC of
    ``network``, whose gateway endpoint all its requests to S3 pass: stolen credentials are of no use elsewhere
    (https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-s3.html). Output: ``arn``.
    """

    def __init__(
        self, scope: Construct, id: str, *, project: Project, bucket: InstanceBucket, network: Network
    ) -> None:
        inside = condition("StringEquals", "aws:SourceVpc", network.vpc_id)
        work = f"{bucket.arn}/{WORK}*"
        super().__init__(
            scope,
            id,
            name=f"{project.prefix}-task",
            description="Reads the challenges and saves work",
            account=project.account,
            statements=[
                allow("ReadChallenges", ["s3:GetObject"], [f"{bucket.arn}/{CHALLENGES}*"], inside),
                allow(
                    "ListChallenges",
                    ["s3:ListBucket"],
                    [bucket.arn],
                    inside,
                    condition("StringLike", "s3:prefix", f"{CHALLENGES}*"),
                ),
                allow("ReadWork", ["s3:GetObject"], [work], inside),
                # A write without If-None-Match could replace a state
                # (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html).
                allow(
                    "CreateWork",
                    ["s3:PutObject"],
                    [work],
                    inside,
                    condition("Null", "s3:if-none-match", "false"),
                ),
                # Requests to KMS leave through the NAT gateway, so there is no condition on the network.
                allow(
                    "MakeDataKeys",
                    ["kms:GenerateDataKey"],
                    [project.key.arn],
                    condition("StringLike", "kms:EncryptionContext:work", "?*"),
                ),
            ],
        )


@dataclass(frozen=True)
class InterviewRoles:
    """The roles of every interview's task, passed to ECS by what creates interviews."""

    execution: InterviewExecutionRole
    task: InterviewTaskRole
