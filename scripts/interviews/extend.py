"""Giving an interview more time, without touching its resources."""

from dataclasses import replace
from datetime import timedelta

from scripts.errors import RefusedError
from scripts.interviews.bookings import without_slot
from scripts.interviews.context import Context
from scripts.interviews.records import Intent, Status, timestamp
from scripts.interviews.request import checked_id, shown_duration
from scripts.interviews.run_lock import RunLock, run_lock
from scripts.interviews.session_clock import show_session


def give_full_time(context: Context, run: RunLock) -> None:
    """Moves the deadline so that the time that the start took is not the candidate's loss."""
    intent = run.intent
    deadline = context.now() + (intent.deadline - intent.starts_at)
    if deadline > intent.deadline:
        extended = run.update(deadline=deadline)
        if lease := context.slots.of(extended):
            context.slots.extend(lease, deadline)


def extend(context: Context, interview_id: str, by: timedelta, *, dry_run: bool = False) -> Intent:
    """Moves the deadline by ``by``, in the intent and in the lease; the tags keep the first one.

    Raises ``RefusedError`` beyond the release's maximum duration, counted from the start, for a deadline that has
    passed even so, for one that is not later, or when the interview is ending.
    """
    if by <= timedelta():
        raise RefusedError(f"{shown_duration(by)} more would end interview {interview_id} earlier, expected more time")
    context.intents.get(checked_id(interview_id))
    with run_lock(context, interview_id, "extend") as run:
        intent = run.intent
        if intent.status not in {Status.SCHEDULED, Status.CREATING, Status.ACTIVE}:
            raise RefusedError(f"interview {interview_id} is {intent.status} and cannot be extended; create another")
        deadline = intent.deadline + by
        if deadline <= context.now():
            raise RefusedError(
                f"{shown_duration(by)} more would end interview {interview_id} at {timestamp(deadline)}, in the past; "
                f"expected more than {shown_duration(context.now() - intent.deadline)}"
            )
        maximum = timedelta(minutes=context.releases.manifest(intent.release_digest).limits.interview_maximum_minutes)
        if deadline - intent.starts_at > maximum:
            left = maximum - (intent.deadline - intent.starts_at)
            raise RefusedError(
                f"{shown_duration(by)} more would make interview {interview_id} last "
                f"{shown_duration(deadline - intent.starts_at)}, expected at most {shown_duration(maximum)}; "
                f"it can be extended by {shown_duration(left)}"
            )
        if dry_run:
            return replace(intent, deadline=deadline)
        extended = run.update(deadline=deadline)  # first: whoever destroys looks at it once more before it begins
        if lease := context.slots.of(extended):
            context.slots.extend(lease, deadline)
        show_session(context, extended)
        context.console.event("extended", interview=interview_id, deadline=timestamp(deadline))
        release = context.releases.current()
        if release and (waiting := without_slot(context, release.limits.max_instances)):
            context.console.warn(
                f"no slot may be free in time for {', '.join(waiting)}, which {'is' if len(waiting) == 1 else 'are'} "
                "scheduled; destroy an interview before, or raise max_instances, deploy and publish"
            )
        return extended
