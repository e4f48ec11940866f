"""Whether the availability zones that the network takes offer all that is put into them."""

from collections.abc import Iterator

from scripts.preflight.findings import Finding, Subject, error

FARGATE_ZONES = {
    "ap-northeast-1": frozenset({"apne1-az1", "apne1-az2", "apne1-az4"}),
    "us-west-1": frozenset({"usw1-az1", "usw1-az3"}),
}
"""Where Fargate is not offered in every zone, the zone ids where it is. The others are AWS's constrained zones, which
offer no NAT gateway either
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/AWS_Fargate-Regions.html,
https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html#nat-gateway-troubleshooting-unsupported-az).
"""


def chosen_zones(subject: Subject) -> list[tuple[str, str]]:
    """The names and ids of the zones that the network takes, as far as the region has them."""
    listed = subject.aws.ec2.describe_availability_zones(
        Filters=[{"Name": "state", "Values": ["available"]}, {"Name": "zone-type", "Values": ["availability-zone"]}]
    )["AvailabilityZones"]
    ids = {zone["ZoneName"]: zone.get("ZoneId", "") for zone in listed}
    names = subject.settings.availability_zone_names or sorted(ids)[: subject.settings.availability_zones]
    return [(name, ids[name]) for name in names if name in ids]


def look_at_zones(subject: Subject) -> Iterator[Finding]:
    """There are as many zones as are configured, and each offers Fargate and NAT gateways."""
    settings, chosen = subject.settings, chosen_zones(subject)
    if len(chosen) < settings.availability_zones:
        yield error(
            f"{settings.aws_region} offers this account {len(chosen)} of the {settings.availability_zones} availability"
            " zones",
            "lower availability_zones, correct availability_zone_names, or choose another aws_region",
        )
    offered = FARGATE_ZONES.get(settings.aws_region)
    for name, zone_id in chosen:
        if offered is not None and zone_id not in offered:
            yield error(
                f"the availability zone {name} ({zone_id}) offers neither Fargate nor NAT gateways",
                f"name zones with the ids {', '.join(sorted(offered))} in availability_zone_names",
            )
