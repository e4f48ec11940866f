"""The picture of an interview's life, drawn from the table of legal moves that the operations themselves obey."""

from dataclasses import dataclass

from scripts.dev.docs.drawing import Point, Theme, arrow, box
from scripts.interviews.records import TRANSITIONS, Status

DESCRIPTION = "The states of an interview, and what takes it from one to the next"

WIDTH, HEIGHT = 140, 46
"""Of a box, in points."""

HIGH, LOW = 96, -112
"""The rows above and below the way that most interviews go, which is at 0."""

FIRST, SECOND, THIRD, FOURTH = 142, 348, 554, 760
"""The middles of the columns."""


@dataclass(frozen=True)
class Look:
    """How a state is drawn: its colours, what it means in a few words, and its middle."""

    kind: str
    meaning: str
    at: Point


LOOKS: dict[Status, Look] = {
    Status.SCHEDULED: Look("waiting", "waits, costs nothing", (FIRST, LOW)),
    Status.CREATING: Look("door", "Terraform runs", (FIRST, 0)),
    Status.ACTIVE: Look("interview", "the candidate can work", (SECOND, 0)),
    Status.FAILED: Look("trouble", "a create that was kept", (SECOND, LOW)),
    Status.DESTROYING: Look("ending", "until it is proven gone", (THIRD, 0)),
    Status.LEAKING: Look("trouble", "may still cost money", (THIRD, HIGH)),
    Status.DESTROYED: Look("waiting", "proven gone", (FOURTH, 0)),
}


@dataclass(frozen=True)
class Move:
    """An arrow: what takes an interview along it, where that is written, and the points of its curve.

    Without points it is drawn by the opposite move, whose arrow then has two heads.
    """

    says: str
    at: Point = (0, 0)
    curve: tuple[Point, ...] = ()


ASIDE, BESIDE = WIDTH / 2, HEIGHT / 2
"""From a box's middle to its sides, and to its top."""


def _along(start: float, end: float, y: float) -> tuple[Point, ...]:
    """Straight, from the box in one column to the box in the next."""
    return ((start + ASIDE, y), (start + ASIDE + 10, y), (end - ASIDE - 10, y), (end - ASIDE, y))


def _upright(x: float, start: float, end: float) -> tuple[Point, ...]:
    """Straight, from the height of one box's edge to another's."""
    return ((x, start), (x, start + (end - start) / 3), (x, end - (end - start) / 3), (x, end))


MOVES: dict[tuple[Status, Status], Move] = {
    (Status.SCHEDULED, Status.CREATING): Move(
        "its time comes", (FIRST + 26, LOW / 2 + 2), _upright(FIRST - 22, LOW + BESIDE, -BESIDE)
    ),
    (Status.SCHEDULED, Status.FAILED): Move("refused", ((FIRST + SECOND) / 2, LOW + 10), _along(FIRST, SECOND, LOW)),
    (Status.SCHEDULED, Status.DESTROYING): Move(
        "destroy",
        (SECOND, LOW - 61),
        (
            (FIRST + 30, LOW - BESIDE),
            (FIRST + 40, LOW - 68),
            (THIRD + 20, LOW - 68),
            (THIRD + 20, -BESIDE),
        ),
    ),
    (Status.CREATING, Status.ACTIVE): Move("healthy", ((FIRST + SECOND) / 2, 10), _along(FIRST, SECOND, 0)),
    (Status.CREATING, Status.FAILED): Move(
        "fails, --keep →\\n← recover",
        (SECOND - 6, LOW / 2 + 8),
        (
            (FIRST + 56, -BESIDE),
            (FIRST + 62, LOW / 2),
            (SECOND - 50, LOW / 2 - 8),
            (SECOND - 44, LOW + BESIDE),
        ),
    ),
    (Status.FAILED, Status.CREATING): Move("recover"),
    (Status.CREATING, Status.DESTROYING): Move(
        "fails",
        (SECOND, 64),
        ((FIRST + 40, BESIDE), (FIRST + 90, 64), (THIRD - 90, 64), (THIRD - 44, BESIDE)),
    ),
    (Status.ACTIVE, Status.DESTROYING): Move(
        "deadline\\nor destroy", ((SECOND + THIRD) / 2 - 2, 17), _along(SECOND, THIRD, 0)
    ),
    (Status.FAILED, Status.DESTROYING): Move(
        "deadline or destroy",
        (THIRD - 86, LOW / 2 + 4),
        (
            (SECOND + ASIDE, LOW),
            (SECOND + ASIDE + 60, LOW),
            (THIRD - 20, LOW + 30),
            (THIRD - 20, -BESIDE),
        ),
    ),
    (Status.DESTROYING, Status.DESTROYED): Move("proof", ((THIRD + FOURTH) / 2, 10), _along(THIRD, FOURTH, 0)),
    (Status.DESTROYING, Status.LEAKING): Move(
        "no proof ↑\\n↓ tried again", (THIRD + 50, HIGH / 2), _upright(THIRD, BESIDE, HIGH - BESIDE)
    ),
    (Status.LEAKING, Status.DESTROYING): Move("tried again"),
}
"""What takes an interview from one state to the next."""

START: Point = (12, 0)
"""Where a life begins."""

BEGINNINGS = (
    Move(
        "create",
        (START[0] + 30, 10),
        ((START[0] + 6, 0), (START[0] + 12, 0), (FIRST - ASIDE - 10, 0), (FIRST - ASIDE, 0)),
    ),
    Move(
        "create\\n--at",
        (START[0] + 32, LOW - 18),
        ((START[0], -6), (START[0], LOW), (START[0] + 10, LOW), (FIRST - ASIDE, LOW)),
    ),
)


def life(theme: Theme) -> str:
    """The state machine; raises ``KeyError`` for a state or a move that is not described above."""
    legal = {(status, following) for status in Status for following in TRANSITIONS[status]}
    lines = [
        "digraph life {",
        '  graph [layout=nop2 bgcolor=transparent pad="0.08"]',
        f'  node [shape=box style="rounded,filled" penwidth=1.4 fixedsize=true fontname=Arial fontsize=13'
        f' fontcolor="{theme.text}"]',
        f'  edge [color="{theme.edge}" arrowsize=0.7 penwidth=1.3]',
        f'  start [shape=circle style=filled width=0.16 label="" color="{theme.edge}" fillcolor="{theme.edge}"'
        f' pos="{START[0]},{START[1]}"]',
    ]
    for status, look in LOOKS.items():
        size = f'width={WIDTH / 72:.3f} height={HEIGHT / 72:.3f} pos="{look.at[0]:g},{look.at[1]:g}"'
        lines.append(f"  {status} [{size} {box(theme, look.kind, status, [look.meaning])}]")
    joined = [
        (start, end, MOVES[start, end], (end, start) in legal) for start, end in sorted(legal, key=list(MOVES).index)
    ]
    firsts = zip((Status.CREATING, Status.SCHEDULED), BEGINNINGS, strict=True)
    for number, (start, end, move, both) in enumerate(
        [*joined, *(("start", end, move, False) for end, move in firsts)]
    ):
        if not move.curve:
            continue
        lines.append(f'  {start} -> {end} [pos="{arrow(move.curve, both=both)}"{" dir=both" if both else ""}]')
        lines.append(
            f'  label{number} [shape=plain style="" fontsize=11.5 fontcolor="{theme.faint}" label="{move.says}"'
            f' pos="{move.at[0]:g},{move.at[1]:g}"]'
        )
    lines += ["}", ""]
    return "\n".join(lines)
