"""The bucket that holds the shared stack's Terraform state, which must exist before Terraform can use it."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from scripts.aws.clients import Aws, OwnBucket, boto_session, error_code, explained
from scripts.console import Console
from scripts.errors import AwsError

if TYPE_CHECKING:
    from stacks.backend_settings import BackendSettings

_PUBLIC_ACCESS_BLOCK = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def backend_aws(backend: "BackendSettings") -> Aws:
    """Clients for the account and region that ``backend`` names; raises ``AwsError`` for an unknown profile."""
    return Aws(backend.region, session=boto_session(backend.profile))


def create_state_bucket(
    aws: Aws, backend: "BackendSettings", console: Console, *, dry_run: bool = False
) -> tuple[bool, list[str]]:
    """Makes the bucket of ``backend``: versioned, encrypted, private, TLS only.

    Returns whether it had to be created and, for a bucket that was there, what it lacks of this. Such a bucket is only
    inspected, because its policy and its key may have other users. Raises ``AwsError`` when the name belongs to
    another account.
    """
    bucket = backend.bucket
    if _exists(aws, bucket):
        with explained(f"look at the state bucket {bucket}"):
            findings = list(_findings(aws, bucket))
        for finding in findings:
            console.warn(f"the bucket {bucket} {finding}")
        console.say(f"the bucket {bucket} exists in {aws.region} and was left as it is")
        return False, findings
    if dry_run:
        console.say(f"would create and secure the bucket {bucket} in {aws.region}, account {aws.account_id}")
        return True, []
    with explained(f"create the state bucket {bucket}"):
        _create(aws, bucket)
        _secure(aws, bucket, backend.kms_key_id)
    console.say(f"the state bucket {bucket} is ready in {aws.region}, account {aws.account_id}")
    return True, []


def _create(aws: Aws, bucket: str) -> None:
    # us-east-1 is the one region that CreateBucket refuses as a location
    # (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html).
    place = {} if aws.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": aws.region}}
    aws.s3.create_bucket(Bucket=bucket, **place)  # type: ignore[arg-type]


def _secure(aws: Aws, bucket: str, kms_key_id: str | None) -> None:
    """Without ``kms_key_id`` S3's own keys encrypt, as they do in every bucket."""
    own = aws.own_bucket(bucket)
    aws.s3.put_bucket_versioning(**own, VersioningConfiguration={"Status": "Enabled"})
    if kms_key_id is not None:
        default: Any = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": kms_key_id}
        rule: Any = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}
        aws.s3.put_bucket_encryption(**own, ServerSideEncryptionConfiguration={"Rules": [rule]})
    blocked: Any = dict.fromkeys(_PUBLIC_ACCESS_BLOCK, True)
    aws.s3.put_public_access_block(**own, PublicAccessBlockConfiguration=blocked)
    partition = aws.caller_arn.split(":")[1]
    aws.s3.put_bucket_policy(**own, Policy=json.dumps(_tls_only(f"arn:{partition}:s3:::{bucket}")))


def _findings(aws: Aws, bucket: str) -> Iterator[str]:
    own = aws.own_bucket(bucket)
    if aws.s3.get_bucket_versioning(**own).get("Status") != "Enabled":
        yield "has versioning off, so that a broken state cannot be taken back; see aws s3api put-bucket-versioning"
    blocked = _answer(aws, "get_public_access_block", own).get("PublicAccessBlockConfiguration", {})
    if not all(blocked.get(name) for name in _PUBLIC_ACCESS_BLOCK):
        yield "does not block public access; see aws s3api put-public-access-block"
    if "aws:SecureTransport" not in _answer(aws, "get_bucket_policy", own).get("Policy", ""):
        yield "has no policy that refuses what comes without TLS (aws:SecureTransport); see aws s3api put-bucket-policy"


def _answer(aws: Aws, operation: str, own: OwnBucket) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = getattr(aws.s3, operation)(**own)
    except ClientError as error:
        if error_code(error) in {"NoSuchPublicAccessBlockConfiguration", "NoSuchBucketPolicy"}:
            return {}
        raise
    return answer


def _exists(aws: Aws, bucket: str) -> bool:
    with explained(f"look for the bucket {bucket}"):
        try:
            aws.s3.head_bucket(**aws.own_bucket(bucket))
        except ClientError as error:
            if error_code(error) in {"404", "NoSuchBucket"}:
                return False
            raise AwsError(
                f"the bucket {bucket} answers {error_code(error)}: its name is taken by another account or lies in "
                "another region, or the caller lacks s3:ListBucket on it; choose another name in backend.config"
            ) from error
    return True


def _tls_only(arn: str) -> dict[str, object]:
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
