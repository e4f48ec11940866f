"""Compares what each query returns with expected/; run with `python3 -m unittest`."""

import csv
import unittest

from run import HERE, Row, run


def expected(name: str) -> list[Row]:
    with (HERE / "expected" / f"{name}.csv").open(newline="") as file:
        return [tuple(row) for row in csv.reader(file)]


class QueriesTest(unittest.TestCase):
    def check(self, name: str) -> None:
        self.assertEqual(run(HERE / "queries" / f"{name}.sql"), expected(name))

    def test_0_under_way(self) -> None:
        self.check("0_under_way")

    def test_1_station_traffic(self) -> None:
        self.check("1_station_traffic")

    def test_2_monthly_revenue(self) -> None:
        self.check("2_monthly_revenue")

    def test_3_longest_rest(self) -> None:
        self.check("3_longest_rest")


if __name__ == "__main__":
    unittest.main()
