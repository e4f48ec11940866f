"""The benchmark of scheduled interviews counts a late one as late, and none with less than its full time."""

from datetime import timedelta

import pytest

from scripts.dev.bench.on_time import DURATION, early_seconds
from scripts.errors import PrequelError
from scripts.interviews.records import Intent, Status
from tests.interviews.test_records import NOW, intent


def ready(minutes: float, *, until: timedelta) -> Intent:
    """An interview for NOW that was ready so many minutes later, or earlier."""
    created = intent(Status.CREATING, deadline=NOW + until)
    return created.moved(Status.ACTIVE, at=NOW + timedelta(minutes=minutes), actor="a@b")


def test_early_and_late_are_told_apart() -> None:
    assert early_seconds(ready(-3, until=DURATION)) == 180
    assert early_seconds(ready(2, until=DURATION + timedelta(minutes=2))) == -120


def test_an_interview_with_less_than_its_full_time_fails_the_benchmark() -> None:
    with pytest.raises(PrequelError, match="less than its full time"):
        early_seconds(ready(2, until=DURATION))
