"""The network and who may speak to whom in it."""

import json
import re
import string
from typing import Any

import pytest

from constructs.security_groups import described
from tests.conftest import SharedStackFactory, SynthesizedStack

ANYWHERE = "0.0.0.0/0"
RESOLVER = "10.0.0.2/32"


def rules(stack: SynthesizedStack, direction: str, group: str) -> set[tuple[str, str, int, int]]:
    """Who, protocol, first and last port of every rule of one security group."""
    return {
        (rule.get("cidr_ipv4") or rule["referenced_security_group_id"], *ports_of(rule))
        for rule in stack.all(f"aws_vpc_security_group_{direction}_rule").values()
        if rule["security_group_id"] == group_id(group)
    }


def ports_of(rule: dict[str, Any]) -> tuple[str, int, int]:
    return rule["ip_protocol"], rule["from_port"], rule["to_port"]


def group_id(name: str) -> str:
    return f"${{aws_security_group.security_{name}.id}}"


def test_code_server_hears_the_load_balancer_only(default_stack: SynthesizedStack) -> None:
    assert rules(default_stack, "ingress", "code_server") == {(group_id("load_balancer"), "tcp", 8443, 8443)}


def test_code_server_reaches_the_web_and_the_resolver_only(default_stack: SynthesizedStack) -> None:
    assert rules(default_stack, "egress", "code_server") == {
        (ANYWHERE, "tcp", 443, 443),
        (ANYWHERE, "tcp", 80, 80),
        (RESOLVER, "tcp", 53, 53),
        (RESOLVER, "udp", 53, 53),
    }


def test_the_resolver_moves_with_the_network(shared_stack: SharedStackFactory) -> None:
    stack = shared_stack(vpc_cidr="172.20.4.0/22")
    assert ("172.20.4.2/32", "udp", 53, 53) in rules(stack, "egress", "code_server")


def test_the_load_balancer_reaches_code_server_only(default_stack: SynthesizedStack) -> None:
    assert rules(default_stack, "ingress", "load_balancer") == {(ANYWHERE, "tcp", 80, 80), (ANYWHERE, "tcp", 443, 443)}
    assert rules(default_stack, "egress", "load_balancer") == {(group_id("code_server"), "tcp", 8443, 8443)}


def test_without_a_domain_port_443_stays_closed(development_stack: SynthesizedStack) -> None:
    assert rules(development_stack, "ingress", "load_balancer") == {(ANYWHERE, "tcp", 80, 80)}


def test_the_portal_is_reached_through_the_load_balancer_only(portal_stack: SynthesizedStack) -> None:
    assert rules(portal_stack, "ingress", "portal") == {(group_id("load_balancer"), "tcp", 3000, 3000)}
    assert (group_id("portal"), "tcp", 3000, 3000) in rules(portal_stack, "egress", "load_balancer")


def test_every_rule_is_described_and_none_is_inline(portal_stack: SynthesizedStack) -> None:
    for direction in ("ingress", "egress"):
        assert all(
            rule["description"] for rule in portal_stack.all(f"aws_vpc_security_group_{direction}_rule").values()
        )
    for group in portal_stack.all("aws_security_group").values():
        assert group["description"]
        assert not {"ingress", "egress"} & group.keys()


def test_ec2_accepts_every_description(portal_stack: SynthesizedStack) -> None:
    # As the CreateSecurityGroup page has it, https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
    accepted = set(string.ascii_letters + string.digits + ". _-:/()#,@[]+=&;{}!$*")
    kinds = ("aws_security_group", "aws_vpc_security_group_ingress_rule", "aws_vpc_security_group_egress_rule")
    descriptions = [resource["description"] for kind in kinds for resource in portal_stack.all(kind).values()]
    assert len(descriptions) > 15
    for description in descriptions:
        assert set(description) <= accepted, description
        assert 1 <= len(description) <= 255, description


@pytest.mark.parametrize("description", ["The VPC's resolver", "", "a" * 256, "naïve"])
def test_a_description_that_ec2_refuses_fails_before_anything_is_deployed(description: str) -> None:
    with pytest.raises(ValueError, match="refused by EC2"):
        described(description)


def test_the_default_security_group_lets_nothing_through(default_stack: SynthesizedStack) -> None:
    assert default_stack.one("aws_default_security_group", "network_default").keys() == {"vpc_id", "tags", "//"}


@pytest.mark.parametrize(("egress", "gateways"), [("single_nat", 1), ("nat_per_az", 3)])
def test_nat_gateways_follow_the_egress_setting(shared_stack: SharedStackFactory, egress: str, gateways: int) -> None:
    stack = shared_stack(egress=egress, availability_zones=3)
    assert len(stack.all("aws_nat_gateway")) == len(stack.all("aws_eip")) == gateways
    tables = {
        stack.one("aws_route_table_association", f"network_private_{zone}_routes")["route_table_id"]
        for zone in range(3)
    }
    assert len(tables) == gateways
    gateway_subnets = {gateway["subnet_id"] for gateway in stack.all("aws_nat_gateway").values()}
    public = [f"${{aws_route_table_association.network_public_{zone}_routes.subnet_id}}" for zone in range(gateways)]
    assert gateway_subnets == set(public)


@pytest.mark.parametrize(
    ("kind", "name", "gateway"),
    [
        ("aws_lb", "load_balancer_alb", "aws_internet_gateway.network_internet"),
        ("aws_nat_gateway", "network_nat_0", "aws_internet_gateway.network_internet"),
        ("aws_ecs_service", "portal_service", "aws_nat_gateway.network_nat_0"),
    ],
)
def test_nothing_is_placed_in_a_subnet_before_it_has_its_way_out(
    portal_stack: SynthesizedStack, kind: str, name: str, gateway: str
) -> None:
    needed: set[str] = set()
    unseen = {f"{kind}.{name}"}
    while unseen:
        address = unseen.pop()
        needed.add(address)
        resource = json.dumps(portal_stack.one(*address.split(".")))
        unseen |= (set(re.findall(r"aws_\w+\.\w+", resource)) & portal_stack.addresses) - needed
    assert gateway in needed


def test_private_subnets_go_out_through_nat_and_public_ones_directly(default_stack: SynthesizedStack) -> None:
    assert "gateway_id" in default_stack.one("aws_route", "network_public_internet")
    private = default_stack.one("aws_route", "network_private_nat_0")
    assert "gateway_id" not in private
    assert private["nat_gateway_id"] == "${aws_nat_gateway.network_nat_0.id}"


def test_image_layers_do_not_pass_the_nat_gateway(shared_stack: SharedStackFactory) -> None:
    stack = shared_stack(egress="nat_per_az")
    endpoint = stack.one("aws_vpc_endpoint", "network_s3")
    assert endpoint["vpc_endpoint_type"] == "Gateway"
    assert endpoint["service_name"] == "com.amazonaws.eu-central-1.s3"
    private = {f"${{aws_route.{name}.route_table_id}}" for name in stack.all("aws_route") if "private" in name}
    assert set(endpoint["route_table_ids"]) == private


def test_subnets_lie_in_different_zones_without_public_addresses(shared_stack: SharedStackFactory) -> None:
    subnets = shared_stack(availability_zones=3).all("aws_subnet")
    assert len(subnets) == 6
    assert not any(subnet["map_public_ip_on_launch"] for subnet in subnets.values())
    for kind in ("public", "private"):
        assert len({s["availability_zone"] for name, s in subnets.items() if kind in name}) == 3


def test_named_zones_are_used_in_their_order_and_none_is_looked_up(shared_stack: SharedStackFactory) -> None:
    stack = shared_stack(availability_zone_names=["eu-central-1c", "eu-central-1a"])
    zones = {name: subnet["availability_zone"] for name, subnet in stack.all("aws_subnet").items()}
    assert zones == {
        "network_public_0": "eu-central-1c",
        "network_public_1": "eu-central-1a",
        "network_private_0": "eu-central-1c",
        "network_private_1": "eu-central-1a",
    }
    assert "aws_availability_zones" not in stack.document["data"]


def test_every_connection_in_the_network_is_logged(default_stack: SynthesizedStack) -> None:
    log = default_stack.one("aws_flow_log", "flow_logs_vpc")
    assert log["traffic_type"] == "ALL"
    assert log["log_destination"] == "${aws_cloudwatch_log_group.flow_logs_log_group.arn}"
    assert log["depends_on"] == ["aws_iam_role_policy.flow_logs_writer_policy"], "the first records would be lost"
