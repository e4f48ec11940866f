"""What the candidate's editor shows of the session: the saver reads it from beside the saved states."""

import json

from contract.names import WORK
from image.saver.clock import SESSION_FILE
from scripts.errors import AwsError
from scripts.interviews.context import Context
from scripts.interviews.records import Intent, timestamp


def session_key(intent: Intent) -> str:
    """The key of what the editor shows; empty for an interview of a release that saves no work."""
    return f"{WORK}{intent.work}/{SESSION_FILE}" if intent.work else ""


def show_session(context: Context, intent: Intent) -> None:
    """Stores candidate and deadline for the editor of an active interview; a failure is a warning only."""
    key = session_key(intent)
    if not key:
        return
    shown = {"candidate": intent.inputs.candidate_name, "deadline": timestamp(intent.deadline)}
    try:
        context.objects.write(key, json.dumps(shown).encode())
    except AwsError as error:
        context.console.warn(f"the editor of interview {intent.id} shows no new deadline: {error}")
