"""What the account holds, as moto keeps it: the other checks ask here, so that they need no state of their own."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.backends import get_backend
from moto.core.models import DEFAULT_ACCOUNT_ID

ACCOUNT = DEFAULT_ACCOUNT_ID
GLOBAL = "aws"


def backend(service: Any, region: str = GLOBAL) -> Any:
    """moto's store of one service in one region; ``aws`` for a service without regions."""
    return get_backend(service)[ACCOUNT][region]


def age(resource: Any) -> timedelta:
    """The time since an IAM resource was created; moto keeps times without a zone."""
    created: datetime = resource.create_date
    return datetime.now(UTC).replace(tzinfo=None) - created


def role(arn: str) -> Any | None:
    """The role of that ARN, or None."""
    return next((role for role in list(backend("iam").roles.values()) if role.arn == arn), None)


def trusted_services(found: Any) -> set[str]:
    """The services that a role's trust policy lets assume it."""
    statements = json.loads(found.assume_role_policy_document)["Statement"]
    principals = [statement.get("Principal") for statement in _list(statements) if statement["Effect"] == "Allow"]
    return {
        name for principal in principals if isinstance(principal, dict) for name in _list(principal.get("Service", []))
    }


def active_services(region: str) -> Iterator[Any]:
    """ECS services that have tasks."""
    for service in list(backend("ecs", region).services.values()):
        if service.status == "ACTIVE" and service.running_count and service.desired_count:
            yield service


def target_groups_in_use(region: str) -> dict[str, set[str]]:
    """The target groups that each load balancer's rules forward to, by ARN."""
    elb = backend("elbv2", region)
    found: dict[str, set[str]] = {}
    for balancer in list(elb.load_balancers.values()):
        rules = [rule for listener in list(balancer.listeners.values()) for rule in list(listener.rules.values())]
        found[balancer.arn] = {
            arn for rule in rules for action in rule.actions for arn in elb._get_target_group_arns_from(action.data)
        }
    return found


def interfaces(region: str) -> Iterator[tuple[set[str], set[str]]]:
    """The subnets and the security groups of everything that has a network interface."""
    for balancer in list(backend("elbv2", region).load_balancers.values()):
        yield {subnet.id for subnet in balancer.subnets}, set(balancer.security_groups)
    for service in active_services(region):
        network = service.network_configuration.get("awsvpcConfiguration", {})
        yield set(network.get("subnets", [])), set(network.get("securityGroups", []))
    ec2 = backend("ec2", region)
    # moto leaves the interface of a deleted NAT gateway behind; AWS deletes both.
    left = {gateway._eni.id for gateway in list(ec2.nat_gateways.values()) if gateway.state == "deleted"}
    for interface in [one for one in list(ec2.enis.values()) if one.id not in left]:
        yield {interface.subnet.id}, {group.id for group in interface.group_set}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
