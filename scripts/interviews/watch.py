"""Following an interview: each save as a diff, until the interview is over."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import sleep

from image.saver.states import State
from scripts.aws.clients import explained
from scripts.errors import WorkError
from scripts.interviews.context import Context
from scripts.interviews.lookup import last_record
from scripts.interviews.records import Intent, Status
from scripts.interviews.saved_work import all_numbers, fetch_challenge, reader, states_in
from scripts.interviews.work_difference import FileDifference, differences

POLL_SECONDS = 5.0
"""Between two looks; the saver saves every 20 seconds (image/saver/prequel_save.py)."""

_NOT_RUNNING_YET = frozenset({Status.SCHEDULED, Status.CREATING})
_OVER = frozenset({Status.DESTROYED, Status.LEAKING})


@dataclass(frozen=True)
class Save:
    """A saved state, and what differs from the one before it, or from the challenge if it is the first that is seen."""

    state: State
    files: tuple[FileDifference, ...]


def watch(context: Context, interview_id: str) -> Iterator[Save]:
    """The newest save and each one after it, until nothing of the interview can come any more.

    Waits for one that has not begun. A state that cannot be read is a warning. Raises ``WorkError`` if the interview
    saves no work, and ``RefusedError`` if there is none of this id.
    """
    intent = _begun(context, interview_id)
    if not intent.work:
        raise WorkError(f"interview {interview_id} saves no work, so there is nothing to follow")
    read, states = reader(context, intent.work), states_in(context, intent.work)
    with tempfile.TemporaryDirectory(prefix="prequel-") as directory:
        before, last = Path(directory, "challenge"), 0
        fetch_challenge(context, intent.inputs.challenge, before)
        while True:
            over = _is_over(context, intent)  # before the look, which then finds the last save
            new = [number for number in all_numbers(context, intent.work) if number > last]
            for number in new if last else new[-1:]:
                last, after = number, Path(directory, str(number))
                after.mkdir()
                try:
                    read(number, after)
                except WorkError as error:
                    context.console.warn(str(error))
                    continue
                with explained(f"look at state {number} of {intent.work}"):
                    state = states.head(number)
                if state is not None:
                    yield Save(state, tuple(differences(before, after)))
                before = after
            if over:
                return
            sleep(POLL_SECONDS)


def _begun(context: Context, interview_id: str) -> Intent:
    """The interview, once its folder of saved states is known."""
    intent, _ = last_record(context, interview_id)
    if not intent.work and intent.status in _NOT_RUNNING_YET:
        context.console.say(f"interview {interview_id} is {intent.status}; waiting until it runs")
    while not intent.work and intent.status in _NOT_RUNNING_YET:
        sleep(POLL_SECONDS)
        intent, _ = last_record(context, interview_id)
    return intent


def _is_over(context: Context, intent: Intent) -> bool:
    stored = context.intents.load(intent.id)
    now = stored.intent if stored else None
    return now is None or now.incarnation != intent.incarnation or now.status in _OVER
