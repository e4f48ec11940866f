"""What the command line says to options that exclude each other, and to the verbs of other tools."""

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import typer

from scripts.cli.app import app
from scripts.cli.conflicts import refuse_conflicts
from scripts.interviews.records import Status
from scripts.project import PROJECT
from tests.interviews.conftest import CHALLENGE, Place, PlaceFactory

FILE_COLUMNS = ("--challenge", "--candidate", "--duration", "--at", "--id", "--image-tag", "--password-stdin")
EXCLUDING = {
    "interview create": {
        *(frozenset({"--from", column}) for column in FILE_COLUMNS),
        *map(frozenset, (("--keep", "--remote"), ("--at", "--keep"), ("--at", "--wait-seconds"))),
    },
    "interview list": set(
        map(frozenset, (("--all", "--ended"), ("--columns", "--wide"), ("--json", "--columns"), ("--json", "--wide")))
    ),
    "interview reap": {frozenset({"--remote", "--parallel"})},
    "interview work": {
        *(frozenset({"--to", other}) for other in ("--diff", "--log", "--delete")),
        *map(frozenset, (("--diff", "--log"), ("--diff", "--delete"), ("--delete", "--log"), ("--delete", "--state"))),
        frozenset({"--log", "--state"}),
    },
}
NEEDED = {("interview create", "--parallel"): "--from", ("cost", "--hours"): "--interviews"}
NEEDED |= {("interview work", option): "--delete" for option in ("--yes", "--dry-run")}

SAMPLES = {
    "--columns": "id",
    "--at": "2027-01-01T00:00Z",
    "--purpose": "deploy",
    "--policy": "deploy",
    "--parallel": "2",
    "--state": "1",
    "--hours": "1",
    "--interviews": "1",
    "--wait-seconds": "1",
}


def commands(group: Any, *path: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *path, name)
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(commands(typer.main.get_command(app)))


def options(command: Any) -> list[Any]:
    return [p for p in command.params if p.param_type_name == "option" and "--help" not in p.opts]


def refused(path: str, *chosen: Any) -> bool:
    """Whether these options of a command cannot be given together."""
    words = [
        word
        for option in chosen
        for word in [option.opts[0], *([] if option.is_flag else [SAMPLES.get(option.opts[0], "x")])]
    ]
    command = COMMANDS[path]
    arguments = ["x" for p in command.params if p.param_type_name == "argument"]
    root = typer.Context(typer.main.get_command(app), info_name="prequel")
    try:
        refuse_conflicts(command.make_context(path, [*words, *arguments], parent=root))
    except typer.BadParameter as error:
        return any(words in error.message for words in ("cannot be given with", "needs --"))
    return False


@pytest.mark.parametrize("path", COMMANDS)
def test_every_pair_of_options_is_taken_or_refused_because_one_would_be_ignored(path: str) -> None:
    for one, other in combinations(options(COMMANDS[path]), 2):
        pair = {one.opts[0], other.opts[0]}
        lacking = [name for name in pair if NEEDED.get((path, name), name) not in pair]
        expected = bool(lacking) or frozenset(pair) in EXCLUDING.get(path, set())
        assert refused(path, one, other) is expected, pair


def prequel(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts", *arguments],
        cwd=PROJECT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_options_that_exclude_each_other_are_refused_before_a_file_is_read(tmp_path: Path) -> None:
    done = prequel("interview", "create", "--from", str(tmp_path / "none.csv"), "--duration", "9h")
    assert done.returncode == 2
    assert done.stderr == (
        "error: --from cannot be given with --duration: the file has a column for it; "
        "see `prequel interview create --help`\n"
    )


@pytest.mark.parametrize(
    ("words", "instead"),
    [
        *((f"interview {word}", "interview destroy") for word in ("delete", "rm", "stop", "terminate")),
        *((word, "interview destroy") for word in ("delete", "destroy", "rm")),
        *((word, "interview list") for word in ("ls", "list", "ps")),
        *(("interview ls", "interview list"), ("interview get", "interview show"), ("new", "interview create")),
        *(("help", "--help"), ("interview help", "interview --help"), ("version", "--version")),
        *(("template", "templates"), ("challenge rm", "challenge remove"), ("templates ls", "templates list")),
        *(("interview passwd", "interview password"), ("challenge push", "challenge publish")),
    ],
)
def test_a_verb_of_another_tool_is_answered_with_ours(words: str, instead: str) -> None:
    from scripts.cli.app import misused

    command = typer.main.get_command(app)
    with pytest.raises(typer.TyperException) as wrong:
        command.main(words.split(), prog_name="prequel", standalone_mode=False)
    assert f"perhaps `prequel {instead}`" in misused(wrong.value)


def completed(shell: str, line: str, place: Place) -> list[str]:
    """What ``shell`` is offered behind ``line``."""
    words = line.split(" ")
    variables = {"_PREQUEL_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": line}
    variables |= {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    return prequel(**(place.environment | variables)).stdout.split()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_ids_and_challenges_are_completed_from_the_bucket(new_place: PlaceFactory, shell: str) -> None:
    place = new_place()
    place.stored("ada-1", Status.ACTIVE)
    place.stored("bob-2", Status.ACTIVE)
    assert any("ada-1" in word for word in completed(shell, "prequel interview show a", place))
    assert not any("bob-2" in word for word in completed(shell, "prequel interview show a", place))
    offered = completed(shell, "prequel interview create --challenge py", place)
    assert any(CHALLENGE in word for word in offered)


def test_completion_offers_nothing_and_says_nothing_without_a_configuration(tmp_path: Path) -> None:
    done = prequel(
        PREQUEL_CONFIG_DIR=str(tmp_path),
        _PREQUEL_COMPLETE="complete_bash",
        COMP_WORDS="prequel interview show a",
        COMP_CWORD="3",
    )
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_the_variables_of_a_local_aws_can_be_removed_again_also_when_it_is_gone(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts", "local", "env", "--unset"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("unset ")
    assert {"AWS_ENDPOINT_URL", "PREQUEL_CONFIG_DIR"} <= set(done.stdout.split())
