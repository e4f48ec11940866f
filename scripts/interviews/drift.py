"""What differs between an interview as it was created and as it is."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scripts.errors import RefusedError
from scripts.interviews.context import Context
from scripts.interviews.records import Status
from scripts.interviews.request import checked_id
from scripts.interviews.workspace import workspace_of


@dataclass(frozen=True)
class Drift:
    """One attribute that somebody changed, or a whole resource (``attribute`` empty) that is gone.

    ``found`` is what AWS has, ``ordered`` what the release says; both are ``(sensitive)`` where Terraform says so.
    """

    address: str
    attribute: str
    found: Any
    ordered: Any

    def __str__(self) -> str:
        where = f"{self.address}.{self.attribute}".rstrip(".")
        found, ordered = (json.dumps(value, ensure_ascii=False, default=str) for value in (self.found, self.ordered))
        return f"{where}: found {found}, ordered {ordered}"


def drift(context: Context, interview_id: str) -> list[Drift]:
    """Every difference; raises ``RefusedError`` for an interview without resources, and ``TerraformError``."""
    intent = context.intents.get(checked_id(interview_id))
    if intent.status in {Status.SCHEDULED, Status.DESTROYED}:
        raise RefusedError(f"interview {interview_id} is {intent.status} and has nothing to compare")
    with workspace_of(context, intent) as workspace:
        return [found for change in workspace.changes() for found in _differences(change)]


def _differences(resource: Mapping[str, Any]) -> list[Drift]:
    change, address = resource["change"], resource["address"]
    before, after = change.get("before") or {}, change.get("after") or {}
    if not before:
        return [Drift(address, "", "nothing", "the resource")]
    if not after:
        return [Drift(address, "", "a resource", "nothing")]
    # What is known only after an apply is not in ``after``, and cannot be distinguished from what is.
    changed = [name for name in sorted(after) if before.get(name) != after[name]]
    return [
        Drift(address, name, "(sensitive)", "(sensitive)")
        if _is_sensitive(name, change)
        else Drift(address, name, before.get(name), after[name])
        for name in changed
    ]


def _is_sensitive(name: str, change: Mapping[str, Any]) -> bool:
    marks = (change.get("before_sensitive"), change.get("after_sensitive"))
    return any(isinstance(marked, Mapping) and _any_true(marked.get(name)) for marked in marks)


def _any_true(marks: Any) -> bool:
    """Terraform marks sensitive values by true, in the shape of the value itself."""
    if isinstance(marks, Mapping):
        return any(map(_any_true, marks.values()))
    return any(map(_any_true, marks)) if isinstance(marks, list) else marks is True
