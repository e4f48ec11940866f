"""Generates docs/benchmarks.md from measurements."""

import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from scripts.dev.bench.measure import Cost
from scripts.project import PROJECT

PAGE = PROJECT / "docs" / "benchmarks.md"

_HEAD = """\
# Benchmarks

`make bench` generates this page. It measures everything in one run, both flows on one embedded AWS with one AWS
provider. An embedded AWS responds immediately, so these figures exclude the time that AWS takes until a task is ready;
[performance.md](performance.md) estimates it. Compare ratios and not seconds, because machines differ.

Measured {date} at commit {commit}, on {machine}, with Terraform {terraform} and Python {python}.

**The plain flow** is a straightforward implementation: a template set with a load balancer, security groups and a DNS
record per interview ([plain.tf](../tests/bench/plain.tf)), with copy, `init`, `plan -out`, `apply`, `output`, and an
upload of the complete directory. **Ours** is `prequel interview create`.
"""

_LIVE_MARK = "\n## Live interviews\n"

_LIVE_HEAD = (
    _LIVE_MARK
    + """
`python -m scripts.dev.bench.live` generates this section: interviews on a live embedded AWS
([embedded-aws.md](embedded-aws.md#live-mode)), with real containers, editors and health checks. AWS itself takes longer
to give a task its network and to pull its image ([performance.md](performance.md)).

Measured {date} at commit {commit}, on {machine}, whose load was {load} before.
"""
)


@dataclass(frozen=True)
class Table:
    """A heading of a ``level``, an introduction, and rows of which the first is the head."""

    heading: str
    introduction: str
    rows: Sequence[Sequence[str]]
    level: int = 2

    def markdown(self) -> str:
        """The section of the page."""
        head, *body = self.rows
        lines = [f"| {' | '.join(cells)} |" for cells in (head, ["---", *["---:"] * (len(head) - 1)], *body)]
        parts = (f"{'#' * self.level} {self.heading}", self.introduction, "\n".join(lines))
        return "\n\n".join(part for part in parts if part)


@dataclass(frozen=True)
class Target:
    """An upper limit, ``at_most``, and what was ``measured``, both in ``unit``."""

    what: str
    at_most: float
    measured: float
    unit: str

    def row(self) -> tuple[str, str, str, str]:
        """Its line in the table."""
        verdict = "yes" if self.measured <= self.at_most else "**no**"
        return self.what, f"{self.at_most:g} {self.unit}", f"{self.measured:.2f} {self.unit}", verdict


def targets(measured: Sequence[Target]) -> Table:
    """Every target beside what was measured."""
    return Table("Targets", "", [("", "at most", "measured", "met"), *(target.row() for target in measured)])


def side_by_side(heading: str, introduction: str, plain: Cost, ours: Cost, stored: tuple[float, float]) -> Table:
    """Both flows in one table; ``stored`` are the bytes that each keeps, the plain flow's first."""
    measured = (
        ("seconds", plain.seconds, ours.seconds, "{:.1f}"),
        ("CPU seconds", plain.cpu_seconds, ours.cpu_seconds, "{:.1f}"),
        ("peak memory, MB", plain.memory / 1e6, ours.memory / 1e6, "{:.0f}"),
        ("terraform and provider processes", plain.terraform_processes, ours.terraform_processes, "{:.0f}"),
        ("AWS API calls", plain.aws_calls, ours.aws_calls, "{:.0f}"),
        ("stored, kB", stored[0] / 1e3, stored[1] / 1e3, "{:.0f}"),
    )
    rows = [(what, form.format(a), form.format(b), f"{a / b:.1f}") for what, a, b, form in measured]
    return Table(heading, introduction, [("", "plain flow", "ours", "ratio"), *rows])


def write(tables: Sequence[Table]) -> None:
    """Replaces the page, but for its section on live interviews."""
    PAGE.write_text("\n\n".join([_measured(_HEAD), *(table.markdown() for table in tables)]) + "\n" + _live_section())


def write_live(tables: Sequence[Table], load: float) -> None:
    """Replaces the section on live interviews; ``load`` is the machine's before they were measured."""
    head = _measured(_LIVE_HEAD, load=f"{load:.1f}")
    rest = PAGE.read_text().removesuffix(_live_section())
    PAGE.write_text("\n\n".join([rest + head, *(table.markdown() for table in tables)]) + "\n")


def _live_section() -> str:
    """The end of the page as it is, if it has that section."""
    _, mark, section = PAGE.read_text().partition(_LIVE_MARK)
    return mark + section


def machine() -> str:
    """What the measurements were made on."""
    cpu = next((line for line in _lines("/proc/cpuinfo") if line.startswith("model name")), platform.processor())
    return f"{os.cpu_count()} cores ({cpu.split(': ')[-1]}), {platform.system()} {platform.machine()}"


def _measured(head: str, **more: str) -> str:
    def output(*command: str) -> str:
        return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout

    return head.format(
        date=datetime.now(UTC).date(),
        commit=output("git", "rev-parse", "--short", "HEAD").strip(),
        machine=machine(),
        terraform=output("terraform", "version").split()[1].lstrip("v"),
        python=platform.python_version(),
        **more,
    ).rstrip()


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []
