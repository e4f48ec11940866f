"""The shared stack as a whole: its outputs, its settings, and its addresses."""

import re
from typing import Any

import pytest

from contract.limits import TESTED_PROVIDER
from contract.names import CLIENT_VARIABLE_NAMES, WORK
from stacks.backend_settings import BackendSettings
from stacks.interview_variables import CLIENT_VARIABLES, SHARED_VARIABLES
from tests.conftest import SharedStackFactory, SynthesizedStack

OF_THE_SPECIFICATION = {
    "ecs_cluster_name",
    "alb_dns_name",
    "portal_url",
    "code_server_security_group_id",
    "private_subnet_ids",
}
VARIANTS: list[dict[str, Any]] = [
    {},
    {"wildcard_domain": False},
    {"domain_name": "", "hosted_zone_name": ""},
    {"portal_image": "ghcr.io/example/portal:1.0.0", "egress": "nat_per_az", "alarm_email": "ops@example.com"},
    {"code_server_image": "", "deletion_protection": False, "tags": {"Team": "hiring"}},
]
TERRAFORM_TYPES = {str: "string", bool: "bool", int: "number", list: "list(string)", dict: "map(string)"}


@pytest.fixture(params=VARIANTS, ids=lambda variant: ",".join(variant) or "default")
def variant(request: pytest.FixtureRequest, shared_stack: SharedStackFactory) -> SynthesizedStack:
    return shared_stack(**request.param)


def test_outputs_hold_all_that_the_template_takes_in_its_type(variant: SynthesizedStack) -> None:
    for variable in SHARED_VARIABLES:
        assert TERRAFORM_TYPES[type(variant.outputs[variable.name])] == variable.type, variable.name


def test_a_client_may_give_every_variable_that_the_shared_stack_does_not() -> None:
    assert {variable.name for variable in CLIENT_VARIABLES} == {*CLIENT_VARIABLE_NAMES, "aws_region"}


def test_outputs_of_known_value_pass_the_templates_validation(variant: SynthesizedStack) -> None:
    checked = set()
    for variable in SHARED_VARIABLES:
        value = variant.outputs[variable.name]
        pattern = re.match(r'can\(regex\("(.+)", var\.\w+\)\)$', variable.rules[0].condition)
        if pattern and "${" not in value:
            assert re.search(pattern[1], value), variable.name
            checked.add(variable.name)
    assert checked >= {"project_prefix", "environment", "url_scheme", "domain_name", "cpu_architecture"}


def test_outputs_hold_what_the_specification_and_the_operations_want(default_stack: SynthesizedStack) -> None:
    operations = {"max_instances", "interview_default_minutes", "interview_maximum_minutes"}
    assert default_stack.outputs.keys() >= OF_THE_SPECIFICATION | operations
    for name, output in default_stack.document["output"].items():
        assert output["description"].endswith("."), name


def test_addresses_are_snake_case_without_hashes(variant: SynthesizedStack) -> None:
    for address in variant.addresses | set(variant.outputs):
        assert re.fullmatch(r"[a-z0-9_.]+", address), address
        assert not re.search(r"[0-9A-F]{8}", address), address


def test_nothing_names_this_machine(variant: SynthesizedStack) -> None:
    without_backend = {key: value for key, value in variant.document.items() if key != "terraform"}
    text = str(without_backend).replace(f"/{WORK}", " ")  # the prefix of saved work in the bucket
    assert not re.search(r"/(home|root|tmp|work|opt|Users)/", text)


def test_without_a_domain_interviews_live_below_a_name_that_never_exists(development_stack: SynthesizedStack) -> None:
    outputs = development_stack.outputs
    assert (outputs["url_scheme"], outputs["domain_name"]) == ("http", "prequel.test")
    assert (outputs["hosted_zone_id"], outputs["create_dns_record"]) == ("", False)


def test_an_empty_image_means_the_stacks_own_repository(shared_stack: SharedStackFactory) -> None:
    image = shared_stack(code_server_image="").outputs["code_server_image"]
    assert image == "${aws_ecr_repository.code_server_repository.repository_url}:latest"


@pytest.mark.parametrize("protected", [True, False])
def test_deletion_protection_decides_whether_destroy_succeeds(
    shared_stack: SharedStackFactory, protected: bool
) -> None:
    stack = shared_stack(deletion_protection=protected)
    assert stack.one("aws_lb", "load_balancer_alb")["enable_deletion_protection"] is protected
    assert {bucket["force_destroy"] for bucket in stack.all("aws_s3_bucket").values()} == {not protected}
    assert {repository["force_delete"] for repository in stack.all("aws_ecr_repository").values()} == {not protected}


def test_every_resource_carries_the_tags(shared_stack: SharedStackFactory) -> None:
    stack = shared_stack(tags={"Team": "hiring"})
    (provider,) = stack.document["provider"]["aws"]
    assert stack.outputs["tags"] == {"Team": "hiring"}
    assert provider["default_tags"] == [{"tags": {"Project": "prequel", "Environment": "test", "Team": "hiring"}}]


def test_state_is_local_without_a_backend_and_locked_with_one(shared_stack: SharedStackFactory) -> None:
    local = shared_stack().document["terraform"]["backend"]
    assert local == {"local": {"path": "/configuration/terraform.shared.tfstate"}}
    backend = BackendSettings(bucket="state", key="shared.tfstate", region="eu-central-1", profile="admin")
    assert shared_stack(backend=backend).document["terraform"]["backend"] == {
        "s3": {
            "bucket": "state",
            "key": "shared.tfstate",
            "region": "eu-central-1",
            "encrypt": True,
            "use_lockfile": True,
            "profile": "admin",
        }
    }


def test_a_deployment_uses_the_tested_provider_unless_another_is_chosen(shared_stack: SharedStackFactory) -> None:
    def version(**settings: str) -> Any:
        return shared_stack(**settings).document["terraform"]["required_providers"]["aws"]["version"]

    assert version() == TESTED_PROVIDER
    assert version(aws_provider_version="6.25.0") == "6.25.0"
