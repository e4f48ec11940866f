"""`prequel-save`: saves the candidate's work to S3 while it changes, and once more when the task stops.

It runs beside the editor as the candidate's user, with the candidate's home mounted read-only. Exit code 0 means that
all of the work is saved, 1 that the last save failed.
"""

import os
import resource
import signal
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from aws_encryption_sdk.exceptions import AWSEncryptionSDKClientError
from botocore.exceptions import BotoCoreError, ClientError

from image.saver.archive import pack
from image.saver.cipher import StateName, encrypt, kms_key
from image.saver.clock import SessionClock
from image.saver.session import SavedSession, of_this_task
from image.saver.states import State
from image.saver.status import SaveStatus
from image.saver.tree import WorkTree, look

INTERVAL_SECONDS = 20.0
"""From one save to the next; with ten for the save itself, 30 s of work are lost at most."""

_FAILURES = (AWSEncryptionSDKClientError, BotoCoreError, ClientError, OSError)


class Saver:
    """Saves the work of ``session``, one state after the other."""

    def __init__(self, session: SavedSession) -> None:
        self._session = session
        self._kms: Any = kms_key(session.client("kms"), session.key_arn)
        self._status = SaveStatus.read(session.directory)
        self._signature: int | None = None

    def save(self) -> bool:
        """Saves a new state if anything changed since the last; whether all is saved now."""
        try:
            tree = look(self._session.folder)
            if tree.signature == self._signature and not self._status.error:
                return True
            self._store(tree)
        except _FAILURES as error:
            self._status.error = " ".join(str(error.__cause__ or error).split())
            sys.stderr.write(f"not saved: {self._status.error}\n")
        else:
            self._signature = tree.signature
            self._status.error = ""
        try:
            self._status.write(self._session.directory)
        except OSError as error:
            sys.stderr.write(f"the status is not written: {error}\n")
        return not self._status.error

    def _store(self, tree: WorkTree) -> None:
        states = self._session.states
        with tempfile.TemporaryFile(dir=self._session.directory) as archive:
            changed = pack(self._session.folder, tree, archive)
            number = self._status.state + 1
            while True:
                state = self._encrypt_and_create(archive, number, tree)
                if state is not None:
                    break
                number = max(number + 1, states.newest() + 1)
        self._status.saved_at = state.saved_at.isoformat()
        self._status.state, self._status.bytes = state.number, state.size
        self._status.left_out = (
            *tree.left_out.named,
            *(f"{path}: changed while it was read; the next state has it" for path in changed[:5]),
        )

    def _encrypt_and_create(self, archive: Any, number: int, tree: WorkTree) -> State | None:
        states = self._session.states
        archive.seek(0)
        with tempfile.TemporaryFile(dir=self._session.directory) as file:
            encrypt(archive, file, StateName(states.incarnation, number), self._kms, self._session.password_key)
            return states.create(number, file, files=len(tree.files), left_out=tree.left_out.count)


def run(session: SavedSession, told_to_stop: Callable[[], bool]) -> bool:
    """Saves until ``told_to_stop``, which waits, and then once more; whether the last save succeeded.

    Each time, the editor's ``session.json`` is brought up to date too.
    """
    saver = Saver(session)
    clock = SessionClock(session.client("s3"), session.environment["WORK"], session.directory)
    while True:
        saver.save()
        clock.refresh(session.folder)
        if told_to_stop():
            break
    return saver.save()


def main() -> None:
    """Runs with the task's environment until it is told to stop."""
    os.nice(10)  # the editor comes first
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    stop = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)  # so that none interrupts a save
    try:
        session = of_this_task()
    except ValueError as error:
        sys.exit(str(error))
    sys.exit(0 if run(session, lambda: signal.sigtimedwait(stop, INTERVAL_SECONDS) is not None) else 1)


if __name__ == "__main__":
    main()
