"""The requests of each target group in CloudWatch, as Elastic Load Balancing publishes them, from HAProxy's counters.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
"""

from collections.abc import Mapping
from typing import Any

from scripts.embedded.checks.backends import backend


class RequestMetrics:
    """Publishes ``RequestCountPerTarget`` for the target groups of one region."""

    def __init__(self, region: str) -> None:
        self._cloudwatch = backend("cloudwatch", region)
        self._seen: dict[tuple[str, str], int] = {}

    def publish(self, arn: str, target: str, row: Mapping[str, str]) -> None:
        """Adds what a target got since the last call; ``row`` is its line of the statistics, without health checks."""
        total = int(row["stot"] or 0)
        before = self._seen.get((arn, target), 0)
        self._seen[arn, target] = total
        new = total - before if total >= before else total  # a reloaded HAProxy counts from 0 again
        if not new:
            return
        datum: dict[str, Any] = {
            "MetricName": "RequestCountPerTarget",
            "Dimensions": [{"Name": "TargetGroup", "Value": arn.rpartition(":")[2]}],
            "Value": new,
            "Unit": "Count",
        }
        # Not through the API, which keeps this namespace for AWS's own services.
        self._cloudwatch.put_metric_data("AWS/ApplicationELB", [datum])
