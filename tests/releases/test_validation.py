"""What the validation refuses, without Terraform's provider."""

import io
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from contract.names import PLACEHOLDERS, SHARED_VALUES_FILE
from scripts.console import Console
from scripts.dev.render import TEMPLATE_DIRECTORY
from scripts.errors import SharedValuesError, TemplateError
from scripts.releases import validation
from scripts.releases.policy import POLICIES, SENTINEL_PASSWORD, Plan
from scripts.releases.release import Limits, Release
from scripts.shared_stack.values import TemplateVariables
from tests.releases.samples import LIMITS

AWS_KEY = "AKIA" + "ABCDEFGHIJKLMNOP"
PRIVATE_KEY = "-----BEGIN RSA " + "PRIVATE KEY-----"


def committed(**shared: Any) -> Release:
    """The committed template set with whatever shared values."""
    return Release.assemble(TEMPLATE_DIRECTORY, _shared() | shared, LIMITS)


@cache
def _shared() -> dict[str, Any]:
    names = TemplateVariables((TEMPLATE_DIRECTORY / "variables.tf").read_text()).shared
    return dict.fromkeys(names, "x")


def with_text(release: Release, name: str, change: Callable[[str], str]) -> Release:
    return Release({**release.files, name: change(release.files[name].decode()).encode()}, release.limits)


def refusal(release: Release) -> str:
    with pytest.raises(TemplateError) as raised:
        validation.check(release, Console(err=io.StringIO()))
    return str(raised.value)


@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
def test_a_missing_or_doubled_or_stray_placeholder_is_refused(placeholder: str) -> None:
    missing = refusal(with_text(committed(), "main.tf", lambda text: text.replace(placeholder, "x")))
    doubled = refusal(with_text(committed(), "main.tf", lambda text: f"# {placeholder}\n{text}"))
    stray = refusal(with_text(committed(), "service.tf", lambda text: f"# {placeholder}\n{text}"))
    assert missing == f"main.tf holds {placeholder} 0 times, expected 1"
    assert doubled == f"main.tf holds {placeholder} 2 times, expected 1"
    assert stray == f"service.tf holds {placeholder} 1 times, expected 0"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (f"# {AWS_KEY}", "AWS access key id"),
        (f"# {PRIVATE_KEY}", "private key"),
        ("# ghp_" + "a" * 36, "GitHub token"),
        ("# xoxb-" + "1234567890", "Slack token"),
        ("# password = " + '"hunter22"', "literal secret"),
        ("# db_secret: " + '"hunter22"', "literal secret"),
    ],
)
def test_what_looks_like_a_secret_is_refused_with_file_and_line(line: str, kind: str) -> None:
    error = refusal(with_text(committed(), "outputs.tf", lambda text: f"{line}\n{text}"))
    assert error == f"outputs.tf line 1 looks like a credential ({kind}); take it out"
    assert line[2:] not in error


def test_a_secret_among_the_shared_values_is_refused() -> None:
    assert SHARED_VALUES_FILE in refusal(committed(vpc_id=AWS_KEY))


def test_the_loader_image_of_earlier_releases_is_refused() -> None:
    image = "public.ecr.aws/aws-cli/aws-cli:2.27.0"
    assert refusal(committed(challenge_loader_image=image)) == (
        f"challenge_loader_image is {image}, expected an image that has prequel-load; "
        "remove it from terraform.tfvars and deploy the shared stack"
    )


@pytest.mark.parametrize(("loader", "warned"), [("", True), ("ghcr.io/example/loader:1", False)])
def test_the_public_editor_without_a_loader_is_warned_of(loader: str, *, warned: bool) -> None:
    image = "docker.io/codercom/code-server:4.99.4"
    release = committed(code_server_image=image, challenge_loader_image=loader)
    said = io.StringIO()
    with pytest.raises(TemplateError):  # ends before terraform
        validation.check(with_text(release, "main.tf", lambda _: ""), Console(err=said))
    assert (f"{image} has no prequel-load, without which no interview starts" in said.getvalue()) == warned


def test_references_to_secrets_are_no_secrets() -> None:
    text = 'password = var.password\nsecret = "${var.secret}"\ndefault = ""\nname = "PASSWORD"\n'
    release = with_text(committed(), "outputs.tf", lambda old: old + text)
    assert list(validation._secrets(release)) == []


def test_unformatted_hcl_is_refused() -> None:
    error = refusal(with_text(committed(), "outputs.tf", lambda text: text.replace("  value ", "  value    ")))
    assert error == "outputs.tf is not formatted; run `terraform fmt`"


def test_hcl_that_is_none_is_refused_in_one_line() -> None:
    error = refusal(with_text(committed(), "service.tf", lambda text: text + 'resource "x" {\n'))
    assert error.startswith("terraform fmt: ")
    assert "\n" not in error


def test_a_set_without_what_clients_rely_on_is_refused() -> None:
    error = refusal(with_text(committed(), "outputs.tf", lambda text: text.replace('"access_url"', '"url"')))
    assert error == "outputs.tf has no output access_url, which clients read"


def test_a_variable_that_nobody_gives_is_refused() -> None:
    error = refusal(
        with_text(committed(), "variables.tf", lambda text: text + '\nvariable "new" {\n  type = string\n}\n')
    )
    assert error == "variables.tf has a variable new that has no default and no value"


def test_all_problems_of_the_text_are_reported_at_once() -> None:
    release = with_text(committed(), "main.tf", lambda text: f"# {AWS_KEY}\n{text.replace(PLACEHOLDERS[0], 'x')}")
    assert len(refusal(release).splitlines()) == 2


def test_the_compatible_versions_are_read_from_the_template() -> None:
    assert validation.version_ranges(committed()) == (">= 1.11", ">= 5.100.0, < 7.0.0")


def test_limits_that_no_load_balancer_can_keep_are_refused() -> None:
    with pytest.raises(SharedValuesError, match="max_instances is 100"):
        Limits.of({"max_instances": 100, "interview_default_minutes": 90, "interview_maximum_minutes": 240})


# Policies, each on a plan that breaks it and on one that does not.


def container(**changes: Any) -> dict[str, Any]:
    return {
        "name": "code-server",
        "user": "1000:1000",
        "readonlyRootFilesystem": True,
        "linuxParameters": {"capabilities": {"drop": ["ALL"]}},
        "secrets": [{"name": "PASSWORD", "valueFrom": "arn:aws:ssm:us-east-1:123456789012:parameter/x"}],
        "logConfiguration": {"logDriver": "awslogs"},
    } | changes


def plan(
    *containers: dict[str, Any],
    task: dict[str, Any] | None = None,
    service: dict[str, Any] | None = None,
    parameter: dict[str, Any] | None = None,
    more: tuple[tuple[str, dict[str, Any]], ...] = (),
) -> Plan:
    resources = (
        ("aws_ecs_task_definition", {"network_mode": "awsvpc"} | (task or {})),
        ("aws_ecs_service", {"network_configuration": [{"assign_public_ip": False}]} | (service or {})),
        ("aws_ssm_parameter", {"type": "SecureString", "key_id": "arn:aws:kms:x"} | (parameter or {})),
        *more,
    )
    resources[0][1].setdefault("container_definitions", json.dumps(containers or [container()]))
    return Plan(
        [{"address": f"{t}.x", "type": t, "mode": "managed", "change": {"after": after}} for t, after in resources]
    )


def broken(plan: Plan) -> set[str]:
    return {name for name, policy in POLICIES.items() if list(policy(plan))}


def test_a_good_plan_breaks_no_policy() -> None:
    assert broken(plan()) == set()


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        (plan(more=(("aws_iam_role", {}),)), "only known resource types"),
        (plan(task={"container_definitions": ""}), "container definitions known"),
        (plan(service={"network_configuration": [{"assign_public_ip": True}]}), "no public address"),
        (plan(service={"network_configuration": []}), "no public address"),
        (plan(service={"enable_execute_command": True}), "no ECS Exec"),
        (plan(task={"network_mode": "host"}), "tasks isolated from their host"),
        (plan(task={"pid_mode": "task"}), "tasks isolated from their host"),
        (plan(task={"volume": [{"host_path": "/"}]}), "tasks isolated from their host"),
        (plan(container(privileged=True)), "no privileged container"),
        (plan(container(), container(name="other", linuxParameters={"capabilities": {"add": ["SYS_ADMIN"]}})),
         "no privileged container"),
        (plan(container(readonlyRootFilesystem=False)), "candidate's container locked down"),
        (plan(container(user="0:0")), "candidate's container locked down"),
        (plan(container(linuxParameters={})), "candidate's container locked down"),
        (plan(container(name="other")), "candidate's container locked down"),
        (plan(container(environment=[{"name": "PASSWORD", "value": "x"}])), "secrets by reference only"),
        (plan(container(secrets=[{"name": "PASSWORD", "valueFrom": "plain"}])), "secrets by reference only"),
        (plan(parameter={"type": "String"}), "password encrypted and write-only"),
        (plan(parameter={"key_id": ""}), "password encrypted and write-only"),
        (plan(parameter={"value": "x"}), "password encrypted and write-only"),
        (plan(parameter={"description": SENTINEL_PASSWORD}), "password nowhere in the plan"),
        (plan(container(logConfiguration=None)), "containers logged"),
    ],
)  # fmt: skip
def test_each_policy_finds_what_breaks_it(bad: Plan, name: str) -> None:
    assert name in broken(bad)
