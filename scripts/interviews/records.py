"""The records in the bucket: what an interview is, who works on it, and the states that it can be in."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, Self

from contract.limits import START_EARLY_MINUTES
from contract.names import LONGEST_RUN_MINUTES, WORK
from contract.prices import cost_of
from scripts.errors import RefusedError

OPTIONAL = {"optional": True}
"""Marks a field that a document holds only when it is not the default."""

LONGEST_HISTORY = 40
"""Transitions kept in an intent, so that endless retries do not fill it; see ``_trimmed``."""

LONGEST_RUN = timedelta(minutes=LONGEST_RUN_MINUTES)
"""After that a run on another machine counts as dead; a run uses less (``RunLock.seconds_left``)."""


def pause_after(failures: int) -> timedelta:
    """How long to wait after so many failures in a row: from a minute, doubled each time, to an hour."""
    pause: timedelta = timedelta(minutes=1) * 2 ** min(failures - 1, 10)
    return min(pause, timedelta(hours=1))


class Status(StrEnum):
    """Where an interview stands."""

    SCHEDULED = "scheduled"
    CREATING = "creating"
    ACTIVE = "active"
    DESTROYING = "destroying"
    DESTROYED = "destroyed"
    FAILED = "failed"
    LEAKING = "leaking"


TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.SCHEDULED: frozenset({Status.CREATING, Status.FAILED, Status.DESTROYING}),
    Status.CREATING: frozenset({Status.ACTIVE, Status.FAILED, Status.DESTROYING}),
    Status.ACTIVE: frozenset({Status.DESTROYING}),
    Status.FAILED: frozenset({Status.CREATING, Status.DESTROYING}),
    Status.DESTROYING: frozenset({Status.DESTROYED, Status.LEAKING}),
    Status.LEAKING: frozenset({Status.DESTROYING}),
    Status.DESTROYED: frozenset(),
}
"""Every legal move. An active interview cannot fail: what breaks later is repaired (recover) or destroyed."""

ENDING = frozenset({Status.DESTROYING, Status.LEAKING, Status.DESTROYED})
"""States from which an interview never comes back."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What the template is given, apart from the password, which is kept in SSM only.

    The size is in CPU units, MiB and GiB, 0 for the shared stack's; only another one is written down, so that an older
    prequel reads the rest, and refuses what it could not recreate.
    """

    candidate_name: str
    challenge: str
    image_tag: str = ""
    task_cpu: int = field(default=0, metadata=OPTIONAL)
    task_memory: int = field(default=0, metadata=OPTIONAL)
    task_storage: int = field(default=0, metadata=OPTIONAL)

    @property
    def size(self) -> dict[str, int]:
        """The dimensions that are the interview's own, by the template's variables."""
        sizes = {"task_cpu": self.task_cpu, "task_memory": self.task_memory, "task_storage": self.task_storage}
        return {name: size for name, size in sizes.items() if size}


@dataclass(frozen=True, kw_only=True)
class Transition:
    """One step of an interview's life: who took it, when, and why."""

    status: Status
    at: datetime
    actor: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class RunMark:
    """The process that alone may work on the interview until it clears this mark; see ``run_lock``.

    ``build`` is the CodeBuild build that it runs in, if any; ``ended`` means that CodeBuild reported its end.
    """

    id: str
    purpose: str
    actor: str
    host: str
    pid: int
    started_at: datetime
    build: str = ""
    ended: bool = False

    def may_be_alive(self, now: datetime) -> bool:
        """Whether it has not ended, as far as the mark says, and is not older than any run can be."""
        return not self.ended and now < self.started_at + LONGEST_RUN


@dataclass(frozen=True, kw_only=True)
class Intent:
    """``workspaces/{id}/interview.json``: the first object of an interview to be written, and the last to be removed.

    ``incarnation`` distinguishes two interviews that had the same id one after the other. ``slot`` is None until the
    lease is held. ``expires_at`` is the deadline as first given, which the template writes into tags; ``deadline`` is
    the one that counts. ``hourly_price`` is in US dollars, as it was at the create. ``retry_at`` is when the next pass
    of `reap` may try again after ``failures`` in a row. It is created ``start_early_minutes`` before ``starts_at``.
    """

    schema_version: Literal[1] = 1
    id: str
    incarnation: str
    release_digest: str
    inputs: Inputs
    created_at: datetime
    starts_at: datetime
    deadline: datetime
    expires_at: datetime
    status: Status
    slot: int | None = None
    hourly_price: float = 0.0
    outputs: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    failures: int = 0
    retry_at: datetime | None = None
    run: RunMark | None = None
    history: tuple[Transition, ...] = ()
    start_early_minutes: int = field(default=START_EARLY_MINUTES, metadata=OPTIONAL)

    @property
    def begins_at(self) -> datetime:
        """When it is created, and first needs a slot: a scheduled one before its start."""
        early = self.start_early_minutes if self.status is Status.SCHEDULED else 0
        return self.starts_at - timedelta(minutes=early)

    def moved(self, status: Status, *, at: datetime, actor: str, note: str = "") -> Self:
        """This interview in ``status``, with the step in its history; the same status again is no step.

        Raises ``RefusedError`` when ``TRANSITIONS`` has no such step.
        """
        if status == self.status and self.history:
            return self
        if self.history and status not in TRANSITIONS[self.status]:
            allowed = ", ".join(sorted(TRANSITIONS[self.status])) or "nothing: it has ended"
            raise RefusedError(
                f"interview {self.id} is {self.status} and cannot become {status}; from here it can become {allowed}"
            )
        step = Transition(status=status, at=at, actor=actor, note=note)
        return replace(self, status=status, history=_trimmed((*self.history, step)))

    def failed(self, reason: str, now: datetime) -> Self:
        """This interview after one more failure in a row, with the time of the next try."""
        failures = self.failures + 1
        return replace(self, error=reason, failures=failures, retry_at=now + pause_after(failures))

    def cost(self, now: datetime) -> float:
        """US dollars so far, from the first resource to the last or to ``now``."""
        began = next((step.at for step in self.history if step.status is Status.CREATING), None)
        ended = next((step.at for step in reversed(self.history) if step.status is Status.DESTROYED), now)
        return cost_of(ended - began, self.hourly_price) if began else 0.0

    def overdue(self, now: datetime) -> bool:
        """Whether its time is over and it is not yet gone."""
        return self.status != Status.DESTROYED and now >= self.deadline

    @property
    def access_url(self) -> str:
        """Where the candidate opens the editor; empty until it runs."""
        return str(self.outputs.get("access_url", ""))

    @property
    def work(self) -> str:
        """The folder of this interview's saved states, such as ``demo/0123456789abcdef``; empty if it has none."""
        return str(self.outputs.get("work_prefix", "")).removeprefix(WORK).rstrip("/")

    @property
    def untouched(self) -> bool:
        """Whether nothing but a scheduled one's password can exist: the slot is written before the first resource."""
        return self.slot is None and self.history[0].status in {Status.CREATING, Status.SCHEDULED}

    @property
    def was_held(self) -> bool:
        """Whether the candidate could ever work in it; of a long history only the outputs may show it."""
        return bool(self.outputs) or any(step.status is Status.ACTIVE for step in self.history)


def _trimmed(history: tuple[Transition, ...]) -> tuple[Transition, ...]:
    """The first step, the first create and the latest steps: what ``untouched`` and ``cost`` are read from."""
    if len(history) <= LONGEST_HISTORY:
        return history
    first_create = next((number for number, step in enumerate(history) if step.status is Status.CREATING), 0)
    first = {0, first_create}
    latest = range(len(history) - LONGEST_HISTORY + len(first), len(history))
    return tuple(history[number] for number in sorted(first | set(latest)))


@dataclass(frozen=True, kw_only=True)
class LastWork:
    """The last saved state of a candidate's work, as the destroy found it; ``state`` is 0 if there was none.

    ``incarnation`` names the states' folder, ``bytes`` and ``sha256`` are of the state as it is stored, ``left_out``
    are the first of the paths that are not in it. ``problem`` says why something newer may be missing.
    """

    incarnation: str
    state: int = 0
    saved_at: datetime | None = None
    bytes: int = 0
    sha256: str = ""
    left_out: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Tombstone:
    """``history/{id}/{created_at}.json``: what remains of an interview that is proven gone; ``log`` is redacted.

    ``work`` is None, and not written, where nothing is saved: releases before 0.3.0, or a candidate who never came.
    """

    schema_version: Literal[1] = 1
    intent: Intent
    destroyed_at: datetime
    proof: tuple[str, ...]
    log: str = ""
    work: LastWork | None = field(default=None, metadata=OPTIONAL)


@dataclass(frozen=True, kw_only=True)
class Lease:
    """``slots/{n}.json``: who holds the slot, and until when its interview is to run."""

    schema_version: Literal[1] = 1
    interview_id: str
    incarnation: str
    deadline: datetime
    claimed_at: datetime
    actor: str

    def belongs_to(self, intent: Intent) -> bool:
        """Whether this lease is that very interview's."""
        return self.interview_id == intent.id and self.incarnation == intent.incarnation


@dataclass(frozen=True, kw_only=True)
class Dispatch:
    """``dispatches/{id}.json``: the last build for an interview.

    ``attempt`` counts from 1 for one ``action`` on one ``incarnation``.
    """

    interview_id: str
    incarnation: str
    action: str
    attempt: int
    started_at: datetime
    build_id: str = ""

    @property
    def token(self) -> str:
        """The same for every try to start this very build."""
        return f"{self.incarnation}-{self.action}-{self.attempt}"

    @property
    def next_at(self) -> datetime:
        """When the next attempt may begin."""
        return self.started_at + pause_after(self.attempt)


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
