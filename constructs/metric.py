"""CloudWatch metrics, and math on them."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One CloudWatch metric with its ``dimensions``, and the ``statistic`` to be taken of it, such as Sum or p95."""

    namespace: str
    name: str
    statistic: str
    dimensions: Mapping[str, str]


def share(part: str, whole: str, *, at_least: int) -> str:
    """Metric math: ``part`` in percent of ``whole``, and 0 while ``part`` is fewer than ``at_least``.

    What was never counted has no data points, such as errors on a good day: FILL makes them 0.
    """
    return f"IF(FILL({part}, 0) >= {at_least}, 100 * FILL({part}, 0) / ({whole}), 0)"


def most_of(metric: str, namespace: str, where: Mapping[str, str], *, each: str) -> str:
    """A Metrics Insights query for the most of ``metric``, one series for each value of the dimension ``each``."""
    dimensions = ", ".join([*where, each])
    conditions = " AND ".join(f"{name} = '{value}'" for name, value in where.items())
    return (
        f'SELECT MAX({metric}) FROM SCHEMA("{namespace}", {dimensions})'  # noqa: S608  (no SQL database)
        f" WHERE {conditions} GROUP BY {each} ORDER BY MAX() DESC"
    )
