"""Measures what saving costs the editor: /healthz with the saver at work, and with the saver paused."""

import statistics
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from contract.names import CODE_SERVER_PORT
from scripts.console import Console
from scripts.dev.bench import report
from scripts.engine.engine import Engine

ROUNDS = 3
ROUND_SECONDS = 45.0
"""Two saves at least."""

_PAUSE_SECONDS = 0.05

_EDITS = """
import pathlib, random, time
folder = pathlib.Path("/home/coder/challenge/edited")
folder.mkdir(exist_ok=True)
for number in range(300):
    (folder / f"{number}.py").write_text("x" * 4000)
while True:
    (folder / f"{random.randrange(300)}.py").write_text(str(random.random()) * 200)
    time.sleep(0.2)
"""
"""A candidate whose folder of 300 files changes all the time."""


def latency(engine: Engine, task: Any, console: Console) -> report.Table:
    """The answers of one interview's editor while its folder changes, in turns with and without saving."""
    name = f"prequel-{task['taskArn'].rsplit('/', 1)[-1]}"
    editor, saver = (engine.client.containers.get(f"{name}-{one}") for one in ("code-server", "saver"))
    [attached] = engine.client.containers.get(f"{name}-pause").attrs["NetworkSettings"]["Networks"].values()
    url = f"http://{attached['IPAddress']}:{CODE_SERVER_PORT}/healthz"
    editor.exec_run(["python3", "-c", _EDITS], user="1000:1000", detach=True)
    with_saving: list[float] = []
    without: list[float] = []
    for _ in range(ROUNDS):
        with_saving += _answers(url)
        with _paused(saver):
            without += _answers(url)
    console.say(f"/healthz: {len(with_saving)} answers with saving, {len(without)} without")
    rows = [("", "with saving", "without", "ratio")]
    for what, at in (("median", 50), ("99th percentile", 99)):
        ours, other = (statistics.quantiles(found, n=100)[at - 1] * 1000 for found in (with_saving, without))
        rows.append((f"{what}, ms", f"{ours:.1f}", f"{other:.1f}", f"{ours / other:.2f}"))
    worst = (max(with_saving) * 1000, max(without) * 1000)
    rows.append(("longest, ms", f"{worst[0]:.0f}", f"{worst[1]:.0f}", f"{worst[0] / worst[1]:.2f}"))
    return report.Table(
        "Saving and the editor",
        f"How long `/healthz` takes while a folder of 300 files changes five times a second: {len(with_saving)} answers"
        f" with the saver at work, and {len(without)} with it paused, in {ROUNDS} turns of {ROUND_SECONDS:.0f} s each.",
        rows,
        level=3,
    )


@contextmanager
def _paused(container: Any) -> Iterator[None]:
    container.pause()
    try:
        yield
    finally:
        container.unpause()


def _answers(url: str) -> list[float]:
    """The seconds of each answer during one turn."""
    found = []
    end = time.monotonic() + ROUND_SECONDS
    while time.monotonic() < end:
        begun = time.monotonic()
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  (a container's address)
            answer.read()
        found.append(time.monotonic() - begun)
        time.sleep(_PAUSE_SECONDS)
    return found
