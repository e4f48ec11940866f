"""The tools that contributors use exist, and agree with the rest of the tree."""

import re
import subprocess
import sys
from pathlib import Path

from constructs.runner import TERRAFORM_VERSION

ROOT = Path(__file__).parent.parent


def tool_versions() -> dict[str, str]:
    return dict(line.split() for line in (ROOT / ".tool-versions").read_text().splitlines())


def test_tool_versions_name_what_the_runner_and_the_readme_ask_for() -> None:
    named = tool_versions()
    readme = (ROOT / "README.md").read_text()
    python, node = (re.search(rf"{tool}\S* ([0-9.]+) or later", readme) for tool in ("Python", r"\[Node\.js\]"))
    assert python is not None
    assert node is not None
    assert named["terraform"] == TERRAFORM_VERSION
    assert _numbers(named["python"]) >= _numbers(python[1])
    assert _numbers(named["nodejs"]) >= _numbers(node[1])


def test_the_pre_commit_hooks_are_valid_and_name_installed_commands() -> None:
    config = ROOT / ".pre-commit-config.yaml"
    subprocess.run([sys.executable, "-m", "pre_commit", "validate-config", str(config)], cwd=ROOT, check=True)
    commands = re.findall(r"entry: (\S+)", config.read_text())
    assert len(commands) >= 4
    assert [command for command in commands if not (ROOT / command).exists()] == []


def test_every_make_target_that_contributing_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)`", (ROOT / "CONTRIBUTING.md").read_text()))
    assert named
    assert named <= targets


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
