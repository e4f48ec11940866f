"""Removing what remains of an interview that is over, names and all."""

from contract.names import DISPATCHES, HISTORY, INTENT_FILE, STATES, WORK, WORKSPACES, workspace_key
from scripts.errors import RefusedError
from scripts.interviews.context import Context


def remains(context: Context, interview_id: str) -> list[str]:
    """The keys that hold something of an interview, in whatever version; raises ``AwsError``."""
    places = [
        *(f"{folder}{interview_id}/" for folder in (HISTORY, WORKSPACES, WORK)),
        *(f"{STATES}{interview_id}.tfstate", f"{DISPATCHES}{interview_id}.json"),
    ]
    return sorted({key for place in places for key, _ in context.objects.versions(place)})


def forget(context: Context, interview_id: str) -> list[str]:
    """Deletes every version of every object of an interview that is proven gone, and returns the keys.

    Nothing can bring them back. Raises ``RefusedError`` while the interview exists, and when nothing is known of it.
    """
    if context.objects.read(workspace_key(interview_id, INTENT_FILE)) is not None:
        raise RefusedError(
            f"interview {interview_id} is not over; run `prequel interview destroy {interview_id}` first"
        )
    keys = remains(context, interview_id)
    if not keys:
        raise RefusedError(f"nothing is known of an interview {interview_id}; see `prequel interview list --ended`")
    for key in keys:
        context.objects.purge(key)
    return keys
