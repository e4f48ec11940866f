"""docs/benchmarks.md and its chart, from what was measured."""

import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from scripts.dev.bench.measure import Cost
from scripts.project import PROJECT

PAGE = PROJECT / "docs" / "benchmarks.md"
CHART = PROJECT / "docs" / "images" / "benchmarks.svg"

_HEAD = """\
# Benchmarks

Written by `make bench`, which measures everything below in one run, both flows on one embedded AWS with one AWS
provider. An embedded AWS answers at once, so these are the times of our side: what AWS itself takes until a task is
ready comes on top, and [performance.md](performance.md) models it. Compare ratios, not seconds: machines differ.

Measured {date} at commit {commit}, on {machine}, with Terraform {terraform} and Python {python}.

![Create an interview: seconds, CPU and memory of both flows](images/benchmarks.svg)

**The plain flow** is what one would write first: a template set with a load balancer, security groups and a DNS
record for each interview ([plain.tf](../tests/bench/plain.tf)), driven by copy, `init`, `plan -out`, `apply`,
`output` and an upload of the whole directory. **Ours** is `prequel interview create`.
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
class Promise:
    """What takes ``at_most`` so much, in ``unit``, and what was ``measured``."""

    what: str
    at_most: float
    measured: float
    unit: str

    def row(self) -> tuple[str, str, str, str]:
        """Its line in the table."""
        verdict = "yes" if self.measured <= self.at_most else "**no**"
        return self.what, f"{self.at_most:g} {self.unit}", f"{self.measured:.2f} {self.unit}", verdict


def kept(promises: Sequence[Promise]) -> Table:
    """Every promise beside what was measured."""
    rows = [("", "at most", "measured", "kept"), *(promise.row() for promise in promises)]
    return Table("What we hold ourselves to", "", rows)


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


def write(tables: Sequence[Table], chart: str) -> None:
    """Replaces the page and the chart."""
    PAGE.write_text("\n\n".join([_head().rstrip(), *(table.markdown() for table in tables)]) + "\n")
    CHART.write_text(chart)


def _head() -> str:
    def said(*command: str) -> str:
        return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout

    cpu = next((line for line in _lines("/proc/cpuinfo") if line.startswith("model name")), platform.processor())
    return _HEAD.format(
        date=datetime.now(UTC).date(),
        commit=said("git", "rev-parse", "--short", "HEAD").strip(),
        machine=f"{os.cpu_count()} cores ({cpu.split(': ')[-1]}), {platform.system()} {platform.machine()}",
        terraform=said("terraform", "version").split()[1].lstrip("v"),
        python=platform.python_version(),
    )


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


_STYLE = """\
  <style>
    text { font: 14px system-ui, sans-serif; fill: #1f2328 }
    .title { font-weight: 600 } .quiet { fill: #59636e }
    .plain { fill: #afb8c1 } .ours { fill: #1a7f37 }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc } .quiet { fill: #9198a1 } .plain { fill: #656c76 } .ours { fill: #3fb950 }
    }
  </style>
"""


def chart(bars: Sequence[tuple[str, float, float, str]]) -> str:
    """An SVG, light and dark, with two bars for each of ``bars``: what, the plain flow's, ours, and the unit."""
    left, width, step = 190, 430, 64
    parts = []
    for number, (what, plain, ours, unit) in enumerate(bars):
        top = 44 + number * step
        parts.append(f'  <text class="title" x="{left - 14}" y="{top + 26}" text-anchor="end">{escape(what)}</text>')
        for row, (name, value) in enumerate((("plain", plain), ("ours", ours))):
            length, y = max(width * value / max(plain, ours), 2), top + row * 22
            ratio = f" · {plain / ours:.1f} times less" if name == "ours" and plain > ours else ""
            parts.append(f'  <rect class="{name}" x="{left}" y="{y}" width="{length:.0f}" height="18" rx="3"/>')
            parts.append(f'  <text x="{left + length + 8:.0f}" y="{y + 14}">{value:,.1f} {unit}{ratio}</text>')
    height = 44 + len(bars) * step
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 820 {height}" role="img" '
        'aria-label="Both flows, one interview">\n'
        f"{_STYLE}"
        f'  <rect class="plain" x="{left}" y="12" width="14" height="14" rx="3"/>'
        f'<text class="quiet" x="{left + 20}" y="24">the plain flow</text>\n'
        f'  <rect class="ours" x="{left + 140}" y="12" width="14" height="14" rx="3"/>'
        f'<text class="quiet" x="{left + 160}" y="24">ours</text>\n' + "\n".join(parts) + "\n</svg>\n"
    )
