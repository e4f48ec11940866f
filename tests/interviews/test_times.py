"""Times as users write them, on machines of many zones."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from scripts.cli.interview_views import created_card
from scripts.errors import RefusedError
from scripts.interviews.create import Created
from scripts.interviews.records import Status
from scripts.interviews.times import parsed_time, shown_time
from tests.interviews.test_records import intent


@pytest.fixture(autouse=True)
def own_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield
    monkeypatch.undo()
    time.tzset()


def in_zone(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("TZ", name)
    time.tzset()


@pytest.mark.parametrize(
    ("zone", "value", "sides"),
    [
        ("America/New_York", "2027-03-14T02:30", ["2027-03-14T01:30-05:00", "2027-03-14T03:30-04:00"]),
        ("America/New_York", "2027-03-14T02:00", ["2027-03-14T01:00-05:00", "2027-03-14T03:00-04:00"]),
        ("Europe/Berlin", "2027-03-28 02:59", ["2027-03-28T01:59+01:00", "2027-03-28T03:59+02:00"]),
        ("Australia/Lord_Howe", "2027-10-03T02:15", ["2027-10-03T01:45+10:30", "2027-10-03T02:45+11:00"]),
        ("Africa/Cairo", "2027-04-30", ["2027-04-29T23:00+02:00", "2027-04-30T01:00+03:00"]),
    ],
)
def test_an_hour_that_the_clocks_skip_is_refused_with_both_sides_named(
    monkeypatch: pytest.MonkeyPatch, zone: str, value: str, sides: list[str]
) -> None:
    in_zone(monkeypatch, zone)
    with pytest.raises(RefusedError) as refused:
        parsed_time(value)
    assert f'"{value}" does not exist' in str(refused.value)
    assert str(refused.value).endswith(f"write {sides[0]} or {sides[1]}")


@pytest.mark.parametrize(
    ("zone", "value", "sides"),
    [
        ("America/New_York", "2026-11-01T01:30", ["2026-11-01T01:30-04:00", "2026-11-01T01:30-05:00"]),
        ("America/New_York", "2026-11-01T01:00", ["2026-11-01T01:00-04:00", "2026-11-01T01:00-05:00"]),
        ("Europe/Dublin", "2026-10-25T01:59:59", ["2026-10-25T01:59+01:00", "2026-10-25T01:59+00:00"]),
        ("Australia/Lord_Howe", "2027-04-04T01:45", ["2027-04-04T01:45+11:00", "2027-04-04T01:45+10:30"]),
    ],
)
def test_an_hour_that_the_clocks_show_twice_is_refused_with_both_named(
    monkeypatch: pytest.MonkeyPatch, zone: str, value: str, sides: list[str]
) -> None:
    in_zone(monkeypatch, zone)
    with pytest.raises(RefusedError) as refused:
        parsed_time(value)
    assert f'"{value}" happens twice' in str(refused.value)
    assert str(refused.value).endswith(f"write {sides[0]} or {sides[1]}")


@pytest.mark.parametrize("value", ["2027-03-14T01:59", "2027-03-14T03:00", "2026-11-01T00:59", "2026-11-01T02:00"])
def test_the_minutes_beside_such_an_hour_are_taken_as_they_are(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    in_zone(monkeypatch, "America/New_York")
    assert parsed_time(value).astimezone().strftime("%Y-%m-%dT%H:%M") == value


def test_each_side_that_an_error_names_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    in_zone(monkeypatch, "America/New_York")
    assert parsed_time("2027-03-14T01:30-05:00") == datetime(2027, 3, 14, 6, 30, tzinfo=UTC)
    assert parsed_time("2027-03-14T03:30-04:00") == datetime(2027, 3, 14, 7, 30, tzinfo=UTC)


def test_a_time_is_shown_in_the_machines_zone_and_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = datetime(2027, 1, 31, 23, 30, tzinfo=UTC)
    in_zone(monkeypatch, "Asia/Kolkata")
    assert shown_time(moment) == "2027-02-01T05:00:00+05:30 (2027-01-31T23:30:00Z)"
    in_zone(monkeypatch, "UTC")
    assert shown_time(moment) == "2027-01-31T23:30:00Z"


def test_a_start_without_an_offset_is_the_callers_own_and_is_echoed_in_both_zones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_zone(monkeypatch, "Asia/Kolkata")
    start = parsed_time("2027-02-01T05:00")
    scheduled = intent(Status.SCHEDULED, starts_at=start, deadline=start.replace(hour=23, minute=59))
    card = created_card(Created(scheduled, "secret", "https://demo.example.com"), "us-east-1", 1.0)(200)
    assert "starts     2027-02-01T05:00:00+05:30 (2027-01-31T23:30:00Z)" in card
    assert "ends       2027-02-01T05:29:00+05:30 (2027-01-31T23:59:00Z)" in card
