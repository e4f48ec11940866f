"""Bringing whatever a dead run left behind to an end: active, or proven gone."""

import time
from dataclasses import dataclass, field
from typing import Literal

from scripts.challenges.names import name_of
from scripts.errors import AwsError, NoFreeSlotError, RefusedError
from scripts.interviews.create import (
    DEFAULT_WAIT_SECONDS,
    bring_up,
    existing_password,
    pinned,
    refuse_foreign,
    slot_for,
)
from scripts.interviews.custody import Custody, custody_of
from scripts.interviews.destroy import destroy_orphan, tear_down
from scripts.interviews.model import ENDING, Status
from scripts.interviews.readiness import wait_until_steady
from scripts.interviews.request import checked_id, generated_password
from scripts.interviews.resources import PASSWORD, RECORD, SERVICE_OF, TASKS, survey
from scripts.interviews.site import Site
from scripts.interviews.workspace import Workspace, clear_stale_lock, workspace_of

Outcome = Literal["active", "destroyed", "scheduled"]


@dataclass(frozen=True)
class Recovered:
    """How it ended, and what was done; ``password`` is told only when this run completed a create."""

    interview_id: str
    outcome: Outcome
    did: str
    seconds: float
    access_url: str = ""
    password: str = field(default="", repr=False)


def recover(site: Site, interview_id: str, *, wait_seconds: float = DEFAULT_WAIT_SECONDS) -> Recovered:
    """Completes a create, repairs what an active interview lost, or goes on with a destroy.

    What is overdue is destroyed, and so is what holds a slot without an intent. A scheduled interview is started when
    its time has come. Raises ``RefusedError`` without such an interview, ``BusyInterviewError`` while another run is
    alive, and what create and destroy raise.
    """
    start = time.monotonic()
    if site.intents.load(checked_id(interview_id)) is None:
        if site.leases.named(interview_id) is not None:
            destroy_orphan(site, interview_id)
            return Recovered(interview_id, "destroyed", "freed its slot: its intent was lost", time.monotonic() - start)
        raise RefusedError(
            f"there is no interview {interview_id} to recover; if something is left of it, "
            f"`prequel interview destroy {interview_id}` removes it"
        )
    with custody_of(site, interview_id, "recover") as held:
        intent = held.intent
        if intent.status in ENDING or intent.overdue(site.now()):
            tear_down(site, held, note="overdue" if intent.status not in ENDING else "recovered")
            return Recovered(interview_id, "destroyed", "destroyed", time.monotonic() - start)
        if intent.status is Status.SCHEDULED and site.now() < intent.starts_at:
            return Recovered(interview_id, "scheduled", "nothing: it is not time yet", time.monotonic() - start)
        with workspace_of(site, intent) as workspace:
            if intent.status is Status.ACTIVE:
                did, password = _repair(site, held, workspace, wait_seconds), ""
            else:
                did, password = _complete(site, held, workspace, wait_seconds)
        url = str(held.intent.outputs.get("access_url", ""))
        return Recovered(interview_id, "active", did, time.monotonic() - start, url, password)


def _complete(site: Site, held: Custody, workspace: Workspace, wait_seconds: float) -> tuple[str, str]:
    """Finishes a create, or starts one that was scheduled; returns what was done, and the password."""
    before = held.intent.status
    if held.intent.untouched:
        # Whatever has its name by now is not ours, except the password of a scheduled one.
        ours = frozenset({PASSWORD} if before is Status.SCHEDULED else ())
        refuse_foreign(survey(site.aws, held.intent.id, workspace.values), held.intent.id, expected=ours)
    try:
        slot = slot_for(site, held, _cap(site, held), workspace.values)
    except NoFreeSlotError:
        if before is Status.CREATING:
            tear_down(site, held, note="no slot was free")
        raise
    known = held.intent.inputs
    inputs = known if name_of(known.challenge) != known.challenge else pinned(site, held.intent)
    held.move(Status.CREATING, f"recovered from {before}", slot=slot, inputs=inputs)
    password = existing_password(site, held.intent.id, workspace.values) or generated_password()
    _reconcile(site, held, workspace)
    bring_up(site, held, workspace, password, keep=before is Status.FAILED, wait_seconds=wait_seconds)
    return ("started" if before is Status.SCHEDULED else "completed"), password


def _repair(site: Site, held: Custody, workspace: Workspace, wait_seconds: float) -> str:
    """Gives an active interview back what it or its state lost; returns what was done."""
    did = ["a stale lock cleared"] if clear_stale_lock(site, held) else []
    priority = held.intent.slot
    if _regain_slot(site, held, workspace):
        did.append(f"slot {held.intent.slot} taken again")
        workspace.render_inputs(held.intent)
    live, lost = _reconcile(site, held, workspace)
    expected = {address for address in SERVICE_OF if address not in {TASKS, RECORD}}
    if workspace.values.get("create_dns_record"):
        expected.add(RECORD)
    missing = expected - live.keys()
    if lost or missing or held.intent.slot != priority:
        password = existing_password(site, held.intent.id, workspace.values) or generated_password()
        outputs = workspace.apply(held, password)
        workspace.adopted()
        wait_until_steady(site, held.intent.id, workspace.values, min(wait_seconds, held.seconds_left))
        held.update(outputs=outputs)
        did.append(f"{len(missing)} created again, {len(lost)} taken back into the state")
    return f"repaired: {', '.join(did)}" if did else "nothing: it is as it should be"


def _cap(site: Site, held: Custody) -> int:
    """How many interviews there may be now, and not when the interview's own release was published."""
    release = site.releases.current() or site.releases.manifest(held.intent.release_digest)
    return int(release.limits.max_instances)


def _regain_slot(site: Site, held: Custody, workspace: Workspace) -> bool:
    """Takes a slot for an interview whose lease somebody removed, its own if that is still free; tells whether so."""
    if site.leases.of(held.intent) is not None:
        return False
    held.update(slot=slot_for(site, held, _cap(site, held), workspace.values))
    return True


def _reconcile(site: Site, held: Custody, workspace: Workspace) -> tuple[dict[str, str], dict[str, str]]:
    """Brings state and AWS together; returns what exists, and what of that the state had lost."""
    found = survey(site.aws, held.intent.id, workspace.values)
    if found.unknown:
        raise AwsError(f"cannot tell what exists of interview {held.intent.id}: {found.leftovers}; try again")
    return found.live, workspace.reconcile(held, found)
