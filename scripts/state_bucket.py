"""The bucket that holds the shared stack's Terraform state, which must exist before Terraform can use it."""

import json

from botocore.exceptions import ClientError

from scripts.aws import Aws, error_code, explained
from scripts.console import Console
from scripts.errors import AwsError


def create_state_bucket(aws: Aws, bucket: str, console: Console, *, dry_run: bool = False) -> bool:
    """Makes ``bucket`` versioned, encrypted, private and TLS-only; returns whether it had to be created.

    Run again, it sets the same properties again. Raises ``AwsError`` when the name belongs to somebody else.
    """
    exists = _exists(aws, bucket)
    if dry_run:
        console.say(f"would {'secure' if exists else 'create and secure'} the bucket {bucket} in {aws.region}")
        return not exists
    with explained(f"create the state bucket {bucket}"):
        if not exists:
            # us-east-1 is the one region that CreateBucket refuses to be told
            # (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html).
            place = (
                {} if aws.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": aws.region}}
            )
            aws.s3.create_bucket(Bucket=bucket, **place)  # type: ignore[arg-type]
        owner = aws.account_id
        aws.s3.put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}, ExpectedBucketOwner=owner
        )
        aws.s3.put_bucket_encryption(
            Bucket=bucket,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}]
            },
            ExpectedBucketOwner=owner,
        )
        aws.s3.put_public_access_block(
            Bucket=bucket,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
            ExpectedBucketOwner=owner,
        )
        aws.s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(_tls_only(bucket)), ExpectedBucketOwner=owner)
    console.say(f"the state bucket {bucket} is ready in {aws.region}")
    return not exists


def _exists(aws: Aws, bucket: str) -> bool:
    try:
        aws.s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=aws.account_id)
    except ClientError as error:
        if error_code(error) in {"404", "NoSuchBucket"}:
            return False
        raise AwsError(
            f"the bucket {bucket} answers {error_code(error)}: its name is taken by another account or lies in another "
            "region; choose another name in backend.config"
        ) from error
    return True


def _tls_only(bucket: str) -> dict[str, object]:
    arn = f"arn:aws:s3:::{bucket}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [arn, f"{arn}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }
