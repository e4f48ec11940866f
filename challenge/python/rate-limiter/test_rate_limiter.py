"""What a fair rate limiter does; run with `python3 -m unittest`."""

import unittest

from rate_limiter import RateLimiter


class Clock:
    """Stands still until a test sets it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class RateLimiterTest(unittest.TestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.limiter = RateLimiter(limit=3, period=60, clock=self.clock)

    def calls_at(self, second: float, count: int, customer: str = "ada") -> list[bool]:
        self.clock.now = second
        return [self.limiter.allow(customer) for _ in range(count)]

    def test_calls_within_the_limit_are_admitted(self) -> None:
        self.assertEqual(self.calls_at(0, 3), [True, True, True])

    def test_a_call_over_the_limit_is_refused(self) -> None:
        self.assertEqual(self.calls_at(0, 4), [True, True, True, False])

    def test_customers_do_not_take_from_one_another(self) -> None:
        self.calls_at(0, 3, "ada")
        self.assertEqual(self.calls_at(0, 1, "grace"), [True])

    def test_no_sixty_seconds_ever_see_more_than_the_limit(self) -> None:
        self.calls_at(59, 3)
        self.assertEqual(self.calls_at(61, 3), [False, False, False])

    def test_calls_come_back_one_by_one_as_they_grow_old(self) -> None:
        self.calls_at(10, 1)
        self.calls_at(20, 2)
        self.assertEqual(self.calls_at(70, 2), [True, False])
        self.assertEqual(self.calls_at(80, 3), [True, True, False])

    def test_a_call_counts_until_exactly_one_period_later(self) -> None:
        self.calls_at(10, 3)
        self.assertEqual(self.calls_at(69.999, 1), [False])
        self.assertEqual(self.calls_at(70, 1), [True])

    def test_a_refused_call_does_not_count(self) -> None:
        self.calls_at(0, 3)
        self.calls_at(30, 50)
        self.assertEqual(self.calls_at(60, 3), [True, True, True])

    def test_a_limit_of_one_admits_one_call_a_period(self) -> None:
        self.limiter = RateLimiter(limit=1, period=2, clock=self.clock)
        self.assertEqual(self.calls_at(1, 2), [True, False])
        self.assertEqual(self.calls_at(2.5, 1), [False])
        self.assertEqual(self.calls_at(3, 1), [True])

    def test_a_customer_who_may_call_need_not_wait(self) -> None:
        self.assertEqual(self.limiter.retry_after("ada"), 0)
        self.calls_at(0, 2)
        self.assertEqual(self.limiter.retry_after("ada"), 0)

    def test_a_refused_customer_learns_when_to_come_back(self) -> None:
        self.calls_at(10, 1)
        self.calls_at(20, 2)
        self.clock.now = 45
        self.assertAlmostEqual(self.limiter.retry_after("ada"), 25)
        self.clock.now = 75
        self.assertEqual(self.limiter.retry_after("ada"), 0)

    def test_asking_when_to_come_back_is_not_a_call(self) -> None:
        for _ in range(10):
            self.limiter.retry_after("ada")
        self.assertEqual(self.calls_at(0, 3), [True, True, True])

    def test_customers_whose_calls_no_longer_count_are_forgotten(self) -> None:
        for number in range(1000):
            self.calls_at(number / 100, 1, f"customer {number}")
        self.assertEqual(self.limiter.tracked(), 1000)
        self.calls_at(200, 1, "ada")
        self.assertEqual(self.limiter.tracked(), 1)

    def test_customers_whose_calls_still_count_are_not_forgotten(self) -> None:
        self.calls_at(0, 1, "ada")
        self.calls_at(30, 3, "grace")
        self.calls_at(65, 1, "edsger")
        self.assertEqual(self.limiter.tracked(), 2)
        self.assertEqual(self.calls_at(65, 1, "grace"), [False])


if __name__ == "__main__":
    unittest.main()
