"""The validation and the rehearsal as they are: the real Terraform, the real AWS provider, an embedded AWS."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts.console import Console
from scripts.dev.render import TEMPLATE_DIRECTORY
from scripts.embedded.launcher import EmbeddedAws
from scripts.embedded.seed import seed_shared_infrastructure
from scripts.errors import TemplateError
from scripts.project import PROJECT
from scripts.releases import validation
from scripts.releases.rehearsal import rehearse
from scripts.releases.release import Limits, Release
from scripts.shared_stack.values import SharedValues, TemplateVariables
from tests.releases.test_validation import with_text

pytestmark = pytest.mark.e2e

ONE_TASK = """\
resource "aws_ecs_task_definition" "task" {
  family                = "${var.project_prefix}-${var.interview_id}"
  container_definitions = jsonencode([{ name = "x", image = "x", memory = 128 }])
  EXTRA
}
"""


@pytest.fixture(scope="module")
def outputs() -> dict[str, Any]:
    with EmbeddedAws.start() as embedded:
        return seed_shared_infrastructure(embedded.aws) | {"environment": "test"}


@pytest.fixture
def committed(outputs: dict[str, Any]) -> Release:
    variables = TemplateVariables((TEMPLATE_DIRECTORY / "variables.tf").read_text())
    values = SharedValues.of(outputs, variables)
    return Release.assemble(TEMPLATE_DIRECTORY, values.template, Limits.of(values.limits))


def only_one_task(release: Release, extra: str) -> Release:
    """A template set that makes next to nothing, to be rehearsed quickly."""
    small = with_text(release, "service.tf", lambda _: ONE_TASK.replace("EXTRA", extra))
    return with_text(small, "outputs.tf", lambda _: "# none\n")


def refusal(check: Callable[[Release, Console], Any], release: Release) -> str:
    with pytest.raises(TemplateError) as raised:
        check(release, Console(err=io.StringIO()))
    return str(raised.value)


def test_the_committed_templates_are_rehearsed_and_published_from_the_command_line(
    tmp_path: Path, outputs: dict[str, Any]
) -> None:
    (tmp_path / "outputs.json").write_text(json.dumps(outputs))
    (tmp_path / "terraform.tfvars").write_text(
        'aws_region = "us-east-1"\nenvironment = "test"\ndomain_name = "interviews.example.com"\n'
    )
    with EmbeddedAws.start() as embedded:
        seed_shared_infrastructure(embedded.aws)
        code = "import sys; from scripts.cli.templates import app; app(sys.argv[1:])"
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                code,
                "publish",
                "--yes",
                "--json",
                "--outputs-file",
                str(tmp_path / "outputs.json"),
            ],
            cwd=PROJECT,
            env=embedded.environment | {"PREQUEL_CONFIG_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        pointer = json.loads(
            embedded.aws.s3.get_object(Bucket="prequel-instance", Key="instance/manifest.json")["Body"].read()
        )
    steps = [line["title"] for line in map(json.loads, done.stdout.splitlines()) if line["event"] == "step"]
    assert [step for step in steps if step.startswith("Rehearsal")] == [
        "Rehearsal: starting an embedded AWS",
        "Rehearsal: create",
        "Rehearsal: second plan is empty",
        "Rehearsal: destroy, and nothing is left",
    ]
    assert pointer["rehearsal"]["status"] == "passed"
    assert pointer["rehearsal"]["resources"] == [
        "aws_ecs_service.code_server",
        "aws_ecs_task_definition.task",
        "aws_lb_listener_rule.rule",
        "aws_lb_target_group.target",
        "aws_ssm_parameter.password",
    ]
    assert "candidate's container locked down" in pointer["checks"]


def test_a_set_that_leaves_something_behind_is_refused_with_its_name(committed: Release) -> None:
    error = refusal(rehearse, only_one_task(committed, "skip_destroy = true"))
    assert error.startswith("after the rehearsal's destroy something is left: task definition arn:aws:ecs:")


def test_a_set_whose_second_plan_is_not_empty_is_refused_with_the_address(committed: Release) -> None:
    error = refusal(rehearse, only_one_task(committed, 'tags = { At = formatdate("hhmmss", timestamp()) }'))
    assert error.startswith("a second plan right after the create would change aws_ecs_task_definition.task")


def test_the_validation_judges_the_published_values_themselves(committed: Release) -> None:
    wrong = committed.shared_values | {"vpc_id": "nonsense", "code_server_cpu": 3}
    release = with_text(committed, "shared.auto.tfvars.json", lambda _: json.dumps(wrong))
    error = refusal(validation.check, release)
    assert "vpc_id must be" in error
    assert "code_server_cpu must be a Fargate size" in error


def test_the_validation_finds_a_broken_policy_in_the_template_itself(committed: Release) -> None:
    public = with_text(
        committed, "service.tf", lambda text: text.replace("assign_public_ip = false", "assign_public_ip = true")
    )
    error = refusal(validation.check, public)
    assert error == "aws_ecs_service.code_server gives its containers a public address (no public address)"
