"""Measures how long before their start scheduled interviews are ready, on the embedded AWS.

`python -m scripts.dev.bench.on_time` prints the figures in docs/performance.md; it takes a quarter of an hour. There is
a pass each minute, as with the reaper, and its work is done here instead of in builds.
"""

import io
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from contract.limits import START_EARLY_MINUTES
from scripts.console import Console
from scripts.dev.bench.flows import CHALLENGE, Flows
from scripts.embedded.launcher import EmbeddedAws
from scripts.errors import PrequelError
from scripts.interviews.context import Context
from scripts.interviews.reap import reap
from scripts.interviews.records import Intent, Status

INTERVIEWS = 20
APART = timedelta(seconds=20)
FIRST = timedelta(minutes=START_EARLY_MINUTES + 2)
"""From now to the first start; two minutes are for scheduling them all."""

DURATION = timedelta(minutes=60)
_TICK_SECONDS = 60.0


def schedule(flows: Flows, first: datetime) -> None:
    """Schedules the interviews, each ``APART`` from the one before it, from one file."""
    minutes = int(DURATION.total_seconds() // 60)
    rows = [
        f"{CHALLENGE},Ada,i{number},{minutes},{(first + number * APART).isoformat()}\n" for number in range(INTERVIEWS)
    ]
    file = flows.directory / "interviews.csv"
    file.write_text("challenge,candidate,id,duration,at\n" + "".join(rows))
    flows.prequel("interview", "create", "--from", str(file), "--parallel", "4")


def until_active(context: Context) -> list[Intent]:
    """The interviews, once all are active; a pass each minute starts those whose time is near."""
    while True:
        begun = time.monotonic()
        report = reap(context, parallel=4)
        if report.failed:
            raise PrequelError(f"not every interview could be started: {report.failed}")
        found = [stored.intent for stored in context.intents.all().intents.values()]
        if all(intent.status is Status.ACTIVE for intent in found):
            return found
        time.sleep(max(0.0, begun + _TICK_SECONDS - time.monotonic()))


def early_seconds(intent: Intent) -> float:
    """How long before its start an interview was ready; below 0 if it was late."""
    ready = next(step.at for step in intent.history if step.status is Status.ACTIVE)
    if intent.deadline - max(ready, intent.starts_at) < DURATION - timedelta(seconds=1):
        raise PrequelError(f"interview {intent.id} has less than its full time: ready {ready}, until {intent.deadline}")
    return (intent.starts_at - ready).total_seconds()


def main() -> None:
    """Prints how early the interviews were ready: the least, the median and the most."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="prequel-bench-") as scratch, EmbeddedAws.start() as embedded:
        directory = Path(scratch)
        flows = Flows.seeded(embedded, directory)
        with console.step("Publishing"):
            flows.publish()
            flows.prequel("challenge", "publish")
        quiet = Console(json_lines=True, out=io.StringIO())
        context = Context(embedded.aws, flows.bucket, quiet, environment=embedded.environment)
        first = datetime.now(UTC) + FIRST
        with console.step(f"Scheduling {INTERVIEWS} interviews"):
            schedule(flows, first)
        with console.step("Starting them"):
            early = [early_seconds(intent) for intent in until_active(context)]
        late = sum(seconds < 0 for seconds in early)
        console.say(
            f"{len(early)} interviews, {late} late; ready before their start by {min(early):.0f} s at least, "
            f"median {statistics.median(early):.0f} s, {max(early):.0f} s at most"
        )


if __name__ == "__main__":
    main()
