"""Generates docs/cli.md: every command with its arguments and options."""

import re
import subprocess
import sys

from scripts.project import PROJECT

_HEAD = """\
`make docs` generates this page from the commands. Each command prints the same text with `--help`. Commands that print
a result support `--json`. Commands that write support `--dry-run`, except `prequel doctor`, which changes nothing
without `--fix`. [interviews.md](interviews.md) describes events and exit codes.
"""

_LISTS = re.compile(r"\*\*Commands\*\*:\n\n(?:\* .+\n)+\n")
"""Of a group's commands, shortened to 45 characters each; the commands follow in full."""

_EXAMPLES = re.compile(r"^Examples?:\s+((?:.+\n)+)", re.MULTILINE)


def reference() -> str:
    """The whole page, by Typer's own generator (https://typer.tiangolo.com/tutorial/typer-command/#generate-docs)."""
    words = ["scripts.cli.app", "utils", "docs", "--name", "prequel", "--title", "The command line"]
    page = subprocess.run([sys.executable, "-m", "typer", *words], cwd=PROJECT, check=True, capture_output=True)
    title, _, commands = page.stdout.decode().partition("\n")
    commands = commands.replace("```console\n$ ", "```text\n")  # a usage is no command that a reader could copy
    commands = _LISTS.sub("", commands)
    return f"{title}\n\n{_HEAD}{_EXAMPLES.sub(_console, commands)}"


def _console(examples: re.Match[str]) -> str:
    lines = (f"$ {one}\n" for one in re.split(r";\s+", " ".join(examples[1].split())))
    return f"```console\n{''.join(lines)}```\n"
