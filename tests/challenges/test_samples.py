"""The challenges that ship with the project: unsolved as they come, and solvable, by their own tests."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.challenges.catalog import ChallengeBucket
from scripts.challenges.publish import publish
from scripts.challenges.source import Challenge, read_challenges
from scripts.project import PROJECT
from tests.challenges.conftest import stored

SAMPLES = {challenge.name: challenge for challenge in read_challenges(PROJECT / "challenge")}
SOLUTIONS = Path(__file__).parent / "solutions"

_TEST_COMMAND = re.compile(r"^Run the tests:\n\n```sh\n(.+)\n```$", re.MULTILINE)


def run_tests(directory: Path) -> subprocess.CompletedProcess[str]:
    """Does what the challenge's README says to run its tests."""
    command = _TEST_COMMAND.findall((directory / "README.md").read_text())
    assert len(command) == 1
    return subprocess.run(
        shlex.split(command[0]), cwd=directory, capture_output=True, text=True, check=False, timeout=30
    )


@pytest.fixture(params=SAMPLES)
def sample(request: pytest.FixtureRequest) -> Challenge:
    return SAMPLES[request.param]


@pytest.fixture
def delivered(sample: Challenge, bucket: ChallengeBucket, tmp_path: Path) -> Path:
    """The sample as a candidate gets it: published, and copied from the bucket."""
    publish(bucket, sample)
    prefix = f"challenge/{bucket.find(sample.name).path}/"
    for path, content in stored(bucket, prefix).items():
        location = tmp_path / "delivered" / path
        location.parent.mkdir(parents=True, exist_ok=True)
        location.write_bytes(content)
    return tmp_path / "delivered"


def test_there_is_one_of_each_kind() -> None:
    assert {name.partition("/")[0] for name in SAMPLES} == {"python", "javascript", "sql"}


def test_it_comes_with_failing_and_with_passing_tests(delivered: Path) -> None:
    done = run_tests(delivered)
    said = done.stdout + done.stderr
    assert done.returncode == 1
    if "# pass " in said:  # node's runner
        passed, failed = (int(re.findall(rf"^# {word} (\d+)$", said, re.MULTILINE)[0]) for word in ("pass", "fail"))
    else:
        assert "errors=" not in said
        failed = int(re.findall(r"^FAILED \(failures=(\d+)\)$", said, re.MULTILINE)[0])
        passed = int(re.findall(r"^Ran (\d+) tests", said, re.MULTILINE)[0]) - failed
    assert failed >= 3
    assert passed >= 1


def test_its_own_tests_pass_with_the_reference_solution(sample: Challenge, delivered: Path) -> None:
    changed = {path.relative_to(SOLUTIONS / sample.name).as_posix() for path in (SOLUTIONS / sample.name).rglob("*.*")}
    assert changed <= sample.files.keys(), "the solution changes only files that the candidate has"
    assert not [path for path in changed if "test" in path]
    shutil.copytree(SOLUTIONS / sample.name, delivered, dirs_exist_ok=True)
    done = run_tests(delivered)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_says_how_long_it_takes(sample: Challenge) -> None:
    minutes = re.findall(r"About (\d+) minutes", sample.files["README.md"].read().decode())
    assert len(minutes) == 1
    assert 30 <= int(minutes[0]) <= 60


def test_it_is_small(sample: Challenge) -> None:
    assert sample.size < 20_000
