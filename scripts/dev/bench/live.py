"""Measures live interviews: from the command to an editor that answers, their memory, and ten at once.

`python -m scripts.dev.bench.live` replaces the section on live interviews of docs/benchmarks.md. It needs a container
engine and HAProxy. With ``--demo`` it also times `make demo`.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from scripts.console import Console
from scripts.dev.bench import report
from scripts.dev.bench.flows import Flows
from scripts.dev.bench.saving import latency
from scripts.embedded.launcher import EmbeddedAws
from scripts.embedded.local_stack import DOMAIN
from scripts.engine.engine import Engine
from scripts.engine.image import editor_image
from scripts.project import PROJECT

RUNS = 3
TEN = 10
_PATIENCE_SECONDS = 600


@dataclass(frozen=True)
class LiveInterview:
    """One that was created: the seconds of each part until its editor answered."""

    name: str
    parts: dict[str, float]

    @property
    def total(self) -> float:
        """Seconds."""
        return sum(self.parts.values())


class LiveBenchmark:
    """The measurements on one live ``embedded`` AWS, whose containers are ``engine``'s."""

    def __init__(self, embedded: EmbeddedAws, engine: Engine, directory: Path) -> None:
        self.embedded, self.engine = embedded, engine
        self.flows = Flows.seeded(embedded, directory)
        self.flows.publish()
        self.flows.prequel("challenge", "publish")

    def create(self, name: str) -> LiveInterview:
        """From the command to the first 200 of /healthz through the load balancer, part by part."""
        begun = time.time()
        with ThreadPoolExecutor(1) as pool:
            command = pool.submit(self.flows.create, name)
            while not (command.done() or self.answers(name)):
                time.sleep(0.05)
            answered = time.time()
            command.result()
            ended = time.time()
        while not self.answers(name):
            time.sleep(0.05)
            answered = time.time()
        task = self.task(name)
        loader, editor = (self.container(task, one).attrs["State"] for one in ("challenge", "code-server"))
        moments = [
            ("the command, until ECS has the service's task", task["createdAt"].timestamp()),
            ("the task's network, volumes and first container", _moment(loader["StartedAt"])),
            ("the challenge is delivered", _moment(loader["FinishedAt"])),
            ("the saver and the editor are started", _moment(editor["StartedAt"])),
            ("the editor answers through the load balancer", answered),
            ("the command has seen it", max(answered, ended)),
        ]
        before = [begun, *(at for _, at in moments)]
        return LiveInterview(name, {part: at - since for (part, at), since in zip(moments, before, strict=False)})

    def ten(self) -> tuple[float, dict[str, float]]:
        """Seconds until ten that are created at once all answer, and the MB of each interview's containers then."""
        names = [f"ten-{number}" for number in range(TEN)]
        begun = time.monotonic()
        self.flows.create_many(names)
        while not all(self.answers(name) for name in names):
            if time.monotonic() - begun > _PATIENCE_SECONDS:
                raise SystemExit("not all of them answer")
            time.sleep(0.2)
        seconds = time.monotonic() - begun
        return seconds, {name: self.memory_mb(name) for name in names}

    def answers(self, name: str) -> bool:
        """Whether /healthz does, through the load balancer."""
        listener = next((one for one in self.embedded.listeners if one["port"] == 80), None)
        if listener is None:
            return False
        url = f"http://127.0.0.1:{listener['localPort']}/healthz"
        request = urllib.request.Request(url, headers={"Host": f"{name}.{DOMAIN}"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  (this machine)
                return bool(answer.status == 200)
        except (HTTPError, OSError):
            return False

    def task(self, name: str) -> Any:
        """The task that runs, as ECS describes it."""
        ecs = self.embedded.aws.ecs
        [arn] = ecs.list_tasks(cluster="prequel", serviceName=name)["taskArns"]
        return ecs.describe_tasks(cluster="prequel", tasks=[arn])["tasks"][0]

    def container(self, task: Any, name: str) -> Any:
        """A container of a task."""
        return self.engine.client.containers.get(f"prequel-{task['taskArn'].rsplit('/', 1)[-1]}-{name}")

    def memory_mb(self, name: str) -> float:
        """Millions of bytes that the containers of an interview hold, without what the kernel can drop at once."""
        task = self.task(name)
        return sum(_memory(self.container(task, one).stats(stream=False)) for one in ("saver", "code-server")) / 1e6


def _moment(text: str) -> float:
    """Seconds since the epoch of the engine's time, whose nanoseconds Python does not read."""
    whole, _, rest = text.partition(".")
    zone = "+00:00" if rest.endswith("Z") or not rest else rest[-6:]
    fraction = "".join(character for character in rest.removesuffix(zone) if character.isdigit())[:6]
    return datetime.fromisoformat(f"{whole}.{fraction or 0:0<6}{zone}").timestamp()


def _memory(stats: dict[str, Any]) -> float:
    memory = stats["memory_stats"]
    cache = memory.get("stats", {})
    return float(memory["usage"] - cache.get("total_inactive_file", cache.get("inactive_file", 0)))


def demo_seconds() -> float:
    """How long `make demo` takes, without what it sets up."""
    begun = time.monotonic()
    subprocess.run([sys.executable, "-m", "scripts.dev.demo"], cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begun


def tables(bench: LiveBenchmark, console: Console, demo: float | None) -> list[report.Table]:
    """Everything that is measured."""
    bench.create("warm")
    made = []
    for number in range(RUNS):
        made.append(bench.create(f"one-{number}"))
        console.done(made[-1].name, made[-1].total)
    rows = [
        (part, f"{statistics.median(one.parts[part] for one in made):.1f}", f"{min(o.parts[part] for o in made):.1f}")
        for part in made[0].parts
    ]
    totals = [one.total for one in made]
    rows.append(("**total**", f"**{statistics.median(totals):.1f}**", f"**{min(totals):.1f}**"))
    alone = bench.memory_mb("one-0")
    saving = latency(bench.engine, bench.task("one-0"), console)
    for name in ("warm", *(one.name for one in made)):
        bench.flows.destroy(name)
    seconds, memory = bench.ten()
    console.done("ten at once", seconds)
    some = [
        ("", "measured"),
        ("memory of one live interview, nobody logged in", f"{alone:.0f} MB"),
        ("ten created at once, until all ten editors answer", f"{seconds:.0f} s"),
        ("memory of all ten", f"{sum(memory.values()):.0f} MB"),
        *([("`make demo`", f"{demo:.0f} s")] if demo is not None else []),
    ]
    return [
        report.Table(
            "One live interview", f"Of {RUNS} runs, in seconds.", [("part", "median", "least"), *rows], level=3
        ),
        report.Table("Many live interviews", "", some, level=3),
        saving,
    ]


def main() -> None:
    """Measures, and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demo", action="store_true", help="also time `make demo`, before anything else")
    options = parser.parse_args()
    console = Console()
    demo = demo_seconds() if options.demo else None
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="prequel-bench-") as scratch, Engine.find() as engine:
        directory = Path(scratch)
        image = editor_image(engine, report=console.say)
        with EmbeddedAws.start(live=image, log=directory / "requests.log") as embedded:
            measured = tables(LiveBenchmark(embedded, engine, directory), console, demo)
    report.write_live(measured, load)


if __name__ == "__main__":
    main()
