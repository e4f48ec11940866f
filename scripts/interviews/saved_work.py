"""A candidate's saved work, for interviewers: its states, what is in one, and what changed."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from contract.names import CHALLENGES, WORK
from image.loader.prequel_load import LoadError, S3Folder, deliver
from image.saver.archive import ArchiveError, unpack
from image.saver.cipher import CipherError, StateName, decrypt, kms_key
from image.saver.states import State, States
from image.saver.tree import printable
from scripts.aws.clients import explained
from scripts.errors import RefusedError, WorkError
from scripts.interviews.activity import saved_at
from scripts.interviews.context import Context
from scripts.interviews.lookup import last_record
from scripts.interviews.records import Intent
from scripts.interviews.request import checked_id
from scripts.interviews.work_difference import Changes, FileDifference, differences, entries
from scripts.interviews.workspace import current_workspace


def states_in(context: Context, incarnation: str) -> States:
    """The states of one incarnation; its methods raise boto3's errors."""
    return States(context.aws.s3, f"s3://{context.bucket}/{WORK}{incarnation}/")


def all_numbers(context: Context, incarnation: str) -> list[int]:
    """The numbers of all states of one incarnation, in order; raises ``AwsError``."""
    return list(saved_at(context, incarnation))


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
    read = reader(context, work.incarnation)
    folder.mkdir(parents=True, exist_ok=True)
    return read(state.number, folder)


def reader(context: Context, incarnation: str) -> "Reader":
    """What reads the states of one incarnation; raises ``RefusedError`` when no templates are published."""
    with current_workspace(context) as workspace:
        return Reader(context, incarnation, str(workspace.values["kms_key_arn"]))


class Reader:
    """Decrypts states with the project's key in KMS."""

    def __init__(self, context: Context, incarnation: str, key_arn: str) -> None:
        self._states = states_in(context, incarnation)
        self._incarnation = incarnation
        self._key = kms_key(context.aws.client("kms"), key_arn)

    def __call__(self, number: int, folder: Path) -> list[str]:
        """Writes a state into ``folder``; returns what it leaves out. Raises ``WorkError`` and ``AwsError``."""
        with tempfile.TemporaryFile() as stored, tempfile.TemporaryFile() as archive:
            with explained(f"read state {number} of {self._incarnation}"):
                self._states.fetch(number, stored)
            stored.seek(0)
            try:
                decrypt(stored, archive, StateName(self._incarnation, number), self._key)
                archive.seek(0)
                return unpack(archive, folder)
            except (CipherError, ArchiveError, EOFError) as error:
                raise WorkError(f"state {number} of {self._incarnation} cannot be read: {error}") from error


def difference(context: Context, work: SavedWork, state: State) -> Iterator[FileDifference]:
    """What the candidate changed in ``state`` against the published challenge, file by file."""
    intent, _ = last_record(context, work.interview_id)
    yield from _against_challenge(context, intent.inputs.challenge, work.incarnation, state.number)


def changes(context: Context, intent: Intent) -> Changes | None:
    """How much the candidate has changed, None while nothing is saved; raises ``WorkError`` and ``AwsError``."""
    numbers = all_numbers(context, intent.work) if intent.work else []
    if not numbers:
        return None
    return Changes.of(_against_challenge(context, intent.inputs.challenge, intent.work, numbers[-1]))


def _against_challenge(context: Context, challenge: str, incarnation: str, number: int) -> Iterator[FileDifference]:
    with tempfile.TemporaryDirectory(prefix="prequel-") as directory:
        before, after = Path(directory, "challenge"), Path(directory, "work")
        after.mkdir()
        fetch_challenge(context, challenge, before)
        reader(context, incarnation)(number, after)
        yield from differences(before, after)


def fetch_challenge(context: Context, challenge: str, folder: Path) -> None:
    """Writes a published challenge into the new ``folder``; raises ``WorkError`` and ``AwsError``."""
    folder.mkdir()
    try:
        with explained(f"read the challenge {challenge}"):
            deliver(S3Folder(f"s3://{context.bucket}/{CHALLENGES}{challenge}/", context.aws.s3), folder)
    except LoadError as error:
        raise WorkError(f"the challenge {challenge} cannot be read: {error}") from error


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
    read = reader(context, work.incarnation)
    for state in work.states:
        with tempfile.TemporaryDirectory(prefix="prequel-") as directory:
            read(state.number, Path(directory))
            after = entries(Path(directory))
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
