"""Limits how often each customer may call us."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable


class RateLimiter:
    """Admits at most ``limit`` calls of each customer in any ``period`` seconds."""

    def __init__(self, limit: int, period: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.period = period
        self._clock = clock
        # Ordered by each customer's latest admitted call, so that those to forget stand in front.
        self._calls: OrderedDict[str, deque[float]] = OrderedDict()

    def allow(self, customer: str) -> bool:
        now = self._clock()
        self._forget(now)
        calls = self._counting(customer, now)
        if len(calls) >= self.limit:
            return False
        calls.append(now)
        self._calls[customer] = calls
        self._calls.move_to_end(customer)
        return True

    def retry_after(self, customer: str) -> float:
        now = self._clock()
        calls = self._counting(customer, now)
        return calls[0] + self.period - now if len(calls) >= self.limit else 0.0

    def tracked(self) -> int:
        return len(self._calls)

    def _counting(self, customer: str, now: float) -> deque[float]:
        calls = self._calls.get(customer, deque())
        while calls and calls[0] + self.period <= now:
            calls.popleft()
        return calls

    def _forget(self, now: float) -> None:
        while self._calls:
            customer, calls = next(iter(self._calls.items()))
            if calls and calls[-1] + self.period > now:
                return
            del self._calls[customer]
