"""The saver and the restorer on folders of the test's own, with the embedded AWS's S3 and KMS."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from image.saver.prequel_save import Saver
from image.saver.restore import restore
from image.saver.session import SavedSession
from image.saver.states import State
from image.saver.status import SaveStatus
from scripts.embedded.launcher import EmbeddedAws

BUCKET = "saved-instance"
PASSWORD = "correct horse battery"


def contents(root: Path) -> dict[str, tuple[str, int, object]]:
    """Everything below ``root``: kind, permissions, and content or target."""
    found: dict[str, tuple[str, int, object]] = {}
    for path in sorted(root.rglob("*")):
        mode = path.lstat().st_mode
        name = os.fsencode(path.relative_to(root)).decode(errors="surrogateescape")
        if stat.S_ISLNK(mode):
            found[name] = ("link", 0, path.readlink().as_posix())
        elif stat.S_ISDIR(mode):
            found[name] = ("folder", stat.S_IMODE(mode), None)
        else:
            found[name] = ("file", stat.S_IMODE(mode), path.read_bytes())
    return found


@dataclass
class Task:
    """One task of an interview: a candidate's folder, and what loader and saver are given."""

    root: Path
    environment: dict[str, str]
    folder: Path = field(init=False)
    session: SavedSession = field(init=False)

    def __post_init__(self) -> None:
        self.folder, directory = self.root / "challenge", self.root / "session"
        for path in (self.folder, directory):
            path.mkdir(parents=True)
        self.session = SavedSession(self.environment, self.folder, directory)

    @property
    def status(self) -> SaveStatus:
        return SaveStatus.read(self.session.directory)

    def saver(self) -> Saver:
        return Saver(self.session)

    def save(self) -> SaveStatus:
        """A save by a new process."""
        assert self.saver().save(), self.status.error
        return self.status

    def restore(self) -> State | None:
        return restore(self.session, patience_seconds=0)

    def replaced(self, **changes: str) -> "Task":
        """The next task of the same interview, with nothing but the environment in common."""
        return Task(self.root.with_name(f"{self.root.name}-next"), self.environment | changes)


@pytest.fixture(scope="package")
def aws() -> Iterator[EmbeddedAws]:
    with EmbeddedAws.start() as embedded:
        embedded.aws.s3.create_bucket(Bucket=BUCKET)
        yield embedded


@pytest.fixture(scope="package")
def key_arn(aws: EmbeddedAws) -> str:
    return str(aws.aws.client("kms").create_key()["KeyMetadata"]["Arn"])


@pytest.fixture
def task(aws: EmbeddedAws, key_arn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: Any) -> Task:
    for name, value in aws.variables.items():
        monkeypatch.setenv(name, value)
    incarnation = f"demo/{abs(hash(request.node.name)):016x}"
    environment = {"WORK": f"s3://{BUCKET}/work/{incarnation}/", "WORK_KEY": key_arn, "PASSWORD": PASSWORD}
    return Task(tmp_path / "task", environment)
