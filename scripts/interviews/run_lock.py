"""The sole right to work on one interview, for one process at a time.

The mark is the intent's ``run``, set by compare-and-swap. It is cleared when the work ends, well or badly; only a
killed process leaves it behind. Then whoever comes next takes over, if the old run is provably dead
(``liveness``; for one in a build, the reaper asks CodeBuild) or older than any run can be.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from tenacity import retry, retry_if_exception_type, stop_after_attempt

from scripts.errors import BusyInterviewError, InterruptedRunError, PrequelError, TerraformError
from scripts.interviews.context import Context
from scripts.interviews.documents import plain
from scripts.interviews.liveness import Liveness, RunFiles, end_orphans, forget, liveness_of
from scripts.interviews.records import LONGEST_RUN, Intent, RunMark, Status, timestamp
from scripts.interviews.store import ChangedMeanwhileError, Stored
from scripts.terraform.interrupts import INTERRUPT_GRACE_SECONDS, forward_interrupts

CLOSING = timedelta(seconds=INTERRUPT_GRACE_SECONDS) + timedelta(minutes=1)
"""What a run keeps for its last terraform to end when interrupted, and for writing down how it ended."""


class RunLock:
    """One interview, held since ``mark``: ``intent`` is its latest version; ``before`` is the dead run's mark, if any.

    Every change raises ``ChangedMeanwhileError`` once another run has taken over.
    """

    def __init__(
        self, context: Context, stored: Stored, files: RunFiles, mark: RunMark, before: RunMark | None = None
    ) -> None:
        self._context = context
        self._stored = stored
        self._ends_at = mark.started_at + LONGEST_RUN - CLOSING
        self.files = files
        self.before = before
        self.gone = False

    @property
    def intent(self) -> Intent:
        """The interview as last written."""
        return self._stored.intent

    def move(self, status: Status, note: str = "", **changes: Any) -> Intent:
        """Takes the interview to ``status`` and changes other fields with it, in one write."""
        moved = replace(self.intent, **changes).moved(
            status, at=self._context.now(), actor=self._context.actor, note=note
        )
        self._write(moved)
        self._context.console.event("status", interview=moved.id, status=moved.status, note=note)
        return moved

    def update(self, **changes: Any) -> Intent:
        """Changes fields without a step."""
        self._write(replace(self.intent, **changes))
        return self.intent

    @property
    def seconds_left(self) -> float:
        """How long this run may still go on with its work; not above 0 once it has to end."""
        return (self._ends_at - self._context.now()).total_seconds()

    def seconds_for_terraform(self, share: float = 1.0) -> float:
        """How long a terraform that starts now may take, as a ``share`` of what is left.

        Raises ``TerraformError`` when nothing is.
        """
        if self.seconds_left <= 0:
            raise TerraformError(
                f"terraform was not started: this run has used up its {LONGEST_RUN - CLOSING}; the next run continues"
            )
        return self.seconds_left * share

    def remove(self) -> None:
        """Frees the slot and removes the intent itself: the last act."""
        if held := self._context.slots.of(self.intent):
            self._context.slots.release(held)
            self._context.console.event("slot-freed", interview=self.intent.id, slot=held.slot)
        self._context.intents.remove(self._stored)
        self.gone = True
        self.files.forget()

    def release(self) -> None:
        """Clears the mark."""
        if not self.gone:
            self._write(replace(self.intent, run=None))
            self.files.forget()

    def _write(self, intent: Intent) -> None:
        try:
            self._stored = self._context.intents.replace(self._stored, intent)
        except ChangedMeanwhileError as error:
            raise ChangedMeanwhileError(
                f"interview {intent.id} was taken over by another run; see `prequel interview show {intent.id}`"
            ) from error


@contextmanager
def run_lock(context: Context, interview: str | Intent, purpose: str) -> Iterator[RunLock]:
    """Holds an existing interview, given by its id, or a new one, whose first intent this writes.

    Raises ``BusyInterviewError`` while another run is alive, ``ChangedMeanwhileError`` when the interview is gone or
    keeps changing, and ``IdInUseError`` when a new one's id is taken.
    """
    files = RunFiles(context.runs_directory)
    mark = RunMark(
        id=files.run_id,
        purpose=purpose,
        actor=context.actor,
        host=context.host,
        pid=os.getpid(),
        started_at=context.now(),
        # https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-env-vars.html
        build=context.environment.get("CODEBUILD_BUILD_ID", ""),
    )
    try:
        with forward_interrupts() as interrupted:  # a signal is heard when what was written can be taken back
            if isinstance(interview, Intent):
                run = RunLock(context, context.intents.create(replace(interview, run=mark)), files, mark)
                context.console.event("status", interview=interview.id, status=interview.status, note="")
            else:
                run = _take_over(context, interview, files, mark)
        try:
            _end_if(interrupted())
            yield run
        except BaseException as error:
            # The failure at hand matters more than a mark that the next run will find dead.
            with suppress(PrequelError, OSError):
                is_untouched = run.intent.untouched and run.intent.status is Status.CREATING
                if isinstance(interview, Intent) and is_untouched and not isinstance(error, ChangedMeanwhileError):
                    run.remove()
                run.release()
            raise
        run.release()
    except (ChangedMeanwhileError, BusyInterviewError):
        files.forget()  # the mark was never set, or is another's by now
        raise
    finally:
        files.end()


def _end_if(interrupted: bool) -> None:
    if interrupted:
        raise InterruptedRunError("interrupted before anything was done")


@retry(retry=retry_if_exception_type(ChangedMeanwhileError), stop=stop_after_attempt(5), reraise=True)
def _take_over(context: Context, interview_id: str, files: RunFiles, mark: RunMark) -> RunLock:
    stored = context.intents.load(interview_id)
    if stored is None:
        raise ChangedMeanwhileError(f"interview {interview_id} is gone")
    before = stored.intent.run
    if before is not None:
        _refuse_if_alive(context, stored.intent, before)
    run = RunLock(context, context.intents.replace(stored, replace(stored.intent, run=mark)), files, mark, before)
    if before is not None:
        forget(before.id, _noted_in(context, before))
        context.console.event("took-over", interview=interview_id, run=plain(before))
    return run


def _noted_in(context: Context, run: RunMark) -> Path:
    """The directory that holds the files of a run of this machine."""
    found = (directory for directory in context.runs_directories if (directory / f"{run.id}.client").exists())
    return next(found, context.runs_directory)


def is_dead(context: Context, run: RunMark) -> bool:
    """Whether nobody waits for what ``run`` does any more: provably, or because no run takes as long.

    Its terraform may have outlived it, which is then ended before anybody takes over.
    """
    life = liveness_of(run, _noted_in(context, run), context.host)
    return life in {Liveness.DEAD, Liveness.ORPHANED} or (
        life is Liveness.UNKNOWN and context.now() >= run.started_at + LONGEST_RUN
    )


def _refuse_if_alive(context: Context, intent: Intent, run: RunMark) -> None:
    life = liveness_of(run, _noted_in(context, run), context.host)
    if is_dead(context, run) and (life is not Liveness.ORPHANED or end_orphans(run, _noted_in(context, run))):
        return
    what_next = (
        f"if that process is lost, it can be taken over after {timestamp(run.started_at + LONGEST_RUN)}"
        if life is Liveness.UNKNOWN
        else "wait for it to end"
    )
    raise BusyInterviewError(
        f"interview {intent.id} is being worked on ({run.purpose}) by {run.actor}, process {run.pid}, "
        f"since {timestamp(run.started_at)}; {what_next}"
    )
