"""Comparing the records with what exists, and listing every difference with the command that repairs it."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from contract.limits import INTERVIEW_ID_PATTERN
from contract.names import HISTORY, INTENT_FILE, STATES, WORKSPACES, lock_key, state_key, workspace_key
from scripts.aws.clients import explained
from scripts.errors import PrequelError
from scripts.images.choice import missing_image
from scripts.interviews.context import Context
from scripts.interviews.destroy import destroy, free_orphan
from scripts.interviews.inventory import TASKS, kinds_of
from scripts.interviews.pending import orphan_leases
from scripts.interviews.rate import Rate
from scripts.interviews.records import ENDING, Intent, Status, timestamp
from scripts.interviews.recover import recover
from scripts.interviews.run_lock import is_dead, run_lock
from scripts.interviews.services import stopped_services
from scripts.interviews.stack_inventory import live_by_interview
from scripts.interviews.state import (
    OLDEST_FOREIGN_LOCK,
    StateLock,
    UnreadableStateError,
    addresses_in,
    clear_stale_state_lock,
    is_empty,
)
from scripts.interviews.workspace import current_workspace

_ESSENTIAL = frozenset({"service", "target group", "listener rule", "password"})


@dataclass(frozen=True)
class Difference:
    """One difference: ``kind`` in a word or two, its price in US dollars an hour, and the command that repairs it.

    ``fix`` does what the command does; None when a person has to decide.
    """

    kind: str
    subject: str
    detail: str
    command: str
    hourly_price: float = 0.0
    fix: Callable[[], object] | None = field(default=None, repr=False, compare=False)

    def document(self) -> dict[str, Any]:
        """The difference for machines."""
        return {
            "kind": self.kind,
            "subject": self.subject,
            "detail": self.detail,
            "command": self.command,
            "hourly_price_usd": round(self.hourly_price, 4),
            "fixable": self.fix is not None,
        }


def diagnose(context: Context) -> list[Difference]:
    """Every difference between intents, leases, states, locks, releases, their image and live resources.

    All that takes seconds to list, while others create and destroy. So when anything is found, everything is looked at
    once more, and only what is found again in the same words is reported. Raises ``AwsError`` when anything cannot be
    listed, and ``RefusedError`` when no templates are published.
    """
    suspected = list(_Comparison(context).differences())
    return [found for found in _Comparison(context).differences() if found in suspected] if suspected else []


def fix_all(context: Context) -> list[Difference]:
    """Fixes what can be fixed without asking, warns of what could not be, and returns the differences that remain."""
    found = diagnose(context)
    for difference, reason in fix(context, found).items():
        context.console.warn(f"{difference.kind} {difference.subject} is not fixed: {reason}")
    return diagnose(context) if found else []


def fix(context: Context, differences: list[Difference]) -> dict[Difference, str]:
    """Fixes what can be fixed without asking; returns the reason for each that could not be."""
    failed: dict[Difference, str] = {}
    fixed: set[Callable[[], object]] = set()
    for difference in differences:
        if difference.fix is None or difference.fix in fixed:
            continue
        try:
            difference.fix()
            fixed.add(difference.fix)
            context.console.event("mended", kind=difference.kind, subject=difference.subject)
        except PrequelError as error:
            failed[difference] = str(error)
    return failed


class _Comparison:
    """All that is compared, listed once; the intents last, as ``orphan_leases`` wants."""

    def __init__(self, context: Context) -> None:
        self._context = context
        with current_workspace(context) as workspace:
            self._values = workspace.values
        self._live = live_by_interview(context.aws, self._values)
        services = sorted(name for name, kinds in self._live.items() if "service" in kinds)
        with explained("look at the services"):
            self._stopped = stopped_services(context.aws, self._values["ecs_cluster_arn"], services)
        self._leases = context.slots.all()
        self._keys = [*context.objects.listing(STATES), *context.objects.listing(WORKSPACES)]
        self._states = context.objects.read_all(key for key in self._keys if key.endswith(".tfstate"))
        self._listing = context.intents.all()

    def differences(self) -> Iterator[Difference]:
        yield from self._unreadable()
        for stored in self._listing.intents.values():
            yield from self._of_intent(stored.intent)
        yield from self._without_intent()
        yield from self._leaked_leases()
        yield from self._stale_locks()
        yield from self._of_releases()

    def _repaired(
        self, action: Literal["destroy", "recover"], kind: str, name: str, detail: str, *, unasked: bool = True
    ) -> Difference:
        """A difference that `prequel interview ACTION` repairs, and `doctor --fix` too if it may do so ``unasked``."""
        work = partial(destroy, note="doctor") if action == "destroy" else recover
        runs = "service" in self._live.get(name, ()) and name not in self._stopped
        known = self._listing.intents.get(name)
        price = (known.intent.hourly_price if known else Rate.of(self._values).per_hour) if runs else 0.0
        fix = partial(work, self._context, name) if unasked else None
        return Difference(kind, name, detail, f"prequel interview {action} {name}", price, fix)

    def _unreadable(self) -> Iterator[Difference]:
        """Only a person can decide which version is right; the command lists them."""
        command = f"aws s3api list-object-versions --bucket {self._context.bucket} --prefix"
        for name, reason in self._listing.unreadable.items():
            yield Difference("unreadable", name, reason, f"{command} {workspace_key(name, INTENT_FILE)}")

    def _of_intent(self, intent: Intent) -> Iterator[Difference]:
        name, run, status = intent.id, intent.run, intent.status
        missing = _ESSENTIAL - self._live.get(name, set())
        leased = any(held.lease.belongs_to(intent) for held in self._leases)
        if run is not None:
            if is_dead(self._context, run):  # otherwise somebody may be at work
                detail = f"process {run.pid} of {run.actor} died during {run.purpose}; it is {status}"
                yield self._repaired("recover", "dead run", name, detail)
        elif unreadable := self._unreadable_state(name):
            yield self._repaired("recover", "wrong state", name, f"{status}, but {unreadable}")
        elif status is Status.LEAKING:
            yield self._repaired("destroy", "leaking", name, intent.error or "not proven gone")
        elif intent.overdue(self._context.now()):
            detail = f"{status} since its deadline {timestamp(intent.deadline)}"
            yield self._repaired("destroy", "overdue", name, detail)
        elif status in ENDING | {Status.CREATING}:
            yield self._repaired("recover", "unfinished", name, f"{status}, and nobody works on it")
        elif status is Status.ACTIVE and (missing or not leased):
            lacking = [*sorted(missing), *(() if leased else (f"lease of slot {intent.slot}",))]
            kind = "ghost" if missing else "lost lease"
            yield self._repaired("recover", kind, name, f"active, but it has no {', no '.join(lacking)}")
        elif status is Status.ACTIVE and name in self._stopped:
            yield self._repaired("recover", "stopped", name, "active, but its service is set to 0 tasks")
        elif status is Status.ACTIVE and (problem := self._problem_of_state(name)):
            yield self._repaired("recover", "wrong state", name, f"active, but {problem}")

    def _problem_of_state(self, name: str) -> str:
        """What is wrong with the Terraform state of an interview that is otherwise whole."""
        key = state_key(name)
        stored = self._states.get(key) or self._context.objects.read(key)  # it may be younger than the listing
        if stored is None:
            # Terraform had written one by the time that the create stored these files.
            return f"its state {key} is gone" if workspace_key(name, "main.tf") in self._keys else ""
        unknown = {*kinds_of(self._values)} - {TASKS} - addresses_in(stored.body, key)
        return f"its state does not hold {', '.join(sorted(unknown))}" if unknown else ""

    def _is_empty_state(self, name: str) -> bool:
        """Whether this is all that is there: what Terraform leaves of an interview that another client destroyed."""
        stored = self._states.get(state_key(name))
        traces = [key for key in self._keys if key.startswith((workspace_key(name), lock_key(name)))]
        if stored is None or traces or name in self._live:
            return False
        return not self._unreadable_state(name) and is_empty(stored.body, name)

    def _unreadable_state(self, name: str) -> str:
        stored = self._states.get(state_key(name))
        try:
            if stored is not None:
                addresses_in(stored.body, state_key(name))
        except UnreadableStateError as error:
            return str(error)
        return ""

    def _without_intent(self) -> Iterator[Difference]:
        """Resources, states and workspaces without an intent, fixed only if a lease or tombstone shows they were ours.

        Another client such as the portal may be at work, which uploads its workspace only when its create is done.
        """
        states = {key.removeprefix(STATES).removesuffix(".tfstate") for key in self._keys if key.endswith(".tfstate")}
        workspaces = {key.split("/")[1] for key in self._keys if key.startswith(WORKSPACES)}
        names = (
            (states | workspaces | self._live.keys()) - self._listing.intents.keys() - self._listing.unreadable.keys()
        )
        for name in sorted(name for name in names if re.fullmatch(INTERVIEW_ID_PATTERN, name)):
            if self._is_empty_state(name):
                continue  # as the template contract says
            resources = ", ".join(sorted(self._live.get(name, ())))
            # Of ours, the intent is the first object of a workspace and the last.
            if any(f"{WORKSPACES}{name}/{file}" in self._keys for file in ("main.tf", "terraform.tfvars")):
                detail = (
                    f"{resources} without an intent, with another client's workspace"
                    if resources
                    else "another client's workspace, without resources"
                )
                yield self._repaired("destroy", "foreign", name, detail, unasked=False)
                continue
            kind = "orphan" if resources else "leftover files"
            detail = f"{resources} without an intent" if resources else "files without an intent and without resources"
            ours = any(held.lease.interview_id == name for held in self._leases) or bool(
                self._context.objects.listing(f"{HISTORY}{name}/")
            )
            yield self._repaired("destroy", kind, name, detail, unasked=ours)

    def _leaked_leases(self) -> Iterator[Difference]:
        for held in orphan_leases(self._leases, self._listing):
            detail = f"held for {held.lease.interview_id}, which is gone"
            fix = partial(free_orphan, self._context, held)
            yield Difference("leaked lease", f"slot {held.slot}", detail, "prequel interview reap", fix=fix)

    def _stale_locks(self) -> Iterator[Difference]:
        """Locks on the state of an interview that nobody works on; those of dead runs are differences already."""
        suffix = ".tfstate.tflock"
        for name in (key.removeprefix(STATES).removesuffix(suffix) for key in self._keys if key.endswith(suffix)):
            stored = self._listing.intents.get(name)
            if stored is not None and stored.intent.run is None:
                detail, fix = "its state is locked, and nobody works on it", partial(_unlock, self._context, name)
                yield Difference("stale lock", name, detail, f"prequel interview recover {name}", fix=fix)
            elif stored is None and self._is_old(name):
                detail = "a locked state without an intent"
                yield Difference("stale lock", name, detail, f"prequel interview destroy {name}")

    def _is_old(self, name: str) -> bool:
        """Whether the lock is older than any run of another client, which may be at work otherwise."""
        found = self._context.objects.read(lock_key(name))
        if found is None:
            return False
        created = StateLock.parse(found.body).created
        return created is None or self._context.now() - created >= OLDEST_FOREIGN_LOCK

    def _of_releases(self) -> Iterator[Difference]:
        releases = self._context.releases
        for entry in releases.catalogue():
            if entry.problem:
                yield Difference("half release", entry.digest[:12], entry.problem, "prequel templates verify")
        image = missing_image(self._values, self._context.aws)
        if image:
            detail = f"{image} is gone from the repository, so no interview can start"
            yield Difference("missing image", "current release", detail, "prequel templates publish")
        # A publisher that died between its first plain copy and its last leaves them so.
        detail = "it is not that of the current release, and clients that copy instance/ get a mixed set"
        for key in releases.settle(dry_run=True):
            yield Difference("mixed templates", key, detail, "prequel templates verify", fix=releases.settle)


def _unlock(context: Context, interview_id: str) -> None:
    with run_lock(context, interview_id, "doctor") as run:
        clear_stale_state_lock(context, run)
