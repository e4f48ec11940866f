"""What every operation needs: one deployed shared stack, this process's console and its clock."""

import os
import pwd
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from contract.limits import START_EARLY_MINUTES
from scripts.aws.bucket import Bucket
from scripts.aws.clients import Aws
from scripts.console import Console
from scripts.errors import RefusedError
from scripts.interviews.slots import Slots
from scripts.interviews.store import IntentStore
from scripts.private_files import cache_directories, cache_directory
from scripts.releases.release import Pointer
from scripts.releases.store import ReleaseStore

SETTLING_SECONDS = 5.0
"""Between the two inventories that prove an absence. AWS gives no bound for how late its lists may be, nor for how long
a killed client's last request may still take; a call that it has accepted is done within a second or two."""


def _actor() -> str:
    return f"{pwd.getpwuid(os.getuid()).pw_name}@{socket.gethostname()}"


def _local_time() -> datetime:
    return datetime.now(UTC)


@dataclass
class Context:
    """One shared stack, and the console and the clock of this process.

    ``environment`` is what terraform runs with, ``actor`` who is asking as user@host, the form of Terraform's own lock,
    and ``settling_seconds`` pass before AWS is asked again whether nothing is left. ``keeps_work`` is False if a
    candidate's work is deleted with the interview. ``start_early_minutes`` before its start a scheduled one is created.
    """

    aws: Aws
    bucket: str
    console: Console
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    now: Callable[[], datetime] = field(default=_local_time)
    actor: str = field(default_factory=_actor)
    host: str = field(default_factory=socket.gethostname)
    settling_seconds: float = SETTLING_SECONDS
    keeps_work: bool = True
    start_early_minutes: int = START_EARLY_MINUTES

    def __post_init__(self) -> None:
        if self.now is _local_time:
            self.now = self.aws.now  # a laptop's clock may be wrong, and decides when interviews end

    @cached_property
    def objects(self) -> Bucket:
        """The instance bucket itself."""
        return Bucket(self.aws, self.bucket)

    @cached_property
    def intents(self) -> IntentStore:
        """The interviews' own documents."""
        return IntentStore(self.aws, self.bucket)

    @cached_property
    def slots(self) -> Slots:
        """The slots and their leases."""
        return Slots(self.aws, self.bucket)

    @cached_property
    def releases(self) -> ReleaseStore:
        """The published template sets."""
        return ReleaseStore(self.aws, self.bucket)

    def current_release(self) -> Pointer:
        """The pointer to the current release; raises ``RefusedError`` when no templates are published."""
        pointer = self.releases.current()
        if pointer is None:
            raise RefusedError("no templates are published yet; run `prequel templates publish`")
        return pointer

    @cached_property
    def runs_directory(self) -> Path:
        """Where this machine notes which of its runs are alive."""
        directory = cache_directory(self.environment) / "runs"
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return directory

    @property
    def runs_directories(self) -> list[Path]:
        """Where an earlier run may be noted: home may have been full or read-only then, or be so now."""
        return [directory / "runs" for directory in cache_directories(self.environment)]
