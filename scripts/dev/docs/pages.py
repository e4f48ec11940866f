"""The pages that are written by `make docs`, whole or between two markers, and what each has to say now."""

from pathlib import Path

from scripts.dev.docs.commands import reference
from scripts.dev.docs.costs import parts
from scripts.dev.docs.life import life
from scripts.dev.docs.performance import tables
from scripts.errors import PrequelError
from scripts.project import PROJECT
from scripts.shared_stack.values import TemplateVariables

README = PROJECT / "README.md"
DOCS = PROJECT / "docs"
INTERVIEWS = DOCS / "interviews.md"
DECISIONS = DOCS / "decisions"
VARIABLES = PROJECT / "instance_templates" / "variables.tf"


def pages() -> dict[Path, str]:
    """The text of every generated page by its path; takes some six seconds to synthesize what the README prices."""
    performance, scale, contract = DOCS / "performance.md", DOCS / "scale.md", DOCS / "template-contract.md"
    section, table = parts()
    return {
        README: with_part(README, "cost", section),
        scale: with_part(scale, "cost", table),
        performance: with_part(performance, "model", tables()),
        INTERVIEWS: with_part(INTERVIEWS, "states", life()),
        contract: with_part(contract, "values", values(TemplateVariables(VARIABLES.read_text()))),
        DOCS / "cli.md": reference(),
        DECISIONS / "README.md": decisions(DECISIONS),
    }


def with_part(page: Path, name: str, body: str) -> str:
    """The text of ``page`` with ``body`` between the markers of ``name``; raises ``PrequelError`` without both."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, found, rest = page.read_text().partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise PrequelError(f"{page.name} has no {begin} and {end} to write between; put them back")
    return f"{before}{begin}\n{body}\n{end}{after}"


def values(variables: TemplateVariables) -> str:
    """The table of what the shared stack gives: each variable of the template set and its description."""
    rows = [f"| `{name}` | {variables.descriptions[name]} |" for name in variables.not_of_clients]
    return "\n".join(["| variable | |", "|---|---|", *rows])


def decisions(directory: Path) -> str:
    """The index of the decision records in ``directory``, whose first line is ``# NUMBER. TITLE``."""
    head = "# Decisions\n\nWhy it is as it is, a page each. Written by `make docs`.\n\n| | |\n|---|---|\n"
    rows = []
    for record in sorted(directory.glob("[0-9]*.md")):
        number, _, title = record.read_text().partition("\n")[0].removeprefix("# ").partition(". ")
        rows.append(f"| [{int(number):04}]({record.name}) | {title} |\n")
    return head + "".join(rows)
