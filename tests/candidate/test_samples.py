"""The challenges that ship with the project, worked on as a candidate does: in the image, in the editor's terminal."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.challenges.source import Challenge, read_challenges
from scripts.engine import image
from scripts.project import PROJECT
from tests.candidate.editor import TERMINAL, browser, wait_until_healthy
from tests.candidate.task import Interview

pytestmark = pytest.mark.e2e

SAMPLES = {challenge.name: challenge for challenge in read_challenges(PROJECT / "challenge")}
SOLUTIONS = PROJECT / "tests" / "challenges" / "solutions"


@pytest.fixture(params=SAMPLES)
def sample(request: pytest.FixtureRequest) -> Challenge:
    return SAMPLES[request.param]


@pytest.fixture
def home(sample: Challenge, interview: Interview, tmp_path: Path) -> Iterator[Path]:
    """The candidate's home with the sample, while the editor runs in the image that the sample asks for."""
    reference = image.editor_image(interview.engine, sample.definition.image)
    loader = interview.container("challenge", tmp_path, image=reference)
    address = f"s3://{interview.values['instance_bucket_name']}/challenge/{sample.name}/"
    loader.environment = dict(loader.environment) | {"CHALLENGE": address}
    assert loader.run() == 0, loader.output
    editor = interview.container("code-server", tmp_path, image=reference)
    editor.start()
    try:
        wait_until_healthy(editor)
        yield tmp_path / "home"
    finally:
        editor.stop()


def test_its_own_test_command_fails_before_and_passes_after_the_reference_solution(
    sample: Challenge, home: Path, interview: Interview, tmp_path: Path
) -> None:
    command = f"{sample.definition.test}; echo ended with $?"
    with browser(tmp_path / "chromium") as candidate:
        candidate.open()
        candidate.submit_password(interview.password)
        candidate.wait_for_text(".explorer-folders-view", "README.md")
        candidate.run_in_terminal(command)
        candidate.wait_for_text(TERMINAL, "ended with 1")
        shutil.copytree(SOLUTIONS / sample.name, home / "challenge", dirs_exist_ok=True)
        subprocess.run(["chown", "-R", "1000:1000", home / "challenge"], check=True)
        candidate.run_in_terminal(f"clear; {command}")
        candidate.wait_for_text(TERMINAL, "ended with 0")
