"""Whether a slot is free when an interview starts is known, and said, when it is scheduled."""

import io
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scripts.errors import NoFreeSlotError
from scripts.interviews import bulk
from scripts.interviews.bookings import Bookings
from scripts.interviews.create import create, plan
from scripts.interviews.extend import extend
from scripts.interviews.records import Intent, Status
from scripts.interviews.times import shown_time
from tests.interviews.conftest import CHALLENGE, Place, PlaceFactory
from tests.interviews.test_records import NOW, intent


def minutes(number: float) -> datetime:
    return NOW + timedelta(minutes=number)


def running(id: str, until: float, status: Status = Status.ACTIVE) -> Intent:
    return intent(status, id=id, slot=0, deadline=minutes(until))


def scheduled(id: str, start: float, until: float, **changes: Any) -> Intent:
    return intent(Status.SCHEDULED, id=id, starts_at=minutes(start), deadline=minutes(until), **changes)


def refused(known: Bookings, asked: Intent) -> str:
    with pytest.raises(NoFreeSlotError) as refusal:
        known.refuse_unless_free(asked)
    return str(refusal.value)


def next_start(known: Bookings, asked: Intent) -> str:
    found = re.search(r"the next start that is free for \S+ is (.*); choose it", refused(known, asked))
    assert found
    return found[1]


def test_a_slot_is_free_when_the_interview_that_has_it_ends_before_the_next_is_created() -> None:
    known = Bookings(1, [running("a", 60)])
    known.refuse_unless_free(scheduled("b", 65, 125))
    assert next_start(known, scheduled("b", 64, 125)) == shown_time(minutes(65))
    # What is created 20 minutes before its start needs its slot 20 minutes before.
    assert next_start(known, scheduled("b", 65, 125, start_early_minutes=20)) == shown_time(minutes(80))


def test_others_that_are_scheduled_over_the_same_time_count_and_those_before_and_after_do_not() -> None:
    before, after = scheduled("before", 10, 55), scheduled("after", 125, 200)
    known = Bookings(1, [before, after])
    asked = scheduled("asked", 60, 120)
    known.refuse_unless_free(asked)
    known.add(asked)
    message = refused(known, scheduled("late", 60, 90))
    assert "all 1 are taken by asked from 2026-01-31T12:55:00Z until 2026-01-31T14:00:00Z;" in message
    assert next_start(known, scheduled("late", 60, 90)) == shown_time(minutes(205))


def test_two_that_do_not_overlap_each_other_take_one_slot_of_a_third() -> None:
    known = Bookings(2, [scheduled("a", 10, 40), scheduled("b", 50, 90)])
    assert known.free(minutes(0), minutes(100)) == 1
    known.refuse_unless_free(scheduled("c", 5, 120))


def test_an_interview_that_is_created_now_takes_no_slot_that_a_scheduled_one_needs() -> None:
    known = Bookings(1, [scheduled("promised", 60, 120)])
    known.refuse_unless_free(intent(Status.CREATING, deadline=minutes(55)))
    assert next_start(known, intent(Status.CREATING, deadline=minutes(56))) == shown_time(minutes(125))


@pytest.mark.parametrize(
    ("holder", "free"),
    [
        (running("leaking", 10, Status.LEAKING), 0),  # nobody knows until when
        (running("failed", 90, Status.FAILED), 0),
        (intent(Status.FAILED, deadline=minutes(90)), 1),  # refused before it got a slot
        (running("ending", 90, Status.DESTROYING), 1),
        (running("creating", 90, Status.CREATING), 0),
    ],
    ids=lambda value: value.id if isinstance(value, Intent) else "",
)
def test_what_holds_a_slot_and_for_how_long_follows_from_its_status(holder: Intent, free: int) -> None:
    assert Bookings(1, [holder]).free(minutes(30), minutes(60)) == free


def test_where_no_end_is_known_no_start_is_named() -> None:
    message = refused(Bookings(1, [running("stuck", 10, Status.LEAKING)]), scheduled("b", 60, 90))
    assert "stuck until repaired; destroy one, or raise max_instances" in message


def test_the_next_start_is_a_full_minute() -> None:
    assert next_start(Bookings(1, [running("a", 59.5)]), scheduled("b", 60, 90)) == shown_time(minutes(65))


def full_at(place: Place, minutes: float) -> Callable[..., Any]:
    """A request for an hour from then."""
    start = place.clock() + timedelta(minutes=minutes)
    return lambda **changes: place.request(starts_at=start, duration=timedelta(hours=1), **changes)


def test_a_time_that_cannot_be_served_is_refused_with_the_next_free_one_and_leaves_nothing(
    new_place: PlaceFactory,
) -> None:
    place = new_place(max_instances=1)
    at_noon = full_at(place, 60)
    create(place.context(), at_noon(id="first"))
    before = place.objects()
    for ask in (plan, create):
        with pytest.raises(NoFreeSlotError, match=r"first from .* until .*; the next start that is free for 1h is 20"):
            ask(place.context(), at_noon(id="second"))
    assert place.objects() == before
    assert plan(place.context(), full_at(place, 130)()).free_slots == 1


def test_of_many_that_ask_for_the_last_slot_of_a_time_at_once_one_gets_it(new_place: PlaceFactory) -> None:
    place = new_place(max_instances=1)
    at_noon = full_at(place, 60)

    def ask(number: int) -> str:
        try:
            return create(place.context(), at_noon(id=f"racer-{number}")).intent.id
        except NoFreeSlotError:
            return ""

    with ThreadPoolExecutor(4) as pool:
        assert len(list(filter(None, pool.map(ask, range(4))))) == 1
    assert len(place.context().intents.all().intents) == 1


def test_a_client_that_was_faster_on_another_machine_keeps_the_slot(
    new_place: PlaceFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = new_place(max_instances=1)
    at_noon = full_at(place, 60)
    context = place.context()
    write = context.intents.create

    def lose(own: Intent) -> Any:
        monkeypatch.undo()
        place.context().intents.create(
            intent(Status.SCHEDULED, id="faster", starts_at=own.starts_at, deadline=own.deadline)
        )
        return write(own)

    monkeypatch.setattr(context.intents, "create", lose)
    with pytest.raises(NoFreeSlotError, match="taken by faster from"):
        create(context, at_noon(id="slower"))
    assert list(place.context().intents.all().intents) == ["faster"]


def test_an_extension_that_takes_a_scheduled_interviews_slot_says_so(new_place: PlaceFactory) -> None:
    place = new_place(max_instances=1)
    place.stored("running", Status.ACTIVE, deadline=place.clock() + timedelta(minutes=30))
    create(place.context(), full_at(place, 60)(id="next"))
    said = io.StringIO()
    extend(place.context(out=said), "running", timedelta(minutes=20))
    assert "warning" not in said.getvalue()
    extend(place.context(out=said), "running", timedelta(minutes=20))
    assert "no slot may be free in time for next, which is scheduled" in said.getvalue()


def test_rows_of_a_file_that_do_not_fit_together_are_refused_by_line(new_place: PlaceFactory, tmp_path: Path) -> None:
    place = new_place(max_instances=1)
    first, later = (place.clock() + timedelta(hours=hours) for hours in (1, 3))
    rows = "".join(f"{CHALLENGE},{name},{at.isoformat()}\n" for name, at in (("A", first), ("B", first), ("C", later)))
    path = tmp_path / "interviews.csv"
    path.write_text(f"challenge,candidate,at\n{rows}")
    with pytest.raises(NoFreeSlotError) as refusal:
        bulk.preview(place.context(), bulk.read_requests(path), parallel=2)
    (line,) = str(refusal.value).splitlines()
    assert line.startswith("line 3: no slot is free from ")
    results = bulk.create_all(place.context(), bulk.read_requests(path), parallel=1)
    assert [(row.outcome, row.exit_code) for row in results] == [("scheduled", 0), ("failed", 4), ("scheduled", 0)]
