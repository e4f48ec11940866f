"""Comparing the records with what exists, and listing every difference with the command that repairs it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from contract.limits import INTERVIEW_ID_PATTERN
from contract.names import (
    HISTORY,
    INTENT_FILE,
    STATES,
    WORKSPACES,
    lock_key,
    workspace_key,
)
from scripts.errors import PrequelError
from scripts.images.choice import missing_image
from scripts.interviews.context import Context
from scripts.interviews.destroy import destroy, free_orphan
from scripts.interviews.pending import orphan_leases
from scripts.interviews.rate import Rate
from scripts.interviews.records import UNFINISHED, Intent, Status, timestamp
from scripts.interviews.recover import recover
from scripts.interviews.run_lock import is_dead, run_lock
from scripts.interviews.slots import HeldSlot
from scripts.interviews.stack_inventory import live_by_interview
from scripts.interviews.state import OLDEST_FOREIGN_LOCK, StateLock, clear_stale_state_lock
from scripts.interviews.store import Listing
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
        fields = {name: value for name, value in asdict(self).items() if name != "fix"}
        return fields | {"hourly_price_usd": round(fields.pop("hourly_price"), 4), "fixable": self.fix is not None}


def diagnose(context: Context) -> list[Difference]:
    """Every difference between intents, leases, states, locks, releases, their image and live resources.

    All that takes seconds to list, while others create and destroy. So when anything is found, everything is looked at
    once more, and only what is found again in the same words is reported. Raises ``AwsError`` when anything cannot be
    listed, and ``RefusedError`` when no templates are published.
    """
    suspected = _differences(context)
    return [difference for difference in _differences(context) if difference in suspected] if suspected else []


def _differences(context: Context) -> list[Difference]:
    with current_workspace(context) as workspace:
        values = workspace.values
    live = live_by_interview(context.aws, values)
    leases = context.slots.all()
    stored_keys = context.intents.keys(STATES) + context.intents.keys(WORKSPACES)
    listing = context.intents.all()
    price = Rate.of(values).per_hour
    known = set(listing.intents) | set(listing.unreadable)
    return [
        *_unreadable(context, listing),
        *_of_intents(context, listing, leases, live, price),
        *_orphans(
            context, {name: kinds for name, kinds in live.items() if name not in known}, leases, stored_keys, price
        ),
        *_leaked_leases(context, orphan_leases(leases, listing)),
        *_leftovers(context, leases, stored_keys, known | set(live)),
        *_stale_locks(context, stored_keys, listing),
        *_half_releases(context),
        *_missing_image(context, values),
        *_mixed_templates(context),
    ]


def fix_all(context: Context) -> list[Difference]:
    """Fixes what can be fixed without asking, warns of what could not be, and returns the differences that remain."""
    found = diagnose(context)
    if not found:
        return []
    for difference, reason in fix(context, found).items():
        context.console.warn(f"{difference.kind} {difference.subject} is not fixed: {reason}")
    return diagnose(context)


def fix(context: Context, differences: list[Difference]) -> dict[Difference, str]:
    """Fixes what can be fixed without asking; returns the reason for each that could not be."""
    failed: dict[Difference, str] = {}
    fixed: set[str] = set()
    for difference in differences:
        if difference.fix is None or difference.command in fixed:
            continue
        try:
            difference.fix()
            fixed.add(difference.command)
            context.console.event("mended", kind=difference.kind, subject=difference.subject)
        except PrequelError as error:
            failed[difference] = str(error)
    return failed


def _unreadable(context: Context, listing: Listing) -> list[Difference]:
    """Only a person can decide which version is right; the command lists them."""
    command = f"aws s3api list-object-versions --bucket {context.bucket} --prefix"
    return [
        Difference("unreadable", name, reason, f"{command} {workspace_key(name, INTENT_FILE)}")
        for name, reason in listing.unreadable.items()
    ]


def _of_intents(
    context: Context, listing: Listing, leases: list[HeldSlot], live: Mapping[str, set[str]], price: float
) -> list[Difference]:
    found = []
    for stored in listing.intents.values():
        leased = any(held.lease.belongs_to(stored.intent) for held in leases)
        difference = _of_intent(context, stored.intent, live.get(stored.intent.id, set()), price, leased=leased)
        if difference is not None:
            found.append(difference)
    return found


def _of_intent(context: Context, intent: Intent, live: set[str], price: float, *, leased: bool) -> Difference | None:
    name = intent.id
    costs = price if "service" in live else 0.0
    destroying = (f"prequel interview destroy {name}", costs, lambda: destroy(context, name, note="doctor"))
    recovering = (f"prequel interview recover {name}", costs, lambda: recover(context, name))
    run, missing = intent.run, _ESSENTIAL - live
    if run is not None:
        detail = f"process {run.pid} of {run.actor} died during {run.purpose}; it is {intent.status}"
        # Otherwise somebody may be at work.
        return Difference("dead run", name, detail, *recovering) if is_dead(context, run) else None
    if intent.status is Status.LEAKING:
        return Difference("leaking", name, intent.error or "not proven gone", *destroying)
    if intent.overdue(context.now()):
        return Difference(
            "overdue", name, f"{intent.status} since its deadline {timestamp(intent.deadline)}", *destroying
        )
    if intent.status in UNFINISHED:
        return Difference("unfinished", name, f"{intent.status}, and nobody works on it", *recovering)
    lacking = [*sorted(missing), *(() if leased else (f"lease of slot {intent.slot}",))]
    if intent.status is Status.ACTIVE and lacking:
        kind = "ghost" if missing else "lost lease"
        return Difference(kind, name, f"active, but it has no {', no '.join(lacking)}", *recovering)
    return None


def _orphans(
    context: Context, live: Mapping[str, set[str]], leases: list[HeldSlot], keys: list[str], price: float
) -> list[Difference]:
    """Resources without an intent, which are fixed only if it is certain that they were ours.

    Another client such as the portal may be at work, which uploads its workspace only when its create is done.
    """
    found = []
    for name, kinds in sorted(live.items()):
        costs = price if "service" in kinds else 0.0
        detail = f"{', '.join(sorted(kinds))} without an intent"
        command = f"prequel interview destroy {name}"
        if _is_another_clients(name, keys):
            found.append(Difference("foreign", name, f"{detail}, with another client's workspace", command, costs))
        else:
            found.append(Difference("orphan", name, detail, command, costs, _destroying(context, name, leases)))
    return found


def _is_another_clients(name: str, keys: list[str]) -> bool:
    """Whether there is a workspace without an intent; of ours, the intent is the first object and the last."""
    return any(f"{WORKSPACES}{name}/{file}" in keys for file in ("main.tf", "terraform.tfvars"))


def _destroying(context: Context, name: str, leases: list[HeldSlot]) -> Callable[[], object] | None:
    """What destroys the rest of an interview that a lease or a tombstone shows to have been ours, else None."""
    was_ours = any(held.lease.interview_id == name for held in leases) or context.intents.keys(f"{HISTORY}{name}/")
    return (lambda: destroy(context, name, note="doctor")) if was_ours else None


def _leaked_leases(context: Context, orphans: list[HeldSlot]) -> list[Difference]:
    return [
        Difference(
            "leaked lease",
            f"slot {held.slot}",
            f"held for {held.lease.interview_id}, which is gone",
            "prequel interview reap",
            fix=lambda held=held: free_orphan(context, held),  # type: ignore[misc]
        )
        for held in orphans
    ]


def _leftovers(context: Context, leases: list[HeldSlot], keys: list[str], known: set[str]) -> list[Difference]:
    """States and workspaces of which nothing else exists, or does not exist yet."""
    ids = {key.removeprefix(STATES).removesuffix(".tfstate") for key in keys if key.endswith(".tfstate")}
    ids |= {key.split("/")[1] for key in keys if key.startswith(WORKSPACES)}
    found = []
    for name in sorted(name for name in ids - known if re.fullmatch(INTERVIEW_ID_PATTERN, name)):
        command = f"prequel interview destroy {name}"
        if _is_another_clients(name, keys):
            found.append(Difference("foreign", name, "another client's workspace, without resources", command))
        else:
            detail, repair = "files without an intent and without resources", _destroying(context, name, leases)
            found.append(Difference("leftover files", name, detail, command, fix=repair))
    return found


def _stale_locks(context: Context, keys: list[str], listing: Listing) -> list[Difference]:
    """Locks on the state of an interview that nobody works on; those of dead runs are differences already."""
    suffix = ".tfstate.tflock"
    ids = [key.removeprefix(STATES).removesuffix(suffix) for key in keys if key.endswith(suffix)]
    found = []
    for name in ids:
        stored = listing.intents.get(name)
        if stored is not None and stored.intent.run is None:
            command = f"prequel interview recover {name}"
            repair = _unlock(context, name)
            found.append(
                Difference("stale lock", name, "its state is locked, and nobody works on it", command, fix=repair)
            )
        elif stored is None and _is_old(context, name):
            command = f"prequel interview destroy {name}"
            found.append(Difference("stale lock", name, "a locked state without an intent", command))
    return found


def _is_old(context: Context, interview_id: str) -> bool:
    """Whether the lock is older than any run of another client, which may be at work otherwise."""
    found = context.intents.read(lock_key(interview_id))
    if found is None:
        return False
    created = StateLock.parse(found).created
    return created is None or context.now() - created >= OLDEST_FOREIGN_LOCK


def _unlock(context: Context, interview_id: str) -> Callable[[], object]:
    def unlock() -> None:
        with run_lock(context, interview_id, "doctor") as run:
            clear_stale_state_lock(context, run)

    return unlock


def _half_releases(context: Context) -> list[Difference]:
    return [
        Difference("half release", entry.digest[:12], entry.problem, "prequel templates verify")
        for entry in context.releases.catalogue()
        if entry.problem
    ]


def _missing_image(context: Context, values: Mapping[str, Any]) -> list[Difference]:
    image = missing_image(values, context.aws)
    detail = f"{image} is gone from the repository, so no interview can start"
    return [Difference("missing image", "current release", detail, "prequel templates publish")] if image else []


def _mixed_templates(context: Context) -> list[Difference]:
    """A publisher that died between its first plain copy and its last leaves them so."""
    detail = "it is not that of the current release, and clients that copy instance/ get a mixed set"
    return [
        Difference("mixed templates", key, detail, "prequel templates verify", fix=context.releases.settle)
        for key in context.releases.settle(dry_run=True)
    ]
