"""Whether the bucket's name, which no other account in the world may have, is free or ours."""

from collections.abc import Iterator

from botocore.exceptions import ClientError

from contract.names import bucket_name
from scripts.aws.clients import error_code
from scripts.preflight.findings import Finding, Subject, error

ABSENT = frozenset({"404", "NoSuchBucket", "NotFound"})
TAKEN = frozenset({"301", "403", "400", "AccessDenied", "Forbidden", "PermanentRedirect"})
"""How S3 answers for another account's bucket, for one of another region, and to who may not ask
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html)."""


def look_at_bucket(subject: Subject) -> Iterator[Finding]:
    """The name is free, or the bucket is this account's, in this region and of this environment."""
    s3, settings = subject.aws.s3, subject.settings
    name = bucket_name(settings.project_prefix)
    try:
        s3.head_bucket(**subject.aws.own_bucket(name))
    except ClientError as problem:
        code = error_code(problem)
        if code in ABSENT:
            return
        if code not in TAKEN:
            raise
        # HeadBucket says no more than "no"; the account's own list says whose it is.
        if name not in [bucket["Name"] for bucket in s3.list_buckets(Prefix=name)["Buckets"]]:
            yield error(
                f"the bucket name {name} is taken by another account",
                "choose another project_prefix; bucket names are global",
            )
        else:
            yield error(
                f"the bucket {name} is this account's, but it is not in {settings.aws_region}, or these credentials"
                " may not use it",
                "correct aws_region, or choose another project_prefix",
            )
        return
    environment = _tags(subject, name).get("Environment", settings.environment)
    if environment != settings.environment:
        yield error(
            f'the bucket {name} belongs to the environment "{environment}", and environment is'
            f' "{settings.environment}"',
            "give each environment of an account a project_prefix of its own",
        )


def _tags(subject: Subject, name: str) -> dict[str, str]:
    try:
        answer = subject.aws.s3.get_bucket_tagging(**subject.aws.own_bucket(name))
    except ClientError as problem:
        if error_code(problem) == "NoSuchTagSet":
            return {}
        raise
    return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}
