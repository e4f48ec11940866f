"""A candidate's work outlives the interview: a destroy saves it, and it can be fetched, compared and deleted."""

import json
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contract.names import SAVER_CONTAINER, WORK, workspace_key
from image.saver.prequel_save import Saver
from image.saver.session import SavedSession
from scripts.cli.interview_views import sheet
from scripts.errors import RefusedError, UnsavedWorkError, WorkError
from scripts.interviews.context import Context
from scripts.interviews.destroy import destroy
from scripts.interviews.documents import from_json, to_json
from scripts.interviews.listing import details
from scripts.interviews.reap import reap
from scripts.interviews.records import Inputs, LastWork, Status, Tombstone
from scripts.interviews.saved_work import delete_work, difference, fetch, saved_work, steps
from scripts.interviews.watch import watch
from tests.interviews.conftest import Place, PlaceFactory
from tests.work.conftest import contents

pytestmark = pytest.mark.e2e

PASSWORD = "the candidate's own"
INCARNATION = "demo/0123456789abcdef"


class Candidate:
    """One candidate's folder and saver, on the place's own key and bucket."""

    def __init__(self, place: Place, directory: Path, incarnation: str = INCARNATION, password: str = PASSWORD) -> None:
        self.folder, session = directory / "challenge", directory / "session"
        self.folder.mkdir(parents=True)
        session.mkdir()
        address = f"s3://{place.values['instance_bucket_name']}/{WORK}{incarnation}/"
        variables = {"WORK": address, "WORK_KEY": place.values["kms_key_arn"], "PASSWORD": password}
        self._saver = Saver(SavedSession(variables, self.folder, session))

    def saves(self, **files: str) -> "Candidate":
        for name, content in files.items():
            path = self.folder / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        assert self._saver.save()
        return self


@pytest.fixture(autouse=True)
def _aws(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in place.embedded.variables.items():
        monkeypatch.setenv(name, value)
    # A stored parameter would be a resource, for which a destroy needs terraform.
    monkeypatch.setattr("scripts.interviews.last_save.read_password", lambda *_: PASSWORD)
    monkeypatch.setattr("scripts.interviews.last_save._POLL_SECONDS", 0.01)
    monkeypatch.setattr("scripts.interviews.last_save.LAST_SAVE_SECONDS", 0.05)


@pytest.fixture
def candidate(place: Place, tmp_path: Path) -> Candidate:
    return Candidate(place, tmp_path / "candidate")


@pytest.fixture
def active(place: Place) -> str:
    """An interview that saves work."""
    place.stored("demo", Status.ACTIVE, outputs={"work_prefix": f"{WORK}{INCARNATION}/"})
    return "demo"


def on_challenge(place: Place, **files: bytes) -> str:
    """An interview that saves work, on a challenge of these files."""
    bucket = place.values["instance_bucket_name"]
    for name, content in files.items():
        key = f"challenge/small/{name.replace('_dot_', '.')}"
        place.aws.s3.put_object(Bucket=bucket, Key=key, Body=content)
    inputs = Inputs(candidate_name="Ada", challenge="small")
    place.stored("demo", Status.ACTIVE, outputs={"work_prefix": f"{WORK}{INCARNATION}/"}, inputs=inputs)
    return "demo"


def with_tasks(context: Context, *, exit_code: int | None, stops: bool = True) -> list[dict[str, Any]]:
    """Makes ECS list one task, which stops when its service is scaled to 0; returns what the service was asked."""
    asked: list[dict[str, Any]] = []
    ecs: Any = context.aws.ecs
    container = {"name": SAVER_CONTAINER} | ({} if exit_code is None else {"exitCode": exit_code})
    task = {"createdAt": datetime.now(UTC), "containers": [container]}

    def tasks(**_: object) -> Any:
        return {"tasks": [task | {"lastStatus": "STOPPED" if asked and stops else "RUNNING"}]}

    ecs.update_service = lambda **arguments: asked.append(arguments)
    ecs.list_tasks = lambda desiredStatus="", **_: {"taskArns": ["task"] if desiredStatus else []}  # noqa: N803
    ecs.describe_tasks = tasks
    ecs.get_paginator = lambda _: type("Pages", (), {"paginate": lambda *_, **__: _Nothing()})()
    return asked


class _Nothing:
    def search(self, _: str) -> list[str]:
        return []


def tombstone(context: Context) -> Tombstone:
    found = context.intents.tombstone("demo")
    assert found is not None
    return found


def test_the_tombstone_says_which_state_is_the_last_of_when_how_large_and_what_is_not_in_it(
    place: Place, candidate: Candidate, active: str
) -> None:
    candidate.saves(a="1").saves(a="2", node_modules__x="generated")
    context = place.breakable_context()
    asked = with_tasks(context, exit_code=0)
    done = destroy(context, active)
    assert asked == [{"cluster": place.values["ecs_cluster_arn"], "service": "demo", "desiredCount": 0}]
    assert done.unsaved == ""
    assert done.work == tombstone(context).work
    assert done.work is not None
    assert (done.work.incarnation, done.work.state) == (INCARNATION, 2)
    assert done.work.left_out == ("node_modules/: ignored",)
    stored = place.aws.s3.head_object(Bucket=context.bucket, Key=f"{WORK}{INCARNATION}/000002")
    assert (done.work.bytes, done.work.sha256) == (stored["ContentLength"], stored["Metadata"]["sha256"])


@pytest.mark.parametrize(
    ("task", "problem"),
    [((1, True), "the saver ended with exit code 1"), ((137, True), "code 137"), ((0, False), "did not stop within")],
)
def test_a_destroy_that_could_not_save_says_so_and_still_ends_the_cost(
    place: Place, candidate: Candidate, active: str, task: tuple[int, bool], problem: str
) -> None:
    exit_code, stops = task
    candidate.saves(a="1")
    context = place.breakable_context()
    with_tasks(context, exit_code=exit_code, stops=stops)
    done = destroy(context, active)
    assert problem in done.unsaved
    assert done.work is not None
    assert done.work.state == 1
    assert context.intents.load("demo") is None
    assert problem in str(tombstone(context).work)


def test_aws_that_fails_while_the_last_save_is_awaited_does_not_keep_the_interview(place: Place, active: str) -> None:
    context = place.breakable_context()
    ecs: Any = context.aws.ecs
    with_tasks(context, exit_code=0)

    def fail(**_: object) -> None:
        from botocore.exceptions import EndpointConnectionError

        raise EndpointConnectionError(endpoint_url="https://ecs")

    ecs.describe_tasks = fail
    assert "cannot stop the tasks" in destroy(context, active).unsaved
    assert context.intents.load("demo") is None


def test_a_forged_newer_state_is_named_and_does_not_pass_for_the_candidates(
    place: Place, candidate: Candidate, active: str, tmp_path: Path
) -> None:
    candidate.saves(a="mine")
    Candidate(place, tmp_path / "forger", password="another password").saves(a="forged")
    done = destroy(place.breakable_context(), active)
    assert done.work is not None
    assert done.work.state == 1
    assert "state 2 cannot be the candidate's" in done.unsaved


def test_discarding_waits_for_nothing_and_keeps_what_is_saved(place: Place, candidate: Candidate, active: str) -> None:
    candidate.saves(a="1")
    context = place.breakable_context()
    asked = with_tasks(context, exit_code=0)
    done = destroy(context, active, discard_work=True)
    assert (asked, done.work, tombstone(context).work) == ([], None, None)
    assert len(saved_work(context, "demo").states) == 1


def test_a_destroy_that_is_tried_again_reports_what_the_first_one_found(place: Place, active: str) -> None:
    context = place.breakable_context()
    first = LastWork(incarnation=INCARNATION, state=7, saved_at=datetime.now(UTC), problem="it was late")
    context.objects.write(workspace_key(active, "work.json"), to_json(first))
    assert destroy(context, active).work == first
    assert place.objects("workspaces/") == []


def test_an_interview_of_an_older_release_and_one_that_never_ran_save_nothing(place: Place) -> None:
    context = place.context()
    place.stored("older", Status.ACTIVE, outputs={"access_url": "https://older"})
    place.stored("never", Status.CREATING)
    for interview in ("older", "never"):
        assert destroy(context, interview).work is None
        stored = context.intents.tombstone(interview)
        assert stored is not None
        assert b'"work"' not in to_json(stored)


def test_the_reapers_end_saves_too_and_its_report_names_what_is_unsaved(
    place: Place, candidate: Candidate, active: str
) -> None:
    candidate.saves(a="1")
    place.clock.forward(hours=3)
    context = place.breakable_context()
    with_tasks(context, exit_code=1)
    report = reap(context)
    assert report.destroyed == [active]
    assert "exit code 1" in report.unsaved[active]
    assert report.exit_code == UnsavedWorkError.exit_code
    assert len(saved_work(context, "demo").states) == 1


def test_where_no_work_is_kept_a_destroy_deletes_every_version(place: Place, candidate: Candidate, active: str) -> None:
    candidate.saves(a="1").saves(a="2")
    context = place.breakable_context(keeps_work=False)
    assert destroy(context, active).work is None
    assert "Versions" not in place.aws.s3.list_object_versions(Bucket=context.bucket, Prefix=WORK)


def test_every_state_can_be_fetched_whole_after_the_interview_is_gone(
    place: Place, candidate: Candidate, active: str, tmp_path: Path
) -> None:
    candidate.saves(_dot_env="A=1", src__main="1")
    first = contents(candidate.folder)
    candidate.saves(src__main="2")
    context = place.context()
    destroy(context, active)
    work = saved_work(context, "demo")
    assert [state.number for state in work.states] == [1, 2]
    assert fetch(context, work, work.state(None), tmp_path / "last") == []
    assert contents(tmp_path / "last") == contents(candidate.folder)
    fetch(context, work, work.state(1), tmp_path / "first")
    assert contents(tmp_path / "first") == first
    with pytest.raises(WorkError, match="not an empty folder"):
        fetch(context, work, work.state(1), tmp_path / "first")
    with pytest.raises(WorkError, match="no saved state 3, expected 1 to 2"):
        work.state(3)


def test_the_difference_to_the_challenge_is_what_the_candidate_changed(
    place: Place, candidate: Candidate, active: str
) -> None:
    context = place.context()
    intent = context.intents.get(active)
    for key, content in (("README.md", b"Task\n"), ("main.py", b"one\ntwo\n")):
        place.aws.s3.put_object(Bucket=context.bucket, Key=f"challenge/{intent.inputs.challenge}/{key}", Body=content)
    candidate.saves(README_dot_md="Task\n", main_dot_py="one\nthree\x1b[31m\n", new="x\n")
    work = saved_work(context, "demo")
    lines = [line for file in difference(context, work, work.state(None)) for line in file.lines]
    assert "-two" in lines
    assert "+three\\x1b[31m" in lines
    assert "+++ b/new" in lines
    assert not [line for line in lines if "README.md" in line and line.startswith("---")]


def test_show_says_how_much_the_candidate_has_changed(place: Place, candidate: Candidate) -> None:
    context = place.context()
    active = on_challenge(place, README_dot_md=b"Task\n", main_dot_py=b"one\n-- two\n")
    assert details(context, active)["changes"] is None
    candidate.saves(README_dot_md="Task\n", main_dot_py="one\n++ three\nfour\n")
    shown = details(context, active)
    assert (shown["changes"], shown["activity"]["saves"]) == ({"files": 1, "added": 2, "deleted": 1}, 1)
    assert "changed    1 file, +2 -1 lines" in sheet(shown, place.clock())(120)


def test_a_watched_interview_shows_each_save_as_a_diff_and_ends_with_the_interview(
    place: Place, candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, active = place.context(), on_challenge(place, main_dot_py=b"one\n")
    candidate.saves(main_dot_py="one\n").saves(main_dot_py="two\n")
    steps: list[Callable[[], object]] = [
        lambda: candidate.saves(main_dot_py="two\nthree\n").saves(new="x\n"),
        lambda: (candidate.saves(main_dot_py="last\n"), destroy(place.context(), active)),
    ]
    monkeypatch.setattr("scripts.interviews.watch.sleep", lambda _: steps.pop(0)())
    seen = [
        (save.state.number, [line for file in save.files for line in file.lines if line[0] in "+-"][2:])
        for save in watch(context, active)
    ]
    assert seen == [
        (2, ["-one", "+two"]),  # against the challenge
        (3, ["+three"]),
        (4, ["+x"]),
        (5, ["-two", "-three", "+last"]),
    ]
    assert not steps
    assert [save.state.number for save in watch(context, active)] == [5]  # of one that is over, at once


def test_a_state_that_a_stranger_wrote_does_not_end_the_watching(
    place: Place, candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, active = place.context(), on_challenge(place, a=b"0")
    candidate.saves(a="1")

    def forge(_: float) -> None:
        place.aws.s3.put_object(Bucket=context.bucket, Key=f"{WORK}{INCARNATION}/000002", Body=b"forged")
        candidate.saves(a="2")
        destroy(place.context(), active)

    monkeypatch.setattr("scripts.interviews.watch.sleep", forge)
    assert [save.state.number for save in watch(context, active)] == [1, 3]


def test_the_command_that_watches_ends_at_ctrl_c_without_failure(new_place: PlaceFactory, tmp_path: Path) -> None:
    own = new_place()
    on_challenge(own, a=b"0")
    Candidate(own, tmp_path / "candidate").saves(a="1\n")
    process = own.start_prequel("interview", "watch", "demo", "--json")
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    assert (first["event"], first["state"], first["interview"]) == ("state", 1, "demo")
    assert "+1" in first["diff"].splitlines()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert json.loads(out)["result"] == {"id": "demo", "state": 1, "over": False}


def test_the_log_shows_what_changed_from_state_to_state(place: Place, candidate: Candidate, active: str) -> None:
    candidate.saves(a="1", b="1").saves(a="2", c="1")
    (candidate.folder / "b").unlink()
    candidate.saves()
    context = place.context()
    seen = [(step.added, step.changed, step.deleted) for step in steps(context, saved_work(context, active))]
    assert seen == [(("a", "b"), (), ()), (("c",), ("a",), ()), ((), (), ("b",))]


def test_a_second_interview_of_the_same_id_has_its_own_work(
    place: Place, candidate: Candidate, active: str, tmp_path: Path
) -> None:
    candidate.saves(a="first")
    context = place.context()
    destroy(context, active)
    second = Candidate(place, tmp_path / "second", incarnation="demo/fedcba9876543210").saves(b="second")
    work = saved_work(context, "demo")
    assert work.incarnation == "demo/fedcba9876543210"
    fetch(context, work, work.state(None), tmp_path / "last")
    assert contents(tmp_path / "last") == contents(second.folder)


def test_deleting_leaves_no_version_and_is_refused_while_the_interview_exists(
    place: Place, candidate: Candidate, active: str
) -> None:
    candidate.saves(a="1").saves(a="2")
    context = place.context()
    with pytest.raises(RefusedError, match="destroy it first"):
        delete_work(context, active)
    destroy(context, active)
    place.aws.s3.delete_object(Bucket=context.bucket, Key=f"{WORK}{INCARNATION}/000001")  # a marker, and its version
    assert delete_work(context, active) == 3
    left = place.aws.s3.list_object_versions(Bucket=context.bucket, Prefix=WORK)
    assert not left.get("Versions")
    assert not left.get("DeleteMarkers")
    with pytest.raises(WorkError, match="no saved work"):
        saved_work(context, active)


def test_the_command_lists_fetches_and_deletes(new_place: PlaceFactory, tmp_path: Path) -> None:
    own = new_place()
    candidate = Candidate(own, tmp_path / "candidate").saves(a="1")
    shown = own.prequel("interview", "work", "demo", "--json")
    assert shown.returncode == 0, shown.stderr
    listed = json.loads(shown.stdout.splitlines()[-1])["result"]
    assert [row["state"] for row in listed["states"]] == [1]
    fetched = own.prequel("interview", "work", "demo", "--to", str(tmp_path / "to"))
    assert fetched.returncode == 0, fetched.stderr
    assert contents(tmp_path / "to") == contents(candidate.folder)
    assert own.prequel("interview", "work", "demo", "--delete", "--yes").returncode == 0
    gone = own.prequel("interview", "work", "demo")
    assert (gone.returncode, "no saved work" in gone.stderr) == (1, True)


def test_a_tombstone_with_work_is_read_back() -> None:
    work = LastWork(incarnation=INCARNATION, state=3, saved_at=datetime(2026, 1, 1, tzinfo=UTC), left_out=("a: b",))
    assert from_json(LastWork, to_json(work)) == work
