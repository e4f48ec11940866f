"""One pass over everything that must not stay as it is."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from scripts.errors import (
    BusyInterviewError,
    InterruptedRunError,
    LeakingError,
    NoFreeSlotError,
    PrequelError,
    UnsavedWorkError,
    reason,
)
from scripts.interviews.context import Context
from scripts.interviews.destroy import free_orphan, tear_down
from scripts.interviews.pending import PendingAction, orphan_leases, pending_actions
from scripts.interviews.records import ENDING
from scripts.interviews.recover import recover
from scripts.interviews.run_lock import run_lock
from scripts.interviews.store import ChangedMeanwhileError
from scripts.terraform.interrupts import forward_interrupts


@dataclass
class Report:
    """What one pass did, by interview id; ``waiting`` are those whose next try is not due yet.

    ``busy``, ``failed`` and ``unsaved`` (destroyed, but its last work may not be saved) give the reason.
    """

    destroyed: list[str] = field(default_factory=list)
    recovered: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    freed_slots: list[int] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    busy: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    leaking: list[str] = field(default_factory=list)
    unsaved: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """0 unless something failed; then 3 if anything leaks, else 1; 5 if only work may not be saved."""
        if self.failed:
            return LeakingError.exit_code if self.leaking else 1
        return UnsavedWorkError.exit_code if self.unsaved else 0


def reap(context: Context, *, parallel: int = 4, dry_run: bool = False) -> Report:
    """Destroys what is overdue or half destroyed, ends what a dead run left, starts what is due, frees orphan slots.

    What fails is retried with back-off by later passes. Raises ``AwsError`` when the interviews or slots cannot be
    listed; then nothing was changed.
    """
    start = time.monotonic()
    leases = context.slots.all()
    listing = context.intents.all()
    due = pending_actions(listing, context.now())
    report = Report(waiting=[action.interview_id for action in due if action.what == "wait"])
    due = [action for action in due if action.what != "wait"]
    due += [
        PendingAction(held.lease.interview_id, "free", f"it is gone, and holds slot {held.slot}", held)
        for held in orphan_leases(leases, listing)
    ]
    for problem in listing.unreadable.values():
        context.console.warn(problem)
    if dry_run:
        for action in due:
            context.console.say(f"would {action.what} {action.interview_id}: {action.why}")
        return report

    def finish(action: PendingAction) -> None:
        if not interrupted():
            _finish(context, action, report)

    with forward_interrupts() as interrupted, ThreadPoolExecutor(parallel) as pool:
        list(pool.map(finish, due))
    report.seconds = time.monotonic() - start
    if interrupted():
        raise InterruptedRunError("interrupted; the next pass continues")
    return report


def _finish(context: Context, action: PendingAction, report: Report) -> None:
    context.console.event("duty", interview=action.interview_id, what=action.what, why=action.why)
    try:
        _do(context, action, report)
    except (BusyInterviewError, ChangedMeanwhileError) as error:
        report.busy[action.interview_id] = str(error)  # somebody else is at it, or has ended it
    except Exception as error:  # noqa: BLE001  (a surprise with one interview must not hide what became of the others)
        why = reason(error)
        report.failed[action.interview_id] = why
        context.console.warn(why)
        if isinstance(error, LeakingError):
            report.leaking.append(action.interview_id)  # its next try is written down already
        elif not isinstance(error, NoFreeSlotError):  # a slot may be free at the next pass
            with suppress(PrequelError):  # that it failed matters more than when the next pass tries again
                stored = context.intents.load(action.interview_id)
                if stored is not None and stored.intent.run is None:
                    context.intents.replace(stored, stored.intent.failed(why, context.now()))


def _do(context: Context, action: PendingAction, report: Report) -> None:
    if action.lease is not None:
        free_orphan(context, action.lease)
        report.freed_slots.append(action.lease.slot)
    elif action.what == "destroy":
        with run_lock(context, action.interview_id, "reap") as run:
            # It may have been extended since it was listed.
            if run.intent.status in ENDING or run.intent.overdue(context.now()):
                done = tear_down(context, run, note=action.why)
                report.destroyed.append(action.interview_id)
                if done.unsaved:
                    report.unsaved[action.interview_id] = done.unsaved
    elif recover(context, action.interview_id).outcome == "destroyed":
        report.destroyed.append(action.interview_id)
    else:
        (report.started if action.what == "start" else report.recovered).append(action.interview_id)
