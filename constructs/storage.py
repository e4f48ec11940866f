"""The bucket of templates, challenges, workspaces and state, and the bucket of access logs."""

from collections.abc import Sequence
from typing import Any

from constructs import Construct
from constructs.account import Account
from constructs.aws import (
    DataAwsIamPolicyDocument,
    S3Bucket,
    S3BucketLifecycleConfiguration,
    S3BucketLifecycleConfigurationRule,
    S3BucketLifecycleConfigurationRuleAbortIncompleteMultipartUpload,
    S3BucketLifecycleConfigurationRuleExpiration,
    S3BucketLifecycleConfigurationRuleFilter,
    S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration,
    S3BucketLoggingA,
    S3BucketMetric,
    S3BucketOwnershipControls,
    S3BucketOwnershipControlsRule,
    S3BucketPolicy,
    S3BucketPublicAccessBlock,
    S3BucketServerSideEncryptionConfigurationA,
    S3BucketServerSideEncryptionConfigurationRuleA,
    S3BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultA,
    S3BucketVersioningA,
    S3BucketVersioningVersioningConfiguration,
)
from constructs.policy import Principals, Statement, allow, condition, service
from constructs.project import Project
from constructs.waivers import waive
from contract.names import HISTORY, WORK, bucket_name

ALB_LOG_PREFIX = "alb"
S3_LOG_PREFIX = "s3"

NONCURRENT_VERSION_DAYS = 90
"""How long a replaced or deleted template, workspace or state can be brought back."""

UNFINISHED_UPLOAD_DAYS = 1

UNKEPT_WORK_DAYS = 2
"""No interview is longer than a day, whose first states must not expire while it lasts."""

REQUEST_METRICS = "EntireBucket"
"""The name that the S3 console gives to request metrics of a whole bucket."""


class PrivateBucket(Construct):
    """A bucket of this account alone: encrypted, reached over TLS only, without ACLs and never public.

    Encrypted with S3's own keys. Elastic Load Balancing can write to no other kind of bucket
    (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html), Terraform's
    ``encrypt`` asks for them by name, and a key of our own would have to be granted to every task that reads a
    challenge: the one key that opens the passwords. No secret lies in a bucket. Outputs: ``name`` and ``arn``; what
    refers to ``name`` waits for the bucket policy.
    """

    def __init__(
        self, scope: Construct, id: str, *, project: Project, name: str, statements: Sequence[Statement] = ()
    ) -> None:
        super().__init__(scope, id)
        self.arn = project.account.bucket_arn(name)
        self._bucket = S3Bucket(self, "bucket", bucket=name, force_destroy=not project.deletion_protection)
        waive(
            self._bucket,
            "CKV_AWS_145",
            "encrypted with S3's own keys: load balancing writes to no other bucket, and see the class",
            "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html",
        )
        waive(
            self._bucket,
            "CKV_AWS_144",
            "interviews last hours and live in one region; templates and challenges can be published again",
            "https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication.html",
        )
        waive(
            self._bucket,
            "CKV2_AWS_62",
            "nothing acts on single objects; who touched what is in the access logs",
            "https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html",
        )
        S3BucketOwnershipControls(
            self,
            "ownership",
            bucket=self._bucket.id,
            rule=S3BucketOwnershipControlsRule(object_ownership="BucketOwnerEnforced"),
        )
        S3BucketServerSideEncryptionConfigurationA(
            self,
            "encryption",
            bucket=self._bucket.id,
            rule=[
                S3BucketServerSideEncryptionConfigurationRuleA(
                    apply_server_side_encryption_by_default=S3BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultA(
                        sse_algorithm="AES256"
                    )
                )
            ],
        )
        public_access = S3BucketPublicAccessBlock(
            self,
            "public_access",
            bucket=self._bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
        )
        only_over_tls = Statement(
            sid="OnlyOverTls",
            effect="Deny",
            principals=[Principals(type="AWS", identifiers=["*"])],
            actions=["s3:*"],
            resources=[self.arn, f"{self.arn}/*"],
            condition=[condition("Bool", "aws:SecureTransport", "false")],
        )
        document = DataAwsIamPolicyDocument(self, "permissions", statement=[only_over_tls, *statements])
        policy = S3BucketPolicy(
            self,
            "policy",
            bucket=self._bucket.id,
            policy=document.json,
            # S3 refuses two changes of a bucket's access at the same time.
            depends_on=[public_access],
        )
        self.name = policy.bucket

    def _expire(
        self,
        *rules: S3BucketLifecycleConfigurationRule,
        depends_on: list[S3BucketVersioningA] | None = None,
    ) -> None:
        S3BucketLifecycleConfiguration(
            self, "lifecycle", bucket=self._bucket.id, rule=list(rules), depends_on=depends_on
        )


def _rule(id: str, *, prefix: str = "", **expiration: Any) -> S3BucketLifecycleConfigurationRule:
    """Applies ``expiration`` to every object below ``prefix``, and ends uploads that nobody finishes."""
    return S3BucketLifecycleConfigurationRule(
        id=id,
        status="Enabled",
        filter=[S3BucketLifecycleConfigurationRuleFilter(prefix=prefix)],
        abort_incomplete_multipart_upload=[
            S3BucketLifecycleConfigurationRuleAbortIncompleteMultipartUpload(
                days_after_initiation=UNFINISHED_UPLOAD_DAYS
            )
        ],
        **expiration,
    )


def _kept_versions(days: int) -> list[S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration]:
    return [S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration(noncurrent_days=days)]


class LogBucket(PrivateBucket):
    """Receives the access logs of the load balancer below ``alb/`` and of ``logged_bucket`` below ``s3/``.

    Objects are deleted after the project's ``log_retention_days``. Outputs: ``name`` and ``arn``.
    """

    def __init__(self, scope: Construct, id: str, *, project: Project, logged_bucket: PrivateBucket) -> None:
        account = project.account
        # Bucket names are global; the instance bucket's is the specification's, this one is ours to make unique.
        name = f"{project.prefix}-logs-{account.account_id}"
        arn = account.bucket_arn(name)
        super().__init__(
            scope,
            id,
            project=project,
            name=name,
            statements=[_logs_of_load_balancers(arn, account), _logs_of_bucket(arn, account, logged_bucket)],
        )
        waive(
            self._bucket,
            "CKV_AWS_18",
            "this is the bucket of access logs; logging its own writes would never end",
            "https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerLogs.html",
        )
        waive(
            self._bucket,
            "CKV_AWS_21",
            "a log is written once under a name of its own, nobody may delete it, and it expires",
            "https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html",
        )
        self._expire(
            _rule(
                "expire-logs",
                expiration=[S3BucketLifecycleConfigurationRuleExpiration(days=project.log_retention_days)],
            )
        )


def _logs_of_load_balancers(arn: str, account: Account) -> Statement:
    """Lets the load balancers of this account and region write below ``alb/``."""
    # The ARN names the account. Public projects of 2026 quote it so from enable-access-logging.html, above, and get
    # their logs; one was refused with it: docs/operations.md, Deploying. There is no aws:SourceAccount, because a key
    # that load balancing does not send would deny every log.
    return allow(
        "LoadBalancerLogs",
        ["s3:PutObject"],
        [f"{arn}/{ALB_LOG_PREFIX}/AWSLogs/{account.account_id}/*"],
        condition("ArnLike", "aws:SourceArn", account.arn("elasticloadbalancing", "loadbalancer/*")),
        to=service("logdelivery.elasticloadbalancing.amazonaws.com"),
    )


def _logs_of_bucket(arn: str, account: Account, logged_bucket: PrivateBucket) -> Statement:
    """Lets S3 write the access logs of ``logged_bucket`` below ``s3/``
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html).
    """
    return allow(
        "BucketLogs",
        ["s3:PutObject"],
        [f"{arn}/{S3_LOG_PREFIX}/*"],
        condition("StringEquals", "aws:SourceAccount", account.account_id),
        condition("ArnLike", "aws:SourceArn", logged_bucket.arn),
        to=service("logging.s3.amazonaws.com"),
    )


class InstanceBucket(PrivateBucket):
    """Holds ``instance/``, ``releases/``, ``challenge/``, ``workspaces/`` and the interviews' state, versioned.

    Only two kinds of current objects expire, which are of candidates: ``history/`` after ``history_retention_days``,
    and saved work, ``work/``, after ``work_retention_days``, or after two days where it is deleted with the interview
    and a deletion failed. CloudWatch counts the bucket's requests, in metrics that have a price (``prequel cost``).
    Outputs: ``name``, ``arn``, and ``versioning`` (for whoever must not write before it).
    """

    def __init__(
        self, scope: Construct, id: str, *, project: Project, history_retention_days: int, work_retention_days: int
    ) -> None:
        super().__init__(scope, id, project=project, name=bucket_name(project.prefix))
        self.versioning = S3BucketVersioningA(
            self,
            "versioning",
            bucket=self._bucket.id,
            versioning_configuration=S3BucketVersioningVersioningConfiguration(status="Enabled"),
        )
        self._expire(
            _rule("expire-noncurrent-versions", noncurrent_version_expiration=_kept_versions(NONCURRENT_VERSION_DAYS)),
            _rule(
                "expire-history",
                prefix=HISTORY,
                expiration=[S3BucketLifecycleConfigurationRuleExpiration(days=history_retention_days)],
                noncurrent_version_expiration=_kept_versions(1),
            ),
            _rule(
                "expire-work",
                prefix=WORK,
                expiration=[S3BucketLifecycleConfigurationRuleExpiration(days=work_retention_days or UNKEPT_WORK_DAYS)],
                noncurrent_version_expiration=_kept_versions(1),
            ),
            # S3 takes it in no rule that has days.
            _rule(
                "remove-delete-markers-of-work",
                prefix=WORK,
                expiration=[S3BucketLifecycleConfigurationRuleExpiration(expired_object_delete_marker=True)],
            ),
            depends_on=[self.versioning],
        )
        S3BucketMetric(self, "requests", bucket=self._bucket.id, name=REQUEST_METRICS)

    def log_to(self, log_bucket: LogBucket) -> None:
        """Logs every request to this bucket in ``log_bucket``."""
        S3BucketLoggingA(
            self,
            "access_logs",
            bucket=self._bucket.id,
            target_bucket=log_bucket.name,
            target_prefix=f"{S3_LOG_PREFIX}/",
        )
