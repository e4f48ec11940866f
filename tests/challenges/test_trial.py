"""`prequel challenge try`: each sample in the real image, and each way in which a challenge can be wrong."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from scripts.challenges.source import read_challenge
from scripts.challenges.trial import Trial, TrialStep, read_solution
from scripts.cli.challenge import app
from scripts.engine.engine import Engine
from scripts.engine.image import editor_image
from scripts.errors import ChallengeError, EngineError, PrequelError
from scripts.project import PROJECT
from tests import machine

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("trial")]

SOLUTIONS = Path(__file__).parent / "solutions"
SAMPLES = ["go/webhook-queue", "javascript/price-cache", "python/rate-limiter", "sql/bike-share"]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    machine.require(machine.ENGINE)
    with Engine.find() as found:
        yield found


@pytest.fixture(scope="module")
def image(engine: Engine) -> str:
    return editor_image(engine)


Try = Callable[[Mapping[str, str]], list[TrialStep]]


@pytest.fixture
def attempt(engine: Engine, image: str, tmp_path: Path) -> Try:
    """Tries a challenge of these files, besides its README, and returns the steps."""

    def run(files: Mapping[str, str]) -> list[TrialStep]:
        home = tmp_path / "python" / "sums"
        for path, content in {"README.md": "# Sums\n", **files}.items():
            (home / path).parent.mkdir(parents=True, exist_ok=True)
            (home / path).write_text(content)
        with Trial(engine, image, read_challenge(home)) as trial:
            return list(trial.steps())

    return run


def left(engine: Engine) -> list[Any]:
    """What trials left on the engine."""
    ours: dict[str, Any] = {"name": "prequel-trial"}
    containers = engine.client.containers.list(all=True, ignore_removed=True, filters=ours)
    return [*containers, *engine.client.volumes.list(filters=ours)]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_fails_as_it_comes_and_passes_with_its_solution(engine: Engine, name: str) -> None:
    done = CliRunner().invoke(
        app, ["try", f"{PROJECT}/challenge/{name}", "--solution", f"{SOLUTIONS}/{name}", "--json"]
    )
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout.splitlines()[-1])["result"]
    codes = {step["step"]: step["exit_code"] for step in result["steps"]}
    assert codes["test"] != 0
    assert codes["test with solution"] == 0
    assert result["as_expected"]
    assert left(engine) == []


def test_the_candidate_gets_modes_dot_files_empty_directories_and_links(
    engine: Engine, image: str, tmp_path: Path
) -> None:
    home = tmp_path / "python" / "sums"
    (home / "empty").mkdir(parents=True)
    (home / "README.md").write_text("# Sums\n")
    (home / ".hidden").write_text("x")
    (home / "two\nlines \u00a0\u200d\U0001f600").write_text("x")
    (home / "run.sh").write_text("#!/bin/sh\nstat -c '%A %U %n' run.sh .hidden empty link; ls -q; exit 1\n")
    (home / "run.sh").chmod(0o755)
    (home / "link").symlink_to("run.sh")
    (home / "challenge.toml").write_text('test = "./link"\n')
    with Trial(engine, image, read_challenge(home)) as trial:
        steps = list(trial.steps())
    assert not steps[-1].problem
    assert steps[-1].output.splitlines()[:4] == [
        "-rwxr-xr-x coder run.sh",
        "-rw-r--r-- coder .hidden",
        "drwxr-xr-x coder empty",
        "lrwxrwxrwx coder link",
    ]
    assert "two?lines \u00a0\u200d\U0001f600" in steps[-1].output


@pytest.mark.parametrize(
    ("definition", "step", "problem"),
    [
        ('setup = "false"', "setup", "`false` ended with exit code 1"),
        ('setup = "no-such-program"', "setup", "`no-such-program` was not found"),
        ('tools = ["python3", "cobc"]', "tool", "cobc is not on PATH"),
        ('extensions = ["golang.go"]', "extension", "the image has no extension golang.go"),
        ('test = "true"', "test", "`true` passes already, expected to fail without a solution"),
        ('test = "no-such-program"', "test", "`no-such-program` was not found"),
        ('test = "./README.md"', "test", "`./README.md` cannot be executed"),
    ],
)
def test_what_is_not_as_expected_is_the_last_step(attempt: Try, definition: str, step: str, problem: str) -> None:
    *before, last = attempt({"challenge.toml": definition})
    assert (last.step, last.problem) == (step, problem)
    assert [one.problem for one in before] == [""] * len(before)


def test_what_setup_makes_is_there_for_the_tests_and_the_root_is_read_only(attempt: Try) -> None:
    steps = attempt({"challenge.toml": 'setup = "echo made > file"\ntest = "cat file; touch /usr/x; id -u; exit 3"\n'})
    assert steps[-1].exit_code == 3
    assert steps[-1].output.splitlines() == ["made", "touch: cannot touch '/usr/x': Read-only file system", "1000"]


def test_a_challenge_without_a_definition_is_delivered_and_no_more(attempt: Try) -> None:
    assert [(step.step, step.problem) for step in attempt({})] == [("deliver", "")]


def test_nothing_is_left_behind_when_the_engine_fails_in_the_middle(engine: Engine, image: str) -> None:
    challenge = read_challenge(PROJECT / "challenge" / "python" / "rate-limiter")

    def sabotaged() -> None:
        with Trial(engine, image, challenge) as trial:
            for _ in trial.steps():
                for container in engine.client.containers.list(filters={"name": "prequel-trial"}):
                    container.remove(force=True)

    with pytest.raises(EngineError, match="the container engine failed: "):
        sabotaged()
    assert left(engine) == []


def test_a_failure_is_reported_with_its_output_and_exit_code_1(image: str, tmp_path: Path) -> None:
    home = tmp_path / "python" / "sums"
    home.mkdir(parents=True)
    (home / "README.md").write_text("# Sums\n")
    (home / "challenge.toml").write_text('setup = "echo because of this; exit 7"\n')
    done = CliRunner().invoke(app, ["try", str(home), "--image", image])
    assert isinstance(done.exception, ChallengeError)
    assert str(done.exception) == "`echo because of this; exit 7` ended with exit code 7"
    assert "because of this" in done.stderr


def test_a_solution_needs_a_test_and_a_directory(tmp_path: Path) -> None:
    home = tmp_path / "python" / "sums"
    home.mkdir(parents=True)
    (home / "README.md").write_text("# Sums\n")
    done = CliRunner().invoke(app, ["try", str(home), "--solution", str(home)])
    assert str(done.exception) == f"{home} has no test command, expected test in challenge.toml to try a solution"
    with pytest.raises(ChallengeError, match="nowhere is not a directory"):
        read_solution(tmp_path / "nowhere")


def test_a_candidates_work_is_tested_by_the_challenges_own_command(image: str, tmp_path: Path) -> None:
    home, work = tmp_path / "python" / "sums", tmp_path / "review" / "Ada Lovelace"
    for directory in (home, work):
        directory.mkdir(parents=True)
    (home / "README.md").write_text("# Sums\n")
    (home / "challenge.toml").write_text('test = "cat answer; ls -A; grep -q 42 answer"\n')
    (work / "challenge.toml").write_text('test = "true"\nsetup = "false"\n')
    (work / "answer").write_text("41, AKIA" + "IOSFODNN7EXAMPLE\n")  # what looks like a secret may be run
    (work / "out").symlink_to("/etc/passwd")
    os.mkfifo(work / "pipe")
    (work / ".git").mkdir()
    arguments = ["try", str(home), "--work", str(work), "--image", image]
    failed = CliRunner().invoke(app, arguments)
    assert str(failed.exception) == "`cat answer; ls -A; grep -q 42 answer` ended with exit code 1"
    assert "41, AKIA" in failed.stderr
    assert [line for line in failed.stderr.splitlines() if line.startswith("not delivered: ")] == [
        f"not delivered: {work}/pipe is a pipe, expected files, directories and links; remove it",
        f"not delivered: {work}/out is a link to /etc/passwd, which is outside the challenge; copy the file instead, or"
        " link by a relative path",
    ]
    (work / "answer").write_text("42\n")
    passed = CliRunner().invoke(app, [*arguments, "--json"])
    assert passed.exit_code == 0, passed.output
    [_, test] = json.loads(passed.stdout.splitlines()[-1])["result"]["steps"]
    assert (test["exit_code"], test["output"].split()) == (0, ["42", "answer", "challenge.toml"])


def test_work_is_a_directory_and_no_solution(tmp_path: Path) -> None:
    challenge = f"{PROJECT}/challenge/python/rate-limiter"
    missing = CliRunner().invoke(app, ["try", challenge, "--work", str(tmp_path / "nowhere")])
    assert "expected one that `prequel interview work --to` wrote" in str(missing.exception)
    both = CliRunner().invoke(app, ["try", challenge, "--work", str(tmp_path), "--solution", str(tmp_path)])
    assert both.exit_code == 2


def test_without_an_engine_it_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nowhere.sock")
    done = CliRunner().invoke(app, ["try", f"{PROJECT}/challenge/python/rate-limiter"])
    assert isinstance(done.exception, PrequelError)
    assert "no container engine: " in str(done.exception)
    assert "install podman or Docker" in str(done.exception)


def test_an_image_that_is_no_variant_is_refused_with_those_that_are(engine: Engine, tmp_path: Path) -> None:
    home = tmp_path / "python" / "sums"
    home.mkdir(parents=True)
    (home / "README.md").write_text("# Sums\n")
    (home / "challenge.toml").write_text('image = "cobol"\n')
    done = CliRunner().invoke(app, ["try", str(home)])
    assert '"cobol" is no variant of the image, expected one of: go' in str(done.exception)
    assert left(engine) == []
