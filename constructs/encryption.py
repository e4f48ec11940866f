"""The one customer-managed key of the project: passwords, logs, container images and alarms."""

from constructs import Construct
from constructs.account import Account
from constructs.aws import DataAwsIamPolicyDocument, KmsAlias, KmsKey
from constructs.policy import Principals, allow, condition, service
from constructs.waivers import waive

ADMINISTRATION = [
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListKeyRotations",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    "kms:RetireGrant",
    "kms:RevokeGrant",
    "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
]
"""What the account may grant by IAM policies: every action on a symmetric key of this account, one by one."""

USE_BY_LOGS = [
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
]
"""https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html, without its wildcards."""


class EncryptionKey(Construct):
    """A key that rotates every year, for this account, and for AWS services on this project's resources only.

    ``log_group_names`` may end in ``*``. Output: ``arn``.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        name: str,
        account: Account,
        log_group_names: list[str],
        deletion_window_days: int,
    ) -> None:
        super().__init__(scope, id)
        policy = self._policy(name, account, log_group_names)
        key = KmsKey(
            self,
            "key",
            description=f"Passwords, logs, images and alarms of {name}",
            enable_key_rotation=True,
            deletion_window_in_days=deletion_window_days,
            policy=policy.json,
        )
        for sid in ("AccountAdministration", "LogGroups", "AlarmsToTopic"):
            waive(
                key,
                f"{sid} RESOURCE_STAR",
                "in a key policy it means the key that carries it, and nothing else",
                "https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-overview.html",
            )
        waive(
            key,
            "LogGroups UNKNOWN_CONDITION_FOR_ACTION",
            "as CloudWatch Logs documents it; DescribeKey carries no context, and is refused then",
            "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html",
        )
        KmsAlias(self, "alias", name=f"alias/{name}", target_key_id=key.key_id)
        self.arn = key.arn

    def _policy(self, name: str, account: Account, log_group_names: list[str]) -> DataAwsIamPolicyDocument:
        # In a key policy "*" means the key that carries it; nothing else can be written before the key exists.
        this_key = ["*"]
        log_groups = [account.arn("logs", f"log-group:{log_group}") for log_group in log_group_names]
        return DataAwsIamPolicyDocument(
            self,
            "policy",
            statement=[
                allow(
                    "AccountAdministration",
                    ADMINISTRATION,
                    this_key,
                    to=Principals(type="AWS", identifiers=[account.root_arn]),
                ),
                allow(
                    "LogGroups",
                    USE_BY_LOGS,
                    this_key,
                    condition("StringLike", "kms:EncryptionContext:aws:logs:arn", *log_groups),
                    to=service(f"logs.{account.region}.amazonaws.com"),
                ),
                # An alarm cannot reach an encrypted topic otherwise
                # (https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html).
                allow(
                    "AlarmsToTopic",
                    ["kms:Decrypt", "kms:GenerateDataKey"],
                    this_key,
                    condition("StringLike", "kms:EncryptionContext:aws:sns:topicArn", account.arn("sns", f"{name}-*")),
                    to=service("cloudwatch.amazonaws.com"),
                ),
            ],
        )
