"""Finishing what a dead run left behind: the interview becomes active, or is proven gone."""

from dataclasses import dataclass, field
from typing import Literal

from scripts.aws.clients import explained
from scripts.challenges.names import name_of
from scripts.errors import AwsError, NoFreeSlotError, RefusedError
from scripts.interviews.context import Context
from scripts.interviews.create import bring_up, slot_for
from scripts.interviews.destroy import destroy_orphan, tear_down
from scripts.interviews.inputs import pinned
from scripts.interviews.inventory import PASSWORD, TASKS, kinds_of, refuse_foreign, take_inventory
from scripts.interviews.passwords import keep_key, read_password
from scripts.interviews.rate import Rate
from scripts.interviews.readiness import wait_until_steady
from scripts.interviews.records import ENDING, Status
from scripts.interviews.request import DEFAULT_WAIT_SECONDS, checked_id, generated_password
from scripts.interviews.run_lock import RunLock, run_lock
from scripts.interviews.services import stopped_services
from scripts.interviews.state import clear_stale_state_lock, set_aside_unreadable_state
from scripts.interviews.workspace import Workspace, workspace_of


@dataclass(frozen=True)
class Recovered:
    """How it ended, and what was done; ``password`` is given only when this run completed a create."""

    interview_id: str
    outcome: Literal["active", "destroyed", "scheduled"]
    did: str
    access_url: str = ""
    password: str = field(default="", repr=False)

    def document(self) -> dict[str, object]:
        """How it ended, for machines."""
        return {
            "id": self.interview_id,
            "outcome": self.outcome,
            "did": self.did,
            "access_url": self.access_url,
            "password": self.password,
        }


def recover(context: Context, interview_id: str, *, wait_seconds: float = DEFAULT_WAIT_SECONDS) -> Recovered:
    """Completes a create, repairs what an active interview lost, or continues a destroy.

    What is overdue is destroyed, and so is what holds a slot without an intent. A scheduled interview is started once
    its start time is near. Raises ``RefusedError`` without such an interview, ``BusyInterviewError`` while another
    run is alive, and what create and destroy raise.
    """
    if context.intents.load(checked_id(interview_id)) is None:
        if context.slots.named(interview_id) is not None:
            destroy_orphan(context, interview_id)
            return Recovered(interview_id, "destroyed", "freed its slot: its intent was lost")
        raise RefusedError(
            f"there is no interview {interview_id} to recover; if something is left of it, "
            f"`prequel interview destroy {interview_id}` removes it"
        )
    with run_lock(context, interview_id, "recover") as run:
        intent, unreadable = run.intent, set_aside_unreadable_state(context, interview_id)
        if intent.status in ENDING or intent.overdue(context.now()):
            tear_down(context, run, note="overdue" if intent.status not in ENDING else "recovered")
            return Recovered(interview_id, "destroyed", "destroyed")
        if intent.status is Status.SCHEDULED and context.now() < intent.begins_at:
            return Recovered(interview_id, "scheduled", "nothing: it is not time yet")
        with workspace_of(context, intent) as workspace:
            if intent.status is Status.ACTIVE:
                did, password = _repair(context, run, workspace, wait_seconds), ""
                did = f"set aside a state that could not be read; {did}" if unreadable else did
            else:
                did, password = _complete(context, run, workspace, wait_seconds)
        return Recovered(interview_id, "active", did, run.intent.access_url, password)


def _complete(context: Context, run: RunLock, workspace: Workspace, wait_seconds: float) -> tuple[str, str]:
    before = run.intent.status
    if run.intent.untouched:
        # Whatever has its name by now is not ours, except the password of a scheduled one.
        ours = frozenset({PASSWORD} if before is Status.SCHEDULED else ())
        refuse_foreign(take_inventory(context.aws, run.intent.id, workspace.values), run.intent.id, expected=ours)
    try:
        slot = slot_for(context, run, _cap(context, run), workspace.values)
    except NoFreeSlotError:
        if before is Status.CREATING:
            tear_down(context, run, note="no slot was free")
        raise
    known = run.intent.inputs
    inputs = known if name_of(known.challenge) != known.challenge else pinned(context, run.intent, workspace)
    price = Rate.of(workspace.values, inputs).per_hour
    run.move(Status.CREATING, f"recovered from {before}", slot=slot, inputs=inputs, hourly_price=price)
    password = read_password(context.aws, run.intent.id, workspace.values) or generated_password()
    _reconcile(context, run, workspace)
    bring_up(context, run, workspace, password, keep=before is Status.FAILED, wait_seconds=wait_seconds)
    return ("started" if before is Status.SCHEDULED else "completed"), password


def _repair(context: Context, run: RunLock, workspace: Workspace, wait_seconds: float) -> str:
    did = ["a stale lock cleared"] if clear_stale_state_lock(context, run) else []
    priority = run.intent.slot
    if context.slots.of(run.intent) is None:
        run.update(slot=slot_for(context, run, _cap(context, run), workspace.values))
        did.append(f"slot {run.intent.slot} taken again")
        workspace.render_inputs(run.intent)
    live, lost = _reconcile(context, run, workspace)
    missing = {*kinds_of(workspace.values)} - {TASKS} - live.keys()
    with explained("look at the service"):
        stopped = stopped_services(context.aws, workspace.values["ecs_cluster_arn"], [run.intent.id])
    if lost or missing or stopped or run.intent.slot != priority:
        password = read_password(context.aws, run.intent.id, workspace.values) or generated_password()
        outputs = workspace.apply(run, password)
        if workspace.adopted():
            keep_key(context.aws, run.intent.id, workspace.values)
        wait_until_steady(context, run.intent.id, workspace.values, min(wait_seconds, run.seconds_left))
        run.update(outputs=outputs)
        did.append(f"{len(missing)} created again, {len(lost)} taken back into the state")
        if stopped:
            did.append("its stopped service started again")
    return f"repaired: {', '.join(did)}" if did else "nothing: it is as it should be"


def _cap(context: Context, run: RunLock) -> int:
    """How many interviews there may be now, and not when the interview's own release was published."""
    release = context.releases.current() or context.releases.manifest(run.intent.release_digest)
    return int(release.limits.max_instances)


def _reconcile(context: Context, run: RunLock, workspace: Workspace) -> tuple[dict[str, str], dict[str, str]]:
    """Brings state and AWS together; returns what exists, and what of that the state had lost."""
    found = take_inventory(context.aws, run.intent.id, workspace.values)
    if found.unknown:
        raise AwsError(f"it is unknown what exists of interview {run.intent.id}: {found.leftovers}; try again")
    if PASSWORD in found.live:  # a run may have died before it did so
        keep_key(context.aws, run.intent.id, workspace.values)
    return found.live, workspace.reconcile(run, found)
