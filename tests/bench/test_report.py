import subprocess
import sys
from pathlib import Path

from scripts.dev.bench import report
from scripts.dev.bench.measure import Cost, Meter

PLAIN = Cost(seconds=80, cpu_seconds=9, memory=900e6, terraform_processes=8, aws_calls=120)
OURS = Cost(seconds=4, cpu_seconds=4.5, memory=600e6, terraform_processes=4, aws_calls=60)
BURN = "import time; end = time.process_time() + 0.4\nwhile time.process_time() < end: pass"


def test_a_missed_target_is_shown_as_plainly_as_one_that_was_met() -> None:
    table = report.targets([report.Target("create", 5, 4.2, "s"), report.Target("list", 1, 1.31, "s")]).markdown()
    assert "| create | 5 s | 4.20 s | yes |" in table
    assert "| list | 1 s | 1.31 s | **no** |" in table


def test_the_table_gives_the_plain_flow_as_a_multiple_of_ours() -> None:
    table = report.side_by_side("One", "", PLAIN, OURS, (700e6, 20e3)).markdown()
    assert "| seconds | 80.0 | 4.0 | 20.0 |" in table
    assert "| stored, kB | 700000 | 20 | 35000.0 |" in table


def test_the_work_of_child_processes_is_measured_with_our_own(tmp_path: Path) -> None:
    meter = Meter(exempt=0, calls=tmp_path / "calls")
    cost = meter.measure(lambda: subprocess.run([sys.executable, "-c", BURN], check=True))
    assert cost.cpu_seconds >= 0.4
    assert cost.memory > 1e6
    assert any("python" in process.command for process in meter.processes)


def test_only_the_aws_calls_made_during_the_work_are_counted(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    calls.write_text("before\n")
    assert Meter(exempt=0, calls=calls).measure(lambda: calls.write_text("before\none\ntwo\n")).aws_calls == 2
