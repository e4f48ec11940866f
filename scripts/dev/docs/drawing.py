"""Draws a D2 source as two SVG files, one for a light page and one for a dark page."""

import hashlib
import json
import re
import subprocess
from base64 import b64encode
from pathlib import Path

from scripts.errors import MissingToolError, PrequelError
from scripts.project import PROJECT

NODE_MODULES = PROJECT / "node_modules"
IMAGES = PROJECT / "docs" / "images"
ICONS = NODE_MODULES / "aws-icons" / "icons"

THEMES = {
    "light": {
        "text": "#1f2328", "quiet": "#59636e", "line": "#6e7781", "box": "#ffffff", "frame": "#ddf4ff",
        "accent": "#0969da",
    },
    "dark": {
        "text": "#f0f6fc", "quiet": "#b1bac4", "line": "#848d97", "box": "#151b23", "frame": "#121d2f",
        "accent": "#4493f8",
    },
}  # fmt: skip
"""The colors that a source names as ``${text}`` and so on: GitHub's own (https://primer.style/foundations/color)."""

_ICON = re.compile(r"icon: (\S+)")


def stamp(source: str) -> str:
    """How a picture of ``source`` ends: the SHA-256 of its source and its colors, so that an old one is recognized."""
    return f"<!-- source {hashlib.sha256((source + json.dumps(THEMES)).encode()).hexdigest()} -->\n"


def draw(source: str, directory: Path, name: str) -> list[Path]:
    """Writes ``{name}-light.svg`` and ``{name}-dark.svg`` into ``directory``; each ends with its ``stamp``.

    ``icon: PATH`` in ``source`` names a file of the npm package aws-icons, without its suffix. Raises
    ``MissingToolError`` without Node.js or the packages, ``PrequelError`` when D2 refuses the source.
    """
    for package in ("@terrastruct/d2", "aws-icons"):
        if not (NODE_MODULES / package).is_dir():
            raise MissingToolError(f"{package} is not installed in {NODE_MODULES}; run `make setup`")
    drawing = _ICON.sub(_embedded, source)
    paths = [directory / f"{name}-{theme}.svg" for theme in THEMES]
    for path, svg in zip(paths, _run_d2([_vars(theme) + drawing for theme in THEMES]), strict=True):
        path.write_text(f"{svg}\n{stamp(source)}")
    return paths


def _embedded(icon: re.Match[str]) -> str:
    """The icon itself, because an image on a web page may load nothing from elsewhere."""
    svg = (ICONS / f"{icon[1]}.svg").read_bytes()
    return f'icon: "data:image/svg+xml;base64,{b64encode(svg).decode()}"'


def _vars(theme: str) -> str:
    colors = "; ".join(f'{name}: "{color}"' for name, color in THEMES[theme].items())
    return f"vars: {{{colors}}}\n"


def _run_d2(sources: list[str]) -> list[str]:
    try:
        done = subprocess.run(
            ["node", str(Path(__file__).with_name("d2.mjs"))],
            input=json.dumps(sources),
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise MissingToolError("node is not on PATH; install Node.js 20 or later from https://nodejs.org") from error
    if done.returncode != 0:
        reason = next((line for line in done.stderr.splitlines() if line.startswith("Error: ")), done.stderr[-500:])
        raise PrequelError(f"D2 refused the source: {reason.removeprefix('Error: ')}")
    svgs: list[str] = json.loads(done.stdout)
    return svgs
