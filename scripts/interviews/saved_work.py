"""A candidate's saved work, for interviewers: its states, what is in one, and what changed."""

import difflib
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from contract.names import CHALLENGES, WORK
from image.loader.prequel_load import LoadError, S3Folder, deliver
from image.saver.archive import ArchiveError, unpack
from image.saver.cipher import CipherError, StateName, decrypt, kms_key
from image.saver.ignore import Ignore
from image.saver.states import State, States
from image.saver.tree import printable
from scripts.aws.clients import explained
from scripts.errors import RefusedError, WorkError
from scripts.interviews.context import Context
from scripts.interviews.listing import last_record
from scripts.interviews.request import checked_id
from scripts.interviews.workspace import current_workspace

LONGEST_DIFFERENCE = 1_000_000
"""Bytes of a file that is compared line by line."""


def states_in(context: Context, incarnation: str) -> States:
    """The states of one incarnation; its methods raise boto3's errors."""
    return States(context.aws.s3, f"s3://{context.bucket}/{WORK}{incarnation}/")


def all_numbers(context: Context, incarnation: str) -> list[int]:
    """The numbers of all states of one incarnation, in order; raises ``AwsError``."""
    keys = context.objects.listing(f"{WORK}{incarnation}/")
    return sorted(int(name) for key in keys if (name := key.rpartition("/")[2]).isdigit())


@dataclass(frozen=True)
class SavedWork:
    """The states of one incarnation of an interview, oldest first."""

    interview_id: str
    incarnation: str
    states: tuple[State, ...]

    def state(self, number: int | None) -> State:
        """The state ``number``, or the last; raises ``WorkError`` when there is none."""
        found = self.states[-1:] if number is None else [state for state in self.states if state.number == number]
        if not found:
            known = f"1 to {self.states[-1].number}" if self.states else "none"
            raise WorkError(
                f"interview {self.interview_id} has no saved state {number or ''}, expected {known}".strip()
            )
        return found[0]


def saved_work(context: Context, interview_id: str) -> SavedWork:
    """The saved states of the latest interview of this id; raises ``WorkError`` if there are none, and ``AwsError``."""
    prefix = f"{WORK}{checked_id(interview_id)}/"
    written = context.objects.listing(prefix)
    if not written:
        raise WorkError(f"there is no saved work of interview {interview_id}; it may have expired, or been deleted")
    latest = max(written, key=lambda key: written[key])
    incarnation = latest.removeprefix(WORK).rpartition("/")[0]
    states = states_in(context, incarnation)
    numbers = all_numbers(context, incarnation)
    with explained(f"read the saved states of interview {interview_id}"):
        found = context.objects.in_parallel(states.head, numbers)
    return SavedWork(interview_id, incarnation, tuple(state for state in found if state is not None))


def fetch(context: Context, work: SavedWork, state: State, folder: Path) -> list[str]:
    """Writes a state into ``folder``, which must be empty or not exist; returns what the state leaves out."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise WorkError(f"{folder} is not an empty folder; choose another one with --to")
    with _reader(context, work) as read:
        folder.mkdir(parents=True, exist_ok=True)
        return read(state, folder)


@contextmanager
def _reader(context: Context, work: SavedWork) -> Iterator["_Reader"]:
    with current_workspace(context) as workspace:
        key_arn = str(workspace.values["kms_key_arn"])
    yield _Reader(context, work, key_arn)


class _Reader:
    """Decrypts states with the project's key in KMS."""

    def __init__(self, context: Context, work: SavedWork, key_arn: str) -> None:
        self._states = states_in(context, work.incarnation)
        self._incarnation = work.incarnation
        self._key = kms_key(context.aws.client("kms"), key_arn)

    def __call__(self, state: State, folder: Path) -> list[str]:
        with tempfile.TemporaryFile() as stored, tempfile.TemporaryFile() as archive:
            with explained(f"read state {state.number} of {self._incarnation}"):
                self._states.fetch(state.number, stored)
            stored.seek(0)
            try:
                decrypt(stored, archive, StateName(self._incarnation, state.number), self._key)
                archive.seek(0)
                return unpack(archive, folder)
            except (CipherError, ArchiveError, EOFError) as error:
                raise WorkError(f"state {state.number} of {self._incarnation} cannot be read: {error}") from error


def difference(context: Context, work: SavedWork, state: State) -> Iterator[str]:
    """What the candidate changed in ``state`` against the published challenge, as a unified diff, line by line."""
    intent, _ = last_record(context, work.interview_id)
    address = f"s3://{context.bucket}/{CHALLENGES}{intent.inputs.challenge}/"
    with tempfile.TemporaryDirectory(prefix="prequel-") as directory, _reader(context, work) as read:
        before, after = Path(directory, "challenge"), Path(directory, "work")
        before.mkdir()
        after.mkdir()
        try:
            with explained(f"read the challenge {intent.inputs.challenge}"):
                deliver(S3Folder(address, context.aws.s3), before)
        except LoadError as error:
            raise WorkError(f"the challenge {intent.inputs.challenge} cannot be read: {error}") from error
        read(state, after)
        yield from _compared(before, after)


def _compared(before: Path, after: Path) -> Iterator[str]:
    old, new, ignore = _entries(before), _entries(after), Ignore()
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) == new.get(path) or (path not in new and ignore.matches(path, folder=False)):
            continue
        texts = [_lines(root / path) if path in known else [] for root, known in ((before, old), (after, new))]
        name = printable(path)
        if any(lines is None for lines in texts):
            yield f"{name}: differs (not text, or large)"
        else:
            names = (f"a/{name}" if path in old else "/dev/null", f"b/{name}" if path in new else "/dev/null")
            yield from difflib.unified_diff(texts[0] or [], texts[1] or [], *names, lineterm="")


def _entries(root: Path) -> dict[str, str]:
    """Each file and link below ``root``, and what it is: a hash of its content, or where it leads."""
    found = {}
    for directory, folders, files in os.walk(root):
        for name in [*files, *(folder for folder in folders if Path(directory, folder).is_symlink())]:
            path = Path(directory, name)
            link = stat.S_ISLNK(path.lstat().st_mode)
            content = f"link to {path.readlink()}" if link else hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path.relative_to(root))] = content
    return found


def _lines(path: Path) -> list[str] | None:
    """The lines of a text or link; None for what is not to be compared by lines."""
    if path.is_symlink():
        return [f"link to {printable(str(path.readlink()))}"]
    content = path.read_bytes()
    if len(content) > LONGEST_DIFFERENCE or b"\0" in content:
        return None
    # What a terminal would act on is written out.
    return [printable(line) for line in content.decode(errors="replace").splitlines()]


@dataclass(frozen=True)
class Step:
    """What changed from the state before to ``state``: paths that were added, changed and deleted."""

    state: State
    added: tuple[str, ...]
    changed: tuple[str, ...]
    deleted: tuple[str, ...]


def steps(context: Context, work: SavedWork) -> Iterator[Step]:
    """The work over time, a step for each state."""
    before: dict[str, str] = {}
    with _reader(context, work) as read:
        for state in work.states:
            with tempfile.TemporaryDirectory(prefix="prequel-") as directory:
                read(state, Path(directory))
                after = _entries(Path(directory))
            added = sorted(after.keys() - before.keys())
            changed = sorted(path for path in after.keys() & before.keys() if after[path] != before[path])
            deleted = sorted(before.keys() - after.keys())
            yield Step(state, *(tuple(map(printable, paths)) for paths in (added, changed, deleted)))
            before = after


def delete_work(context: Context, interview_id: str) -> int:
    """Deletes all saved work of an id with every version, and proves it; returns how many versions there were.

    Raises ``RefusedError`` while the interview exists: its saver would go on.
    """
    if context.intents.load(checked_id(interview_id)) is not None:
        raise RefusedError(
            f"interview {interview_id} exists and saves its work; destroy it first: "
            f"`prequel interview destroy {interview_id} --discard-work`"
        )
    return context.objects.purge_below(f"{WORK}{interview_id}/")
