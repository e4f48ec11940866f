"""One pass over everything that must not stay as it is."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from scripts.errors import BusyInterviewError, InterruptedRunError, LeakingError, NoFreeSlotError, PrequelError
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

    ``busy`` and ``failed`` give the reason.
    """

    destroyed: list[str] = field(default_factory=list)
    recovered: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    freed_slots: list[int] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    busy: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    leaking: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """0 unless something failed; then 3 if anything leaks, else 1."""
        return (LeakingError.exit_code if self.leaking else 1) if self.failed else 0


def reap(context: Context, *, parallel: int = 4, dry_run: bool = False) -> Report:
    """Destroys what is overdue or half destroyed, ends what a dead run left, starts what is due, frees orphan slots.

    Interviews that another run works on are left to it. What fails is tried again by the next pass, later and later,
    for ever. Raises ``AwsError`` when the interviews or slots cannot be listed; then nothing was changed.
    """
    start = time.monotonic()
    context.prepare_clients()
    leases = context.slots.all()
    listing = context.intents.all()
    due = pending_actions(listing, context.now())
    report = Report(waiting=[duty.interview_id for duty in due if duty.what == "wait"])
    due = [duty for duty in due if duty.what != "wait"]
    due += [
        PendingAction(held.lease.interview_id, "free", f"it is no more, and holds slot {held.slot}", held)
        for held in orphan_leases(leases, listing)
    ]
    for problem in listing.unreadable.values():
        context.console.warn(problem)
    if dry_run:
        for duty in due:
            context.console.say(f"would {duty.what} {duty.interview_id}: {duty.why}")
        return report
    with forward_interrupts() as interrupted, ThreadPoolExecutor(parallel) as pool:
        for done in [pool.submit(_guarded, context, duty, report, interrupted) for duty in due]:
            done.result()
    report.seconds = time.monotonic() - start
    if interrupted():
        raise InterruptedRunError("interrupted; the next pass goes on where this one ended")
    return report


def _guarded(context: Context, duty: PendingAction, report: Report, interrupted: Callable[[], bool]) -> None:
    """Does one duty and reports how it ended."""
    if interrupted():
        return
    context.console.event("duty", interview=duty.interview_id, what=duty.what, why=duty.why)
    try:
        _do(context, duty, report)
    except (BusyInterviewError, ChangedMeanwhileError) as error:
        report.busy[duty.interview_id] = str(error)  # somebody else is at it, or has ended it
    except LeakingError as error:
        report.leaking.append(duty.interview_id)
        report.failed[duty.interview_id] = str(error)
    except NoFreeSlotError as error:
        report.failed[duty.interview_id] = str(error)  # the next pass tries again: a slot may be free at any moment
    except PrequelError as error:
        report.failed[duty.interview_id] = str(error)
        _postpone(context, duty, str(error))
    except Exception as error:  # noqa: BLE001  (a surprise with one interview must not hide what became of the others)
        report.failed[duty.interview_id] = f"{type(error).__name__}: {error}"
        _postpone(context, duty, report.failed[duty.interview_id])
    if duty.interview_id in report.failed:
        context.console.warn(report.failed[duty.interview_id])


def _postpone(context: Context, duty: PendingAction, reason: str) -> None:
    """Has later passes wait longer and longer, as after a destroy that did not prove its end."""
    with suppress(PrequelError):  # that it failed matters more
        stored = context.intents.load(duty.interview_id)
        if stored is not None and stored.intent.run is None:
            context.intents.replace(stored, stored.intent.failed(reason, context.now()))


def _do(context: Context, duty: PendingAction, report: Report) -> None:
    if duty.lease is not None:
        free_orphan(context, duty.lease)
        report.freed_slots.append(duty.lease.slot)
        return
    if duty.what == "destroy":
        with run_lock(context, duty.interview_id, "reap") as run:
            # It may have been extended since it was listed.
            if run.intent.status in ENDING or run.intent.overdue(context.now()):
                tear_down(context, run, note=duty.why)
                report.destroyed.append(duty.interview_id)
        return
    ended = recover(context, duty.interview_id)
    if ended.outcome == "destroyed":
        report.destroyed.append(duty.interview_id)
    elif duty.what == "start":
        report.started.append(duty.interview_id)
    else:
        report.recovered.append(duty.interview_id)
