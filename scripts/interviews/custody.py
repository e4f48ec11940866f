"""The sole right to work on one interview, for one process at a time.

The mark is the intent's ``run``, set by compare-and-swap. It is cleared when the work ends, well or badly; only a
killed process leaves it behind. Then whoever comes next takes over, if the old run is provably dead
(``proof_of_life``; for one in a build, the reaper asks CodeBuild) or older than any run can be.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

from scripts.errors import BusyInterviewError, PrequelError, TerraformError
from scripts.interviews.model import Intent, Run, Status
from scripts.interviews.proof_of_life import Life, RunFiles, end_orphans, forget, life_of
from scripts.interviews.site import Site
from scripts.interviews.store import ChangedMeanwhileError, Stored, timestamp
from scripts.terraform.process import INTERRUPT_GRACE_SECONDS

LONGEST_RUN = timedelta(minutes=30)
"""After that a run on another machine counts as dead; a run uses less (``Custody.seconds_left``)."""

CLOSING = timedelta(seconds=INTERRUPT_GRACE_SECONDS) + timedelta(minutes=1)
"""What a run keeps for its last terraform to end when told to, and for writing down how it ended."""

_TRIES = 5


class Custody:
    """One interview, held since ``mark``: ``intent`` is its latest version; ``before`` is the dead run's mark, if any.

    Every change raises ``ChangedMeanwhileError`` once another run has taken over.
    """

    def __init__(self, site: Site, stored: Stored, files: RunFiles, mark: Run, before: Run | None = None) -> None:
        self._site = site
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
        moved = self.intent.model_copy(update=changes).moved(
            status, at=self._site.now(), actor=self._site.actor, note=note
        )
        self._write(moved)
        self._site.console.event("status", interview=moved.id, status=moved.status, note=note)
        return moved

    def update(self, **changes: Any) -> Intent:
        """Changes fields without a step."""
        self._write(self.intent.model_copy(update=changes))
        return self.intent

    @property
    def took_over(self) -> bool:
        """Whether a run before this one died."""
        return self.before is not None

    @property
    def seconds_left(self) -> float:
        """How long this run may still go on with its work; not above 0 once it has to end."""
        return (self._ends_at - self._site.now()).total_seconds()

    def seconds_for_terraform(self, share: float = 1.0) -> float:
        """How long a terraform that starts now may take, as a ``share`` of what is left.

        Raises ``TerraformError`` when nothing is.
        """
        if self.seconds_left <= 0:
            raise TerraformError(
                f"terraform was not started: this run has used up its {LONGEST_RUN - CLOSING}; the next one goes on"
            )
        return self.seconds_left * share

    def remove(self) -> None:
        """Removes the intent itself: the last act."""
        self._site.intents.remove(self._stored)
        self.gone = True
        self.files.forget()

    def release(self) -> None:
        """Clears the mark."""
        if not self.gone:
            self._write(self.intent.model_copy(update={"run": None}))
            self.files.forget()

    def _write(self, intent: Intent) -> None:
        try:
            self._stored = self._site.intents.replace(self._stored, intent)
        except ChangedMeanwhileError as error:
            raise ChangedMeanwhileError(
                f"interview {intent.id} was taken over by another run, which goes on with it; "
                f"see `prequel interview show {intent.id}`"
            ) from error


@contextmanager
def custody_of_new(site: Site, draft: Callable[[Run], Intent], purpose: str) -> Iterator[Custody]:
    """Writes a new intent and holds it; raises ``IdInUseError`` when there is one of this id."""
    run_id, files = RunFiles.begin(site.runs_directory)
    mark = _mark(site, run_id, purpose)
    try:
        stored = site.intents.create(draft(mark))
        site.console.event("status", interview=stored.intent.id, status=stored.intent.status, note="")
        with _until_released(Custody(site, stored, files, mark)) as held:
            yield held
    except (ChangedMeanwhileError, BusyInterviewError):
        files.forget()  # the mark was never set, or is another's by now
        raise
    finally:
        files.end()


@contextmanager
def custody_of(site: Site, interview_id: str, purpose: str) -> Iterator[Custody]:
    """Holds an existing interview.

    Raises ``BusyInterviewError`` while another run is alive, and ``ChangedMeanwhileError`` when it is gone or will not
    stand still.
    """
    run_id, files = RunFiles.begin(site.runs_directory)
    mark = _mark(site, run_id, purpose)
    try:
        stored, before = _marked(site, interview_id, mark)
        if before is not None:
            forget(before, site.runs_directory)
            site.console.event("took-over", interview=interview_id, run=before.model_dump(mode="json"))
        with _until_released(Custody(site, stored, files, mark, before)) as held:
            yield held
    except (ChangedMeanwhileError, BusyInterviewError):
        files.forget()  # the mark was never set, or is another's by now
        raise
    finally:
        files.end()


def _marked(site: Site, interview_id: str, mark: Run) -> tuple[Stored, Run | None]:
    """The intent with our mark on it, and the dead run's mark that it replaced."""
    for attempt in range(1, _TRIES + 1):
        stored = site.intents.load(interview_id)
        if stored is None:
            raise ChangedMeanwhileError(f"interview {interview_id} is gone")
        before = stored.intent.run
        if before is not None:
            _refuse_if_alive(site, stored.intent, before)
        try:
            return site.intents.replace(stored, stored.intent.model_copy(update={"run": mark})), before
        except ChangedMeanwhileError:
            if attempt == _TRIES:
                raise
    raise AssertionError  # the last try returns or raises


@contextmanager
def _until_released(custody: Custody) -> Iterator[Custody]:
    try:
        yield custody
    except BaseException:
        # The failure at hand matters more than a mark that the next run will find dead.
        with suppress(PrequelError):
            custody.release()
        raise
    custody.release()


def _mark(site: Site, run_id: str, purpose: str) -> Run:
    return Run(
        id=run_id,
        purpose=purpose,
        actor=site.actor,
        host=site.host,
        pid=os.getpid(),
        started_at=site.now(),
        # https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-env-vars.html
        build=site.environment.get("CODEBUILD_BUILD_ID", ""),
    )


def is_dead(site: Site, run: Run) -> bool:
    """Whether nobody waits for what ``run`` does any more: provably, or because no run takes as long.

    Its terraform may have outlived it, which is then ended before anybody takes over.
    """
    life = life_of(run, site.runs_directory, site.host)
    return life in {Life.DEAD, Life.ORPHANED} or (life is Life.UNKNOWN and site.now() >= run.started_at + LONGEST_RUN)


def _refuse_if_alive(site: Site, intent: Intent, run: Run) -> None:
    life = life_of(run, site.runs_directory, site.host)
    if is_dead(site, run) and (life is not Life.ORPHANED or end_orphans(run, site.runs_directory)):
        return
    what_next = (
        f"if that process is lost, it can be taken over after {timestamp(run.started_at + LONGEST_RUN)}"
        if life is Life.UNKNOWN
        else "wait for it to end"
    )
    raise BusyInterviewError(
        f"interview {intent.id} is being worked on ({run.purpose}) by {run.actor}, process {run.pid}, "
        f"since {timestamp(run.started_at)}; {what_next}"
    )
