"""The regions that a configuration may name."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from contract.limits import REGION_DESCRIPTION, REGION_PATTERN

OTHER_PARTITIONS = {
    "cn-": "aws-cn",
    "eusc-": "aws-eusc",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "eu-isoe-": "aws-iso-e",
    "us-isof-": "aws-iso-f",
}
"""Partitions by the beginning of their regions' names, which nothing of this project was tested in. A test compares
them with botocore's data."""


def _supported_region(region: Any) -> Any:
    """``region``; raises ``ValueError`` if it is of a partition that is not supported."""
    for begin, partition in OTHER_PARTITIONS.items():
        if isinstance(region, str) and region.startswith(begin):
            raise ValueError(f"a region of the partition aws; {partition} is not supported")
    return region


Region = Annotated[
    str, BeforeValidator(_supported_region), Field(pattern=REGION_PATTERN, description=REGION_DESCRIPTION)
]
