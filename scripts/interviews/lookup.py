"""Interviews by as much of their id as a user gives."""

from contract.names import HISTORY, INTENT_FILE, WORKSPACES, state_key
from scripts.errors import RefusedError
from scripts.interviews.context import Context
from scripts.interviews.inventory import take_inventory
from scripts.interviews.records import Intent, Tombstone
from scripts.interviews.request import checked_id
from scripts.interviews.workspace import current_workspace

_NAMED = 5


def full_id(context: Context, given: str, *, ended: bool = False, leftovers: bool = False) -> str:
    """The id that begins with ``given``, among those of present interviews and, if ``ended``, of those that are over.

    An id that was ever used means itself, so that a script that destroys it twice never reaches another interview.
    With ``leftovers``, so does one of which anything is left on AWS. Returns ``given`` when nothing begins with it;
    raises ``RefusedError`` when several ids do.
    """
    checked_id(given.removesuffix("-"))  # a beginning may end where a whole id may not
    present = ids(context, given)
    over = [given + rest for rest in context.objects.folders(HISTORY + given)]
    if given in present or given in over:
        return given
    found = sorted({*present, *over} if ended else present)
    if not found or (leftovers and _left(context, given)):
        return checked_id(given)
    if len(found) > 1:
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise RefusedError(f'"{given}" could be {", ".join(found[:_NAMED])}{more}; give more of the id')
    return found[0]


def ids(context: Context, beginning: str = "") -> list[str]:
    """The ids of the interviews that are not proven gone and begin so."""
    keys = context.objects.listing(WORKSPACES + beginning)
    return [key.split("/")[1] for key in keys if key.endswith(f"/{INTENT_FILE}")]


def last_record(context: Context, interview_id: str) -> tuple[Intent, Tombstone | None]:
    """An interview and, once it is gone, what remains of it; raises ``RefusedError`` when there never was one."""
    stored = context.intents.load(checked_id(interview_id))
    tombstone = context.intents.tombstone(interview_id) if stored is None else None
    return tombstone.intent if tombstone else context.intents.get(interview_id), tombstone


def _left(context: Context, interview_id: str) -> bool:
    """Whether anything is left of an interview that has no record."""
    state = state_key(interview_id)
    if state in context.objects.listing(state) or context.slots.named(interview_id) is not None:
        return True
    with current_workspace(context) as workspace:
        found = take_inventory(context.aws, interview_id, workspace.values)
    return not found.proven_gone or bool(found.foreign)
