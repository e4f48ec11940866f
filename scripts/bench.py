"""`make bench`: how long the things take that a person waits for, measured here and now.

Printed, never asserted: machines differ. Each number is the median of its runs.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from scripts.console import Console
from scripts.embedded import EmbeddedAws, seed_shared_infrastructure
from scripts.errors import PrequelError
from scripts.local import EMBEDDED_SETTINGS, PROJECT


def main() -> None:
    """Measures and prints a line for each."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="prequel-bench-") as scratch:
        directory = Path(scratch)
        (directory / "terraform.tfvars").write_text(EMBEDDED_SETTINGS.replace("local", "embedded"))
        here = os.environ | {"PREQUEL_CONFIG_DIR": scratch, "CDKTF_OUTDIR": str(directory / "cdktf.out")}
        synth = _median(lambda: _run(["main.py"], here), runs=5)
        console.say(f"  synthesis of both stacks, warm     {synth:6.2f} s   (wanted: 2.5)")
        start = _median(lambda: _run(["-m", "scripts", "--help"], here), runs=9)
        console.say(f"  prequel --help                     {start:6.2f} s   (wanted: 0.3)")
        with EmbeddedAws.start() as embedded:
            (directory / "outputs.json").write_text(json.dumps(seed_shared_infrastructure(embedded.aws)))
            there = embedded.environment | {"PREQUEL_CONFIG_DIR": scratch}
            outputs = ["--outputs-file", str(directory / "outputs.json")]
            _run(["-m", "scripts", "templates", "publish", "--yes", "--skip-rehearsal", *outputs], there)
            _run(["-m", "scripts", "challenge", "publish"], there)
            numbers = iter(range(100))
            create = _median(lambda: _create(f"bench-{next(numbers)}", there), runs=3)
        console.say(f"  interview create, to its outputs   {create:6.2f} s   (wanted: 5)")


def _create(interview: str, environment: Mapping[str, str]) -> None:
    _run(
        ["-m", "scripts", "interview", "create", "--id", interview, "--challenge", "python/rate-limiter",
         "--candidate", "Ada Lovelace"],
        environment,
    )  # fmt: skip


def _median(measured: Callable[[], None], *, runs: int) -> float:
    """Seconds; one run to warm up does not count."""
    measured()
    times = []
    for _ in range(runs):
        begun = time.monotonic()
        measured()
        times.append(time.monotonic() - begun)
    return statistics.median(times)


def _run(arguments: list[str], environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise PrequelError(f"{' '.join(arguments)} ended with exit code {done.returncode}: {done.stderr[-500:]}")


if __name__ == "__main__":
    main()
