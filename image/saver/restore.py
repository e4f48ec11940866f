"""Restores the newest state of an interview's work, when a task is replaced."""

import gzip
import os
import shutil
import sys
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from image.saver.archive import ArchiveError, unpack
from image.saver.cipher import CipherError, StateName, decrypt
from image.saver.ignore import Ignore
from image.saver.session import SavedSession
from image.saver.states import State
from image.saver.status import SaveStatus
from image.saver.tree import opened, opened_below, printable

PATIENCE_SECONDS = 60.0
"""How long S3 may fail before the task does: no task may begin with the untouched challenge for want of an answer."""

_DAMAGED = (ArchiveError, tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error)

_Result = TypeVar("_Result")


def restore(session: SavedSession, *, patience_seconds: float = PATIENCE_SECONDS) -> State | None:
    """Writes the newest state into ``session.folder``, which is empty; None if there is none.

    A state that the password's key does not open, or that is damaged, is skipped with a line on standard error.
    Raises boto3's errors when S3 does not answer in time.
    """
    ask = _Patient(patience_seconds)
    for number in range(ask(session.states.newest), 0, -1):
        state = ask(lambda number=number: session.states.head(number))  # type: ignore[misc]
        if state is None:
            continue
        try:
            with tempfile.TemporaryFile(dir=session.directory) as file:
                ask(lambda number=number, file=file: _fetch(session, number, file))  # type: ignore[misc]
                left_out = open_state(file, session.folder, StateName(session.states.incarnation, number), session)
        except (CipherError, *_DAMAGED) as error:
            sys.stderr.write(f"state {number} is skipped: {' '.join(str(error).split())}\n")
            _empty(session.folder)
            continue
        at = state.saved_at.isoformat()
        SaveStatus(at, number, state.size, tuple(left_out), restored_from=at).write(session.directory)
        return state
    return None


def open_state(file: IO[bytes], folder: Path, name: StateName, session: SavedSession) -> list[str]:
    """Decrypts a stored state with the password's key into ``folder``; returns what it leaves out."""
    file.seek(0)
    with tempfile.TemporaryFile(dir=session.directory) as archive:
        decrypt(file, archive, name, session.password_key)
        archive.seek(0)
        return unpack(archive, folder)


def add_left_out(challenge: Path, session: SavedSession) -> None:
    """Moves what the state leaves out from the ``challenge`` as it was delivered into the restored ``session.folder``.

    That is what the ignore patterns match, and what the state names; everything else that is missing was deleted by the
    candidate. ``challenge`` must be on the same volume. What is there already stays.
    """
    named = SaveStatus.read(session.directory).left_out

    def is_named(path: str) -> bool:
        return any(line.startswith(f"{printable(path)}: ") for line in named)

    with opened(session.folder) as folder:
        try:
            ignore = Ignore.of(folder)
        except ValueError:
            ignore = Ignore()  # as when the state was saved

        def fill(path: str, *, all_of_it: bool) -> None:
            for source in sorted((challenge / path).iterdir()):
                inside = source.relative_to(challenge).as_posix()
                is_folder = source.is_dir() and not source.is_symlink()
                left_out = (
                    all_of_it
                    or ignore.matches(inside, folder=is_folder)
                    or is_named(f"{inside}/" if is_folder else inside)
                )
                moved = left_out and _moved(source, folder, inside)
                if is_folder and not moved:
                    fill(inside, all_of_it=left_out)

        fill("", all_of_it=is_named("/"))


def _moved(source: Path, root: int, path: str) -> bool:
    """Moves ``source`` to ``path`` below the open folder ``root``, through no link; False if something is there."""
    parent, _, name = path.rpartition("/")
    try:
        with opened_below(root, parent) as folder, os.scandir(folder) as entries:
            if any(entry.name == name for entry in entries):
                return False
            os.rename(source, name, dst_dir_fd=folder)
    except (FileNotFoundError, NotADirectoryError):
        return False  # the candidate deleted the folder that it was in, or put something else there
    return True


def _fetch(session: SavedSession, number: int, file: IO[bytes]) -> None:
    file.seek(0)
    file.truncate()
    session.states.fetch(number, file)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


class _Patient:
    """Asks S3 again until the time is over."""

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds

    def __call__(self, ask: Callable[[], _Result]) -> _Result:
        while True:
            try:
                return ask()
            except (BotoCoreError, ClientError) as error:
                if time.monotonic() > self._deadline:
                    raise
                sys.stderr.write(f"trying again: {error}\n")
                time.sleep(1)
