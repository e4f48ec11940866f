"""`prequel templates`, as a person and as a machine use it; the validation and the rehearsal are replaced."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer

from scripts.cli import templates
from scripts.dev.render import TEMPLATE_DIRECTORY
from scripts.errors import PrequelError
from scripts.releases import rehearsal, validation
from scripts.releases.archive import file_key
from scripts.releases.release import Rehearsal
from scripts.shared_stack.values import TemplateVariables
from tests.releases.conftest import BUCKET, Cloud
from tests.releases.samples import LIMITS, SHARED, objects

SHARED_OUTPUTS = TemplateVariables((TEMPLATE_DIRECTORY / "variables.tf").read_text()).shared


@pytest.fixture
def configured(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a configuration and the outputs of a shared stack."""
    assert cloud.bucket == BUCKET
    outputs = dict.fromkeys(SHARED_OUTPUTS, "x") | SHARED | LIMITS.model_dump()
    (tmp_path / "outputs.json").write_text(json.dumps(outputs))
    (tmp_path / "terraform.tfvars").write_text(
        'aws_region = "us-east-1"\nenvironment = "test"\ndomain_name = "interviews.example.com"\n'
    )
    for name, value in (("PREQUEL_CONFIG_DIR", tmp_path), ("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x")):
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(rehearsal, "rehearse", lambda *_: Rehearsal(status="passed", at=datetime.now(UTC)))
    monkeypatch.setattr(validation, "check", lambda *_: ("formatted",))
    return tmp_path


class Prequel:
    """The commands, run in this process."""

    def __init__(self, directory: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.directory = directory
        self._capture = capture
        self.exit_code = 0
        self.err = ""

    def __call__(self, *arguments: str) -> str:
        """Standard output; the exit code and standard error are kept."""
        self._capture.readouterr()
        try:
            self.exit_code = templates.app(list(arguments), standalone_mode=False) or 0
        except typer.Exit as error:
            self.exit_code = error.exit_code
        out, self.err = self._capture.readouterr()
        return out

    def json(self, *arguments: str) -> Any:
        """The result that a machine gets."""
        lines = [json.loads(line) for line in self(*arguments, "--json").splitlines()]
        assert all({"time", "event"} <= line.keys() for line in lines)
        return lines[-1]["result"]

    def publish(self, *arguments: str) -> dict[str, Any]:
        outputs = str(self.directory / "outputs.json")
        result: dict[str, Any] = self.json("publish", "--outputs-file", outputs, "--yes", *arguments)
        return result

    def change(self, templates_directory: Path, text: str) -> str:
        """A template set that differs by ``text``."""
        templates_directory.mkdir(exist_ok=True)
        for path in TEMPLATE_DIRECTORY.glob("*.tf"):
            (templates_directory / path.name).write_bytes(path.read_bytes())
        with (templates_directory / "outputs.tf").open("a") as file:
            file.write(f"# {text}\n")
        return str(templates_directory)


@pytest.fixture
def prequel(configured: Path, capsys: pytest.CaptureFixture[str]) -> Prequel:
    return Prequel(configured, capsys)


def test_publish_list_show_diff_roll_back_and_verify(prequel: Prequel, tmp_path: Path) -> None:
    first = prequel.publish()
    second = prequel.publish("--templates", prequel.change(tmp_path / "changed", "changed"))
    assert (first["status"], second["status"], second["changed"]) == ("published", "published", ["outputs.tf"])
    assert prequel.publish("--templates", str(tmp_path / "changed"))["status"] == "unchanged"

    rows = prequel.json("list")
    assert [(row["digest"], row["current"]) for row in rows] == [(second["digest"], True), (first["digest"], False)]
    assert prequel.json("show")["digest"] == second["digest"]
    assert prequel.json("show", first["digest"][:7])["limits"]["max_instances"] == 10
    assert "+# changed" in prequel("diff", first["digest"][:7], second["digest"][:7])

    assert prequel.json("rollback", "--yes")["digest"] == first["digest"]
    assert prequel.json("show")["digest"] == first["digest"]
    assert prequel.json("verify")["problems"] == []


def test_the_table_is_for_people(prequel: Prequel) -> None:
    digest = prequel.publish("--skip-rehearsal")["digest"]
    head, row = prequel("list").splitlines()
    assert head.split() == ["release", "age", "interviews", "rehearsal", "commit", "by", "problem"]
    assert row.startswith(f"*  {digest[:12]}")
    assert "skipped" in row
    assert "0" in row.split()


def test_verify_exits_1_and_names_the_file(prequel: Prequel, cloud: Cloud) -> None:
    digest = prequel.publish()["digest"]
    cloud.observer().bucket.write(file_key(digest, "service.tf"), b"altered")
    assert prequel("verify") == "12 objects read, 1 problem found\n"
    assert prequel.exit_code == 1
    assert f"error: releases/{digest}/service.tf was altered\n" in prequel.err


def test_values_of_another_environment_are_refused_before_anything_is_read_from_the_bucket(
    prequel: Prequel, cloud: Cloud
) -> None:
    (prequel.directory / "outputs.json").write_text(
        (prequel.directory / "outputs.json").read_text().replace('"environment": "test"', '"environment": "prod"')
    )
    with pytest.raises(PrequelError, match="another deployment: environment is prod, expected test"):
        prequel.publish()
    assert objects(cloud.operator, BUCKET) == {}


def test_without_a_deployed_shared_stack_the_error_says_what_to_do(prequel: Prequel) -> None:
    with pytest.raises(PrequelError, match=r"terraform\.shared\.tfstate is not there; deploy the shared stack first"):
        prequel("publish", "--yes")


def test_a_machine_is_never_asked(prequel: Prequel, cloud: Cloud) -> None:
    with pytest.raises(PrequelError, match="pass --yes"):
        prequel("publish", "--json", "--outputs-file", str(prequel.directory / "outputs.json"))
    assert objects(cloud.operator, BUCKET) == {}


@pytest.mark.parametrize("command", ["publish", "rollback", "verify"])
def test_every_writing_command_has_a_dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert "--dry-run" in Prequel(tmp_path, capsys)(command, "--help")


@pytest.mark.parametrize("command", ["publish", "list", "show", "diff", "rollback", "verify"])
def test_every_help_has_an_example(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert f"prequel templates {command}" in " ".join(Prequel(tmp_path, capsys)(command, "--help").split())


def test_before_the_first_publish_show_and_verify_fail_and_say_what_to_do(prequel: Prequel) -> None:
    for command in ("show", "verify"):
        with pytest.raises(PrequelError, match="there is no release yet; publish one with `prequel templates publish`"):
            prequel(command)
    assert prequel("list") == "there is no release yet; publish one with `prequel templates publish`\n"
