"""A saver is killed at random moments of random edits; what the next task has is never older than a save."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.work.conftest import Task

pytestmark = pytest.mark.e2e

INTERVAL_SECONDS = 0.5
LONGEST_SAVE_SECONDS = 10.0
"""What the saver's own interval of 20 s leaves of 30 s."""

PROGRAM = """
import os, sys, time
from pathlib import Path
from image.saver.prequel_save import run
from image.saver.session import SavedSession
session = SavedSession(os.environ, Path(sys.argv[1]), Path(sys.argv[2]))
run(session, lambda: time.sleep(float(sys.argv[3])))
"""


def killed_once(task: Task, chance: random.Random) -> dict[float, str]:
    """Edits at random while a saver runs, and kills it at a random moment; returns what was written when."""
    environment = os.environ | task.environment
    arguments = [str(task.session.folder), str(task.session.directory), str(INTERVAL_SECONDS)]
    saver = subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], env=environment)
    written: dict[float, str] = {}
    try:
        end = time.monotonic() + chance.uniform(1, 6)
        while time.monotonic() < end or not task.status.saved_at:
            text = f"{chance.random()}\n" * chance.randint(1, 2000)
            (task.folder / "solution.py").write_text(text)
            written[time.monotonic()] = text
            (task.folder / f"file{chance.randrange(50)}").write_bytes(chance.randbytes(chance.randrange(20_000)))
            time.sleep(chance.uniform(0, 0.2))
    finally:
        saver.send_signal(signal.SIGKILL)
        saver.wait()
    return written


def lost_seconds(task: Task, written: dict[float, str]) -> float:
    """How much of the last work the task does not have: from the first edit that is missing to the last one."""
    found = (task.folder / "solution.py").read_text()
    # A file that was read while it was written is there as it was at that moment.
    have = [at for at, text in written.items() if text == found or text.startswith(found)]
    missing = [at for at in written if at > max(have, default=0.0)]
    return max(written) - min(missing) if missing else 0.0


def lives(task: Task, kills: int, seed: int) -> float:
    """So many tasks after one another; returns the most that one kill has cost."""
    chance = random.Random(seed)
    worst = 0.0
    for number in range(kills):
        written = killed_once(task, chance)
        task = Task(task.root.with_name(f"task{number}"), task.environment)
        assert task.restore() is not None
        worst = max(worst, lost_seconds(task, written))
    return worst


def test_three_kills_lose_no_more_than_a_save_takes(task: Task) -> None:
    assert lives(task, 3, seed=18) < INTERVAL_SECONDS + LONGEST_SAVE_SECONDS


@pytest.mark.soak(amount="100 kills", seed=1)
@pytest.mark.parametrize("seed", [1])
def test_a_hundred_kills_lose_no_more_than_a_save_takes(task: Task, seed: int) -> None:
    assert lives(task, 100, seed) < INTERVAL_SECONDS + LONGEST_SAVE_SECONDS
