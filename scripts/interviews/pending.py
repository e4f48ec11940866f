"""What must be done about the interviews next: the one decision that `reap` and the reaper's Lambda function share."""

from dataclasses import dataclass
from datetime import datetime

from scripts.interviews.records import ENDING, Intent, Status
from scripts.interviews.slots import HeldSlot
from scripts.interviews.store import Listing


@dataclass(frozen=True)
class PendingAction:
    """What is due for one interview, and why: to destroy, recover, start or free it, or to wait for its next try."""

    interview_id: str
    what: str
    why: str
    lease: HeldSlot | None = None
    """What there is to ``free``."""


def pending_action(intent: Intent, now: datetime) -> PendingAction | None:
    """What a pass at ``now`` has to do about one interview."""
    if intent.retry_at is not None and now < intent.retry_at:
        return PendingAction(intent.id, "wait", f"failed {intent.failures} times, the next try is at {intent.retry_at}")
    if intent.status in ENDING or intent.overdue(now):
        return PendingAction(intent.id, "destroy", "overdue" if intent.overdue(now) else f"still {intent.status}")
    if intent.status is Status.CREATING:
        return PendingAction(intent.id, "recover", "its create did not end")
    if intent.status is Status.SCHEDULED and now >= intent.begins_at:
        return PendingAction(intent.id, "start", "its start time is near")
    return None


def pending_actions(listing: Listing, now: datetime) -> list[PendingAction]:
    """What a pass at ``now`` has to do, the longest overdue first."""
    intents = sorted((stored.intent for stored in listing.intents.values()), key=lambda intent: intent.deadline)
    return [action for intent in intents if (action := pending_action(intent, now)) is not None]


def orphan_leases(leases: list[HeldSlot], listing: Listing) -> list[HeldSlot]:
    """Leases of interviews that are gone. ``leases`` must have been listed before ``listing``.

    Then every lease's intent, which is written before and removed after it, would be in the listing.
    """
    unknown = {"", *listing.unreadable}
    living = {(stored.intent.id, stored.intent.incarnation) for stored in listing.intents.values()}
    return [
        held
        for held in leases
        if held.lease.interview_id not in unknown and (held.lease.interview_id, held.lease.incarnation) not in living
    ]
