"""Pictures: a graph in Graphviz's language, in two themes, as SVG that says which graph it was drawn from."""

import hashlib
import math
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from scripts.errors import MissingToolError, PrequelError
from scripts.project import PROJECT

FONTS = "Helvetica, Arial, 'Liberation Sans', sans-serif"
"""Graphviz measures with Arial; the others are as wide."""

_MODULE = "@hpcc-js/wasm-graphviz"
_NODE = re.compile(r'<g [^>]*class="node">.*?</g>', re.DOTALL)
_FRAME = re.compile(r'<g [^>]*class="cluster">.*?</g>', re.DOTALL)
_DOT = re.compile(r'<text [^>]*fill="([^"]+)"[^>]*>[^<]*●</text>')
_OUTLINE = re.compile(r'<path [^>]*\bd="M([^"]+)"')
_STAMP = re.compile(r"<!-- graph ([0-9a-f]{64}) -->")


@dataclass(frozen=True)
class Colours:
    """One kind of thing: what fills it, what outlines it, and its text."""

    fill: str
    line: str
    text: str


@dataclass(frozen=True)
class Theme:
    """Colours that belong together; the kinds are named for what they show."""

    name: str
    text: str
    faint: str
    edge: str
    frame: str
    panel: str
    kinds: dict[str, Colours]

    def __getitem__(self, kind: str) -> Colours:
        return self.kinds[kind]


LIGHT = Theme(
    "light",
    text="#1f2328",
    faint="#59636e",
    edge="#818b98",
    frame="#d1d9e0",
    panel="#f6f8fa",
    kinds={
        "interview": Colours("#dafbe1", "#1a7f37", "#116329"),
        "door": Colours("#ddf4ff", "#0969da", "#0550ae"),
        "network": Colours("#fff8c5", "#9a6700", "#7d4e00"),
        "compute": Colours("#fbefff", "#8250df", "#6639ba"),
        "data": Colours("#fff1e5", "#bc4c00", "#953800"),
        "care": Colours("#ffeff7", "#bf3989", "#99286e"),
        "person": Colours("#ffffff", "#818b98", "#1f2328"),
        "waiting": Colours("#f6f8fa", "#818b98", "#1f2328"),
        "ending": Colours("#fff8c5", "#9a6700", "#7d4e00"),
        "trouble": Colours("#ffebe9", "#cf222e", "#a40e26"),
    },
)

DARK = Theme(
    "dark",
    text="#f0f6fc",
    faint="#9198a1",
    edge="#7d8590",
    frame="#3d444d",
    panel="#151b23",
    kinds={
        "interview": Colours("#12261e", "#3fb950", "#7ee787"),
        "door": Colours("#121d2f", "#4493f8", "#a5d6ff"),
        "network": Colours("#272115", "#d29922", "#f2cc60"),
        "compute": Colours("#211a33", "#ab7df8", "#d2a8ff"),
        "data": Colours("#2b1a10", "#db6d28", "#ffa657"),
        "care": Colours("#2a1725", "#db61a2", "#ff9bce"),
        "person": Colours("#151b23", "#9198a1", "#f0f6fc"),
        "waiting": Colours("#151b23", "#9198a1", "#f0f6fc"),
        "ending": Colours("#272115", "#d29922", "#f2cc60"),
        "trouble": Colours("#25171c", "#f85149", "#ff9492"),
    },
)

THEMES = (LIGHT, DARK)

Graph = Callable[[Theme], str]
"""A graph in Graphviz's language, in the colours of a theme."""


def box(theme: Theme, kind: str, title: str, lines: list[str], marks: Sequence[str] = ()) -> str:
    """The attributes of a node: its colours, a title with a dot in each colour of ``marks``, smaller lines below."""
    colours = theme[kind]
    dots = "".join(f'<font color="{colour}"> ●</font>' for colour in marks)
    small = f'<font point-size="11.5" color="{theme.faint}">'
    rows = "".join(f"<tr><td>{small}{escape(line)}</font></td></tr>" for line in lines)
    return (
        f'fillcolor="{colours.fill}" color="{colours.line}" label=<<table border="0" cellspacing="0" cellpadding="1">'
        f'<tr><td><b><font color="{colours.text}">{escape(title)}</font></b>{dots}</td></tr>{rows}</table>>'
    )


Point = tuple[float, float]
"""To the right and upwards, in points."""

TIP = 8
"""The length of an arrow's head, in points."""


def arrow(curve: Sequence[Point], *, both: bool = False) -> str:
    """Where Graphviz draws an edge: along the Bézier ``curve`` of four points, with a head at its end or at both."""
    start, after, before, end = curve
    first = _short_of(start, after) if both else start
    tips = f"s,{start[0]:.1f},{start[1]:.1f} " if both else ""
    points = (first, after, before, _short_of(end, before))
    return f"{tips}e,{end[0]:.1f},{end[1]:.1f} " + " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _short_of(end: Point, before: Point) -> Point:
    """The point at an arrow head's base: a head's length from ``end`` towards ``before``."""
    share = TIP / math.dist(end, before)
    return end[0] + share * (before[0] - end[0]), end[1] + share * (before[1] - end[1])


def digest(graph: Graph) -> str:
    """The SHA-256 of what is drawn; unlike the SVG it does not depend on Graphviz's version."""
    return hashlib.sha256("".join(graph(theme) for theme in THEMES).encode()).hexdigest()


def drawn_from(picture: Path) -> str:
    """The digest of the graph that ``picture`` was drawn from, or an empty string."""
    found = _STAMP.search(picture.read_text()) if picture.exists() else None
    return found[1] if found else ""


def draw(graph: Graph, directory: Path, name: str, description: str) -> list[Path]:
    """Writes ``{name}-light.svg`` and ``{name}-dark.svg``, and returns their paths.

    Raises ``MissingToolError`` without Node.js or the package, and ``PrequelError`` when Graphviz refuses the graph.
    """
    directory.mkdir(parents=True, exist_ok=True)
    stamp = digest(graph)
    written = []
    for theme in THEMES:
        path = directory / f"{name}-{theme.name}.svg"
        path.write_text(_finished(_laid_out(graph(theme)), description, stamp))
        written.append(path)
    return written


def _laid_out(graph: str) -> str:
    if not (PROJECT / "node_modules" / _MODULE).is_dir():
        raise MissingToolError(f"{_MODULE} is not installed in {PROJECT / 'node_modules'}; run `make setup`")
    try:
        done = subprocess.run(
            ["node", str(Path(__file__).parent / "graphviz.mjs")],
            input=graph,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise MissingToolError("node is not on PATH; install Node.js 20 or later from https://nodejs.org") from error
    if done.returncode != 0:
        raise PrequelError(f"graphviz refused the graph: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout


def _finished(svg: str, description: str, stamp: str) -> str:
    """Without Graphviz's own comments and tooltips, with a title for screen readers, and stamped."""
    svg = re.sub(r"<!--.*?-->\n?", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<title>.*?</title>\n?", "", svg, flags=re.DOTALL)
    svg = svg[svg.index("<svg") :].replace('font-family="Arial"', f'font-family="{escape(FONTS)}"')
    svg = _FRAME.sub(_titled, _NODE.sub(_centred, svg))
    head, body = svg.split(">", 1)
    return f'{head} role="img">\n<!-- graph {stamp} -->\n<title>{escape(description)}</title>{body}'


def _centred(node: re.Match[str]) -> str:
    """A box whose text is centred by whoever shows it, so that another font does not stand out; dots at its right."""
    outline = _OUTLINE.search(node[0])
    if outline is None:
        return node[0]
    left, right, top = _extent(outline[1])
    lowest = top

    def dot(text: re.Match[str]) -> str:
        nonlocal lowest
        lowest += 10
        return f'<circle cx="{right - 8:.2f}" cy="{lowest:.2f}" r="3.2" fill="{text[1]}"/>'

    drawn = _DOT.sub(dot, node[0])
    beside = 10 if lowest > top else 0
    middle = f'text-anchor="middle" x="{(left + right - beside) / 2:.2f}"'
    return re.sub(r'text-anchor="start" x="[^"]*"', middle, drawn)


def _titled(frame: re.Match[str]) -> str:
    """A frame whose title begins at its left."""
    outline = _OUTLINE.search(frame[0])
    assert outline is not None  # noqa: S101  (a frame is a rounded box)
    start = f'text-anchor="start" x="{_extent(outline[1])[0] + 10:.2f}"'
    return re.sub(r'text-anchor="middle" x="[^"]*"', start, frame[0])


def _extent(path: str) -> tuple[float, float, float]:
    """Left, right and top of an SVG path of absolute points."""
    points = [point.split(",") for point in re.split(r"[C\s]+", path)]
    across = [float(x) for x, _ in points]
    return min(across), max(across), min(float(y) for _, y in points)
