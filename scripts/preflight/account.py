"""Who deploys, and whether the region can be used."""

from collections.abc import Iterator

from botocore.exceptions import ClientError

from scripts.aws.clients import error_code
from scripts.preflight.findings import Finding, Subject, error, warning


def look_at_credentials(subject: Subject) -> Iterator[Finding]:
    """There are credentials, and they are not the root user's."""
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/root-user-best-practices.html
    if subject.home.caller_arn.endswith(":root"):
        yield warning(
            f"the credentials are those of the root user of account {subject.home.account_id}",
            "use a role that has the policies of `prequel preflight --policy deploy`",
        )


def look_at_region(subject: Subject) -> Iterator[Finding]:
    """The region exists, and the account has enabled it."""
    region = subject.settings.aws_region
    try:
        (found,) = subject.home.ec2.describe_regions(RegionNames=[region], AllRegions=True)["Regions"]
    except ClientError as problem:
        if error_code(problem) != "InvalidParameterValue":
            raise
        yield error(f"aws_region is {region}, which AWS does not know", "correct aws_region in terraform.tfvars")
        return
    # https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html
    if found.get("OptInStatus") == "not-opted-in":
        yield error(
            f"account {subject.home.account_id} has not enabled the region {region}",
            f"enable it with `aws account enable-region --region-name {region}`, or choose another aws_region",
        )
