"""Whatever is killed, whenever: one sweep leaves nothing behind that nobody knows of."""

import io
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scripts.interviews.create import create
from scripts.interviews.doctor import diagnose
from scripts.interviews.reap import reap
from scripts.interviews.records import LONGEST_RUN, Status
from scripts.interviews.state import state_addresses
from scripts.project import PROJECT
from tests.interviews.conftest import CHALLENGE, Place, PlaceFactory

pytestmark = pytest.mark.e2e

SEED = int(os.environ.get("PREQUEL_SEED", "20261123"))
RESOURCES = {"service", "target group", "rule", "task definition", "password"}
AT_ONCE = 3
PHASES = {"client": 1.5, "terraform": 1.5, "lock": 4.0, "resource": 0.4}
"""What a kill waits for (that process, Terraform's lock, the first resource), and the longest delay after it in
seconds. Waiting for what happens hits every phase on any machine, however slow."""

CLIENT = "from scripts.cli.interview import app; app()"


@dataclass
class Victim:
    """One create or destroy that is killed ``delay`` seconds after its ``phase`` began."""

    operation: str
    target: str
    phase: str
    delay: float
    id: str
    process: subprocess.Popen[str] | None = None

    def start(self, place: Place) -> None:
        arguments = [self.operation, "--id", self.id, "--challenge", CHALLENGE, "--candidate", "Ada"]
        if self.operation == "destroy":
            arguments = ["destroy", self.id, "--yes"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, *arguments],
            cwd=PROJECT,
            env=place.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def kill_in_time(self, place: Place) -> str:
        """Waits for its moment, kills the target, and returns what was alive; who is not killed ends by itself."""
        assert self.process is not None
        while self.process.poll() is None and not self._begun(place):
            time.sleep(0.02)
        time.sleep(self.delay)
        family = descendants(self.process.pid)
        names = {pid: command_name(pid) for pid in family}
        chosen = {
            "client": [self.process.pid],
            "terraform": [pid for pid, name in names.items() if name == "terraform"],
            "provider": [pid for pid, name in names.items() if name.startswith("terraform-provi")],
            "all": [self.process.pid, *family],
        }[self.target]
        for pid in chosen:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()
        moment = f"{self.delay:.2f} s after {self.phase}"
        return f"{self.operation}: {self.target} {moment}, {len(chosen)} of {len(family) + 1} killed"

    def _begun(self, place: Place) -> bool:
        assert self.process is not None
        if self.phase == "client":
            return True
        if self.phase == "terraform":
            return "terraform" in map(command_name, descendants(self.process.pid))
        if self.phase == "lock":
            return bool(place.objects(f"instances/{self.id}.tfstate.tflock"))
        return self._first_resource_changed(place)

    def _first_resource_changed(self, place: Place) -> bool:
        """Whether the first resource was created (the password) or destroyed (the service); two cheap questions."""
        aws = place.embedded.aws
        if self.operation == "destroy":
            services = aws.ecs.describe_services(cluster=place.prefix, services=[self.id])["services"]
            return not services or services[0]["status"] != "ACTIVE"
        name = f"/{place.prefix}/interviews/{self.id}/password"
        return bool(aws.ssm.get_parameters(Names=[name])["Parameters"])


def descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children") if Path(f"/proc/{pid}").exists() else []:
        try:
            children = [int(word) for word in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *descendants(child)]
    return found


def command_name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def kill_all(place: Place, victims: list[Victim]) -> list[str]:
    """Starts the victims together and kills each in its time; returns what was done to whom."""
    for victim in victims:
        victim.start(place)
    with ThreadPoolExecutor(len(victims)) as pool:
        return list(pool.map(lambda victim: victim.kill_in_time(place), victims))


def leaks(place: Place, ids: list[str]) -> list[str]:
    """What is wrong after a sweep, asked of the embedded AWS itself: each is whole and known, or wholly gone."""
    context = place.context()
    intents = {name: stored.intent for name, stored in context.intents.all().intents.items()}
    slots = {held.lease.interview_id: held.slot for held in context.slots.all()}
    wrong = []
    for name in ids:
        live = set(place.live(name))
        intent = intents.get(name)
        if intent is None:
            left = [key for key in place.objects() if name in key and not key.startswith("history/")]
            if live or left or name in slots:
                wrong.append(f"{name} is gone, but {live} {left} {slots.get(name)}")
        elif intent.status is not Status.ACTIVE or live != RESOURCES or slots.get(name) != intent.slot:
            wrong.append(f"{name} is {intent.status}, with {live} and slot {slots.get(name)} of {intent.slot}")
        elif len(state_addresses(context, name)) != len(RESOURCES):
            wrong.append(f"{name} is active, but its state knows only {sorted(state_addresses(context, name))}")
    locks = [key for key in place.objects("instances/") if key.endswith(".tflock")]
    findings = [f"{finding.kind} {finding.subject}: {finding.detail}" for finding in diagnose(context)]
    return wrong + locks + findings


def crash_and_sweep(place: Place, number: int, dice: random.Random) -> list[str]:
    """One batch: creates and destroys are killed, then one pass of `reap`; returns what leaks."""
    victims = []
    for n in range(AT_ONCE):
        phase = dice.choice([*PHASES, "resource", "lock"])
        operation = dice.choice(["create", "create", "destroy"])
        target = dice.choice(["client", "terraform", "provider", "all", "all"])
        name = f"k{os.getpid()}-{number}-{n}"
        victims.append(Victim(operation, target, phase, dice.uniform(0, PHASES[phase]), name))
    for victim in victims:
        if victim.operation == "destroy":
            create(place.context(), place.request(id=victim.id))
    outcomes = kill_all(place, victims)
    said = io.StringIO()
    report = reap(place.context(out=said), parallel=AT_ONCE)
    print(f"batch {number} (seed {SEED}): {'; '.join(outcomes)}; {report}")  # noqa: T201
    assert not report.failed, said.getvalue()
    assert not report.busy, said.getvalue()
    return leaks(place, [victim.id for victim in victims])


def test_killed_at_random_moments_one_sweep_leaves_no_leak(new_place: PlaceFactory) -> None:
    place, dice = new_place(), random.Random(SEED)
    assert crash_and_sweep(place, 0, dice) == []
    assert crash_and_sweep(place, 1, dice) == []


def test_what_a_lost_machine_left_is_kept_from_others_until_no_run_takes_as_long_and_then_brought_to_an_end(
    new_place: PlaceFactory,
) -> None:
    place = new_place()
    victim = Victim("create", "all", "resource", 0, f"k{os.getpid()}-lost")
    kill_all(place, [victim])
    with_another_host(place, victim.id)
    assert list(reap(place.context()).busy) == [victim.id]
    assert place.objects(f"instances/{victim.id}.tfstate.tflock")
    place.clock.moment = datetime.now(UTC) + LONGEST_RUN  # the client had the real time
    said = io.StringIO()
    report = reap(place.context(out=said))
    assert report.recovered == [victim.id], said.getvalue()
    assert '"event": "lock-cleared"' in said.getvalue()
    assert leaks(place, [victim.id]) == []


def with_another_host(place: Place, interview_id: str) -> None:
    """As if the killed client had run on a machine that is lost: only its mark, its lock and its name are left."""
    context = place.context()
    for key in (f"workspaces/{interview_id}/interview.json", f"instances/{interview_id}.tfstate.tflock"):
        found = context.objects.read(key)
        assert found is not None, key
        body = found.body.replace(f"@{context.host}".encode(), b"@lost").replace(
            f'"{context.host}"'.encode(), b'"lost"'
        )
        context.aws.s3.put_object(Bucket=context.bucket, Key=key, Body=body)
    for file in context.runs_directory.iterdir():
        file.unlink()


@pytest.mark.soak(amount=f"{(100 // AT_ONCE + 1) * AT_ONCE} kills", seed=SEED + 1)
def test_killed_at_a_hundred_random_moments_one_sweep_each_leaves_no_leak(new_place: PlaceFactory) -> None:
    dice = random.Random(SEED + 1)
    for number in range(100 // AT_ONCE + 1):
        assert crash_and_sweep(new_place(), number, dice) == []
