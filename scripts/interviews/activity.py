"""What a candidate has done so far, from outside: requests at the load balancer, and saved states."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from contract.limits import LONGEST_START_EARLY_MINUTES
from contract.names import WORK
from scripts.aws.clients import explained
from scripts.errors import AwsError
from scripts.interviews.context import Context
from scripts.interviews.records import Intent, Status, timestamp

QUERIES = 500
"""Of one call (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html)."""

_PERIODS = ((timedelta(days=15), 60), (timedelta(days=63), 300), (timedelta.max, 3600))
"""Seconds of the shortest period that CloudWatch still has, by age (same page)."""

_FRESH = timedelta(minutes=1)
"""Metrics are published each minute and every query is charged for, so nobody asks more often
(https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html)."""


@dataclass(frozen=True)
class Activity:
    """``minutes`` are those with requests, None if CloudWatch could not be asked; ``saves`` are times, oldest first.

    Health checks are no requests, and a websocket is one. The first save is the challenge as it was delivered.
    """

    minutes: Mapping[datetime, int] | None
    saves: Sequence[datetime]

    @property
    def opened_at(self) -> datetime | None:
        """The minute of the first request."""
        return min(self.minutes or (), default=None)

    @property
    def last_active_at(self) -> datetime | None:
        """The minute of the last request, or the last save of a change, whichever is later."""
        return max([*(self.minutes or ()), *self.saves[1:]], default=None)

    def document(self) -> dict[str, Any]:
        """The activity for machines; ``requests`` is null if it is unknown."""
        moments = {
            "opened_at": self.opened_at,
            "last_active_at": self.last_active_at,
            "last_save_at": self.saves[-1] if self.saves else None,
        }
        return {name: timestamp(moment) if moment else None for name, moment in moments.items()} | {
            "requests": None if self.minutes is None else sum(self.minutes.values()),
            "saves": len(self.saves),
        }


class Activities:
    """The activity of interviews; asked again within a minute, requests are those of before."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._minutes: dict[str, dict[datetime, int]] = {}
        self._asked_at: datetime | None = None

    def of(self, intents: Sequence[Intent]) -> tuple[dict[str, Activity], list[str]]:
        """By id, of those ``intents`` that save work, with one call for all; and why requests are unknown, if so."""
        known = [intent for intent in intents if intent.work]
        problem: list[str] = []
        try:
            self._refresh(known)
        except AwsError as error:
            problem = [str(error)]
        saves = self._context.objects.in_parallel(lambda intent: saves_of(self._context, intent), known)
        return {
            intent.id: Activity(None if problem else self._minutes[intent.work], saved)
            for intent, saved in zip(known, saves, strict=True)
        }, problem

    def _refresh(self, intents: Sequence[Intent]) -> None:
        now = self._context.now()
        fresh = self._asked_at is not None and now - self._asked_at < _FRESH
        if fresh and all(intent.work in self._minutes for intent in intents):
            return
        with explained("read the requests of interviews from CloudWatch"):
            for start in range(0, len(intents), QUERIES):
                self._minutes |= _requests(self._context, intents[start : start + QUERIES], now)
        self._asked_at = now


def saved_at(context: Context, incarnation: str) -> dict[int, datetime]:
    """When each state of one incarnation was saved, by its number, in order; raises ``AwsError``."""
    found = context.objects.listing(f"{WORK}{incarnation}/")
    states = {int(name): at for key, at in found.items() if (name := key.rpartition("/")[2]).isdigit()}
    return dict(sorted(states.items()))


def saves_of(context: Context, intent: Intent) -> list[datetime]:
    """When the interview's work was saved, oldest first; raises ``AwsError``."""
    return sorted(saved_at(context, intent.work).values()) if intent.work else []


def _requests(context: Context, intents: Sequence[Intent], now: datetime) -> dict[str, dict[datetime, int]]:
    """The minutes with requests and how many, by saved work's folder, which has the name of the target group."""
    early = timedelta(minutes=LONGEST_START_EARLY_MINUTES)
    begins = min(max(intent.created_at, intent.starts_at - early) for intent in intents)
    period = next(seconds for age, seconds in _PERIODS if now - begins < age - early)
    queries = [
        {
            "Id": f"requests{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/ApplicationELB",
                    "MetricName": "RequestCountPerTarget",
                    "Dimensions": [{"Name": "TargetGroup", "Value": f"targetgroup/{intent.work}"}],
                },
                "Period": period,
                "Stat": "Sum",
            },
        }
        for number, intent in enumerate(intents)
    ]
    pages = context.aws.cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=queries,
        StartTime=datetime.fromtimestamp(begins.timestamp() // period * period, UTC),
        EndTime=max(_ended_at(intent, now) for intent in intents) + timedelta(seconds=period),
    )
    found: dict[str, dict[datetime, int]] = {intent.work: {} for intent in intents}
    for page in pages:
        for result in page["MetricDataResults"]:
            work = intents[int(result["Id"].removeprefix("requests"))].work
            values = zip(result["Timestamps"], result["Values"], strict=True)
            found[work] |= {at.astimezone(UTC): int(value) for at, value in values if value}
    return found


def _ended_at(intent: Intent, now: datetime) -> datetime:
    return next((step.at for step in reversed(intent.history) if step.status is Status.DESTROYED), now)
