"""Generates docs/cli.md: every command with its arguments and options."""

import re
from collections.abc import Iterator
from typing import Any

import typer

HEAD = """\
# The command line

`make docs` generates this page from the commands. Each command prints the same text with `--help`. Commands that print
a result support `--json`. Commands that write support `--dry-run`, except `prequel doctor`, which changes nothing
without `--fix`. [interviews.md](interviews.md) describes events and exit codes.
"""

_TYPE = re.compile(r" <[a-z ]+>$")
"""The type that the parser appends to an argument's name."""

_RANGE = re.compile(r"(\S+)<=x<=(\S+)(?=\]$)")
"""The parser's notation for a range of values."""

_EXAMPLES = re.compile(r"^Examples?:\s+(.*)", re.MULTILINE | re.DOTALL)


def reference() -> str:
    """The whole page."""
    from scripts.cli.app import app

    parts = [HEAD]
    for words, command in tree(app):
        parts += _section(words, command)
    return "\n".join(parts)


def tree(app: typer.Typer) -> Iterator[tuple[list[str], Any]]:
    """Every command and command group with the words that call it, in the order of ``--help``.

    Typer ships its parser without public types, hence ``Any``.
    """
    yield from _below([str(app.info.name)], typer.main.get_command(app))


def _below(words: list[str], command: Any) -> Iterator[tuple[list[str], Any]]:
    yield words, command
    for name, child in getattr(command, "commands", {}).items():
        yield from _below([*words, name], child)


def _section(words: list[str], command: Any) -> list[str]:
    context = typer.Context(command, info_name=" ".join(words))
    text = command.help or ""
    examples = _EXAMPLES.search(text)
    said = _EXAMPLES.sub("", text).strip()
    lines = [f"{'#' * min(len(words) + 1, 3)} `{' '.join(words)}`", "", _joined(said), ""]
    children = getattr(command, "commands", None)
    if children:
        lines += [f"- [`{' '.join([*words, name])}`](#{'-'.join([*words, name])})" for name in children]
        return [*lines, "", *([_joined(command.epilog), ""] if command.epilog else [])]
    usage = " ".join(command.collect_usage_pieces(context))
    lines += [f"`{' '.join(words)} {usage}`", ""]
    records = [parameter.get_help_record(context) for parameter in command.params]
    if any(records):
        lines += ["| | |", "|---|---|"]
        lines += [f"| `{_TYPE.sub('', names)}` | {_cell(meaning)} |" for names, meaning in filter(None, records)]
        lines.append("")
    if examples:
        lines += ["```console", *(f"$ {one}" for one in re.split(r";\s+", " ".join(examples[1].split()))), "```", ""]
    return lines


def _joined(text: str) -> str:
    """Paragraphs, each on one line."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _cell(text: str) -> str:
    text = _RANGE.sub(r"\1 to \2", " ".join(text.split())).replace("; x>=0]", "]").replace("x>=", "at least ")
    return text.replace("|", "\\|")
