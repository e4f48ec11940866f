"""What one piece of work costs: time, CPU, memory, processes and AWS calls."""

import resource
import statistics
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

import psutil

SAMPLE_SECONDS = 0.05
"""Terraform takes longer than that for anything, so that no process of it is missed."""


@dataclass(frozen=True)
class Process:
    """A process as it was seen: its ``command``, and when first, in seconds since the epoch.

    That is up to ``SAMPLE_SECONDS`` after it began. What the kernel says is exact, but reckoned from a time of the
    boot that drifts from the clock by more than that.
    """

    command: str
    begun: float


@dataclass(frozen=True)
class Cost:
    """Of one run or, by ``median``, of several: seconds of wall and of CPU, bytes, and numbers."""

    seconds: float
    cpu_seconds: float
    memory: float
    terraform_processes: float
    aws_calls: float


def median(costs: Iterable[Cost]) -> Cost:
    """The median of each field by itself."""
    costs = list(costs)
    return Cost(
        **{field.name: statistics.median(getattr(cost, field.name) for cost in costs) for field in fields(Cost)}
    )


class Meter:
    """Measures work that this process does itself or has done by child processes, the one with ``exempt`` left out.

    ``calls`` is the file to which the embedded AWS adds a line for each API call.
    """

    def __init__(self, exempt: int, calls: Path) -> None:
        self._exempt = exempt
        self._calls = calls
        self.processes: list[Process] = []
        """Those of the last run, in the order in which they began."""

    def measure(self, work: Callable[[], object]) -> Cost:
        """The cost of ``work``, once."""
        ended = threading.Event()
        calls, cpu = self._called(), _cpu_seconds()
        with ThreadPoolExecutor(1) as pool:
            peak = pool.submit(self._watch, ended)
            begun = time.monotonic()
            try:
                work()
                seconds = time.monotonic() - begun
            finally:
                ended.set()
        return Cost(
            seconds=seconds,
            cpu_seconds=_cpu_seconds() - cpu,
            memory=peak.result(),
            terraform_processes=sum("terraform" in process.command for process in self.processes),
            aws_calls=self._called() - calls,
        )

    def _watch(self, ended: threading.Event) -> int:
        """Collects our descendants until the work has ended; the most memory that they and our own growth took."""
        ours, seen, peak = psutil.Process(), dict[int, Process](), 0
        before = ours.memory_info().rss
        while not ended.wait(SAMPLE_SECONDS):
            memory = ours.memory_info().rss - before
            for process in ours.children(recursive=True):
                with suppress(psutil.Error):
                    if process.pid == self._exempt:
                        continue
                    # A process that has just ended has no command any more.
                    if process.pid not in seen and (words := process.cmdline()):
                        command = Path(words[0]).name, *words[1:2]
                        seen[process.pid] = Process(" ".join(command), time.time())
                    memory += process.memory_info().rss
            peak = max(peak, memory)
        self.processes = list(seen.values())
        return peak

    def _called(self) -> int:
        return self._calls.read_bytes().count(b"\n") if self._calls.exists() else 0


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)
