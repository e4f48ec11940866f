"""Writes the results of the soak tests to docs/soak.md; `make soak` loads it with ``-p tests.soak_report``."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

REPORT = Path(__file__).parents[1] / "docs" / "soak.md"

_HEAD = """\
# Soak tests

`make soak` generates this page. It runs every long test completely; `make test` runs a sample of each. A test with a
seed repeats the same random choices. A test without a seed covers every case. Each row says when and at which commit it
was last run; the last run was on {machine}, Python {python}.

| claim | how often | seed | result | minutes | run |
|---|---|---|---|---|---|
"""

_rows: dict[str, str] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Gives the test's report its mark, which reaches this process even from another worker."""
    mark = item.get_closest_marker("soak")
    if mark is not None:
        amount, seed = mark.kwargs.get("amount", "once"), mark.kwargs.get("seed", "none")
        item.user_properties.append(("soak", f"{amount} | {seed}"))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Notes the test that has run, or whose set-up failed."""
    asked = dict(report.user_properties).get("soak")
    if asked is not None and (report.when == "call" or report.failed):
        claim = report.nodeid.rpartition("::")[2].removeprefix("test_").replace("_", " ")
        _rows[claim] = f"| {claim} | {asked} | {report.outcome} | {report.duration / 60:.1f} |"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Replaces the rows of what was run here, and leaves the others."""
    if not _rows or hasattr(session.config, "workerinput"):
        return
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    run = f"{datetime.now(UTC).date()}, {commit.stdout.strip()}"
    head = _HEAD.format(
        machine=f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}", python=platform.python_version()
    )
    known = [line for line in REPORT.read_text().splitlines() if line.startswith("| ")][1:]
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in known}
    rows |= {claim: f"{row} {run} |" for claim, row in _rows.items()}
    REPORT.write_text(head + "".join(f"{rows[claim]}\n" for claim in sorted(rows)))
