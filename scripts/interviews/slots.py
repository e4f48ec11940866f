"""Slots: the cap on concurrent interviews and their listener priorities, in one.

Slot n is the object ``slots/{n}.json``. Whoever creates it holds it; S3 lets only one creator win. A lease without an
intent of the same incarnation is an orphan at any moment, because the intent is written before and removed after it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from contract.names import LISTENER_PRIORITY_BASE, SLOTS, slot_key
from scripts.aws.bucket import Bucket, LostRaceError
from scripts.aws.clients import Aws
from scripts.errors import NoFreeSlotError
from scripts.interviews.documents import UnreadableDocumentError, from_json, to_json
from scripts.interviews.records import Intent, Lease, timestamp
from scripts.interviews.store import ChangedMeanwhileError

_NAMED_HOLDERS = 12


@dataclass(frozen=True)
class HeldSlot:
    """A lease, its slot, and the version of it that was read."""

    slot: int
    lease: Lease
    etag: str


class Slots:
    """The slots in ``bucket``; each method raises ``AwsError`` when S3 refuses."""

    def __init__(self, aws: Aws, bucket: str) -> None:
        self._bucket = Bucket(aws, bucket)

    def taken(self) -> list[int]:
        """The slots that are held, in order."""
        names = [key.removeprefix(SLOTS).removesuffix(".json") for key in self._bucket.listing(SLOTS)]
        return sorted(int(name) for name in names if name.isdigit())

    def all(self) -> list[HeldSlot]:
        """Every lease, by slot."""
        return [held for held in self._bucket.in_parallel(self.get, self.taken()) if held is not None]

    def get(self, slot: int) -> HeldSlot | None:
        """The lease of ``slot``, or None when it is free; one that cannot be read is held by nobody known."""
        found = self._bucket.read(slot_key(slot))
        if found is None:
            return None
        try:
            lease = from_json(Lease, found.body)
        except UnreadableDocumentError:
            written = found.last_modified or datetime.now(UTC)
            lease = Lease(interview_id="", incarnation="", deadline=written, claimed_at=written, actor="unknown")
        return HeldSlot(slot, lease, found.etag)

    def of(self, intent: Intent) -> HeldSlot | None:
        """The lease that ``intent`` holds, looked for in its own slot first."""
        if intent.slot is not None:
            held = self.get(intent.slot)
            if held is not None and held.lease.belongs_to(intent):
                return held
        return next((held for held in self.all() if held.lease.belongs_to(intent)), None)

    def named(self, interview_id: str) -> HeldSlot | None:
        """The lease of any interview that had this id, or None."""
        return next((held for held in self.all() if held.lease.interview_id == interview_id), None)

    def claim(
        self, intent: Intent, limit: int, *, now: datetime, actor: str, blocked: frozenset[int] = frozenset()
    ) -> HeldSlot:
        """A free slot below ``limit`` that is not ``blocked``, the one it had before if it can be.

        Raises ``NoFreeSlotError`` when there is none.
        """
        lease = Lease(
            interview_id=intent.id,
            incarnation=intent.incarnation,
            deadline=intent.deadline,
            claimed_at=now,
            actor=actor,
        )
        taken = self.taken()
        free = set(range(limit)) - set(taken) - blocked if len(taken) < limit else set()
        for slot in sorted(free, key=lambda slot: (slot != intent.slot, slot)):
            try:
                written = self._bucket.write(slot_key(slot), to_json(lease), if_absent=True)
            except LostRaceError:
                continue  # somebody was faster
            held = HeldSlot(slot, lease, written.etag)
            # After ``max_instances`` was lowered, leases above it still count.
            if taken and taken[-1] >= limit and len(self.taken()) > limit:
                self.release(held)
                break
            return held
        raise self.refusal(limit, now, blocked - set(taken))

    def refusal(self, limit: int, now: datetime, blocked: Iterable[int] = ()) -> NoFreeSlotError:
        """The error that says who holds the slots, which of the others are ``blocked``, and when the next frees."""
        leases = sorted((held.lease for held in self.all()), key=lambda lease: lease.deadline)
        holders = [f"{lease.interview_id or 'unknown'} until {timestamp(lease.deadline)}" for lease in leases]
        holders = abridged(holders)
        priorities = [str(LISTENER_PRIORITY_BASE + slot) for slot in sorted(blocked) if slot < limit]
        if priorities:
            holders.append(f"rules of other clients, at the listener priorities {', '.join(priorities)}")
        taken = f": all {limit} are taken by {', '.join(holders)}" if holders else ""
        frees = ""
        if leases and leases[0].deadline > now:
            frees = f" the next frees in {int((leases[0].deadline - now).total_seconds() // 60) + 1} minutes,"
        return NoFreeSlotError(
            f"no free slots{taken};{frees} wait, destroy one, or raise max_instances, deploy and publish the templates"
        )

    def extend(self, held: HeldSlot, deadline: datetime) -> None:
        """Gives the lease another deadline; raises ``ChangedMeanwhileError``."""
        lease = replace(held.lease, deadline=deadline)
        try:
            self._bucket.write(slot_key(held.slot), to_json(lease), if_match=held.etag)
        except LostRaceError as error:
            raise ChangedMeanwhileError(f"slot {held.slot} was changed by somebody else; try again") from error

    def release(self, held: HeldSlot) -> bool:
        """Frees the slot, unless it is no longer the same lease; returns whether it did."""
        try:
            self._bucket.delete(slot_key(held.slot), if_match=held.etag)
        except LostRaceError:
            return False
        return True


def abridged(holders: list[str]) -> list[str]:
    """The first of those that hold slots, and how many more there are."""
    more = len(holders) - _NAMED_HOLDERS
    return [*holders[:_NAMED_HOLDERS], f"{more} more"] if more > 0 else holders
