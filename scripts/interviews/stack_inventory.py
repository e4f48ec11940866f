"""What exists of all interviews of a shared stack, listed kind by kind with AWS's own list calls."""

import re
from collections.abc import Mapping
from typing import Any

from contract.limits import INTERVIEW_ID_PATTERN
from contract.names import passwords_path, task_family
from scripts.aws.clients import Aws, explained
from scripts.interviews.inventory import balancing_tags, is_routed_here, is_tagged, listener_rules, rule_hosts


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
    cluster, ecs = values["ecs_cluster_arn"], aws.ecs
    with explained(f"list the services of {cluster}"):
        arns = [
            arn for page in ecs.get_paginator("list_services").paginate(cluster=cluster) for arn in page["serviceArns"]
        ]
        services = [
            service
            for start in range(0, len(arns), 10)
            for service in ecs.describe_services(cluster=cluster, services=arns[start : start + 10], include=["TAGS"])[
                "services"
            ]
        ]
    return [
        service["serviceName"]
        for service in services
        if service["status"] != "INACTIVE"
        and is_tagged(service.get("tags", []), service["serviceName"], values["project_prefix"])
    ]


def _target_group_names(aws: Aws, values: Mapping[str, Any]) -> list[str]:
    elbv2 = aws.elbv2
    with explained("list the target groups"):
        pages = elbv2.get_paginator("describe_target_groups").paginate()
        groups = {
            g["TargetGroupArn"]: g["TargetGroupName"]
            for page in pages
            for g in page["TargetGroups"]
            if g.get("VpcId") == values["vpc_id"]
        }
        tags = balancing_tags(aws, list(groups))
    return [name for arn, name in groups.items() if is_tagged(tags.get(arn, []), name, values["project_prefix"])]


def _rule_names(aws: Aws, values: Mapping[str, Any]) -> list[str]:
    with explained("list the listener rules"):
        hosts = {rule["RuleArn"]: rule_hosts(rule) for rule in listener_rules(aws, values)}
        tags = balancing_tags(aws, [arn for arn, named in hosts.items() if named])
    suffix = f".{values['domain_name']}"
    names = [
        (arn, host.removesuffix(suffix)) for arn, named in hosts.items() for host in named if host.endswith(suffix)
    ]
    return [name for arn, name in names if is_tagged(tags.get(arn, []), name, values["project_prefix"])]


def _password_names(aws: Aws, values: Mapping[str, Any]) -> list[str]:
    path = passwords_path(values["project_prefix"])
    with explained("list the password parameters"):
        pages = aws.ssm.get_paginator("get_parameters_by_path").paginate(Path=path, Recursive=True)
        names = [parameter["Name"] for page in pages for parameter in page["Parameters"]]
    return [name.split("/")[3] for name in names if name.endswith("/password")]


def _family_names(aws: Aws, values: Mapping[str, Any]) -> list[str]:
    """Families with an active revision that carries their interview's tags; the portal's has none."""
    prefix, ecs = task_family(values["project_prefix"], ""), aws.ecs
    with explained("list the task definitions"):
        pages = ecs.get_paginator("list_task_definitions").paginate(status="ACTIVE")
        named = {arn.rsplit("/", 1)[-1].rsplit(":", 1)[0]: arn for page in pages for arn in page["taskDefinitionArns"]}
        tags = {
            family.removeprefix(prefix): ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"]).get(
                "tags", []
            )
            for family, arn in named.items()
            if family.startswith(prefix)
        }
    return [name for name, given in tags.items() if is_tagged(given, name, values["project_prefix"])]


def _record_names(aws: Aws, values: Mapping[str, Any]) -> list[str]:
    if not values.get("create_dns_record"):
        return []
    with explained("list the DNS records"):
        pages = aws.route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=values["hosted_zone_id"])
        names = [
            record["Name"].rstrip(".")
            for page in pages
            for record in page["ResourceRecordSets"]
            if record["Type"] == "A" and is_routed_here(record, values)
        ]
    suffix = f".{values['domain_name']}"
    return [name.removesuffix(suffix) for name in names if name.endswith(suffix)]
