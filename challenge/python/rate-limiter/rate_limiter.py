"""Limits how often each customer may call us."""

import time
from collections.abc import Callable


class RateLimiter:
    """Admits at most ``limit`` calls of each customer in any ``period`` seconds.

    ``clock`` returns seconds that never go backwards; tests give their own.
    """

    def __init__(self, limit: int, period: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.period = period
        self._clock = clock
        self._counts: dict[tuple[str, int], int] = {}

    def allow(self, customer: str) -> bool:
        """Whether the call that ``customer`` makes now is admitted.

        An admitted call counts for ``period`` seconds: made at second 10 with a period of 60, it still counts just
        before second 70, and no longer at second 70. A refused call does not count.
        """
        window = int(self._clock() // self.period)
        used = self._counts.get((customer, window), 0)
        self._counts[customer, window] = used + 1
        return used < self.limit

    def retry_after(self, customer: str) -> float:
        """Seconds until a call of ``customer`` would be admitted; 0 when one would be admitted now."""
        return 0.0

    def tracked(self) -> int:
        """How many customers the limiter holds anything about in memory.

        A customer is forgotten when none of their calls counts any more, at the latest with the next call of anybody.
        """
        return len({customer for customer, _ in self._counts})
