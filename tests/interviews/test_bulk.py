"""Many interviews from one file."""

import io
import json
import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scripts.challenges.names import version_path
from scripts.errors import NoFreeSlotError, RefusedError
from scripts.interviews.bulk import RowResult, create_all, preview, read_requests
from scripts.interviews.context import Context
from scripts.interviews.create import Created
from scripts.interviews.destroy import destroy
from scripts.interviews.readiness import wait_until_steady
from scripts.interviews.records import Inputs, Status
from scripts.interviews.request import Request
from tests.interviews.conftest import CHALLENGE, Place, PlaceFactory
from tests.interviews.test_absence import a_service
from tests.interviews.test_records import intent

NOW = datetime(2026, 1, 31, tzinfo=UTC)


def a_file(directory: Path, text: str) -> Path:
    path = directory / "interviews.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_same_file_means_the_same_interviews_and_equal_rows_are_different_ones(tmp_path: Path) -> None:
    path = a_file(tmp_path, "challenge,candidate\npython,Ada Lovelace\npython,Ada Lovelace\nsql,李\n")
    first, again = read_requests(path), read_requests(path)
    assert [request.id for request in first] == [request.id for request in again]
    assert len({request.id for request in first}) == 3
    assert first[0].id.startswith("ada-lovelace-")
    assert first[0].password != again[0].password


def test_every_problem_of_a_file_is_reported_at_once_with_its_row(tmp_path: Path) -> None:
    rows = "challenge,candidate,id,duration\n../x,Ada,a,\npython,,b,\npython,Bob,c,soon\npython,Eve,c,\npython,Dan,c,\n"
    with pytest.raises(RefusedError) as refusal:
        read_requests(a_file(tmp_path, rows))
    message = str(refusal.value)
    assert [f":{number}:" in message for number in (2, 3, 4, 5)] == [True, True, True, False]
    assert "the id c is given more than once" in message


@pytest.mark.parametrize("text", ["", "candidate\nAda\n", "challenge,candidate,password\na,b,c\n"])
def test_a_file_with_other_columns_is_refused_with_those_expected(tmp_path: Path, text: str) -> None:
    with pytest.raises(RefusedError, match="expected challenge, candidate"):
        read_requests(a_file(tmp_path, text))


def test_run_again_it_creates_nothing_twice_and_each_row_ends_on_its_own(
    bucket: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    created: list[str] = []
    asked = Inputs(candidate_name="Ada", challenge=version_path(CHALLENGE, "0" * 16))

    def create_or_refuse(_: Context, request: Request) -> Created:
        if request.id == "bad":
            raise RefusedError("no such challenge")
        created.append(request.id)
        made = intent(Status.CREATING, id=request.id, inputs=asked).moved(Status.ACTIVE, at=NOW, actor="a@b")
        bucket.context().intents.create(made)
        return Created(made, request.password)

    monkeypatch.setattr("scripts.interviews.bulk.create", create_or_refuse)
    requests = [Request(challenge=CHALLENGE, candidate_name="Ada", id=name) for name in ("a", "bad", "c")]
    said = io.StringIO()
    results = create_all(bucket.context(out=said), requests, parallel=2)
    assert [result.outcome for result in results] == ["created", "failed", "created"]
    assert results[1].error == "no such challenge"
    assert [json.loads(line)["event"] for line in said.getvalue().splitlines()] == ["row"] * 3
    results = create_all(bucket.context(), requests, parallel=2)
    assert [result.outcome for result in results] == ["already there", "failed", "already there"]
    assert sorted(created) == ["a", "c"]


def test_an_interview_that_has_been_held_is_not_created_again(place: Place) -> None:
    place.stored("a", Status.ACTIVE)
    destroy(place.context(), "a")
    request = Request(challenge=CHALLENGE, candidate_name="Ada", id="a")
    (result,) = create_all(place.context(), [request], parallel=1)
    assert result.outcome == "already over"


def test_a_start_that_has_passed_is_no_problem_for_a_row_that_was_done(place: Place) -> None:
    start = place.clock() + timedelta(hours=1)
    request = place.request(id="later", starts_at=start)
    (first,) = create_all(place.context(), [request], parallel=1)
    assert first.outcome == "scheduled"
    place.clock.forward(hours=2)
    (again,) = create_all(place.context(), [request], parallel=1)
    assert again.outcome == "already there"


def rerun(place: Place, name: str, **row: str) -> RowResult:
    """What a row ends with when the file is run, with a create that only writes down."""

    def write_down(context: Context, request: Request) -> Created:
        made = intent(Status.CREATING, id=request.id).moved(Status.ACTIVE, at=NOW, actor="a@b")
        context.intents.create(made)
        return Created(made, request.password)

    request = Request(**({"challenge": CHALLENGE, "candidate_name": "Ada", "id": name} | row))  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("scripts.interviews.bulk.create", write_down)
        (result,) = create_all(place.context(), [request], parallel=1)
    return result


def test_a_row_whose_create_failed_is_created_when_the_file_is_run_again(place: Place) -> None:
    place.stored("a", Status.CREATING)
    destroy(place.context(), "a")
    assert rerun(place, "a").outcome == "created"


def test_a_row_whose_time_ran_out_before_it_began_is_created_when_the_file_is_run_again(place: Place) -> None:
    place.stored("a", Status.CREATING)
    place.clock.forward(hours=2)
    assert rerun(place, "a").outcome == "created"


def test_an_id_of_another_candidates_interview_fails_its_row_and_one_of_an_ended_interview_does_not(
    place: Place,
) -> None:
    place.stored("a", Status.ACTIVE)
    result = rerun(place, "a", candidate_name="Bob")
    assert (result.outcome, result.exit_code) == ("failed", 1)
    assert result.error == f"the id a belongs to Ada's interview on {CHALLENGE}; give row 2 another id"
    destroy(place.context(), "a")
    assert rerun(place, "a", candidate_name="Bob").outcome == "created"


def test_each_password_is_printed_as_soon_as_its_row_is_done_and_a_surprise_in_another_row_costs_none(
    bucket: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed, said = [], io.StringIO()

    def create_or_break(_: Context, request: Request) -> Created:
        printed.append(said.getvalue())
        if request.id == "b":
            raise OSError("no space left on device")
        return Created(intent(Status.CREATING, id=request.id), f"password of {request.id}")

    monkeypatch.setattr("scripts.interviews.bulk.create", create_or_break)
    path = a_file(tmp_path, "challenge,candidate,id\nx/y,Ada,a\nx/y,Bob,b\nx/y,Eve,c\n")
    rows = create_all(bucket.context(out=said), read_requests(path), parallel=1)
    assert [row.exit_code for row in rows] == [0, 1, 0]
    assert "password of a" in printed[1]
    result = [row.document() for row in rows]
    assert [row["outcome"] for row in result] == ["scheduled", "failed", "scheduled"]
    assert [row["password"] for row in result] == ["password of a", "", "password of c"]
    assert result[1]["error"] == "OSError: no space left on device"


def test_ctrl_c_is_heard_while_rows_wait_for_readiness(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    request = place.request()
    a_service(place.aws, request.id, place.values)

    def wait(context: Context, request: Request) -> Created:
        os.kill(os.getpid(), signal.SIGINT)
        wait_until_steady(context, request.id, place.values, 60)
        raise AssertionError

    monkeypatch.setattr("scripts.interviews.bulk.create", wait)
    (result,) = create_all(place.context(), [request], parallel=1)
    assert result.exit_code == 130
    assert result.error == f"interrupted while interview {request.id} was starting"


@pytest.mark.e2e
@pytest.mark.parametrize("number", [3, pytest.param(10, marks=pytest.mark.soak(amount="10 at once"))])
def test_many_at_once_are_all_created_with_slots_of_their_own(
    new_place: PlaceFactory, number: int, tmp_path: Path
) -> None:
    place = new_place()
    ids = [place.request().id for _ in range(number)]
    rows = "".join(f"{CHALLENGE},Ada Lovelace,{one}\n" for one in ids)
    file = a_file(tmp_path, f"challenge,candidate,id\n{rows}")
    done = place.prequel("interview", "create", "--from", str(file), "--parallel", "5")
    assert done.returncode == 0, done.stderr
    assert place.context().slots.taken() == list(range(number))
    for one in ids:
        assert one in done.stdout
        assert len(place.live(one)) == 5


def test_what_the_run_would_refuse_of_a_file_its_dry_run_refuses_with_every_line(
    new_place: PlaceFactory, tmp_path: Path
) -> None:
    place = new_place(max_instances=2)
    place.stored("taken", Status.ACTIVE)
    rows = (
        "challenge,candidate,id,duration,at\n"
        f"{CHALLENGE},Eve,taken,,\n"
        "python/nope,Ada,a,,\n"
        "\n"
        f"{CHALLENGE},Bob,b,9h,\n"
        f"{CHALLENGE},Cy,portal,,\n"
        f"{CHALLENGE},Dan,d,,2020-01-01T00:00Z\n"
        f"{CHALLENGE},Fay,f,,\n"
    )
    requests = read_requests(a_file(tmp_path, rows))
    with pytest.raises(RefusedError) as refused:
        preview(place.context(), requests, parallel=4)
    problems = str(refused.value).splitlines()
    assert [problem.partition(":")[0] for problem in problems] == [f"line {number}" for number in (2, 3, 5, 6, 7)]
    for problem, reason in zip(
        problems,
        ("belongs to Ada's interview", "there is no challenge", "over the maximum of 4h", "the portal", "in the past"),
        strict=True,
    ):
        assert reason in problem
    results = create_all(place.context(), requests[:-1], parallel=1)
    assert [result.outcome for result in results] == ["failed"] * 5


def test_a_dry_run_of_more_rows_than_there_are_free_slots_has_the_exit_code_of_no_free_slot(
    new_place: PlaceFactory, tmp_path: Path
) -> None:
    place = new_place(max_instances=1)
    requests = read_requests(a_file(tmp_path, f"challenge,candidate\n{CHALLENGE},Ada\n{CHALLENGE},Bob\n"))
    with pytest.raises(NoFreeSlotError, match=r"^line 3: no slot is free from .* all 1 are taken by ada-"):
        preview(place.context(), requests, parallel=4)
