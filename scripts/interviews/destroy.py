"""Destroying an interview, which ends when AWS itself says that nothing is left."""

import time
import uuid
from contextlib import nullcontext
from dataclasses import dataclass, replace

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential_jitter

from contract.names import INTENT_FILE, lock_key, state_key, workspace_key
from scripts.errors import (
    BusyInterviewError,
    InterruptedRunError,
    LeakingError,
    PrequelError,
    RefusedError,
    TerraformError,
    is_of_machine,
    reason,
)
from scripts.interviews.context import Context
from scripts.interviews.inventory import Inventory, take_inventory
from scripts.interviews.last_save import forget_work, known_last, save_last
from scripts.interviews.passwords import delete_password
from scripts.interviews.records import Inputs, Intent, LastWork, Status, Tombstone
from scripts.interviews.request import checked_id, generated_password
from scripts.interviews.run_lock import RunLock, run_lock
from scripts.interviews.session_clock import session_key
from scripts.interviews.slots import HeldSlot
from scripts.interviews.state import UnreadableStateError, state_addresses
from scripts.interviews.store import ChangedMeanwhileError, IdInUseError
from scripts.interviews.workspace import Workspace, check_here, current_workspace, workspace_of

ATTEMPTS = 4
PAUSES = wait_exponential_jitter(initial=1, max=10)
"""Seconds between the attempts of one destroy."""


class _NotGoneYetError(PrequelError):
    """Something is left, or AWS did not answer; to be retried."""


@dataclass(frozen=True)
class Destroyed:
    """An interview that is proven gone; ``existed`` is False when there was nothing to destroy.

    ``work`` is the last saved state, None where nothing is saved or a last save was not wanted.
    """

    existed: bool
    evidence: tuple[str, ...]
    work: LastWork | None = None

    @property
    def unsaved(self) -> str:
        """Why the last of the candidate's work may not be saved; empty if it is."""
        return self.work.problem if self.work is not None else ""


def destroy(context: Context, interview_id: str, *, note: str = "asked for", discard_work: bool = False) -> Destroyed:
    """Destroys the interview, whatever its status, and proves it; nothing to destroy is success too.

    The candidate's work is saved once more before, unless ``discard_work``. Raises ``LeakingError`` when its absence is
    not proven, and ``BusyInterviewError`` while another run works on it.
    """
    checked_id(interview_id)
    if context.intents.load(interview_id) is None:
        return destroy_orphan(context, interview_id)
    try:
        with run_lock(context, interview_id, "destroy") as run:
            return tear_down(context, run, note=note, discard_work=discard_work)
    except ChangedMeanwhileError:
        if context.intents.load(interview_id) is not None:
            raise
        return Destroyed(True, ())  # another destroy was faster, and removed the intent only with proof


def tear_down(
    context: Context, run: RunLock, workspace: Workspace | None = None, *, note: str, discard_work: bool = False
) -> Destroyed:
    """Destroys the held interview and removes every trace but the tombstone and the saved work.

    Raises ``LeakingError`` after several tries with growing pauses, or when it cannot even begin; the intent and the
    lease then stay.
    """
    if run.intent.status not in {Status.DESTROYING, Status.DESTROYED}:
        run.move(Status.DESTROYING, note)
    log, work = "", None
    opening = nullcontext(workspace) if workspace is not None else workspace_of(context, run.intent, to_destroy=True)
    evidence: tuple[str, ...]
    try:
        if run.intent.status is Status.DESTROYED:
            work = known_last(context, run.intent)
            evidence = ("proven before the run that proved it ended early",)
        elif not run.intent.untouched:
            with opening as opened:
                if context.keeps_work and not discard_work:
                    work = save_last(context, run.intent, opened.values)
                evidence = _destroy_until_gone(context, run, opened)
                log = opened.log
        elif run.intent.history[0].status is Status.SCHEDULED:
            # Takes back what scheduling put down itself, and nothing else: Terraform has not run for it yet.
            with opening as opened:
                delete_password(context.aws, run.intent.id, opened.values)
            evidence = ("nothing had been created", "password parameter: none")
        else:
            evidence = ("nothing had been created",)
    except (InterruptedRunError, BusyInterviewError, ChangedMeanwhileError):
        raise  # somebody else's turn, or the user's
    except Exception as error:
        if isinstance(error, PrequelError) or is_of_machine(error):
            raise _leaking(context, run, error) from error
        raise
    _clean_up(context, run, evidence, log, work)
    return Destroyed(True, evidence, work)


def _destroy_until_gone(context: Context, run: RunLock, workspace: Workspace) -> tuple[str, ...]:
    retrying = Retrying(
        stop=lambda state: state.attempt_number >= ATTEMPTS or run.seconds_left <= 0,
        wait=PAUSES,
        retry=retry_if_exception_type((_NotGoneYetError, TerraformError, OSError)),
        before_sleep=lambda state: _report_retry(context, run.intent.id, state),
        reraise=True,
    )
    for attempt in retrying:
        with attempt:
            found = take_inventory(context.aws, run.intent.id, workspace.values)
            if not _proven(context, run.intent, found):
                if found.live or state_addresses(context, run.intent.id):
                    _destroy_once(run, workspace, found)
                found = take_inventory(context.aws, run.intent.id, workspace.values)
            if _proven(context, run.intent, found):
                # What a killed client asked for last, and what AWS's lists did not show yet, would appear now.
                time.sleep(context.settling_seconds)
                found = take_inventory(context.aws, run.intent.id, workspace.values)
            if not _proven(context, run.intent, found):
                raise _NotGoneYetError(found.leftovers or "the Terraform state still holds resources")
    return found.evidence


def _report_retry(context: Context, interview_id: str, state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome is not None else None
    why = reason(error) if error is not None else ""
    text = f"trying again, {state.attempt_number + 1} of {ATTEMPTS}: {why}"
    context.console.progress("retry", text, interview=interview_id, attempt=state.attempt_number, reason=why)


def _proven(context: Context, intent: Intent, found: Inventory) -> bool:
    """Whether AWS answered for every kind that a release creates, and the state holds nothing that may be left.

    That is any other kind, or one of which something foreign exists: what is in the state is ours, tagged or not.
    """
    gone = {item.address for item in found.items if item.gone}
    return found.proven_gone and not state_addresses(context, intent.id) - gone


def _destroy_once(run: RunLock, workspace: Workspace, found: Inventory) -> None:
    lost = workspace.reconcile(run, found)
    if lost:
        # Terraform does not import while it destroys, so the lost resources come back into the state first.
        workspace.apply(run, generated_password(), *(f"-target={address}" for address in lost))
        workspace.adopted()
    workspace.destroy(run)


def _leaking(context: Context, run: RunLock, error: Exception) -> LeakingError:
    why = reason(error)
    after = run.intent.failed(why, context.now())
    run.move(Status.LEAKING, why, error=why, failures=after.failures, retry_at=after.retry_at)
    again = f"; run `prequel interview destroy {run.intent.id}` again, or leave it to `prequel interview reap`"
    what_next = "" if isinstance(error, UnreadableStateError) else again  # its text says what helps
    return LeakingError(f"interview {run.intent.id} is not proven gone: {why}{what_next}")


def _clean_up(context: Context, run: RunLock, evidence: tuple[str, ...], log: str, work: LastWork | None) -> None:
    """Removes the traces in an order that leaves the intent until nothing else is left, so that it can be resumed."""
    interview_id = run.intent.id
    if run.intent.status is not Status.DESTROYED:
        run.move(Status.DESTROYED, "proven gone")
    context.intents.write_tombstone(
        Tombstone(intent=replace(run.intent, run=None), destroyed_at=context.now(), proof=evidence, log=log, work=work)
    )
    if not context.keeps_work:
        forget_work(context, run.intent.work)
    prefix = workspace_key(interview_id)
    keys = context.objects.listing(prefix).keys() - {workspace_key(interview_id, INTENT_FILE)}
    shown = filter(None, [session_key(run.intent)])
    context.objects.delete_all([state_key(interview_id), lock_key(interview_id), *keys, *shown])
    run.remove()


def free_orphan(context: Context, held: HeldSlot) -> None:
    """Frees the slot of an interview that is gone; when its intent was lost, only once nothing of it is left."""
    if context.intents.load(held.lease.interview_id) is None:
        destroy_orphan(context, held.lease.interview_id)
    else:
        # The id lives again, which it could not while anything of this life was left.
        context.slots.release(held)


def destroy_orphan(context: Context, interview_id: str) -> Destroyed:
    """Destroys an id without an intent: what is there, or still holds a slot, gets an intent to be destroyed by.

    Raises ``RefusedError`` when all that is there is not ours, ``ChangedMeanwhileError`` when an interview of that id
    appears, and what ``destroy`` raises.
    """
    with current_workspace(context) as workspace:
        check_here(context, workspace.values)
        found = take_inventory(context.aws, interview_id, workspace.values)
        digest = workspace.manifest.digest
    listing, state, lock = context.objects.listing, state_key(interview_id), lock_key(interview_id)
    lease = context.slots.named(interview_id)
    remains = lease is not None or listing(workspace_key(interview_id)) or {state, lock} & listing(state).keys()
    if found.proven_gone and not remains:
        if found.foreign:
            raise RefusedError(
                f"there is no interview {interview_id}; what has its name carries other tags, and is left alone: "
                f"{found.foreign}"
            )
        return Destroyed(False, found.evidence)
    now = context.now()
    intent = Intent(
        id=interview_id,
        incarnation=lease.lease.incarnation if lease is not None else uuid.uuid4().hex,
        release_digest=digest,
        inputs=Inputs(candidate_name="unknown", challenge="unknown"),
        created_at=now,
        starts_at=now,
        deadline=now,
        expires_at=now,
        status=Status.DESTROYING,
    ).moved(Status.DESTROYING, at=now, actor=context.actor, note="found without an intent")
    try:
        with run_lock(context, intent, "destroy") as run:
            return tear_down(context, run, note="found without an intent")
    except IdInUseError as error:
        raise ChangedMeanwhileError(f"interview {interview_id} was just created; nothing was destroyed") from error
