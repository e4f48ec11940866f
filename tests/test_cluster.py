"""The cluster, its images, the portal in it, and its alarms."""

import json
import re

from scripts.project import PROJECT
from tests.conftest import SharedStackFactory, SynthesizedStack

TEMPLATES = PROJECT / "instance_templates"


def test_the_cluster_is_measured(default_stack: SynthesizedStack) -> None:
    assert default_stack.one("aws_ecs_cluster", "cluster_fargate")["setting"] == [
        {"name": "containerInsights", "value": "enabled"}
    ]


def test_services_name_fargate_so_that_the_cluster_needs_no_capacity_providers(portal_stack: SynthesizedStack) -> None:
    assert not portal_stack.all("aws_ecs_cluster_capacity_providers")
    (portal,) = portal_stack.all("aws_ecs_service").values()
    assert portal["launch_type"] == "FARGATE"
    interview = "".join(path.read_text() for path in TEMPLATES.glob("*.tf"))
    assert re.findall(r"^\s*launch_type\s*= (.+)$", interview, re.MULTILINE) == ['"FARGATE"']
    assert "capacity_provider" not in interview


def test_an_upgrade_leaves_the_capacity_providers_of_an_older_cluster(default_stack: SynthesizedStack) -> None:
    (removed,) = default_stack.document["removed"]
    assert removed["lifecycle"] == {"destroy": False}


def test_images_are_scanned_and_their_tags_never_move(default_stack: SynthesizedStack) -> None:
    repository = default_stack.one("aws_ecr_repository", "code_server_repository")
    assert repository["image_tag_mutability"] == "IMMUTABLE"
    assert repository["image_scanning_configuration"] == {"scan_on_push": True}


def test_no_image_that_has_a_tag_ever_expires_under_a_release_or_an_interview(default_stack: SynthesizedStack) -> None:
    policy = json.loads(default_stack.one("aws_ecr_lifecycle_policy", "code_server_lifecycle")["policy"])
    assert {rule["selection"]["tagStatus"] for rule in policy["rules"]} == {"untagged"}


def test_no_portal_means_nothing_of_it(default_stack: SynthesizedStack) -> None:
    assert not [address for address in default_stack.addresses if "portal" in address]
    assert default_stack.outputs["portal_url"] == "https://interviews.example.com"


def test_the_portal_answers_for_the_domain_before_any_interview(portal_stack: SynthesizedStack) -> None:
    rule = portal_stack.one("aws_lb_listener_rule", "portal_rule")
    assert rule["priority"] < 1000
    assert rule["condition"] == [{"host_header": {"values": ["interviews.example.com"]}}]
    assert rule["listener_arn"] == "${aws_lb_listener.load_balancer_https.arn}"


def test_without_a_domain_the_portal_answers_for_the_load_balancer(shared_stack: SharedStackFactory) -> None:
    stack = shared_stack(domain_name="", hosted_zone_name="", portal_image="ghcr.io/example/portal:1.0.0")
    rule = stack.one("aws_lb_listener_rule", "portal_rule")
    assert rule["condition"] == [{"host_header": {"values": ["${aws_lb.load_balancer_alb.dns_name}"]}}]
    assert stack.outputs["portal_url"] == "http://${aws_lb.load_balancer_alb.dns_name}"


def test_the_portal_runs_without_a_public_address_or_privileges(portal_stack: SynthesizedStack) -> None:
    service = portal_stack.one("aws_ecs_service", "portal_service")
    assert service["network_configuration"]["assign_public_ip"] is False
    assert service["network_configuration"]["subnets"] == [
        "${aws_route_table_association.network_private_0_routes.subnet_id}",
        "${aws_route_table_association.network_private_1_routes.subnet_id}",
    ]
    containers = portal_stack.one("aws_ecs_task_definition", "portal_task")["container_definitions"]
    assert '"privileged" = false' in containers
    assert '"drop" = ["ALL"]' in containers
