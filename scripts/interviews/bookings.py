"""When which interview takes a slot: a running one until its deadline, a scheduled one from before its start."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Self

from scripts.errors import NoFreeSlotError
from scripts.interviews.context import Context
from scripts.interviews.lookup import ids
from scripts.interviews.records import Intent, Status, timestamp
from scripts.interviews.request import shown_duration
from scripts.interviews.slots import abridged
from scripts.interviews.times import shown_time

ONE_AT_A_TIME = Lock()
"""Held from a look at the bookings until one's own is written, so that the rows of a file do not refuse each other."""

_UNKNOWN_END = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Booking:
    """The time in which an interview needs a slot; ``begins`` is None for one that has it, or takes it now."""

    interview_id: str
    begins: datetime | None
    ends: datetime

    @classmethod
    def of(cls, intent: Intent) -> Self | None:
        """None for an interview that never gets a slot again, or is about to free it."""
        match intent.status:
            case Status.SCHEDULED:
                return cls(intent.id, intent.begins_at, intent.deadline)
            case Status.LEAKING:
                return cls(intent.id, None, _UNKNOWN_END)
            case Status.FAILED if intent.slot is None:
                return None
            case Status.CREATING | Status.ACTIVE | Status.FAILED:
                return cls(intent.id, None, intent.deadline)
        return None

    def covers(self, moment: datetime) -> bool:
        """Whether it needs the slot then."""
        return (self.begins is None or self.begins <= moment) and moment < self.ends

    def __str__(self) -> str:
        """In words, such as ``ada until 2027-01-31T14:00:00Z``."""
        begins = f" from {timestamp(self.begins)}" if self.begins else ""
        return f"{self.interview_id}{begins} until {timestamp(self.ends) if self.ends < _UNKNOWN_END else 'repaired'}"


class Bookings:
    """The bookings of at most ``limit`` slots."""

    def __init__(self, limit: int, intents: Iterable[Intent]) -> None:
        self._limit = limit
        self._all = [booking for intent in intents if (booking := Booking.of(intent)) is not None]

    def add(self, intent: Intent) -> None:
        """Counts one more interview."""
        self._all += filter(None, [Booking.of(intent)])

    def free(self, begins: datetime, ends: datetime) -> int:
        """How many slots are free all the time from ``begins`` to ``ends``; below 0 after the limit was lowered."""
        moments = [begins, *(one.begins for one in self._all if one.begins and begins < one.begins < ends)]
        return self._limit - max(sum(one.covers(moment) for one in self._all) for moment in moments)

    def refuse_unless_free(self, intent: Intent) -> None:
        """Raises ``NoFreeSlotError`` with the next start that is free, unless a slot is free for ``intent``."""
        begins, ends = intent.begins_at, intent.deadline
        if self.free(begins, ends) > 0:
            return
        overlapping = [one for one in self._all if one.ends > begins and (one.begins is None or one.begins < ends)]
        holders = abridged([str(one) for one in sorted(overlapping, key=lambda one: one.ends)])
        duration = shown_duration(ends - intent.starts_at)
        start = self._next_start(intent)
        advice = f"the next start that is free for {duration} is {shown_time(start)}; choose it, " if start else ""
        raise NoFreeSlotError(
            f"no slot is free from {timestamp(begins)} until {timestamp(ends)}: "
            f"all {self._limit} are taken by {', '.join(holders)}; "
            f"{advice}{'' if advice else 'destroy one, '}or raise max_instances, deploy and publish the templates"
        )

    def _next_start(self, intent: Intent) -> datetime | None:
        """The first full minute from which a slot is free for as long as ``intent`` takes."""
        early, length = timedelta(minutes=intent.start_early_minutes), intent.deadline - intent.starts_at
        for end in sorted(one.ends for one in self._all if intent.begins_at < one.ends < _UNKNOWN_END):
            start = _full_minute(end + early)
            if self.free(start - early, start + length) > 0:
                return start
        return None


def bookings(context: Context, limit: int, *, without: str = "") -> Bookings:
    """The bookings of all interviews, if wanted ``without`` one; raises ``AwsError``.

    One whose record cannot be read is not counted: nobody knows until when it is to last.
    """
    found = context.intents.all().intents
    return Bookings(limit, [stored.intent for interview_id, stored in found.items() if interview_id != without])


def refuse_unless_bookable(context: Context, intent: Intent, limit: int) -> None:
    """Raises ``NoFreeSlotError`` unless a slot is free for ``intent`` when it starts and as long as it lasts."""
    if len({intent.id, *ids(context)}) > limit:  # else there is room for all at once
        bookings(context, limit, without=intent.id).refuse_unless_free(intent)


def without_slot(context: Context, limit: int) -> list[str]:
    """The ids of scheduled interviews for which no slot will be free, such as after another one was extended."""
    if len(ids(context)) <= limit:
        return []
    found = [stored.intent for stored in context.intents.all().intents.values()]
    known = Bookings(limit, found)
    scheduled = [intent for intent in found if intent.status is Status.SCHEDULED]
    return [intent.id for intent in scheduled if known.free(intent.begins_at, intent.deadline) < 0]


def _full_minute(moment: datetime) -> datetime:
    whole = moment.replace(second=0, microsecond=0)
    return whole if whole == moment else whole + timedelta(minutes=1)
