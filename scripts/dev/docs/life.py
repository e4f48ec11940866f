"""The states of an interview as a Mermaid diagram, generated from the table of transitions."""

from scripts.interviews.records import TRANSITIONS, Status

LABELS: dict[tuple[Status, Status], str] = {
    (Status.SCHEDULED, Status.CREATING): "start time",
    (Status.SCHEDULED, Status.FAILED): "refused",
    (Status.SCHEDULED, Status.DESTROYING): "destroy",
    (Status.CREATING, Status.ACTIVE): "healthy",
    (Status.CREATING, Status.FAILED): "failure, kept",
    (Status.CREATING, Status.DESTROYING): "failure",
    (Status.ACTIVE, Status.DESTROYING): "deadline or destroy",
    (Status.FAILED, Status.CREATING): "recover",
    (Status.FAILED, Status.DESTROYING): "deadline or destroy",
    (Status.DESTROYING, Status.DESTROYED): "proven gone",
    (Status.DESTROYING, Status.LEAKING): "not proven gone",
    (Status.LEAKING, Status.DESTROYING): "retry",
}
"""The event that causes each transition."""


def life() -> str:
    """The diagram as a Markdown block, which GitHub renders; raises ``KeyError`` for a transition without a label."""
    moves = [(start, end) for start in Status for end in Status if end in TRANSITIONS[start]]
    ends = [status for status in Status if not TRANSITIONS[status]]
    return "\n".join(
        [
            "```mermaid",
            "stateDiagram-v2",
            f"    [*] --> {Status.CREATING}: create",
            f"    [*] --> {Status.SCHEDULED}: create --at",
            *(f"    {start} --> {end}: {LABELS[start, end]}" for start, end in moves),
            *(f"    {status} --> [*]" for status in ends),
            "```",
        ]
    )
