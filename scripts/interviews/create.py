"""Creating an interview: the intent first, then the slot, then one `terraform apply`."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from contract.names import LISTENER_PRIORITY_BASE, state_key, workspace_key
from contract.prices import cost_of
from scripts.challenges.catalog import ChallengeBucket
from scripts.errors import InterruptedRunError, RefusedError, TerraformError, extended, reason
from scripts.interviews.bookings import ONE_AT_A_TIME, bookings, refuse_unless_bookable
from scripts.interviews.context import Context
from scripts.interviews.destroy import tear_down
from scripts.interviews.extend import give_full_time
from scripts.interviews.inputs import asked_inputs, pinned
from scripts.interviews.inventory import priorities_of_others, refuse_foreign, take_inventory
from scripts.interviews.link import interview_link
from scripts.interviews.listing import planned_url
from scripts.interviews.passwords import keep_key, write_password
from scripts.interviews.rate import Rate
from scripts.interviews.readiness import wait_until_steady
from scripts.interviews.records import Inputs, Intent, Status, timestamp
from scripts.interviews.request import Request, checked_duration, refuse_reserved
from scripts.interviews.route import open_route
from scripts.interviews.run_lock import RunLock, run_lock
from scripts.interviews.session_clock import show_session
from scripts.interviews.store import ChangedMeanwhileError, IdInUseError
from scripts.interviews.workspace import Workspace, check_here
from scripts.private_files import private_directory
from scripts.terraform.interrupts import AwaitedThreads


@dataclass(frozen=True)
class Created:
    """A new interview; the password is given here once, and kept in SSM only. ``planned_url`` is where it will be."""

    intent: Intent
    password: str = field(repr=False)
    planned_url: str = ""

    @property
    def access_url(self) -> str:
        """Where the candidate opens the editor, once it runs."""
        return self.intent.access_url or self.planned_url

    @property
    def link(self) -> str:
        """Opens the editor without typing the password."""
        return interview_link(self.access_url, self.intent.id, self.password)

    @property
    def cost(self) -> float:
        """US dollars until its deadline."""
        return cost_of(self.intent.deadline - self.intent.starts_at, self.intent.hourly_price)

    def document(self) -> dict[str, Any]:
        """The interview for machines, with its password."""
        intent = self.intent
        return {
            "id": intent.id,
            "status": intent.status,
            "access_url": self.access_url,
            "password": self.password,
            "link": self.link,
            "slot": intent.slot,
            "starts_at": timestamp(intent.starts_at),
            "deadline": timestamp(intent.deadline),
            "hourly_price_usd": round(intent.hourly_price, 4),
            "cost_usd": round(self.cost, 4),
            "outputs": intent.outputs,
        }


@dataclass(frozen=True)
class CreatePlan:
    """What a create would do: the interview as asked for, at what rate, and how many slots of how many are free."""

    intent: Intent
    rate: Rate
    free_slots: int
    slots: int

    @property
    def cost(self) -> str:
        """About how much for how long, in words."""
        return self.rate.text(self.intent.deadline - self.intent.starts_at)


def plan(context: Context, request: Request) -> CreatePlan:
    """Checks all that ``create`` checks before it changes anything, and raises what it would."""
    with private_directory() as directory:
        workspace, planned = _prepared(context, request, directory)
        refuse_foreign(take_inventory(context.aws, request.id, workspace.values), request.id)
        known = bookings(context, planned.slots)
        known.refuse_unless_free(planned.intent)
        free = known.free(planned.intent.begins_at, planned.intent.deadline)
        return replace(planned, free_slots=min(free, planned.free_slots) if request.starts_at is None else free)


def create(context: Context, request: Request) -> Created:
    """Creates the interview, or writes it down for later when it has a start time.

    Raises ``RefusedError`` before anything is touched, ``NoFreeSlotError``, and ``TerraformError`` or
    ``NotReadyError`` when it fails; what it had created is then destroyed again, unless ``request.keep``.
    """
    with private_directory() as directory:
        workspace, planned = _prepared(context, request, directory)
        context.console.say(f"interview {request.id} costs {planned.cost}")
        try:
            with ExitStack() as held:
                with ONE_AT_A_TIME:
                    refuse_unless_bookable(context, planned.intent, planned.slots)
                    run = held.enter_context(run_lock(context, planned.intent, "create"))
                if request.starts_at is not None:
                    _schedule(context, run, workspace, request)
                else:
                    _create_now(context, run, workspace, request)
                return Created(run.intent, request.password, planned_url(workspace.values, request.id))
        except IdInUseError as error:
            raise RefusedError(str(error)) from error


def _prepared(context: Context, request: Request, directory: Path) -> tuple[Workspace, CreatePlan]:
    """The current release in ``directory``, and what would be created from it; raises unless it can be."""
    request.check()
    pointer = context.current_release()
    with ThreadPoolExecutor(4) as pool:
        downloading = pool.submit(context.releases.download, pointer.digest, directory)
        known = pool.submit(ChallengeBucket(context.aws, context.bucket).find, request.challenge)
        taken = pool.submit(context.slots.taken)
        traces = pool.submit(_traces, context, request.id)
    workspace = Workspace(context, directory, downloading.result())
    check_here(context, workspace.values)
    refuse_reserved(request.id, workspace.values["project_prefix"])
    limits = workspace.manifest.limits
    usual = timedelta(minutes=limits.interview_default_minutes)
    duration = checked_duration(request.duration or usual, limits.interview_maximum_minutes)
    manifest = known.result()
    if traces.result():
        raise RefusedError(
            f"the id {request.id} is in use ({traces.result()[0]}); choose another, "
            f"or see `prequel interview show {request.id}`"
        )
    is_due = request.starts_at is None or request.starts_at <= context.now()
    free = limits.max_instances - len(taken.result())
    if is_due and free <= 0:
        raise context.slots.refusal(limits.max_instances, context.now())
    inputs = asked_inputs(request, manifest)
    rate = Rate.of(workspace.values, inputs)
    intent = _asked_for(context, request, pointer.digest, duration=duration, inputs=inputs, rate=rate)
    return workspace, CreatePlan(intent, rate, free, limits.max_instances)


def _asked_for(
    context: Context, request: Request, digest: str, *, duration: timedelta, inputs: Inputs, rate: Rate
) -> Intent:
    now = context.now()
    starts_at = request.starts_at or now
    status = Status.SCHEDULED if request.starts_at else Status.CREATING
    return Intent(
        id=request.id,
        incarnation=uuid.uuid4().hex,
        release_digest=digest,
        inputs=inputs,
        created_at=now,
        starts_at=starts_at,
        deadline=starts_at + duration,
        expires_at=starts_at + duration,
        start_early_minutes=context.start_early_minutes,
        status=status,
        hourly_price=rate.per_hour,
    ).moved(status, at=now, actor=context.actor, note="asked for")


def _traces(context: Context, interview_id: str) -> list[str]:
    """What is in the bucket under this id, whoever put it there."""
    state = state_key(interview_id)
    return [*context.objects.listing(workspace_key(interview_id)), *({state} & context.objects.listing(state).keys())]


def _create_now(context: Context, run: RunLock, workspace: Workspace, request: Request) -> None:
    try:
        workspace.render(run.intent)
        with AwaitedThreads(4) as pool:
            claiming = pool.submit(slot_for, context, run, workspace.manifest.limits.max_instances, workspace.values)
            listing = pool.submit(take_inventory, context.aws, run.intent.id, workspace.values)
            pinning = pool.submit(pinned, context, run.intent, workspace)
            workspace.init(run)
        slot = claiming.result()
        refuse_foreign(listing.result(), request.id)
        inputs = pinning.result()
        run.update(slot=slot, inputs=inputs, hourly_price=Rate.of(workspace.values, inputs).per_hour)
    except ChangedMeanwhileError:
        raise  # it is another run's by now
    except BaseException as error:
        run.remove()
        if isinstance(error, KeyboardInterrupt):
            raise InterruptedRunError(f"interrupted; nothing of interview {request.id} was created") from error
        raise
    bring_up(context, run, workspace, request.password, keep=request.keep, wait_seconds=request.wait_seconds)


def slot_for(context: Context, run: RunLock, limit: int, values: dict[str, Any]) -> int:
    """The held interview's slot, claimed if it has none; raises ``NoFreeSlotError``.

    A slot whose listener priority a rule of another client has is left out, because no rule of ours could be created.
    """
    known = run.before is not None or run.intent.slot is not None or run.intent.status is Status.FAILED
    lease = context.slots.of(run.intent) if known else None
    if lease is None:
        used = priorities_of_others(context.aws, run.intent.id, values)
        blocked = frozenset(priority - LISTENER_PRIORITY_BASE for priority in used)
        lease = context.slots.claim(run.intent, limit, now=context.now(), actor=context.actor, blocked=blocked)
    context.console.event("slot", interview=run.intent.id, slot=lease.slot)
    return lease.slot


def bring_up(
    context: Context, run: RunLock, workspace: Workspace, password: str, *, keep: bool, wait_seconds: float
) -> None:
    """Applies, waits until the interview can be used, and calls it active; else destroys it, unless ``keep``."""
    interview_id, first = run.intent.id, not run.intent.was_held
    try:
        workspace.render_inputs(run.intent)
        with AwaitedThreads(1) as pool:
            uploading = pool.submit(workspace.upload, interview_id)
            outputs = _apply(context, run, workspace, password)
        uploading.result()
        if workspace.adopted():
            keep_key(context.aws, interview_id, workspace.values)
        longest = run.seconds_left / 2  # the rest is for taking it back
        wait_until_steady(context, interview_id, workspace.values, min(wait_seconds, longest), longest=longest)
        open_route(context, run.intent, workspace.values)
        run.move(Status.ACTIVE, "ready", outputs=outputs, error="", failures=0, retry_at=None)
        if first:
            give_full_time(context, run)
        show_session(context, run.intent)
    except ChangedMeanwhileError:
        raise  # it is another run's by now, and so is what was created
    except BaseException as error:  # a full disk, a closed terminal, a mistake of ours: nothing may be left
        why = reason(error)
        if keep:
            run.move(Status.FAILED, why, error=why)
            context.console.warn(f"interview {interview_id} is kept as it is; destroy it, or complete it with recover")
            raise
        context.console.warn(f"creating interview {interview_id} failed ({why}); destroying what was created")
        run.update(error=why)
        tear_down(context, run, workspace, note=why)
        if isinstance(error, InterruptedRunError | KeyboardInterrupt):
            raise InterruptedRunError(f"interrupted; interview {interview_id} is proven gone") from error
        raise extended(error, "what had been created is proven gone") from error.__cause__


def _apply(context: Context, run: RunLock, workspace: Workspace, password: str) -> dict[str, Any]:
    """Applies; once more when resources exist that the state does not know.

    Nothing of this name existed before, so they are ours: a request succeeded and its answer was lost, and the
    provider's own second try met the first one's resource.
    """
    try:
        return workspace.apply(run, password, opened=False)
    except TerraformError:
        if not workspace.reconcile(run, take_inventory(context.aws, run.intent.id, workspace.values)):
            raise
        return workspace.apply(run, password, opened=False)


def _schedule(context: Context, run: RunLock, workspace: Workspace, request: Request) -> None:
    """Puts the password where the start will find it; Terraform adopts the parameter then."""
    values = workspace.values
    try:
        refuse_unless_bookable(context, run.intent, workspace.manifest.limits.max_instances)  # another may be faster
        refuse_foreign(take_inventory(context.aws, run.intent.id, values), request.id)
        inputs = pinned(context, run.intent, workspace)
        run.update(inputs=inputs, hourly_price=Rate.of(values, inputs).per_hour)
    except BaseException:
        run.remove()
        raise
    try:
        write_password(context.aws, request.id, values, request.password)
    except BaseException as error:
        # Not withdrawn: the parameter may be there, and only its answer be lost.
        why = reason(error)
        context.console.warn(f"scheduling interview {request.id} failed ({why}); taking it back")
        run.update(error=why)
        tear_down(context, run, note=why)
        raise
