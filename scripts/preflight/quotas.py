"""Whether the account's quotas have room for what is deployed, and for ``max_instances`` interviews on it."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil

from botocore.exceptions import ClientError

from contract.limits import BUILD_QUOTAS
from contract.names import bucket_name
from scripts.aws.clients import error_code
from scripts.challenges.catalog import ChallengeBucket
from scripts.errors import PrequelError
from scripts.preflight.findings import Finding, Severity, Subject, unanswered
from scripts.preflight.zones import chosen_zones


@dataclass(frozen=True)
class Quota:
    """One quota: what Service Quotas calls it, what we need of it, and what others of the account use already.

    ``severity`` is an error where the deployment itself would fail, and ``lack`` what does not work without.
    """

    service: str
    code: str
    name: str
    need: Callable[[Subject], int]
    lack: str
    severity: Severity = Severity.WARNING
    used: Callable[[Subject], int] = lambda _: 0


def _gateways(subject: Subject) -> int:
    settings = subject.settings
    return settings.availability_zones if settings.egress == "nat_per_az" else 1


def _processors(subject: Subject) -> int:
    """For interviews that all have the size of the largest, the shared stack's or a published challenge's."""
    settings = subject.settings
    # Two tasks of 256 CPU units: a portal, and its successor while it is replaced (constructs/portal.py).
    portal = 512 if settings.portal_image else 0
    largest = max([settings.code_server_cpu, *_sizes_of_challenges(subject)])
    return ceil((settings.max_instances * largest + portal) / 1024)


def _sizes_of_challenges(subject: Subject) -> list[int]:
    """CPU units of the published challenges; none where there is no bucket, or none that may be read."""
    bucket = ChallengeBucket(subject.aws, bucket_name(subject.settings.project_prefix))
    try:
        return [manifest.definition.size.cpu for manifest in bucket.manifests()]
    except PrequelError:
        return []


def _target_groups(subject: Subject) -> int:
    return subject.settings.max_instances + bool(subject.settings.portal_image)


def _is_ours(subject: Subject, tags: Iterator[tuple[str, str]]) -> bool:
    return ("Project", subject.settings.project_prefix) in tags


def _vpcs_of_others(subject: Subject) -> int:
    vpcs = subject.aws.ec2.describe_vpcs()["Vpcs"]
    return sum(not _is_ours(subject, ((t["Key"], t["Value"]) for t in vpc.get("Tags", []))) for vpc in vpcs)


def _addresses_of_others(subject: Subject) -> int:
    addresses = subject.aws.ec2.describe_addresses()["Addresses"]
    return sum(not _is_ours(subject, ((t["Key"], t["Value"]) for t in one.get("Tags", []))) for one in addresses)


def _gateways_of_others(subject: Subject) -> int:
    """In the zone of ours that has most of them."""
    ec2 = subject.aws.ec2
    found = ec2.describe_nat_gateways(Filters=[{"Name": "state", "Values": ["pending", "available", "deleting"]}])
    others = [
        gateway["SubnetId"]
        for gateway in found["NatGateways"]
        if "SubnetId" in gateway and not _is_ours(subject, ((t["Key"], t["Value"]) for t in gateway.get("Tags", [])))
    ]
    if not others:
        return 0
    subnets = ec2.describe_subnets(SubnetIds=sorted(set(others)))["Subnets"]
    zones = {subnet["SubnetId"]: subnet["AvailabilityZone"] for subnet in subnets}
    counted = Counter(zones[subnet] for subnet in others)
    return max((counted[name] for name, _ in chosen_zones(subject)), default=0)


def quotas(subject: Subject) -> tuple[Quota, ...]:
    """The quotas that this configuration meets.

    Codes: `aws service-quotas list-service-quotas --service-code SERVICE`
    (https://docs.aws.amazon.com/general/latest/gr/aws-service-information.html lists each service's).
    """
    return (
        Quota("vpc", "L-F678F1CE", "VPCs per Region", lambda _: 1, "no network", Severity.ERROR, _vpcs_of_others),
        Quota(
            *("ec2", "L-0263D0A3", "EC2-VPC Elastic IPs", _gateways, "no NAT gateway"),
            severity=Severity.ERROR,
            used=_addresses_of_others,
        ),
        Quota(
            *("vpc", "L-FE5A380F", "NAT gateways per Availability Zone", lambda _: 1, "no NAT gateway"),
            severity=Severity.ERROR,
            used=_gateways_of_others,
        ),
        # Fixed at 100, https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html.
        Quota(
            *("elasticloadbalancing", "L-822D1B1B", "Target Groups per Application Load Balancer", _target_groups),
            lack="fewer interviews than max_instances can run",
        ),
        Quota(
            *("fargate", "L-3032A538", "Fargate On-Demand vCPU resource count", _processors),
            lack="fewer interviews than max_instances can run",
        ),
        # The reaper, and the two functions of constructs/image_indexing.py
        # (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
        Quota(
            *("lambda", "L-B99A9384", "Concurrent executions", lambda s: 3 if s.settings.soci_indexing else 1),
            lack="the reaper may be throttled",
        ),
        Quota(
            *("codebuild", *BUILD_QUOTAS[subject.settings.runner_architecture], lambda _: 1),
            lack="no build can start: overdue interviews are stopped but not removed, and scheduled ones do not begin",
        ),
        *(
            Quota(
                *("codebuild", *BUILD_QUOTAS[architecture], lambda _: 1),
                lack="`prequel image build` cannot build for cpu_architecture",
            )
            for architecture in {subject.settings.cpu_architecture} - {subject.settings.runner_architecture}
        ),
    )


def look_at_quotas(subject: Subject) -> Iterator[Finding]:
    """Each quota, as applied to the account or else AWS's default, holds what is needed beside what is used."""
    for quota in quotas(subject):
        need, used, value = quota.need(subject), quota.used(subject), _value(subject, quota)
        if value is None:
            yield unanswered(
                f"Service Quotas does not know {quota.service} {quota.code} ({quota.name}) in"
                f" {subject.settings.aws_region}",
                f"compare it with the {need} that are needed in the console of Service Quotas",
            )
        elif value < need + used:
            yield Finding(
                quota.severity,
                f"the quota {quota.name} ({quota.code}) is {value:g}{f', of which {used} are in use' if used else ''},"
                f" expected {need} more: {quota.lack}"
                if used
                else f"the quota {quota.name} ({quota.code}) is {value:g}, expected {need}: {quota.lack}",
                f"`aws service-quotas request-service-quota-increase --service-code {quota.service} --quota-code"
                f" {quota.code} --desired-value {need + used}`",
            )


def _value(subject: Subject, quota: Quota) -> float | None:
    """What applies to the account; what has never been changed has only a default
    (https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html)."""
    client = subject.aws.client("service-quotas")
    for ask in (client.get_service_quota, client.get_aws_default_service_quota):
        try:
            return float(ask(ServiceCode=quota.service, QuotaCode=quota.code)["Quota"]["Value"])
        except ClientError as problem:
            if error_code(problem) != "NoSuchResourceException":
                raise
    return None
