"""Whether the hosted zone is there, and whether the internet asks it."""

from collections.abc import Iterator

from scripts.preflight.findings import Finding, Subject, UnansweredError, error, unanswered


def look_at_domain(subject: Subject) -> Iterator[Finding]:
    """One public zone holds the domain, and its parent names the zone's own name servers."""
    settings = subject.settings
    if not settings.domain_name:
        return
    name = settings.hosted_zone_name or settings.domain_name
    listed = subject.aws.route53.list_hosted_zones_by_name(DNSName=name)["HostedZones"]
    zones = [zone for zone in listed if zone["Name"].rstrip(".") == name]
    public = [zone["Id"] for zone in zones if not zone.get("Config", {}).get("PrivateZone")]
    if len(public) != 1:
        found = f"{len(public)} public hosted zones are named {name}" if public else f"no public hosted zone is {name}"
        yield error(
            f"{found} in account {subject.home.account_id}, expected one; the certificate is validated through it",
            f"create it with `aws route53 create-hosted-zone --name {name} --caller-reference {name}`, or set"
            " hosted_zone_name to the zone that holds domain_name"
            if not public
            else "delete those that the domain's registrar does not name",
        )
        return
    answer = subject.aws.route53.get_hosted_zone(Id=public[0])
    expected = frozenset(server.lower().rstrip(".") for server in answer["DelegationSet"]["NameServers"])
    yield from _delegation(subject, name, expected)


def _delegation(subject: Subject, name: str, expected: frozenset[str]) -> Iterator[Finding]:
    servers = ", ".join(sorted(expected))
    try:
        found = subject.nameservers(name)
    except UnansweredError as problem:
        yield unanswered(
            f"the public DNS could not be asked for the name servers of {name}: {problem}",
            f"compare `dig NS {name}` with {servers}",
        )
        return
    # https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/domain-name-servers-glue-records.html
    if found != expected:
        got = f"the public DNS names {', '.join(sorted(found))}" if found else "the public DNS has no name servers"
        yield error(
            f"{got} for {name}, expected those of the hosted zone; the certificate would never be validated",
            f"enter {servers} at the registrar, or as NS records in the parent zone",
        )
