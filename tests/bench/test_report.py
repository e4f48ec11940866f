"""The page of benchmarks has two parts, measured by two commands, and each leaves the other as it is."""

from pathlib import Path

import pytest

from scripts.dev.bench import report
from scripts.dev.bench.report import Table


def test_each_part_of_the_page_is_replaced_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text("# Benchmarks\n\n## One interview\n")
    monkeypatch.setattr(report, "PAGE", page)
    for figure in ("1.0", "2.0"):
        report.write_live([Table("One live interview", "", [("", "s"), ("total", figure)], level=3)], load=9)
        report.write([Table("One interview", "", [("", "s"), ("total", figure * 2)])])
    text = page.read_text()
    assert text.count("\n## Live interviews\n") == text.count("\n## One interview\n") == 1
    assert "whose load was 9.0 before" in text
    assert [line for line in text.splitlines() if line.startswith("| total")] == [
        "| total | 2.02.0 |",
        "| total | 2.0 |",
    ]
