"""All measurements: both flows, the commands, growth, and where the time of one create goes."""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from scripts.console import Console
from scripts.dev.bench import report
from scripts.dev.bench.flows import Flows, TimedEvent, run
from scripts.dev.bench.measure import SAMPLE_SECONDS, Cost, Meter, Process, median
from scripts.embedded.launcher import EmbeddedAws
from scripts.project import PROJECT

RUNS = 3
ALIVE = (1, 10, 50, 99)


class Benchmark:
    """The measurements on one ``embedded`` AWS; ``directory`` holds the configuration."""

    def __init__(self, embedded: EmbeddedAws, directory: Path, calls: Path) -> None:
        self.console = Console()
        self.flows = Flows.seeded(embedded, directory)
        self.meter = Meter(embedded.process.pid if embedded.process else 0, calls)
        self.targets: list[report.Target] = []

    def target(self, what: str, at_most: float, measured: float, unit: str = "s") -> None:
        """Adds a line to the page's first table."""
        self.targets.append(report.Target(what, at_most, measured, unit))

    def cost(self, what: str, work: Callable[[], object]) -> Cost:
        """Measures once, and prints the time."""
        cost = self.meter.measure(work)
        self.console.done(what, cost.seconds)
        return cost

    def seconds(self, what: str, work: Callable[[], object], *, runs: int = 3) -> float:
        """The median of several, after one that only warms up."""
        work()
        return median(self.cost(what, work) for _ in range(runs)).seconds

    def one(self) -> report.Table:
        """One interview by each flow, three times."""
        ours = median(self.cost("ours", partial(self.flows.create, f"ours-{n}")) for n in range(RUNS))
        costs: list[Cost] = []
        uploads: list[float] = []
        stored = 0

        def plain_create(name: str) -> None:
            uploads.append(self.flows.plain(name))

        for name in (f"plain-{number}" for number in range(RUNS)):
            costs.append(self.cost("the plain flow", partial(plain_create, name)))
            stored = self.flows.stored(name)
            self.flows.forget(name)
        plain = median(costs)
        kept = self.flows.stored("ours-0")
        self.target("`interview create`, from command to outputs", 5, ours.seconds)
        self.target("stored for an interview", 50, kept / 1e3, "kB")
        return report.side_by_side(
            "One interview",
            f"Medians of {RUNS} runs. The plain flow includes {statistics.median(uploads):.1f} s for the upload of the "
            "directory, which contains the provider.",
            plain,
            ours,
            (stored, kept),
        )

    def ten(self) -> tuple[report.Table, report.Table]:
        """Ten interviews, five at a time, once by each flow; and the destruction of ours."""
        ours = self.cost("ten of ours", lambda: self.flows.create_many(ten("ten")))
        self.target("ten at once, on two cores", 30, ours.seconds)
        stored = sum(self.flows.stored(name) for name in ten("ten"))
        reaped = self.cost("reap of ten", self.flows.reap).seconds
        plain = self.cost("ten of the plain flow", lambda: self.flows.plain_many(ten("plain-ten")))
        plain_stored = sum(self.flows.stored(name) for name in ten("plain-ten"))
        for name in ten("plain-ten"):
            self.flows.forget(name)
        self.flows.create("brief")
        destroyed = self.cost("destroy", lambda: self.flows.destroy("brief")).seconds
        endings = [("", "seconds"), ("`interview destroy`", f"{destroyed:.1f}"), ("reap of ten", f"{reaped:.1f}")]
        return (
            report.side_by_side(
                "Ten at once", "Five in parallel for both flows, one run.", plain, ours, (plain_stored, stored)
            ),
            report.Table("Destroying", "The time until nothing is left.", endings),
        )

    def commands(self, first_publish: float) -> report.Table:
        """Other commands that a user waits for."""
        here = os.environ | {
            "PREQUEL_CONFIG_DIR": str(self.flows.directory),
            "CDKTF_OUTDIR": str(self.flows.directory / "cdktf.out"),
        }
        prequel = str(Path(sys.executable).parent / "prequel")
        lazy = self.seconds("synthesis", lambda: run([sys.executable, "main.py"], here, PROJECT), runs=5)
        help_page = self.seconds("help", lambda: run([prequel, "--help"], here, PROJECT), runs=9)
        unchanged = self.seconds("publish", self.flows.publish)
        self.target("synthesis of both stacks, warm", 2.5, lazy)
        self.target("`prequel --help`", 0.3, help_page)
        self.target("`templates publish`, unchanged", 1, unchanged)
        rows = [
            ("", "seconds"),
            ("synthesis of both stacks", f"{lazy:.2f}"),
            ("`prequel --help`", f"{help_page:.2f}"),
            ("`templates publish`, the first, with its rehearsal", f"{first_publish:.1f}"),
            ("`templates publish`, unchanged", f"{unchanged:.2f}"),
        ]
        return report.Table("Commands", "Medians, warm.", rows)

    def growth(self) -> report.Table:
        """One more interview, and a list, with an increasing number of interviews."""
        rows: list[tuple[str, ...]] = [("alive", "create, seconds", "create, calls", "`list`, seconds")]
        alive = 0
        for wanted in ALIVE:
            others = [f"g{number}" for number in range(alive + 1, wanted)]
            if others:
                self.flows.create_many(others)
            ours = self.cost(f"ours, number {wanted}", partial(self.flows.create, f"g{wanted}"))
            listed = self.seconds(f"list of {wanted}", lambda: self.flows.prequel("interview", "list"))
            rows.append((str(wanted), f"{ours.seconds:.1f}", f"{ours.aws_calls:.0f}", f"{listed:.2f}"))
            alive = wanted
        self.target(f"list of {alive}", 1, listed)
        return report.Table(
            "Growth",
            "The last of a number of interviews, measured once, on a separate embedded AWS. AWS's default quota is 50 "
            "load balancers per region, which limits the plain flow to as many interviews.",
            rows,
        )

    def breakdown(self) -> report.Table:
        """The duration of each part of a create, and of Terraform without resources."""
        bare = self.seconds("terraform with nothing", lambda: self.flows.floor("bare", provider=False))
        floor = self.seconds("terraform with the provider", lambda: self.flows.floor("asks", provider=True))
        events: list[TimedEvent] = []
        begun = time.time()
        total = self.cost("create", lambda: events.extend(self.flows.create("parts"))).seconds
        parts = _parts(begun, total, self.meter.processes, events)
        rows = [("part", "seconds"), *((part, f"{seconds:.2f}") for part, seconds in parts)]
        rows += [
            ("**total**", f"**{total:.2f}**"),
            ("minimum: `init` and `apply` of an empty configuration", f"{bare:.2f}"),
            ("minimum: the same with the AWS provider and one AWS API call", f"{floor:.2f}"),
        ]
        return report.Table(
            "Parts of a create",
            "The last two rows are Terraform's own minimum. The remaining time of a create is for the client and the "
            f"resources. Processes are sampled every {SAMPLE_SECONDS} s.",
            rows,
        )


def ten(kind: str) -> list[str]:
    """The ids of ten interviews."""
    return [f"{kind}-{number}" for number in range(10)]


def _parts(begun: float, total: float, processes: list[Process], events: list[TimedEvent]) -> list[tuple[str, float]]:
    def start(command: str) -> float:
        return next(process.begun for process in processes if process.command.startswith(command))

    resources = [(at, event) for at, event in events if event["event"] == "resource"]
    first = min(at - event.get("seconds", 0) for at, event in resources)
    active = next(at for at, event in events if event.get("status") == "active")
    return [
        ("client: start, intent, lease, download", start("terraform init") - begun),
        ("`terraform init`", start("terraform apply") - start("terraform init")),
        ("`terraform apply`: start, provider, plan", first - start("terraform apply")),
        ("the five resources", resources[-1][0] - first),
        ("state write, readiness", active - resources[-1][0]),
        ("client: log, upload, end", begun + total - active),
    ]


def started(embedded: EmbeddedAws, directory: Path, calls: Path) -> tuple[Benchmark, float]:
    """A benchmark whose templates and challenge are published, and the seconds of the first publishing."""
    bench = Benchmark(embedded, directory, calls)
    first = bench.cost("publish with its rehearsal", bench.flows.publish).seconds
    bench.flows.prequel("challenge", "publish")
    return bench, first


def main() -> None:
    """Runs the benchmarks, prints the results, and writes docs/benchmarks.md."""
    with tempfile.TemporaryDirectory(prefix="prequel-bench-") as scratch:
        directory = Path(scratch)
        calls, later_calls = directory / "calls", directory / "later-calls"
        with EmbeddedAws.start(calls=calls) as embedded:
            bench, first = started(embedded, directory, calls)
            bench.flows.create("warm")
            bench.flows.destroy("warm")
            ten_at_once, endings = bench.ten()
            tables = [bench.one(), ten_at_once, bench.breakdown(), bench.commands(first), endings]
        with EmbeddedAws.start(calls=later_calls) as embedded:
            crowded, _ = started(embedded, directory, later_calls)
            tables.append(crowded.growth())
        tables.insert(0, report.targets([*bench.targets, *crowded.targets]))
        report.write(tables)
        for table in tables:
            bench.console.result(None, table.markdown() + "\n")


if __name__ == "__main__":
    main()
