"""Ctrl-C and time limits: a terraform process is asked to stop once, and killed when it does not."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

INTERRUPT_GRACE_SECONDS = 120.0
"""What an interrupted terraform gets to finish what it began and to write its state, before it is killed."""

_WATCH_SECONDS = 0.2


class SupervisedProcess:
    """A running terraform, interrupted once and killed later; ``timed_out`` if its time limit was why."""

    def __init__(self, process: subprocess.Popen[str], timeout_seconds: float | None, grace_seconds: float) -> None:
        self._process = process
        self._grace_seconds = grace_seconds
        self._due = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        self._interrupting = threading.Lock()
        self._ended = threading.Event()
        self._signals = 0
        self.timed_out = False

    def interrupt(self) -> None:
        """Sends SIGINT, the first time only: a second one makes terraform end at once, without its state."""
        # Never released. A signal handler must not wait for a lock, and this takes it without waiting.
        if self._interrupting.acquire(blocking=False):
            self._due = time.monotonic() + self._grace_seconds
            self._process.send_signal(signal.SIGINT)

    def receive_signal(self) -> None:
        """Passes on a ctrl-C: the first one as an interrupt, from the second one on as a kill."""
        self._signals += 1
        if self._signals == 1:
            self.interrupt()
        else:
            self.kill()

    def kill(self) -> None:
        """Ends its process group, which holds the provider too."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def watch(self) -> None:
        """Interrupts it after its time limit, and kills it after the grace period, until ``end``."""
        while not self._ended.wait(_WATCH_SECONDS):
            if self._due is None or time.monotonic() < self._due:
                continue
            if self._interrupting.locked():
                self.kill()
            else:
                self.timed_out = True
                self.interrupt()

    def end(self) -> None:
        """Waits until it has ended, and interrupts it if it still runs."""
        if self._process.poll() is None:
            self.interrupt()
            self._process.wait()
        self._ended.set()


class _Signals:
    """The terraform processes that are running now, and the signals received meanwhile."""

    def __init__(self) -> None:
        self.running: set[SupervisedProcess] = set()
        self.received = 0
        self.forwarding = False

    def receive(self, *_: object) -> None:
        """Passes a signal to every process; one that began after an earlier signal gets its own first interrupt."""
        self.received += 1
        for process in list(self.running):
            process.receive_signal()


_signals = _Signals()


def interrupted() -> bool:
    """Whether a signal came to the ``forward_interrupts`` that is open now, for threads that wait for something."""
    return _signals.forwarding and _signals.received > 0


@contextmanager
def forward_interrupts() -> Iterator[Callable[[], bool]]:
    """While open, SIGINT, SIGTERM and SIGHUP go to every terraform that this process runs, in whatever thread.

    Only for the main thread, which alone receives signals; elsewhere, and inside another one, it does nothing. Gives a
    function that says whether a signal came.
    """
    before = _signals.received
    if _signals.forwarding or threading.current_thread() is not threading.main_thread():
        yield lambda: _signals.received > before
        return
    _signals.received, before, _signals.forwarding = 0, 0, True
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup wants it
        numbers.append(signal.SIGHUP)
    previous = {number: signal.signal(number, _signals.receive) for number in numbers}
    try:
        yield lambda: _signals.received > 0
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        _signals.forwarding = False


@contextmanager
def _deferred() -> Iterator[None]:
    with forward_interrupts() as interrupted:
        yield
    if interrupted():
        raise KeyboardInterrupt


class AwaitedThreads(ThreadPoolExecutor):
    """Threads that have ended when the block ends, also when a signal comes while one is started or waited for.

    Python's own pool forgets a thread whose start a signal broke off, which then writes what was just taken back.
    """

    def submit(self, *arguments: Any, **options: Any) -> Future[Any]:
        """As in any pool; a signal is heard afterwards."""
        with _deferred():
            return super().submit(*arguments, **options)

    def __exit__(self, *arguments: Any) -> None:
        with _deferred():
            super().__exit__(*arguments)


@contextmanager
def supervised(
    process: subprocess.Popen[str],
    interrupted: Callable[[], bool],
    timeout_seconds: float | None,
    grace_seconds: float,
) -> Iterator[SupervisedProcess]:
    """While open, signals go to ``process``, which outlives neither the block nor its time limit."""
    supervisor = SupervisedProcess(process, timeout_seconds, grace_seconds)
    _signals.running.add(supervisor)
    try:
        threading.Thread(target=supervisor.watch, daemon=True).start()
        if interrupted():
            supervisor.interrupt()  # the signal came while it was being started
        yield supervisor
    finally:
        supervisor.end()
        _signals.running.discard(supervisor)
