"""The editor learns who works on what until when, and at the latest with the next save of an extension."""

import json
import os
from pathlib import Path

import pytest

from image.saver.clock import SESSION_FILE, SessionClock
from scripts.embedded.launcher import EmbeddedAws
from tests.work.conftest import BUCKET, Task

pytestmark = pytest.mark.e2e


def put(aws: EmbeddedAws, task: Task, body: str) -> None:
    key = task.environment["WORK"].removeprefix(f"s3://{BUCKET}/") + SESSION_FILE
    aws.aws.s3.put_object(Bucket=BUCKET, Key=key, Body=body.encode())


def shown(task: Task) -> dict[str, str] | None:
    path = task.session.directory / SESSION_FILE
    return json.loads(path.read_text()) if path.exists() else None


def clock_of(task: Task) -> SessionClock:
    return SessionClock(task.session.client("s3"), task.environment["WORK"], task.session.directory)


def test_the_editor_is_shown_candidate_deadline_title_and_instructions(aws: EmbeddedAws, task: Task) -> None:
    clock = clock_of(task)
    clock.refresh(task.folder)
    assert shown(task) is None  # a plain client may keep no such object
    (task.folder / "challenge.toml").write_text('title = "Rate limiter"\ninstructions = "TASK.md"\n')
    put(aws, task, '{"candidate": "Ada", "deadline": "2026-11-28T10:00:00Z", "password": "no"}')
    clock.refresh(task.folder)
    expected = {
        "candidate": "Ada",
        "deadline": "2026-11-28T10:00:00Z",
        "title": "Rate limiter",
        "instructions": "TASK.md",
    }
    assert shown(task) == expected
    put(aws, task, '{"candidate": "Ada", "deadline": "2026-11-28T10:30:00Z"}')
    clock.refresh(task.folder)
    assert shown(task) == expected | {"deadline": "2026-11-28T10:30:00Z"}


@pytest.mark.parametrize("kind", ["link", "pipe", "garbage", "folder"])
def test_a_planted_challenge_toml_neither_leaks_nor_hangs(
    aws: EmbeddedAws, task: Task, kind: str, tmp_path: Path
) -> None:
    planted = task.folder / "challenge.toml"
    secret = tmp_path / "secret"
    secret.write_text('title = "secret"\n')
    match kind:
        case "link":
            planted.symlink_to(secret)
        case "pipe":
            os.mkfifo(planted)
        case "garbage":
            planted.write_bytes(b"\xff\0=")
        case "folder":
            planted.mkdir()
    put(aws, task, '{"candidate": "Ada", "deadline": ""}')
    clock_of(task).refresh(task.folder)
    assert shown(task) == {"candidate": "Ada", "deadline": "", "title": "", "instructions": ""}


@pytest.mark.parametrize("body", ["", "[]", "{", "1"])
def test_an_object_that_is_no_document_changes_nothing(aws: EmbeddedAws, task: Task, body: str) -> None:
    put(aws, task, body)
    clock_of(task).refresh(task.folder)
    assert shown(task) is None
