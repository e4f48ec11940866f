"""Files of this user on this machine: a cache that stays, and directories that end with the run that made them."""

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from scripts.errors import MachineError, reason

_PREFIX = "prequel-run-"

_held: dict[Path, int] = {}
"""The locks of this process's private directories; the kernel frees them, however it and its terraforms end."""


def cache_directories(environment: Mapping[str, str]) -> list[Path]:
    """Where the cache may be: at home, or beside the temporary files when home cannot be written."""
    home = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME") or Path.home()) / ".cache"
    return [Path(home).absolute() / "prequel", Path(tempfile.gettempdir()) / f".prequel-cache-{os.getuid()}"]


def cache_directory(environment: Mapping[str, str]) -> Path:
    """The cache, writable for this user; raises ``MachineError`` when there is no place for it."""
    problems = []
    for directory in cache_directories(environment):
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            found = directory.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
                problems.append(f"{directory} is not a directory of this user")
                continue
            with tempfile.TemporaryFile(dir=directory) as probe:
                probe.write(b"x")
        except OSError as error:
            problems.append(reason(error))
        else:
            return directory
    raise MachineError(f"no place for the cache: {'; '.join(problems)}")


@contextmanager
def private_directory(purpose: str = "") -> Iterator[Path]:
    """A directory that only this user can read, and that is gone afterwards.

    If this process is killed, the next command removes it (``remove_abandoned``).
    """
    directory, lock = _locked_directory(f"{_PREFIX}{purpose}-" if purpose else _PREFIX)
    _held[directory] = lock
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        del _held[directory]
        os.close(lock)


def _locked_directory(prefix: str) -> tuple[Path, int]:
    while True:
        directory = Path(tempfile.mkdtemp(prefix=prefix))
        lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if directory.exists():
            return directory, lock
        os.close(lock)  # taken for a dead run's, before it was locked


def lock_of(directory: Path) -> tuple[int, ...]:
    """The descriptor that keeps a private directory, for processes that work in it."""
    return (_held[directory],) if directory in _held else ()


def remove_abandoned() -> None:
    """Removes the private directories of this user's dead runs, which may hold a candidate's name."""
    with suppress(OSError):
        for directory in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
            with suppress(OSError):
                _remove_if_abandoned(directory)


def _remove_if_abandoned(directory: Path) -> None:
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(lock).st_uid == os.getuid():
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(directory, ignore_errors=True)
    finally:
        os.close(lock)
