"""The AWS account and region that a stack is deployed to, and how ARNs in it are spelled."""

from constructs import Construct
from constructs.aws import DataAwsCallerIdentity, DataAwsPartition


class Account(Construct):
    """Outputs: ``account_id``, ``region``, ``partition`` and ``root_arn``."""

    def __init__(self, scope: Construct, id: str, *, region: str) -> None:
        super().__init__(scope, id)
        self.region = region
        self.account_id = DataAwsCallerIdentity(self, "caller").account_id
        self.partition = DataAwsPartition(self, "partition").partition
        self.root_arn = f"arn:{self.partition}:iam::{self.account_id}:root"

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a regional ``resource``, such as ``repository/prequel-code-server`` of ``ecr``."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account_id}:{resource}"

    def bucket_arn(self, name: str) -> str:
        """The ARN of a bucket, which holds neither region nor account."""
        return f"arn:{self.partition}:s3:::{name}"
