"""The workflows: safe by zizmor's audits, and made of commands that exist."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from scripts.cli.app import app
from scripts.project import PROJECT

RECIPE = PROJECT / "docs" / "ci" / "prequel.yml"
CI = PROJECT / ".github" / "workflows" / "ci.yml"


def audited(workflow: Path) -> subprocess.CompletedProcess[str]:
    zizmor = Path(sys.executable).parent / "zizmor"
    return subprocess.run(
        [
            str(zizmor),
            "--offline",
            "--persona",
            "pedantic",
            "--config",
            str(PROJECT / ".github" / "zizmor.yml"),
            str(workflow),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("workflow", [RECIPE, CI], ids=lambda path: path.name)
def test_a_workflow_is_valid_and_safe(workflow: Path) -> None:
    done = audited(workflow)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("permissions:\n      contents: read\n      id-token: write # to assume the role", "permissions: write-all"),
        ("        with:\n          persist-credentials: false\n", ""),
        ("run: make diff", "run: echo ${{ github.event.pull_request.title }}"),
        ("runs-on: ubuntu-latest", "runs_on: ubuntu-latest"),
    ],
)
def test_a_workflow_that_is_not_is_noticed(tmp_path: Path, before: str, after: str) -> None:
    workflow = tmp_path / ".github" / "workflows" / "prequel.yml"
    workflow.parent.mkdir(parents=True)
    text = RECIPE.read_text()
    assert before in text
    workflow.write_text(text.replace(before, after))
    assert audited(workflow).returncode != 0


def test_every_command_of_the_recipe_exists_and_none_asks() -> None:
    ran = re.findall(r"run: (.+)", RECIPE.read_text())
    targets = {line.partition(":")[0] for line in (PROJECT / "Makefile").read_text().splitlines() if ": " in line}
    group = typer.main.get_command(app)
    for line in ran:
        words = [word for word in shlex.split(line) if "=" not in word]
        if words[0] == "make":
            assert words[1] in targets
        elif words[0].endswith("cdktf"):
            assert words[1:] == ["deploy", "shared", "--auto-approve"]
        else:
            assert words[0] == ".venv/bin/prequel"
            command = group
            while hasattr(command, "commands"):
                command = command.commands[words.pop(1)]
            options = {option for parameter in command.params for option in parameter.opts}
            assert set(words[1:]) <= options
            assert "--yes" not in options or "--yes" in words


def test_the_role_is_only_for_named_environments_of_one_repository() -> None:
    role = (PROJECT / "docs" / "ci" / "role.tf").read_text()
    assert '"repo:${var.repository}:environment:${name}"' in role
    assert "StringLike" not in role
    done = subprocess.run(["terraform", "fmt", "-check", "-"], input=role, capture_output=True, text=True, check=False)
    assert done.returncode == 0
