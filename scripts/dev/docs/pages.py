"""The pages that `make docs` generates, completely or between two markers."""

from pathlib import Path

from scripts.dev.docs.commands import reference
from scripts.dev.docs.costs import parts
from scripts.dev.docs.first_minutes import first_minutes
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
    """The text of each generated page, by path; takes about six seconds, because the prices need a synthesis."""
    performance, scale, contract = DOCS / "performance.md", DOCS / "scale.md", DOCS / "template-contract.md"
    section, table = parts()
    return {
        README: with_part(README, ("cost", section)),
        scale: with_part(scale, ("cost", table)),
        performance: with_part(performance, ("model", tables()), ("first-minutes", first_minutes(README.read_text()))),
        INTERVIEWS: with_part(INTERVIEWS, ("states", life())),
        contract: with_part(contract, ("values", values(TemplateVariables(VARIABLES.read_text())))),
        DOCS / "cli.md": reference(),
        DECISIONS / "README.md": decisions(DECISIONS),
    }


def with_part(page: Path, *parts: tuple[str, str]) -> str:
    """The text of ``page`` with each body of ``parts`` between the markers of its name.

    Raises ``PrequelError`` if a marker is missing.
    """
    text = page.read_text()
    for name, body in parts:
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        before, found, rest = text.partition(begin)
        _, ended, after = rest.partition(end)
        if not found or not ended:
            raise PrequelError(f"{page.name} has no {begin} and {end} to write between; put them back")
        text = f"{before}{begin}\n{body}\n{end}{after}"
    return text


def values(variables: TemplateVariables) -> str:
    """The table of the template set's variables that the shared stack sets, with their descriptions."""
    rows = [f"| `{name}` | {variables.descriptions[name]} |" for name in variables.not_of_clients]
    return "\n".join(["| variable | |", "|---|---|", *rows])


def decisions(directory: Path) -> str:
    """The index of the decision records in ``directory``, whose first line is ``# NUMBER. TITLE``."""
    head = (
        "# Decisions\n\nEach record explains one design choice on one page. `make docs` generates this index.\n\n"
        "| | |\n|---|---|\n"
    )
    rows = []
    for record in sorted(directory.glob("[0-9]*.md")):
        number, _, title = record.read_text().partition("\n")[0].removeprefix("# ").partition(". ")
        rows.append(f"| [{int(number):04}]({record.name}) | {title} |\n")
    return head + "".join(rows)
