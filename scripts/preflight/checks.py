"""The table of checks, and how they are run."""

import re
from collections.abc import Iterator
from textwrap import shorten
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from scripts.aws.clients import DENIED, REFUSED_CREDENTIALS, Aws, error_code, reason
from scripts.errors import AwsError
from scripts.preflight.account import look_at_credentials, look_at_region
from scripts.preflight.bucket import look_at_bucket
from scripts.preflight.domain import look_at_domain
from scripts.preflight.findings import Check, Finding, Outcome, Subject, error, unanswered
from scripts.preflight.images import look_at_images
from scripts.preflight.linked_roles import look_at_linked_roles
from scripts.preflight.outside import manifest_status, public_nameservers
from scripts.preflight.partition import home_region
from scripts.preflight.quotas import look_at_quotas
from scripts.preflight.zones import look_at_zones

if TYPE_CHECKING:
    from stacks.settings import Settings

CHECKS = (
    Check("credentials", "credentials", look_at_credentials, essential=True),
    Check("region", "region", look_at_region, ("ec2:DescribeRegions",), essential=True),
    Check("bucket", "bucket name", look_at_bucket, ("s3:ListBucket", "s3:ListAllMyBuckets", "s3:GetBucketTagging")),
    Check("domain", "hosted zone", look_at_domain, ("route53:ListHostedZonesByName", "route53:GetHostedZone")),
    Check("zones", "availability zones", look_at_zones, ("ec2:DescribeAvailabilityZones",)),
    Check(
        "quotas",
        "quotas",
        look_at_quotas,
        (
            "ec2:DescribeAddresses",
            "ec2:DescribeAvailabilityZones",
            "ec2:DescribeNatGateways",
            "ec2:DescribeSubnets",
            "ec2:DescribeVpcs",
            "servicequotas:GetAWSDefaultServiceQuota",
            "servicequotas:GetServiceQuota",
        ),
        lasting=True,
    ),
    Check("linked_roles", "service-linked roles", look_at_linked_roles, ("iam:GetRole",)),
    Check("images", "images", look_at_images, ("ecr:DescribeImages", "ecr:ListImages"), lasting=True),
)
"""In the order in which they are asked; docs/deploying.md explains each."""


def subject_of(settings: "Settings") -> Subject:
    """What a user's own credentials, the public DNS and the registries say."""
    region = settings.aws_region
    return Subject(settings, Aws(region), Aws(home_region(region)), public_nameservers, manifest_status)


def run(subject: Subject, checks: tuple[Check, ...] = CHECKS) -> Iterator[Outcome]:
    """What each check finds; ends early when an essential one fails. Changes nothing, and raises nothing of AWS's."""
    for check in checks:
        outcome = Outcome(check, tuple(_findings(check, subject)))
        yield outcome
        if check.essential and outcome.failed:
            return


def limits_of(subject: Subject) -> Iterator[Finding]:
    """What a stack that runs lacks of the account or of registries; nothing about what could not be asked."""
    for outcome in run(subject, tuple(check for check in CHECKS if check.lasting)):
        yield from (finding for finding in outcome.findings if finding.answered)


def _findings(check: Check, subject: Subject) -> Iterator[Finding]:
    try:
        yield from check.look(subject)
    except ClientError as problem:
        yield _refused(check, problem)
    except BotoCoreError as problem:
        yield error(f"AWS could not be asked for the {check.title}: {reason(problem)}", "try again")
    except AwsError as problem:  # of the credentials; it says what to do
        what, _, remedy = str(problem).rpartition("; ")
        yield error(what or remedy, remedy)


def _refused(check: Check, problem: ClientError) -> Finding:
    code = error_code(problem)
    if code in DENIED:
        return unanswered(
            f"the {check.title} could not be checked, because the caller is not allowed: {_right(check, problem)}",
            "allow it; `prequel preflight --policy deploy` prints all that a deployment takes",
        )
    if code in REFUSED_CREDENTIALS:
        return error(f"the {check.title} could not be checked: {reason(problem)}", "sign in again")
    why = shorten(reason(problem), 200)  # on one line, whatever a proxy answered
    return unanswered(f"the {check.title} could not be checked: {why}", "try again, or look in the console")


def _right(check: Check, problem: ClientError) -> str:
    """The IAM action that AWS's message names, else the one that the check says it takes for this operation."""
    named = re.search(r"perform: ([a-z0-9-]+:[A-Za-z0-9]+)", str(problem))
    if named:
        return named[1]
    operation = {"HeadBucket": "ListBucket", "ListBuckets": "ListAllMyBuckets"}.get(
        problem.operation_name, problem.operation_name
    )
    return next((right for right in check.permissions if right.endswith(f":{operation}")), operation)
