"""Writes what the soak tests found to docs/soak.md: `make soak` loads it with ``-p tests.soak_report``."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

REPORT = Path(__file__).parents[1] / "docs" / "soak.md"

_HEAD = """\
# Soak tests

Written by `make soak`, which runs every long test whole; `make test` runs a sample of each. A test with a seed repeats
the same random choices; one without tries every case.

Last run: {date}, commit {commit}, {machine}, Python {python}. {verdict}

| claim | how often | seed | result | minutes |
|---|---|---|---|---|
"""

_rows: list[str] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Notes the test that has run, or whose set-up failed."""
    report: pytest.TestReport = yield
    mark = item.get_closest_marker("soak")
    if mark is not None and (report.when == "call" or report.failed):
        claim = item.name.removeprefix("test_").replace("_", " ")
        amount, seed = mark.kwargs.get("amount", "once"), mark.kwargs.get("seed", "none")
        _rows.append(f"| {claim} | {amount} | {seed} | {report.outcome} | {call.duration / 60:.1f} |\n")
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Replaces the last report, unless nothing ran."""
    if not _rows:
        return
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    head = _HEAD.format(
        date=datetime.now(UTC).date(),
        commit=commit.stdout.strip(),
        machine=f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        python=platform.python_version(),
        verdict="All passed." if not session.testsfailed else f"{session.testsfailed} failed.",
    )
    REPORT.write_text(head + "".join(_rows))
