"""AWS's partitions: which one a region belongs to, and a region of it that every account has."""

HOME_REGIONS = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
"""https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html"""


def partition_of(region: str) -> str:
    """The partition of ``region``, as ARNs name it; of a region that nobody knows, the common one."""
    from botocore.exceptions import UnknownRegionError
    from botocore.session import Session

    try:
        return str(Session().get_partition_for_region(region))
    except UnknownRegionError:
        return "aws"


def home_region(region: str) -> str:
    """A region of the same partition that answers for the whole account."""
    return HOME_REGIONS.get(partition_of(region), region)
