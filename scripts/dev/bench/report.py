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


@dataclass(frozen=True)
class Table:
    """A heading, an introduction, and rows of which the first is the head."""

    heading: str
    introduction: str
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """The section of the page."""
        head, *body = self.rows
        lines = [f"| {' | '.join(cells)} |" for cells in (head, ["---", *["---:"] * (len(head) - 1)], *body)]
        parts = (f"## {self.heading}", self.introduction, "\n".join(lines))
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
    """Replaces the page."""
    PAGE.write_text("\n\n".join([_head().rstrip(), *(table.markdown() for table in tables)]) + "\n")


def _head() -> str:
    def output(*command: str) -> str:
        return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout

    cpu = next((line for line in _lines("/proc/cpuinfo") if line.startswith("model name")), platform.processor())
    return _HEAD.format(
        date=datetime.now(UTC).date(),
        commit=output("git", "rev-parse", "--short", "HEAD").strip(),
        machine=f"{os.cpu_count()} cores ({cpu.split(': ')[-1]}), {platform.system()} {platform.machine()}",
        terraform=output("terraform", "version").split()[1].lstrip("v"),
        python=platform.python_version(),
    )


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []
