"""The picture of an interview's life, drawn from the table of legal moves that the operations themselves obey."""

from scripts.docs.drawing import Theme, box
from scripts.interviews.model import TRANSITIONS, Status

DESCRIPTION = "The states of an interview, and what takes it from one to the next"

LOOKS: dict[Status, tuple[str, str]] = {
    Status.SCHEDULED: ("waiting", "has a password, costs nothing"),
    Status.CREATING: ("door", "has a slot, Terraform runs"),
    Status.ACTIVE: ("interview", "the candidate can work"),
    Status.FAILED: ("trouble", "a create that was kept"),
    Status.DESTROYING: ("ending", "until AWS says it is gone"),
    Status.LEAKING: ("trouble", "not proven gone, still tried"),
    Status.DESTROYED: ("waiting", "proven gone"),
}
"""The colours of each state, and what it means in a few words."""

MOVES: dict[tuple[Status, Status], str] = {
    (Status.SCHEDULED, Status.CREATING): "its time comes",
    (Status.SCHEDULED, Status.FAILED): "refused",
    (Status.SCHEDULED, Status.DESTROYING): "destroy",
    (Status.CREATING, Status.ACTIVE): "healthy",
    (Status.CREATING, Status.FAILED): "fails, --keep",
    (Status.CREATING, Status.DESTROYING): "fails",
    (Status.ACTIVE, Status.DESTROYING): "deadline or destroy",
    (Status.FAILED, Status.CREATING): "recover",
    (Status.FAILED, Status.DESTROYING): "deadline or destroy",
    (Status.DESTROYING, Status.DESTROYED): "proof",
    (Status.LEAKING, Status.DESTROYING): "again, for ever",
    (Status.DESTROYING, Status.LEAKING): "no proof",
}
"""What takes an interview from one state to the next; of two opposite moves, the first directs the arrow."""


STRAIGHT = {(Status.SCHEDULED, Status.CREATING), (Status.CREATING, Status.ACTIVE), (Status.ACTIVE, Status.DESTROYING)}
"""The way that most interviews go; it is drawn as one line."""

DOWN = (Status.DESTROYING, Status.DESTROYED)
"""The last move, drawn downwards so that the picture stays narrow."""


def life(theme: Theme) -> str:
    """The state machine; raises ``KeyError`` for a state or a move that is not described above."""
    legal = {(status, following) for status in Status for following in TRANSITIONS[status]}
    lines = [
        "digraph life {",
        '  graph [rankdir=LR bgcolor=transparent pad="0.05" nodesep=0.7 ranksep=0.35]',
        f'  node [shape=box style="rounded,filled" penwidth=1.4 margin="0.22,0.09" fontname=Arial fontsize=13'
        f' fontcolor="{theme.text}"]',
        f'  edge [fontname=Arial fontsize=11 fontcolor="{theme.faint}" color="{theme.edge}" arrowsize=0.7'
        " penwidth=1.3]",
    ]
    for status, (kind, meaning) in LOOKS.items():
        lines.append(f"  {status} [{box(theme, kind, status, [meaning])}]")
    drawn = set()
    for move in sorted(legal, key=list(MOVES).index):
        back = (move[1], move[0])
        if back in drawn:
            continue
        drawn.add(move)
        label = f"{MOVES[move]} →\\n← {MOVES[back]}" if back in legal else MOVES[move]
        both = " dir=both" if back in legal else ""
        straight = " weight=20" if move in STRAIGHT else ""
        # Graphviz writes the label of a vertical arrow across it; the room on the left moves it aside.
        room = "\N{NO-BREAK SPACE}" * (14 if move == DOWN else 1)
        lines.append(f'  {move[0]} -> {move[1]} [label="{room + label} "{both}{straight}]')
    lines.append(f"  {{rank=same; {DOWN[0]}; {DOWN[1]}}}")
    lines += ["}", ""]
    return "\n".join(lines)
