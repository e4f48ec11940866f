"""The saver in the real image, as the task definition says: work survives the task, and the saver reveals nothing.

The interview was made by a client that does no more than apply the template set: saving and restoring are in there.
"""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from image.saver.status import SaveStatus
from tests.candidate.container import Container, wait_for
from tests.candidate.task import Interview
from tests.candidate.test_isolation import SEARCH, probe
from tests.work.conftest import contents

pytestmark = pytest.mark.e2e

CANDIDATE = 1000
IGNORED = "node_modules/dependency.js"


@pytest.fixture
def task(interview: Interview, tmp_path: Path) -> Path:
    """A task's directory in which the challenge container has run."""
    return started(interview, tmp_path / "task")


def started(interview: Interview, directory: Path) -> Path:
    directory.mkdir()
    container = interview.container("challenge", directory)
    assert container.run() == 0, container.output
    return directory


@pytest.fixture
def saver(interview: Interview, task: Path) -> Iterator[Container]:
    container = interview.container("saver", task)
    container.start()
    yield container
    container.stop()


def edit(task: Path, name: str, text: str) -> None:
    """What the candidate does in the editor."""
    path = task / "home" / "challenge" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    os.chown(path, CANDIDATE, CANDIDATE)


@contextmanager
def shipped(interview: Interview, path: str, content: bytes) -> Iterator[None]:
    """While open, the challenge has one more file."""
    [source] = [
        pair["value"] for pair in interview.described("challenge")["environment"] if pair["name"] == "CHALLENGE"
    ]
    bucket, _, prefix = source.removeprefix("s3://").partition("/")
    s3 = interview.embedded.aws.s3
    s3.put_object(Bucket=bucket, Key=prefix + path, Body=content)
    try:
        yield
    finally:
        s3.delete_object(Bucket=bucket, Key=prefix + path)


def status_of(task: Path) -> SaveStatus:
    return SaveStatus.read(task / "session")


def saved(task: Path, number: int) -> SaveStatus:
    """The status when state ``number`` is saved."""
    return wait_for(lambda: found if (found := status_of(task)).state >= number else None, f"state {number}")


def test_the_next_task_begins_with_what_was_saved_when_the_last_one_was_told_to_stop(
    interview: Interview, task: Path, saver: Container, tmp_path: Path
) -> None:
    first = saved(task, status_of(task).state + 1)
    edit(task, "solution.py", "the last line\n")
    edit(task, ".notes", "dot file\n")
    edit(task, IGNORED, "as delivered")
    saver.stop()
    assert saver.exit_code == 0, saver.output
    assert status_of(task).state == first.state + 1
    assert status_of(task).left_out == ("node_modules/: ignored",)
    with shipped(interview, IGNORED, b"as delivered"):
        following = started(interview, tmp_path / "next")
    assert contents(following / "home" / "challenge") == contents(task / "home" / "challenge")
    assert status_of(following).restored_from == status_of(task).saved_at
    owners = {path.lstat().st_uid for path in (following / "home" / "challenge").rglob("*")}
    assert owners == {CANDIDATE}


def test_after_a_kill_the_work_up_to_the_last_save_is_there(
    interview: Interview, task: Path, saver: Container, tmp_path: Path
) -> None:
    number = status_of(task).state + 1
    saved(task, number)
    edit(task, "solution.py", "saved\n")
    began = time.monotonic()
    saved(task, number + 1)
    assert time.monotonic() - began < 30
    edit(task, "solution.py", "not saved any more\n")
    assert saver._running is not None
    saver._running.kill("SIGKILL")
    following = started(interview, tmp_path / "next")
    assert (following / "home" / "challenge" / "solution.py").read_text() == "saved\n"


def test_a_candidate_finds_no_credentials_while_the_saver_runs(
    interview: Interview, task: Path, saver: Container
) -> None:
    challenge = task / "home" / "challenge"
    (challenge / "environ").symlink_to("/proc/self/environ")
    os.chown(challenge / "environ", CANDIDATE, CANDIDATE, follow_symlinks=False)
    saved(task, status_of(task).state + 1)
    found = probe(interview, task, SEARCH + "; cat /run/prequel/* /home/coder/challenge/environ")
    assert "saved_at" in found
    assert interview.credentials_path not in found
    assert re.search(r"^(AWS|ECS)_", found, re.MULTILINE) is None
    assert saver.is_running


def test_the_editor_cannot_write_the_status_and_the_saver_cannot_write_the_home(
    interview: Interview, task: Path
) -> None:
    assert "Read-only file system" in probe(interview, task, "touch /run/prequel/status.json")
    container = interview.container("saver", task)
    script = "touch /home/coder/planted; touch /usr/planted; grep -E 'CapEff|NoNewPrivs|^Uid' /proc/self/status"
    container.definition = dict(container.definition) | {
        "entryPoint": ["setpriv", "--no-new-privs", "sh", "-c", script]
    }
    container.run()
    assert container.output.count("Read-only file system") == 2
    assert re.search(r"^CapEff:\s+0+$", container.output, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s+1$", container.output, re.MULTILINE)
    assert re.search(r"^Uid:\s+1000\s", container.output, re.MULTILINE)
