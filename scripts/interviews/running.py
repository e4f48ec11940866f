"""What would be lost if an interview ended now, in one line."""

from scripts.interviews.activity import saves_of
from scripts.interviews.context import Context
from scripts.interviews.listing import when
from scripts.interviews.records import Status


def running(context: Context, interview_id: str) -> str:
    """Who is in a running interview, how long it still takes and when the work was last saved; empty otherwise."""
    stored = context.intents.load(interview_id)
    if stored is None or stored.intent.status is not Status.ACTIVE or stored.intent.overdue(context.now()):
        return ""
    intent = stored.intent
    saves = saves_of(context, intent)
    ends, *age = (when(int((at - context.now()).total_seconds())) for at in (intent.deadline, *saves[-1:]))
    work = f"the work was last saved {age[0]}" if age else "no work is saved"
    return f"{interview_id} of {intent.inputs.candidate_name} is running; it ends {ends}, {work}"
