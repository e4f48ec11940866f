"""The demo that began before the other tests of this directory, and ends after them."""

import pytest

from tests.e2e.conftest import DemoRun
from tests.e2e.test_demo import processes_with

pytestmark = pytest.mark.e2e


def test_the_demo_runs_to_its_end_from_any_directory_and_leaves_no_process_and_no_file(whole_demo: DemoRun) -> None:
    exit_code = whole_demo.process.wait(timeout=1800)
    said = whole_demo.said.read_text()
    assert exit_code == 0, said
    assert "check: nothing is left" in said
    assert list(whole_demo.scratch.iterdir()) == []
    assert processes_with(f"TMPDIR={whole_demo.scratch}") == []
