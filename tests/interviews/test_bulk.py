"""Many interviews from one file."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scripts.errors import RefusedError
from scripts.interviews.bulk import RowResult, create_all, read_requests
from scripts.interviews.create import Created, Request
from scripts.interviews.model import Status
from scripts.interviews.site import Site
from tests.interviews.conftest import CHALLENGE, Place
from tests.interviews.test_model import intent

NOW = datetime(2026, 1, 31, tzinfo=UTC)


def a_file(directory: Path, text: str) -> Path:
    path = directory / "interviews.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_same_file_means_the_same_interviews_and_equal_rows_are_different_ones(tmp_path: Path) -> None:
    path = a_file(tmp_path, "challenge,candidate\npython,Ada Lovelace\npython,Ada Lovelace\nsql,李\n")
    first, again = read_requests(path, NOW), read_requests(path, NOW)
    assert [request.id for request in first] == [request.id for request in again]
    assert len({request.id for request in first}) == 3
    assert first[0].id.startswith("ada-lovelace-")
    assert first[0].password != again[0].password


def test_every_problem_of_a_file_is_told_at_once_with_its_row(tmp_path: Path) -> None:
    rows = "challenge,candidate,id,duration\n../x,Ada,a,\npython,,b,\npython,Bob,c,soon\npython,Eve,c,\npython,Dan,c,\n"
    with pytest.raises(RefusedError) as refusal:
        read_requests(a_file(tmp_path, rows), NOW)
    message = str(refusal.value)
    assert [f":{number}:" in message for number in (2, 3, 4, 5)] == [True, True, True, False]
    assert "the id c is given more than once" in message


@pytest.mark.parametrize("text", ["", "candidate\nAda\n", "challenge,candidate,password\na,b,c\n"])
def test_a_file_with_other_columns_is_refused_with_those_expected(tmp_path: Path, text: str) -> None:
    with pytest.raises(RefusedError, match="expected challenge, candidate"):
        read_requests(a_file(tmp_path, text), NOW)


def test_run_again_it_creates_nothing_twice_and_each_row_ends_on_its_own(bucket: Place) -> None:
    created: list[str] = []

    def create_or_refuse(_: Site, request: Request) -> Created:
        if request.id == "bad":
            raise RefusedError("no such challenge")
        created.append(request.id)
        made = intent(Status.CREATING, id=request.id).moved(Status.ACTIVE, at=NOW, actor="a@b")
        bucket.site().intents.create(made)
        return Created(made, request.password, 0.1)

    requests = [Request(challenge=CHALLENGE, candidate_name="Ada", id=name) for name in ("a", "bad", "c")]
    told: list[RowResult] = []
    results = create_all(bucket.site(), requests, parallel=2, on_result=told.append, creator=create_or_refuse)
    assert [result.outcome for result in results] == ["created", "failed", "created"]
    assert results[1].error == "no such challenge"
    assert len(told) == 3
    results = create_all(bucket.site(), requests, parallel=2, on_result=told.append, creator=create_or_refuse)
    assert [result.outcome for result in results] == ["already there", "failed", "already there"]
    assert sorted(created) == ["a", "c"]


def test_an_interview_that_has_been_held_is_not_created_again(place: Place) -> None:
    from scripts.interviews.destroy import destroy

    place.stored("a", Status.ACTIVE)
    destroy(place.site(), "a")
    request = Request(challenge=CHALLENGE, candidate_name="Ada", id="a")
    (result,) = create_all(place.site(), [request], parallel=1, on_result=lambda _: None)
    assert result.outcome == "already over"


def test_a_start_that_has_passed_is_no_problem_for_a_row_that_was_done(place: Place) -> None:
    start = place.clock() + timedelta(hours=1)
    request = place.request(id="later", starts_at=start)
    (first,) = create_all(place.site(), [request], parallel=1, on_result=lambda _: None)
    assert first.outcome == "scheduled"
    place.clock.forward(hours=2)
    (again,) = create_all(place.site(), [request], parallel=1, on_result=lambda _: None)
    assert again.outcome == "already there"


@pytest.mark.e2e
@pytest.mark.parametrize("number", [3, pytest.param(10, marks=pytest.mark.soak(amount="10 at once"))])
def test_many_at_once_are_all_created_with_slots_of_their_own(place: Place, number: int) -> None:
    requests = [place.request() for _ in range(number)]
    results = create_all(place.site(), requests, parallel=5, on_result=lambda _: None)
    assert [result.error for result in results if result.error] == []
    assert place.site().leases.taken() == list(range(number))
    for request in requests:
        assert len(place.live(request.id)) == 5
