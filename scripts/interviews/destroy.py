"""Destroying an interview, which ends when AWS itself says that nothing is left."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential_jitter

from contract.names import password_parameter
from scripts.aws.clients import explained
from scripts.errors import (
    BusyInterviewError,
    InterruptedRunError,
    LeakingError,
    PrequelError,
    RefusedError,
    TerraformError,
)
from scripts.interviews.custody import Custody, custody_of, custody_of_new
from scripts.interviews.leases import Held
from scripts.interviews.model import Inputs, Intent, Run, Status, Tombstone
from scripts.interviews.request import checked_id, generated_password
from scripts.interviews.resources import Survey, survey
from scripts.interviews.site import Site
from scripts.interviews.store import (
    INTENT_FILE,
    ChangedMeanwhileError,
    IdInUseError,
    lock_key,
    state_key,
    workspace_key,
)
from scripts.interviews.workspace import Workspace, check_here, private_directory, state_addresses, workspace_of

ATTEMPTS = 4
PAUSES = wait_exponential_jitter(initial=1, max=10)
"""Seconds between the attempts of one destroy."""


_NOTHING_CREATED: tuple[str, ...] = ("nothing had been created",)
_PROVEN_BEFORE: tuple[str, ...] = ("proven before the run that proved it ended early",)


class _NotGoneYetError(PrequelError):
    """Something is left, or AWS did not answer; worth another try."""


@dataclass(frozen=True)
class Destroyed:
    """An interview that is proven gone; ``existed`` is False when there was nothing to destroy."""

    interview_id: str
    existed: bool
    seconds: float
    evidence: tuple[str, ...]


def destroy(site: Site, interview_id: str, *, note: str = "asked for") -> Destroyed:
    """Destroys the interview, whatever its status, and proves it; nothing to destroy is success too.

    Raises ``LeakingError`` when its absence is not proven, and ``BusyInterviewError`` while another run works on it.
    """
    start = time.monotonic()
    checked_id(interview_id)
    if site.intents.load(interview_id) is None:
        return destroy_orphan(site, interview_id)
    try:
        with custody_of(site, interview_id, "destroy") as held:
            evidence = tear_down(site, held, note=note)
    except ChangedMeanwhileError:
        if site.intents.load(interview_id) is not None:
            raise
        evidence = ()  # another destroy was faster, and removed the intent only with proof
    return Destroyed(interview_id, True, time.monotonic() - start, evidence)


def tear_down(site: Site, held: Custody, workspace: Workspace | None = None, *, note: str) -> tuple[str, ...]:
    """Destroys the held interview and removes every trace but the tombstone; returns the proof.

    Raises ``LeakingError`` after several tries with growing pauses, or when it cannot even begin; the intent and the
    lease then stay.
    """
    if held.intent.status not in {Status.DESTROYING, Status.DESTROYED}:
        held.move(Status.DESTROYING, note)
    log = ""
    try:
        if held.intent.status is Status.DESTROYED:
            evidence = _PROVEN_BEFORE
        elif held.intent.untouched:
            evidence = _NOTHING_CREATED
            if held.intent.history[0].status is Status.SCHEDULED:
                evidence += _forget_password(site, held, workspace)
        else:
            with _opened(site, held, workspace) as opened:
                evidence = _destroy_until_gone(site, held, opened)
                log = opened.log
    except (InterruptedRunError, BusyInterviewError, ChangedMeanwhileError):
        raise  # somebody else's turn, or the user's
    except PrequelError as error:
        raise _leaking(site, held, str(error)) from error
    _clean_up(site, held, evidence, log)
    return evidence


def _forget_password(site: Site, held: Custody, workspace: Workspace | None) -> tuple[str, ...]:
    """Takes back what scheduling put down itself, and nothing else: Terraform has not run for it yet."""
    with _opened(site, held, workspace) as opened:
        name = password_parameter(opened.values["project_prefix"], held.intent.id)
    with explained(f"delete the password of interview {held.intent.id}"):
        site.aws.ssm.delete_parameters(Names=[name])  # one that is not there is no error
    return ("password parameter: none",)


@contextmanager
def _opened(site: Site, held: Custody, workspace: Workspace | None) -> Iterator[Workspace]:
    if workspace is not None:
        yield workspace
        return
    with workspace_of(site, held.intent, to_destroy=True) as opened:
        yield opened


def _destroy_until_gone(site: Site, held: Custody, workspace: Workspace) -> tuple[str, ...]:
    retrying = Retrying(
        stop=lambda state: state.attempt_number >= ATTEMPTS or held.seconds_left <= 0,
        wait=PAUSES,
        retry=retry_if_exception_type((_NotGoneYetError, TerraformError)),
        before_sleep=lambda state: _tell_retry(site, held.intent.id, state),
        reraise=True,
    )
    for attempt in retrying:
        with attempt:
            found = survey(site.aws, held.intent.id, workspace.values)
            if not _proven(site, held.intent, found):
                if found.live or state_addresses(site, held.intent.id):
                    _destroy_once(held, workspace, found)
                found = survey(site.aws, held.intent.id, workspace.values)
            if _proven(site, held.intent, found):
                # What a killed client asked for last, and what AWS's lists did not show yet, would appear now.
                time.sleep(site.settling_seconds)
                found = survey(site.aws, held.intent.id, workspace.values)
            if not _proven(site, held.intent, found):
                raise _NotGoneYetError(found.leftovers or "the Terraform state still holds resources")
    return found.evidence


def _tell_retry(site: Site, interview_id: str, state: RetryCallState) -> None:
    reason = str(state.outcome.exception()) if state.outcome is not None else ""
    text = f"trying again, {state.attempt_number + 1} of {ATTEMPTS}: {reason}"
    site.console.progress("retry", text, interview=interview_id, attempt=state.attempt_number, reason=reason)


def _proven(site: Site, intent: Intent, found: Survey) -> bool:
    """Whether AWS answered for every kind that a release creates, and the state holds nothing that may be left.

    That is any other kind, or one of which something foreign exists: what is in the state is ours, tagged or not.
    """
    gone = {sighting.address for sighting in found.sightings if sighting.gone}
    return found.proven_gone and not state_addresses(site, intent.id) - gone


def _destroy_once(held: Custody, workspace: Workspace, found: Survey) -> None:
    lost = workspace.reconcile(held, found)
    if lost:
        # Terraform does not import while it destroys, so the lost resources come back into the state first.
        workspace.apply(held, generated_password(), *(f"-target={address}" for address in lost))
        workspace.adopted()
    workspace.destroy(held)


def _leaking(site: Site, held: Custody, reason: str) -> LeakingError:
    after = held.intent.failed(reason, site.now())
    held.move(Status.LEAKING, reason, error=reason, failures=after.failures, retry_at=after.retry_at)
    return LeakingError(
        f"interview {held.intent.id} is not proven gone: {reason}; "
        f"run `prequel interview destroy {held.intent.id}` again, or leave it to `prequel interview reap`"
    )


def _clean_up(site: Site, held: Custody, evidence: tuple[str, ...], log: str) -> None:
    """Removes the traces in an order that leaves the intent until nothing else is left, so that it can be resumed."""
    interview_id = held.intent.id
    if held.intent.status is not Status.DESTROYED:
        held.move(Status.DESTROYED, "proven gone")
    site.intents.bury(
        Tombstone(intent=held.intent.model_copy(update={"run": None}), destroyed_at=site.now(), proof=evidence, log=log)
    )
    prefix = workspace_key(interview_id)
    keys = [key for key in site.intents.keys(prefix) if key != workspace_key(interview_id, INTENT_FILE)]
    site.intents.delete([state_key(interview_id), lock_key(interview_id), *keys])
    lease = site.leases.of(held.intent)
    if lease is not None:
        site.leases.release(lease)
        site.console.event("slot-freed", interview=interview_id, slot=lease.slot)
    held.remove()


def free_orphan(site: Site, held: Held) -> None:
    """Frees the slot of an interview that is no more; when its intent was lost, only once nothing of it is left."""
    if site.intents.load(held.lease.interview_id) is None:
        destroy_orphan(site, held.lease.interview_id)
    else:
        # The id lives again, which it could not while anything of this life was left.
        site.leases.release(held)


def destroy_orphan(site: Site, interview_id: str) -> Destroyed:
    """Destroys an id without an intent: what is there, or still holds a slot, gets an intent to be destroyed by.

    Raises ``RefusedError`` when all that is there is not ours, ``ChangedMeanwhileError`` when an interview of that id
    appears, and what ``destroy`` raises.
    """
    start = time.monotonic()
    pointer = site.releases.current()
    if pointer is None:
        raise RefusedError(f"there is no interview {interview_id}, and no templates are published")
    with private_directory() as directory:
        site.releases.download(pointer.digest, directory)
        values = Workspace(site, directory, None).values
        check_here(site, values)
        found = survey(site.aws, interview_id, values)
    traces = [state_key(interview_id), lock_key(interview_id)]
    remains = [key for key in site.intents.keys(state_key(interview_id)) if key in traces]
    remains += site.intents.keys(workspace_key(interview_id))
    lease = site.leases.named(interview_id)
    if lease is not None:
        remains.append(f"slot {lease.slot}")
    if found.proven_gone and not remains and found.foreign:
        raise RefusedError(
            f"there is no interview {interview_id}; what has its name carries other tags, and is left alone: "
            f"{found.foreign}"
        )
    if found.proven_gone and not remains:
        return Destroyed(interview_id, False, time.monotonic() - start, found.evidence)

    def draft(run: Run) -> Intent:
        now = site.now()
        return Intent(
            id=interview_id,
            incarnation=lease.lease.incarnation if lease is not None else uuid.uuid4().hex,
            release_digest=pointer.digest,
            inputs=Inputs(candidate_name="unknown", challenge="unknown"),
            created_at=now,
            starts_at=now,
            deadline=now,
            expires_at=now,
            status=Status.DESTROYING,
            run=run,
        ).moved(Status.DESTROYING, at=now, actor=site.actor, note="found without an intent")

    try:
        with custody_of_new(site, draft, "destroy") as held:
            evidence = tear_down(site, held, note="found without an intent")
    except IdInUseError as error:
        raise ChangedMeanwhileError(f"interview {interview_id} was just created anew; nothing was destroyed") from error
    return Destroyed(interview_id, True, time.monotonic() - start, evidence)
