"""The terminal session in the README: `prequel` run on an embedded AWS, as an SVG whose text can be selected.

`python -m scripts.dev.session` writes it, in about a minute. Times, passwords and costs are those of that run.
"""

import hashlib
import io
import json
import os
import pty
import shlex
import subprocess
import sys
import tempfile
import termios
from contextlib import suppress
from pathlib import Path

from rich.console import Console as Terminal
from rich.text import Text

from scripts.console import Console
from scripts.embedded.launcher import EmbeddedAws
from scripts.embedded.local_stack import EMBEDDED_SETTINGS
from scripts.embedded.seed import seed_shared_infrastructure
from scripts.errors import PrequelError
from scripts.project import PROJECT

PICTURE = PROJECT / "docs" / "images" / "session.svg"

COMMANDS = (
    'prequel interview create --id ada --challenge python/rate-limiter --candidate "Ada Lovelace"',
    "prequel interview list",
    "prequel interview destroy ada --yes",
)
"""What is shown."""

COLUMNS = 94

# Rich's own format loads a font from elsewhere, which a picture on a web page may not.
_FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: {char_height}px;
  line-height: {line_height}px; white-space: pre;
}}
.{unique_id}-title {{ font: bold 18px sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def stamp() -> str:
    """How the picture ends: the SHA-256 of its commands and its format, so that an old one is recognized."""
    source = hashlib.sha256(json.dumps([*COMMANDS, COLUMNS, _FORMAT]).encode()).hexdigest()
    return f"<!-- source {source} -->\n"


def typed(line: str, environment: dict[str, str]) -> str:
    """What a terminal of ``COLUMNS`` shows after ``line``, a call of `prequel`; raises ``PrequelError`` if it fails."""
    primary, secondary = pty.openpty()
    termios.tcsetwinsize(secondary, (50, COLUMNS))
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts", *shlex.split(line)[1:]],
        cwd=PROJECT,
        env=environment | {"TERM": "xterm-256color"},
        stdin=subprocess.DEVNULL,
        stdout=secondary,
        stderr=secondary,
    )
    os.close(secondary)
    shown = b""
    with suppress(OSError):  # EIO: the other end is closed
        while part := os.read(primary, 65536):
            shown += part
    os.close(primary)
    text = shown.decode().replace("\r\n", "\n").rstrip()
    if process.wait():
        raise PrequelError(f"`{line}` ended with exit code {process.returncode}: {text}")
    return text


def svg(session: list[tuple[str, str]]) -> str:
    """The picture of commands, each with what was shown after it in ANSI."""
    terminal = Terminal(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for number, (line, shown) in enumerate(session):
        terminal.print(Text.assemble(("\n$ " if number else "$ ", "bold green"), (line, "bold")), soft_wrap=True)
        terminal.print(Text.from_ansi(shown), soft_wrap=True)
    picture = terminal.export_svg(title="prequel", code_format=_FORMAT, unique_id="session")
    return "\n".join(line.rstrip() for line in picture.splitlines()) + f"\n{stamp()}"


def recorded(embedded: EmbeddedAws, directory: Path) -> list[tuple[str, str]]:
    """Publishes what an interview needs, and runs ``COMMANDS``; ``directory`` receives the configuration."""
    values = seed_shared_infrastructure(embedded.aws) | {"url_scheme": "https"}  # as of a stack with a domain
    (directory / "terraform.tfvars").write_text(EMBEDDED_SETTINGS.replace("local", values["environment"]))
    outputs = directory / "outputs.json"
    outputs.write_text(json.dumps(values))
    environment = embedded.environment | {"PREQUEL_CONFIG_DIR": str(directory)}
    environment.pop("NO_COLOR", None)
    typed("prequel challenge publish", environment)
    typed(f"prequel templates publish --yes --skip-rehearsal --outputs-file {outputs}", environment)
    return [(line, typed(line, environment)) for line in COMMANDS]


def main() -> None:
    """Writes ``PICTURE``; exit code 1 if a command fails."""
    console = Console()
    try:
        with tempfile.TemporaryDirectory(prefix="prequel-session-") as scratch, EmbeddedAws.start() as embedded:
            session = recorded(embedded, Path(scratch))
    except PrequelError as error:
        console.error(str(error))
        sys.exit(error.exit_code)
    PICTURE.write_text(svg(session))
    console.result(str(PICTURE), str(PICTURE.relative_to(PROJECT)))


if __name__ == "__main__":
    main()
