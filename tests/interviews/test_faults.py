"""Whatever fails on this machine, and whatever signal comes, at whatever step of a create: one line, and no leak."""

import json
import os
import random
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest

from scripts.interviews.destroy import destroy
from scripts.interviews.reap import reap
from scripts.private_files import remove_abandoned
from scripts.project import PROJECT
from tests.interviews.conftest import CHALLENGE, Place, PlaceFactory
from tests.interviews.test_crashes import leaks

pytestmark = pytest.mark.e2e

SEED = int(os.environ.get("PREQUEL_SEED", "20261128"))
PASSWORD = "canary-4711-sings"
ERRORS = {
    "open": ["EMFILE", "ENOSPC", "EACCES", "EROFS", "EIO"],
    "write": ["ENOSPC", "EIO", "EDQUOT"],
    "mkdir": ["ENOSPC", "EROFS", "EACCES"],
    "rename": ["ENOSPC", "EIO"],
    "unlink": ["EROFS", "EIO"],
    "scandir": ["EMFILE", "EACCES"],
    "flock": ["ENOLCK"],
    "fork": ["EAGAIN", "ENOMEM", "ENOENT", "EACCES", "ETXTBSY"],
    "connect": ["ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH"],
    "resolve": ["EIO"],
    "thread": ["EAGAIN"],
    "fsync": ["EIO", "ENOSPC"],
}
SIGNALS = ["SIGHUP", "SIGPIPE", "SIGTERM", "SIGINT"]


def create_with(place: Place, directory: Path, fault: str, name: str) -> subprocess.CompletedProcess[str]:
    """Runs one create with a fault; its temporary files are in ``directory``."""
    directory.mkdir(exist_ok=True)
    paths = os.pathsep.join((str(Path(__file__).parent / "faults"), str(PROJECT)))
    return subprocess.run(
        [
            sys.executable, "-m", "scripts", "interview", "create", "--id", name,
            "--challenge", CHALLENGE, "--candidate", "Ada", "--password-stdin",
        ],
        cwd=PROJECT,
        env=place.environment | {"PYTHONPATH": paths, "PREQUEL_FAULT": fault, "TMPDIR": str(directory)},
        input=PASSWORD,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip


def wrong_after(place: Place, directory: Path, fault: str, name: str) -> list[str]:
    """What is not as it should be after a create with a fault, and one sweep."""
    done = create_with(place, directory, fault, name)
    problems = []
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    if "Traceback" in done.stderr + done.stdout or "Exception ignored" in done.stderr:
        problems.append("a traceback")
    if done.returncode and (len(lines) != 1 or not lines[0].removeprefix("error: ").strip()):
        problems.append(f"{len(lines)} lines of error")
    allowed = {0, 1, 3}
    if "SIG" in fault:
        allowed = {0} if "SIGPIPE" in fault else {0, 130}
    if done.returncode not in allowed:
        problems.append(f"exit code {done.returncode}")
    if PASSWORD in done.stderr or (done.returncode and PASSWORD in done.stdout):
        problems.append("the password is printed")
    report = reap(place.context())
    if report.failed or report.busy:
        problems.append(f"the sweep failed: {report}")
    problems += leaks(place, [name])
    objects = place.context().objects
    problems += [f"the password is in {key}" for key in place.objects() if holds_password(objects, key)]
    for file in [*directory.rglob("*"), *(place.directory / "cache").rglob("*")]:
        if file.is_file() and PASSWORD.encode() in file.read_bytes():
            problems.append(f"the password is in {file}")
    with pytest.MonkeyPatch.context() as here:
        here.setattr(tempfile, "tempdir", str(directory))
        remove_abandoned()  # as the next command does
    problems += [f"{left} is left" for left in directory.glob("prequel-*")]
    destroy(place.context(), name)
    return [f"{fault}: {problem}\n{done.stderr}{done.stdout}" for problem in problems]


def holds_password(objects: object, key: str) -> bool:
    found = objects.read(key)  # type: ignore[attr-defined]
    return found is not None and PASSWORD.encode() in found.body


def sample(counts: dict[str, int], dice: random.Random, faults: int, signals: int) -> list[str]:
    """So many faults, spread evenly over the kinds of calls, and signals, one in each of as many parts of all calls."""
    kinds = [kind for kind in ERRORS if counts.get(kind)]
    dice.shuffle(kinds)
    chosen = []
    for number in range(faults):
        kind = (
            kinds[(number + dice.randrange(len(kinds))) % len(kinds)]
            if faults < len(kinds)
            else kinds[number % len(kinds)]
        )
        chosen.append(f"{kind}:{dice.randint(1, counts[kind])}:{dice.choice(ERRORS[kind])}")
    bounds = [counts["any"] * part // signals for part in range(signals + 1)]
    steps = [dice.randint(first + 1, last) for first, last in pairwise(bounds)]
    return chosen + [f"any:{step}:{SIGNALS[n % len(SIGNALS)]}" for n, step in enumerate(steps)]


def count(place: Place, directory: Path) -> dict[str, int]:
    """How many calls of each kind a create makes, which then succeeds."""
    done = create_with(place, directory, f"count:{directory}.json", "counted")
    assert done.returncode == 0, done.stderr
    destroy(place.context(), "counted")
    counts: dict[str, int] = json.loads(Path(f"{directory}.json").read_text())
    return counts


def fail_at_random(place: Place, directory: Path, dice: random.Random, faults: int, signals: int) -> list[str]:
    counts = count(place, directory)
    problems = []
    for number, fault in enumerate(sample(counts, dice, faults, signals)):
        found = wrong_after(place, directory, fault, f"f{os.getpid()}-{number}")
        print(f"{fault} (seed {SEED}): {found or 'as it should be'}")  # noqa: T201
        problems += found
    return problems


def test_a_failing_call_or_a_signal_at_a_random_step_ends_with_one_line_and_no_leak(
    new_place: PlaceFactory, tmp_path: Path
) -> None:
    problems = fail_at_random(new_place(), tmp_path / "tmp", random.Random(SEED), faults=2, signals=2)
    assert problems == [], "\n".join(problems)


@pytest.mark.soak(amount="60 failing calls and 24 signals", seed=SEED + 1)
def test_failing_calls_and_signals_at_many_random_steps_end_with_one_line_and_no_leak(
    new_place: PlaceFactory, tmp_path: Path
) -> None:
    problems = fail_at_random(new_place(), tmp_path / "tmp", random.Random(SEED + 1), faults=60, signals=24)
    assert problems == [], "\n".join(problems)
