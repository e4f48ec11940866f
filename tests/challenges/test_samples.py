"""The challenges that ship with the project: unsolved as they come, and solvable, by their own tests."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.challenges.catalog import ChallengeBucket
from scripts.challenges.publish import publish
from scripts.challenges.source import Challenge, read_challenges
from scripts.project import PROJECT
from tests import machine
from tests.challenges.conftest import delivered

SAMPLES = {challenge.name: challenge for challenge in read_challenges(PROJECT / "challenge")}
SOLUTIONS = Path(__file__).parent / "solutions"

PACKAGES = {"go": "golang-go", "gofmt": "golang-go", "node": "nodejs"}
"""Of Debian, by command, where they are called otherwise."""

_TEST_COMMAND = re.compile(r"^Run the tests:\n\n```sh\n(.+)\n```$", re.MULTILINE)


def run(command: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Runs one of the challenge's commands, as `prequel challenge try` does."""
    return subprocess.run(
        ["sh", "-c", command], cwd=directory, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture(params=SAMPLES)
def sample(request: pytest.FixtureRequest) -> Challenge:
    return SAMPLES[request.param]


@pytest.fixture
def home(sample: Challenge, bucket: ChallengeBucket, tmp_path: Path) -> Path:
    """The sample as a candidate gets it: published, delivered and set up, with the tools that it names."""
    machine.require({tool: PACKAGES.get(tool, tool) for tool in sample.definition.tools})
    publish(bucket, sample)
    target = delivered(bucket, sample.name, tmp_path / "delivered")
    done = run(sample.definition.setup or "true", target)
    assert done.returncode == 0, done.stderr
    return target


def test_there_is_one_of_each_kind() -> None:
    assert {name.partition("/")[0] for name in SAMPLES} == {"python", "javascript", "sql", "go"}


def test_its_readme_names_its_test_command(sample: Challenge) -> None:
    assert _TEST_COMMAND.findall(sample.tree.files["README.md"].read().decode()) == [sample.definition.test]


def test_it_comes_with_failing_and_with_passing_tests(sample: Challenge, home: Path) -> None:
    done = run(sample.definition.test, home)
    said = done.stdout + done.stderr
    assert done.returncode == 1
    if "# pass " in said:  # node's runner
        passed, failed = (int(re.findall(rf"^# {word} (\d+)$", said, re.MULTILINE)[0]) for word in ("pass", "fail"))
    elif "--- FAIL: " in said:  # Go's
        failed = len(re.findall(r"^--- FAIL: ", said, re.MULTILINE))
        passed = len(re.findall(r"^func Test", (home / "queue_test.go").read_text(), re.MULTILINE)) - failed
    else:
        assert "errors=" not in said
        failed = int(re.findall(r"^FAILED \(failures=(\d+)\)$", said, re.MULTILINE)[0])
        passed = int(re.findall(r"^Ran (\d+) tests", said, re.MULTILINE)[0]) - failed
    assert failed >= 3
    assert passed >= 1


def test_its_own_tests_pass_with_the_reference_solution(sample: Challenge, home: Path) -> None:
    changed = {path.relative_to(SOLUTIONS / sample.name).as_posix() for path in (SOLUTIONS / sample.name).rglob("*.*")}
    assert changed <= sample.tree.files.keys(), "the solution changes only files that the candidate has"
    assert not [path for path in changed if "test" in path]
    shutil.copytree(SOLUTIONS / sample.name, home, dirs_exist_ok=True)
    done = run(sample.definition.test, home)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_says_how_long_it_takes(sample: Challenge) -> None:
    minutes = re.findall(r"About (\d+) minutes", sample.tree.files["README.md"].read().decode())
    assert len(minutes) == 1
    assert 30 <= int(minutes[0]) <= 60


def test_it_is_small(sample: Challenge) -> None:
    assert sample.size < 20_000
