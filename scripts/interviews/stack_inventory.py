"""What exists of all interviews of a shared stack, listed kind by kind with AWS's own list calls."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from contract.limits import INTERVIEW_ID_PATTERN
from contract.names import passwords_path, task_family
from scripts.aws.clients import Aws, explained
from scripts.interviews.inventory import (
    balancing_tags,
    definition_tags,
    family_of,
    is_routed_here,
    is_tagged,
    listener_rules,
    rule_hosts,
)
from scripts.interviews.services import described_services


def live_by_interview(aws: Aws, values: Mapping[str, Any]) -> dict[str, set[str]]:
    """What exists in AWS, by interview id: the kinds of resources that carry its name and its tags."""
    found: dict[str, set[str]] = {}
    for kind, names in (
        ("service", _service_names(aws, values)),
        ("target group", _target_group_names(aws, values)),
        ("listener rule", _rule_names(aws, values)),
        ("password", _password_names(aws, values)),
        ("task definition", _family_names(aws, values)),
        ("DNS record", _record_names(aws, values)),
    ):
        for name in names:
            if re.fullmatch(INTERVIEW_ID_PATTERN, name):
                found.setdefault(name, set()).add(kind)
    return found


def _service_names(aws: Aws, values: Mapping[str, Any]) -> list[str]:
    cluster = values["ecs_cluster_arn"]
    with explained(f"list the services of {cluster}"):
        arns = list(aws.ecs.get_paginator("list_services").paginate(cluster=cluster).search("serviceArns[]"))
        services = list(described_services(aws, cluster, arns, include=["TAGS"]))
    tags = {service["serviceName"]: service.get("tags", []) for service in services if service["status"] != "INACTIVE"}
    return [name for name, given in tags.items() if is_tagged(given, name, values)]


def _target_group_names(aws: Aws, values: Mapping[str, Any]) -> list[str]:
    with explained("list the target groups"):
        pages = aws.elbv2.get_paginator("describe_target_groups").paginate()
        groups = {
            group["TargetGroupArn"]: group["TargetGroupName"]
            for group in pages.search("TargetGroups[]")
            if group.get("VpcId") == values["vpc_id"]
        }
        tags = balancing_tags(aws, list(groups))
    return [name for arn, name in groups.items() if is_tagged(tags.get(arn, []), name, values)]


def _rule_names(aws: Aws, values: Mapping[str, Any]) -> list[str]:
    with explained("list the listener rules"):
        names = {rule["RuleArn"]: _names(rule_hosts(rule), values) for rule in listener_rules(aws, values)}
        tags = balancing_tags(aws, [arn for arn, named in names.items() if named])
    return [name for arn, named in names.items() for name in named if is_tagged(tags.get(arn, []), name, values)]


def _password_names(aws: Aws, values: Mapping[str, Any]) -> list[str]:
    path = passwords_path(values["project_prefix"])
    with explained("list the password parameters"):
        pages = aws.ssm.get_paginator("get_parameters_by_path").paginate(Path=path, Recursive=True)
        return [name.split("/")[3] for name in pages.search("Parameters[].Name") if name.endswith("/password")]


def _family_names(aws: Aws, values: Mapping[str, Any]) -> list[str]:
    """Families with an active revision that carries their interview's tags; the portal's has none."""
    prefix = task_family(values["project_prefix"], "")
    with explained("list the task definitions"):
        pages = aws.ecs.get_paginator("list_task_definitions").paginate(status="ACTIVE")
        latest = {family_of(arn): arn for arn in pages.search("taskDefinitionArns[]")}
        named = {family.removeprefix(prefix): arn for family, arn in latest.items() if family.startswith(prefix)}
        return [name for name, arn in named.items() if is_tagged(definition_tags(aws, arn), name, values)]


def _record_names(aws: Aws, values: Mapping[str, Any]) -> list[str]:
    if not values.get("create_dns_record"):
        return []
    with explained("list the DNS records"):
        pages = aws.route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=values["hosted_zone_id"])
        records = pages.search("ResourceRecordSets[?Type=='A']")
        return _names([record["Name"].rstrip(".") for record in records if is_routed_here(record, values)], values)


def _names(hosts: Iterable[str], values: Mapping[str, Any]) -> list[str]:
    suffix = f".{values['domain_name']}"
    return [host.removesuffix(suffix) for host in hosts if host.endswith(suffix)]
