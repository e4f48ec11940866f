"""What the lists say about a candidate: whether the interview was opened, and when somebody was last active."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from contract.names import WORK
from scripts.cli.interview_views import interviews_grid, sheet
from scripts.interviews.activity import QUERIES, Activities
from scripts.interviews.context import Context
from scripts.interviews.listing import all_rows, details
from scripts.interviews.records import Status
from tests.interviews.conftest import Place
from tests.interviews.test_records import intent

Minutes = Mapping[str, Mapping[datetime, float]]


class CloudWatch:
    """CloudWatch, for what is asked here: requests by target group, and what was asked."""

    def __init__(self, minutes: Minutes) -> None:
        self._minutes = minutes
        self.calls: list[dict[str, Any]] = []

    def get_paginator(self, operation: str) -> "CloudWatch":
        assert operation == "get_metric_data"
        return self

    def paginate(self, **asked: Any) -> Iterator[dict[str, Any]]:
        self.calls.append(asked)
        for query in asked["MetricDataQueries"]:
            metric = query["MetricStat"]["Metric"]
            assert (metric["Namespace"], metric["MetricName"]) == ("AWS/ApplicationELB", "RequestCountPerTarget")
            [dimension] = metric["Dimensions"]
            found = self._minutes.get(dimension["Value"].removeprefix("targetgroup/"), {})
            result = {"Id": query["Id"], "Timestamps": [*found], "Values": [*found.values()]}
            yield {"MetricDataResults": [result]}


def watched(place: Place, minutes: Minutes) -> tuple[Context, CloudWatch]:
    context, cloudwatch = place.breakable_context(), CloudWatch(minutes)
    context.aws.cloudwatch = cloudwatch
    return context, cloudwatch


def active(place: Place, name: str, *, saves: int = 0) -> str:
    """An interview that runs, with saves; returns the name of its folder, which is that of its target group too."""
    place.stored(name, Status.ACTIVE, outputs={"work_prefix": f"{WORK}{name}/0123456789abcdef/"})
    for number in range(1, saves + 1):
        key = f"{WORK}{name}/0123456789abcdef/{number:06d}"
        place.aws.s3.put_object(Bucket=place.values["instance_bucket_name"], Key=key, Body=b"state")
    return f"{name}/0123456789abcdef"


def test_a_list_shows_who_has_opened_the_interview_and_was_active_when_with_one_call_for_all(place: Place) -> None:
    now = place.clock()
    ada = active(place, "ada", saves=1)
    active(place, "bob", saves=1)
    active(place, "cy", saves=3)
    place.stored("old", Status.ACTIVE)  # of a release that saves no work
    context, cloudwatch = watched(place, {ada: {now - timedelta(minutes=9): 4.0, now - timedelta(minutes=2): 1.0}})
    rows, problems = all_rows(context)
    assert (problems, len(cloudwatch.calls)) == ([], 1)
    place.clock.forward(seconds=5)  # saves are as old as the embedded AWS says
    cells = {row["id"]: row for row in interviews_grid(rows, place.clock()).rows}
    assert {name: row["saves"] for name, row in cells.items()} == {"ada": "1", "bob": "1", "cy": "3", "old": ""}
    assert (cells["bob"]["active"], cells["old"]["active"]) == ("not opened", "")
    assert str(cells["cy"]["active"]).endswith("s ago")  # the second save was a change
    activity = {row["id"]: row["activity"] for row in rows}
    assert activity["old"] is None
    assert activity["ada"]["requests"] == 5
    assert activity["ada"]["opened_at"] == f"{now - timedelta(minutes=9):%Y-%m-%dT%H:%M:%SZ}"
    assert activity["ada"]["last_active_at"] == f"{now - timedelta(minutes=2):%Y-%m-%dT%H:%M:%SZ}"
    shown = sheet(details(context, "ada"), place.clock())(200)
    assert "(9m ago)" in shown
    assert "active     2m ago" in shown
    assert "saved      1 time, the last" in shown


def test_a_caller_who_may_not_read_metrics_is_told_that_it_is_unknown_and_not_that_nobody_came(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    active(place, "ada")
    context, cloudwatch = watched(place, {})

    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetMetricData")

    monkeypatch.setattr(cloudwatch, "paginate", refuse)
    rows, problems = all_rows(context)
    assert problems == ["cannot read the requests of interviews from CloudWatch: AccessDenied: no"]
    assert interviews_grid(rows, place.clock()).rows[0]["active"] == "unknown"
    assert "opened     unknown" in sheet(details(context, "ada"), place.clock())(200)


def test_a_list_that_is_shown_every_five_seconds_asks_once_a_minute(place: Place) -> None:
    active(place, "ada")
    context, cloudwatch = watched(place, {})
    activities = Activities(context)
    for seconds in (0, 30, 29, 2):
        place.clock.forward(seconds=seconds)
        all_rows(context, activities=activities)
    assert len(cloudwatch.calls) == 2
    active(place, "new")
    all_rows(context, activities=activities)
    assert len(cloudwatch.calls) == 3


def test_more_interviews_than_one_call_takes_are_asked_in_several(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    cloudwatch = CloudWatch({})
    monkeypatch.setattr("scripts.interviews.activity.saves_of", lambda *_: [])
    objects = SimpleNamespace(in_parallel=lambda work, items: [work(item) for item in items])
    context: Any = SimpleNamespace(aws=SimpleNamespace(cloudwatch=cloudwatch), now=lambda: now, objects=objects)
    many = [intent(id=f"i{number}", outputs={"work_prefix": f"{WORK}i{number}/0/"}) for number in range(QUERIES + 1)]
    found, _ = Activities(context).of(many)
    assert len(found) == QUERIES + 1
    assert [len(call["MetricDataQueries"]) for call in cloudwatch.calls] == [QUERIES, 1]


@pytest.mark.parametrize(("days", "period"), [(1, 60), (20, 300), (70, 3600)])
def test_of_an_old_interview_the_shortest_period_that_is_kept_is_asked_for(days: int, period: int) -> None:
    start = datetime(2026, 1, 31, 12, 34, 56, tzinfo=UTC)
    old = intent(created_at=start, starts_at=start, outputs={"work_prefix": f"{WORK}demo/0/"})
    old = old.moved(Status.DESTROYING, at=start, actor="a").moved(Status.DESTROYED, at=start, actor="a")
    cloudwatch = CloudWatch({})
    objects = SimpleNamespace(in_parallel=lambda *_: [[]])
    now = start + timedelta(days=days)
    context: Any = SimpleNamespace(aws=SimpleNamespace(cloudwatch=cloudwatch), now=lambda: now, objects=objects)
    Activities(context).of([old])
    [call] = cloudwatch.calls
    assert call["MetricDataQueries"][0]["MetricStat"]["Period"] == period
    assert call["StartTime"].timestamp() % period == 0
    assert call["EndTime"] == start + timedelta(seconds=period)
