"""Whether a run on this machine is still alive, its terraform and provider included.

A run holds two locked files. The client's ends with the client. Terraform's is handed down to terraform and on to the
provider, so the kernel frees it when the last of them is gone, however they ended: that is proof, where a process
number could be somebody else's by now.
"""

import contextlib
import fcntl
import os
import signal
import time
import uuid
from enum import Enum
from pathlib import Path

from scripts.interviews.records import RunMark

_ORPHAN_GRACE_SECONDS = 5


class Liveness(Enum):
    """What can be said about a run."""

    ALIVE = "alive"
    ORPHANED = "orphaned"
    """The client is dead; its terraform or provider is not."""
    DEAD = "dead"
    UNKNOWN = "unknown"


class RunFiles:
    """The locks of a new run of this process; ``terraform_lock`` is the descriptor to hand to terraform."""

    def __init__(self, directory: Path) -> None:
        self.run_id = uuid.uuid4().hex
        self._directory = directory
        self._client_lock, self.terraform_lock = map(_locked, _paths(directory, self.run_id))

    def note_terraform(self, process_group: int) -> None:
        """Remembers terraform's process group, so that a successor can end it if this process dies."""
        with contextlib.suppress(OSError):  # without it, a successor waits for terraform to end by itself
            os.pwrite(self.terraform_lock, f"{process_group:>10}".encode(), 0)

    def forget(self) -> None:
        """Removes the files, once no mark names this run any more; without them its death cannot be proven."""
        forget(self.run_id, self._directory)

    def end(self) -> None:
        """Gives the locks back; terraform must be gone."""
        os.close(self._client_lock)
        os.close(self.terraform_lock)


def liveness_of(run: RunMark, directory: Path, host: str) -> Liveness:
    """Whether ``run`` is alive, as far as this machine knows."""
    if run.ended:
        return Liveness.DEAD
    client, terraform = _paths(directory, run.id)
    if run.host != host or not client.exists():
        return Liveness.UNKNOWN
    if _held(client):
        return Liveness.ALIVE
    return Liveness.ORPHANED if _held(terraform) else Liveness.DEAD


def forget(run_id: str, directory: Path) -> None:
    """Removes the files of a run that no mark names any more."""
    for path in _paths(directory, run_id):
        path.unlink(missing_ok=True)


def end_orphans(run: RunMark, directory: Path) -> bool:
    """Kills the terraform that outlived its client, and returns whether it is gone.

    Its process group cannot be another's by now, because the lock is held by a member of it.
    """
    _, lock = _paths(directory, run.id)
    with contextlib.suppress(ValueError, OSError):
        group = int(lock.read_text() or 0)
        if group > 1 and _held(lock):
            # Killed, not asked: with its output closed, terraform can end at any moment anyway.
            os.killpg(group, signal.SIGKILL)
    deadline = time.monotonic() + _ORPHAN_GRACE_SECONDS
    while _held(lock):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _paths(directory: Path, run_id: str) -> tuple[Path, Path]:
    return directory / f"{run_id}.client", directory / f"{run_id}.terraform"


def _locked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def _held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two who ask at once do not take each other for the run.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
