"""The states of an interview, and the moves between them."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from scripts.errors import RefusedError
from scripts.interviews.records import LONGEST_HISTORY, TRANSITIONS, Inputs, Intent, Status

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def intent(status: Status = Status.CREATING, **changes: object) -> Intent:
    fields: dict[str, Any] = {
        "id": "demo",
        "incarnation": "1",
        "release_digest": "0" * 64,
        "inputs": Inputs(candidate_name="Ada", challenge="python"),
        "created_at": NOW,
        "starts_at": NOW,
        "deadline": NOW + timedelta(minutes=90),
        "expires_at": NOW + timedelta(minutes=90),
        "status": status,
    }
    return Intent(**(fields | changes)).moved(status, at=NOW, actor="ada@host")


@pytest.mark.parametrize(("before", "after"), list(product(Status, Status)))
def test_every_move_is_either_in_the_table_or_refused_with_the_reason(before: Status, after: Status) -> None:
    interview = intent(before)
    if after in TRANSITIONS[before] or after == before:
        assert interview.moved(after, at=NOW, actor="ada@host").status == after
    else:
        with pytest.raises(RefusedError, match=f"is {before} and cannot become {after}; from here"):
            interview.moved(after, at=NOW, actor="ada@host")


def test_every_state_but_destroyed_leads_to_destroyed() -> None:
    for status in Status:
        reached, waiting = {status}, [status]
        while waiting:
            new = TRANSITIONS[waiting.pop()] - reached
            reached |= new
            waiting += new
        assert Status.DESTROYED in reached


def test_history_shows_who_moved_it_when_and_why() -> None:
    later = NOW + timedelta(minutes=1)
    step = intent().moved(Status.ACTIVE, at=later, actor="bob@host", note="ready").history[-1]
    assert (step.status, step.at, step.actor, step.note) == (Status.ACTIVE, later, "bob@host", "ready")


def test_endless_retries_do_not_fill_the_history_and_keep_its_beginning() -> None:
    interview = intent().moved(Status.DESTROYING, at=NOW, actor="a@b")
    for _ in range(100):
        interview = interview.moved(Status.LEAKING, at=NOW, actor="a@b")
        interview = interview.moved(Status.DESTROYING, at=NOW, actor="a@b")
    assert len(interview.history) == LONGEST_HISTORY
    assert interview.history[0].status is Status.CREATING


def test_an_interview_that_began_as_scheduled_keeps_its_cost_however_often_it_leaks() -> None:
    interview = intent(Status.SCHEDULED, hourly_price=0.06).moved(Status.CREATING, at=NOW, actor="a@b")
    interview = interview.moved(Status.DESTROYING, at=NOW, actor="a@b")
    for _ in range(100):
        interview = interview.moved(Status.LEAKING, at=NOW, actor="a@b")
        interview = interview.moved(Status.DESTROYING, at=NOW, actor="a@b")
        assert interview.cost(NOW + timedelta(hours=15)) == pytest.approx(0.90)
    assert len(interview.history) == LONGEST_HISTORY
    assert interview.history[0].status is Status.SCHEDULED


def test_cost_runs_from_the_first_resource_until_it_is_gone() -> None:
    interview = intent(hourly_price=0.06)
    assert interview.cost(NOW + timedelta(hours=2)) == pytest.approx(0.12)
    gone = interview.moved(Status.DESTROYING, at=NOW, actor="a@b")
    gone = gone.moved(Status.DESTROYED, at=NOW + timedelta(hours=1), actor="a@b")
    assert gone.cost(NOW + timedelta(hours=9)) == pytest.approx(0.06)
    assert intent(Status.SCHEDULED, hourly_price=1).cost(NOW + timedelta(hours=9)) == 0
