"""What `make demo` says before it starts and after it ends; tests/e2e runs it."""

import io
import re
import shlex
from concurrent.futures import Future
from pathlib import Path

import pytest

from scripts.console import Console
from scripts.dev.demo import NEXT, Demo
from tests.docs.test_commands import given_to_the_parser, targets


@pytest.mark.parametrize("live", [True, False])
def test_the_demo_says_how_long_it_takes_and_every_step_before_it_starts(tmp_path: Path, live: bool) -> None:
    said = io.StringIO()
    image: Future[str] = Future()
    image.set_result("localhost/editor")
    demo = Demo(tmp_path, Console(err=said), image if live else None)
    demo.announce()
    first, *steps = said.getvalue().splitlines()
    seconds = [int(found[1]) for line in steps if (found := re.search(r"about +(\d+) s$", line))]
    assert len(seconds) == len(steps) == len(demo.steps)
    assert f"about {sum(seconds) / 60:.0f} minutes" in first
    assert any("editor" in line for line in steps) is live


def test_the_commands_to_type_after_the_demo_exist() -> None:
    shown = [line.strip() for line in NEXT.splitlines() if line.startswith("  ")]
    for line in shown:
        if line.startswith("prequel"):
            given_to_the_parser(shlex.split(line))
    assert {line.split()[1] for line in shown if line.startswith("make ")} <= targets()
    assert shown[-1] == "prequel local down"
