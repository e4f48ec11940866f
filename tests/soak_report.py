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
seed repeats the same random choices. A test without a seed covers every case.

Last run: {date}, commit {commit}, {machine}, Python {python}. {verdict}

| claim | how often | seed | result | minutes |
|---|---|---|---|---|
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
        _rows[report.nodeid] = f"| {claim} | {asked} | {report.outcome} | {report.duration / 60:.1f} |\n"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Replaces the last report, unless nothing ran here."""
    if not _rows or hasattr(session.config, "workerinput"):
        return
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    head = _HEAD.format(
        date=datetime.now(UTC).date(),
        commit=commit.stdout.strip(),
        machine=f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        python=platform.python_version(),
        verdict="All passed." if not session.testsfailed else f"{session.testsfailed} failed.",
    )
    REPORT.write_text(head + "".join(_rows[name] for name in sorted(_rows)))
