"""Passes of the reaper, with a clock and builds that only the test moves."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scripts.costs.charges import LISTS_A_PASS
from scripts.errors import AwsError, BusyInterviewError, LeakingError
from scripts.interviews.create import create
from scripts.interviews.destroy import destroy
from scripts.interviews.extend import extend
from scripts.interviews.pending import pending_actions
from scripts.interviews.records import RunMark, Status, Transition
from scripts.interviews.recover import recover
from scripts.interviews.run_lock import run_lock
from scripts.interviews.store import IntentStore, Listing, Stored
from scripts.lambdas.reaper import ReaperError
from tests.interviews.conftest import Clock
from tests.lifecycle.builds import Builds
from tests.lifecycle.conftest import RecordingAws, Shared, run_service


@pytest.fixture
def builds() -> Builds:
    return Builds()


def run_mark(clock: Clock, **changes: Any) -> RunMark:
    fields: dict[str, Any] = {
        "id": "1",
        "purpose": "create",
        "actor": "ada@gone",
        "host": "gone",
        "pid": 1,
        "started_at": clock(),
    }
    return RunMark(**(fields | changes))


def mark(shared: Shared, interview_id: str, **changes: Any) -> None:
    intents = shared.context().intents
    stored = intents.load(interview_id)
    assert stored is not None
    intents.replace(stored, replace(stored.intent, **changes))


def desired_tasks(shared: Shared, name: str) -> int:
    ecs, cluster = shared.place.embedded.aws.ecs, shared.place.prefix
    return ecs.describe_services(cluster=cluster, services=[name])["services"][0]["desiredCount"]


def test_the_reaper_starts_a_build_for_whatever_reap_would_do(shared: Shared, builds: Builds) -> None:
    place, clock = shared.place, shared.place.clock
    for status in (Status.ACTIVE, Status.CREATING, Status.DESTROYING, Status.LEAKING, Status.FAILED):
        place.stored(status, status)
    place.stored("overdue", Status.ACTIVE, deadline=clock())
    place.stored("due", Status.ACTIVE)
    mark(shared, "due", status=Status.SCHEDULED)
    place.stored("waiting", Status.LEAKING, retry_at=clock() + timedelta(minutes=1), failures=1)
    expected = {
        action.interview_id: {"start": "recover"}.get(action.what, action.what)
        for action in pending_actions(place.context().intents.all(), clock())
    }
    done = shared.reaper(codebuild=builds).run(clock())
    assert expected.pop("waiting") == "wait"
    assert done.waiting == ["waiting"]
    assert {build["PREQUEL_INTERVIEW_ID"]: build["PREQUEL_ACTION"] for build in builds.started} == expected
    assert expected == {
        "creating": "recover",
        "destroying": "destroy",
        "leaking": "destroy",
        "overdue": "destroy",
        "due": "recover",
    }


@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.CREATING, Status.ACTIVE, Status.FAILED])
def test_an_overdue_interview_is_marked_as_ending_with_the_reapers_name(
    shared: Shared, builds: Builds, status: Status
) -> None:
    place = shared.place
    before = place.stored("one", Status.ACTIVE)
    mark(shared, "one", status=status)
    place.clock.forward(hours=2)
    shared.reaper(codebuild=builds).run(place.clock())
    stored = place.context().intents.load("one")
    assert stored is not None
    step = Transition(status=Status.DESTROYING, at=place.clock(), actor="reaper@lambda", note="overdue")
    assert stored.intent.history == (*before.history, step)


def test_a_slot_whose_intent_was_lost_is_left_to_a_build_that_proves_its_interview_gone(
    shared: Shared, builds: Builds
) -> None:
    place = shared.place
    place.stored("one", Status.ACTIVE)
    stored = place.context().intents.load("one")
    assert stored is not None
    place.context().intents.remove(stored)
    for _ in range(3):
        done = shared.reaper(codebuild=builds).run(place.clock())
        assert done.freed_slots == []
        place.clock.forward(minutes=1)
    (build,) = builds.started
    assert (build["PREQUEL_ACTION"], build["PREQUEL_INTERVIEW_ID"]) == ("recover", "one")
    assert recover(shared.context(host="build"), "one").outcome == "destroyed"
    shared.reaper(codebuild=builds).run(place.clock())
    assert {key.split("/")[0] for key in place.objects()} == {"history"}


def test_a_slot_that_somebody_else_freed_meanwhile_is_no_problem(
    shared: Shared, builds: Builds, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = shared.place
    place.stored("one", Status.ACTIVE)
    mark(shared, "one", incarnation="another life of that id")
    reaper = shared.reaper(codebuild=builds)
    read = reaper._intents.all

    def read_and_lose_the_slot() -> Listing:
        place.embedded.aws.s3.delete_object(Bucket=place.values["instance_bucket_name"], Key="slots/0.json")
        return read()

    monkeypatch.setattr(reaper._intents, "all", read_and_lose_the_slot)
    assert reaper.run(place.clock()).problems == {}


@pytest.mark.e2e
@pytest.mark.parametrize("first_destroy", ["is killed", "leaks"])
def test_an_interview_whose_creator_vanished_is_gone_within_two_passes(
    shared: Shared, builds: Builds, monkeypatch: pytest.MonkeyPatch, first_destroy: str
) -> None:
    place, reaper = shared.place, shared.reaper(codebuild=builds)
    request = place.request(duration=timedelta(minutes=60))
    create(shared.context(), request)
    assert reaper.run(place.clock()).started == {}
    place.clock.forward(minutes=60)

    assert list(reaper.run(place.clock()).started) == [request.id]
    assert desired_tasks(shared, request.id) == 0
    if first_destroy == "leaks":
        with monkeypatch.context() as broken:
            broken.setattr("scripts.interviews.workspace.Workspace.destroy", lambda *_: None)
            broken.setattr("scripts.interviews.destroy.ATTEMPTS", 1)
            with pytest.raises(LeakingError):
                destroy(shared.context(host="build-1"), request.id)
    if first_destroy == "is killed":
        killed = run_mark(place.clock, purpose="destroy", host="build-1", build=builds.started[-1]["id"])
        mark(shared, request.id, run=killed)
    builds.end("FAILED")
    place.clock.forward(minutes=1)
    second = reaper.run(place.clock())
    assert list(second.started) == [request.id]
    assert [build["token"][-1] for build in builds.started] == ["1", "2"]
    build = builds.end("SUCCEEDED")
    assert (build["PREQUEL_ACTION"], build["PREQUEL_INTERVIEW_ID"]) == ("destroy", request.id)
    destroy(shared.context(host="build-2"), request.id)
    assert place.live(request.id) == {}
    reaper.run(place.clock())
    assert {key.split("/")[0] for key in place.objects()} == {"history"}


def test_two_builds_for_one_interview_never_run_at_a_time(shared: Shared, builds: Builds) -> None:
    shared.place.stored("one", Status.ACTIVE)
    reaper, clock = shared.reaper(codebuild=builds), shared.place.clock
    clock.forward(hours=2)
    passes = [reaper.run(clock())]
    for _ in range(30):
        clock.forward(minutes=1)
        passes.append(reaper.run(clock()))
    assert len(builds.started) == 1
    assert all(later.running == ["one"] for later in passes[1:])


def test_two_passes_at_once_stop_each_interview_once_and_start_one_build_for_each(
    shared: Shared, builds: Builds, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, names = shared.place, ["one", "three", "two"]
    for name in names:
        place.stored(name, Status.ACTIVE)
        run_service(shared, name)
    gone = place.stored("gone", Status.ACTIVE)
    mark(shared, "gone", incarnation="another life of that id", deadline=gone.deadline + timedelta(days=1))
    place.clock.forward(hours=2)
    now, both_have_read, read = place.clock(), Barrier(2), IntentStore.all

    def read_by_both(store: IntentStore) -> Listing:
        listing = read(store)
        both_have_read.wait(30)
        return listing

    monkeypatch.setattr(IntentStore, "all", read_by_both)
    with ThreadPoolExecutor(2) as pool:
        passes = list(pool.map(lambda _: shared.reaper(codebuild=builds).run(now), range(2)))
    assert sorted(build["PREQUEL_INTERVIEW_ID"] for build in builds.started) == names
    # A pass that finds the other's record before its build asks for the same build again, and is given it by its token.
    reported = {started for done in passes for started in done.started.items()}
    assert sorted(name for name, _ in reported) == names
    assert [slot for done in passes for slot in done.freed_slots] == [gone.slot]
    for name in names:
        assert desired_tasks(shared, name) == 0
        stored = shared.context().intents.load(name)
        assert stored is not None
        assert [step.status for step in stored.intent.history].count(Status.DESTROYING) == 1


def test_a_reaper_that_died_before_it_heard_of_its_build_finds_the_same_one(shared: Shared, builds: Builds) -> None:
    shared.place.stored("one", Status.ACTIVE)
    clock = shared.place.clock
    clock.forward(hours=2)

    class Dying(Builds):
        def start_build(self, **given: Any) -> dict[str, Any]:
            builds.start_build(**given)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shared.reaper(codebuild=Dying()).run(clock())
    clock.forward(minutes=1)
    done = shared.reaper(codebuild=builds).run(clock())
    assert done.started == {"one": builds.started[0]["id"]}
    assert len(builds.started) == 1


def test_builds_that_fail_are_started_again_for_ever_with_back_off(shared: Shared, builds: Builds) -> None:
    shared.place.stored("one", Status.ACTIVE)
    reaper, clock = shared.reaper(codebuild=builds), shared.place.clock
    clock.forward(hours=2)
    begun = clock()
    minutes = []
    for minute in (0, 0.5, 1, 2, 3, 6, 7, 14, 15, 30, 31, 62, 63, 122, 123, 182, 183, 242, 243):
        clock.moment = begun + timedelta(minutes=minute)
        if reaper.run(clock()).started:
            minutes.append(minute)
            builds.end("FAILED")
    assert minutes == [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]


def test_an_interview_that_another_run_works_on_is_stopped_and_otherwise_left_alone(
    shared: Shared, builds: Builds
) -> None:
    place = shared.place
    place.stored("one", Status.ACTIVE)
    place.clock.forward(hours=2)
    mark(shared, "one", run=run_mark(place.clock, purpose="destroy"))
    before = place.context().intents.load("one")
    run_service(shared, "one")
    done = shared.reaper(codebuild=builds).run(place.clock())
    assert (done.waiting, builds.started) == (["one"], [])
    assert place.context().intents.load("one") == before
    assert desired_tasks(shared, "one") == 0
    place.clock.forward(minutes=31)
    assert list(shared.reaper(codebuild=builds).run(place.clock()).started) == ["one"]


@pytest.mark.parametrize(("build", "status", "taken_over"), [
    ("{runner}", "IN_PROGRESS", False),
    ("{runner}", "TIMED_OUT", True),
    ("{runner}", "", False),
    ("another-project", "STOPPED", False),
])  # fmt: skip
def test_a_run_in_a_build_counts_as_dead_once_codebuild_calls_that_build_over(
    shared: Shared, builds: Builds, build: str, status: str, taken_over: bool
) -> None:
    place = shared.place
    place.stored("one", Status.ACTIVE)
    place.clock.forward(hours=2)
    build_id = f"{build.format(runner=f'{place.prefix}-runner')}:1"
    mark(shared, "one", run=run_mark(place.clock, purpose="recover", build=build_id))
    if status:
        builds.statuses[build_id] = status
    done = shared.reaper(codebuild=builds).run(place.clock())
    assert list(done.started) == (["one"] if taken_over else [])
    with (
        nullcontext() if taken_over else pytest.raises(BusyInterviewError),
        run_lock(shared.context(), "one", "destroy") as held,
    ):
        assert held.before is not None


def test_an_interview_that_is_being_extended_is_not_touched(shared: Shared, builds: Builds) -> None:
    place = shared.place
    place.stored("one", Status.ACTIVE)
    place.clock.forward(hours=2)
    mark(shared, "one", run=run_mark(place.clock, purpose="extend"))
    run_service(shared, "one")
    assert shared.reaper(codebuild=builds).run(place.clock()).waiting == ["one"]
    assert desired_tasks(shared, "one") == 1


def test_an_overdue_interview_can_no_longer_be_extended_once_its_service_is_stopped(
    shared: Shared, builds: Builds
) -> None:
    from scripts.errors import RefusedError

    shared.place.stored("one", Status.ACTIVE)
    shared.place.clock.forward(hours=2)
    shared.reaper(codebuild=builds).run(shared.place.clock())
    with pytest.raises(RefusedError, match="destroying"):
        extend(shared.context(), "one", timedelta(hours=2))


def test_an_extension_that_came_first_keeps_the_interview(
    shared: Shared, builds: Builds, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = shared.place
    place.stored("one", Status.ACTIVE)
    place.clock.forward(minutes=91)
    reaper = shared.reaper(codebuild=builds)
    real = reaper._claimed

    def claimed_too_late(stored: Stored, now: datetime) -> bool:
        extend(shared.context(), "one", timedelta(minutes=30))
        return real(stored, now)

    monkeypatch.setattr(reaper, "_claimed", claimed_too_late)
    run_service(shared, "one")
    assert reaper.run(place.clock()).waiting == ["one"]
    assert builds.started == []
    stored = place.context().intents.load("one")
    assert stored is not None
    assert (stored.intent.status, desired_tasks(shared, "one")) == (Status.ACTIVE, 1)


@pytest.mark.parametrize("unreadable", ["slots/", "workspaces/", "dispatches/"])
def test_a_listing_that_fails_changes_nothing(
    shared: Shared, builds: Builds, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], unreadable: str
) -> None:
    place = shared.place
    place.stored("one", Status.ACTIVE)
    place.clock.forward(hours=2)
    aws = shared.place.embedded.aws
    reaper = shared.reaper(aws, codebuild=builds)
    real = aws.s3.get_paginator

    class Refusing:
        def paginate(self, **given: Any) -> Any:
            if given["Prefix"] == unreadable:
                raise ClientError({"Error": {"Code": "SlowDown", "Message": "later"}}, "ListObjectsV2")
            return real("list_objects_v2").paginate(**given)

    monkeypatch.setattr(aws.s3, "get_paginator", lambda _: Refusing())
    before = {key: place.context().objects.read(key) for key in place.objects()}
    with pytest.raises(AwsError, match="SlowDown"):
        reaper.run(place.clock())
    assert {key: place.context().objects.read(key) for key in place.objects()} == before
    assert (builds.started, capsys.readouterr().out) == ([], "")


def test_what_fails_for_one_interview_hinders_no_other_and_fails_the_pass(
    shared: Shared, capsys: pytest.CaptureFixture[str]
) -> None:
    class OneRefused(Builds):
        def start_build(self, **given: Any) -> dict[str, Any]:
            if given["environmentVariablesOverride"][1]["value"] == "first":
                raise ClientError({"Error": {"Code": "AccountLimitExceeded", "Message": "too many"}}, "StartBuild")
            return super().start_build(**given)

    builds = OneRefused()
    shared.place.stored("first", Status.ACTIVE)
    shared.place.stored("second", Status.ACTIVE)
    shared.place.clock.forward(hours=2)
    with pytest.raises(ReaperError, match=r"first: .*too many"):
        shared.reaper(codebuild=builds).run(shared.place.clock())
    assert [build["PREQUEL_INTERVIEW_ID"] for build in builds.started] == ["second"]
    assert json.loads(capsys.readouterr().out)["Problems"] == 1


def test_without_builds_the_spending_stops_at_once_and_the_quota_is_named(
    shared: Shared, builds: Builds, capsys: pytest.CaptureFixture[str]
) -> None:
    shared.place.stored("one", Status.ACTIVE)
    run_service(shared, "one")
    shared.place.clock.forward(hours=2)
    builds.full = True
    with pytest.raises(ReaperError, match=r"one: .*more than 0 builds.*L-9D07B6EF.*`prequel interview reap`"):
        shared.reaper(codebuild=builds).run(shared.place.clock())
    assert desired_tasks(shared, "one") == 0
    assert json.loads(capsys.readouterr().out)["BuildsRefused"] == 1
    builds.full = False
    shared.place.clock.forward(minutes=1)
    assert list(shared.reaper(codebuild=builds).run(shared.place.clock()).started) == ["one"]


def test_a_document_that_cannot_be_read_fails_the_pass_and_keeps_its_slot(shared: Shared, builds: Builds) -> None:
    place = shared.place
    place.stored("one", Status.ACTIVE)
    place.embedded.aws.s3.put_object(
        Bucket=place.values["instance_bucket_name"], Key="workspaces/one/interview.json", Body=b'{"id": "one"}'
    )
    with pytest.raises(ReaperError, match=r"one: .*cannot be read"):
        shared.reaper(codebuild=builds).run(place.clock())
    assert place.objects("slots/") == ["slots/0.json"]


def test_a_scheduled_interview_is_started_when_its_time_has_come(shared: Shared, builds: Builds) -> None:
    place = shared.place
    create(shared.context(), place.request(id="later", starts_at=place.clock() + timedelta(minutes=10)))
    reaper = shared.reaper(codebuild=builds)
    assert reaper.run(place.clock()).started == {}
    place.clock.forward(minutes=5)
    reaper.run(place.clock())
    assert [build["PREQUEL_ACTION"] for build in builds.started] == ["recover"]


def test_metrics_are_written_in_embedded_metric_format(
    shared: Shared, builds: Builds, capsys: pytest.CaptureFixture[str]
) -> None:
    place = shared.place
    place.stored("overdue", Status.ACTIVE)
    place.clock.forward(minutes=97)
    place.stored("active", Status.ACTIVE)
    place.stored("leaking", Status.LEAKING)
    shared.reaper(codebuild=builds).run(place.clock())
    document = json.loads(capsys.readouterr().out)
    (directive,) = document["_aws"]["CloudWatchMetrics"]
    assert document["_aws"]["Timestamp"] == int(place.clock().timestamp() * 1000)
    assert (directive["Namespace"], directive["Dimensions"]) == ("Prequel", [["Project"]])
    assert document["Project"] == place.prefix
    reported = {metric["Name"]: (document[metric["Name"]], metric["Unit"]) for metric in directive["Metrics"]}
    assert reported == {
        "ReaperRuns": (1, "Count"),
        "Active": (2, "Count"),
        "Overdue": (1, "Count"),
        "LongestOverdue": (420, "Seconds"),
        "Leaking": (1, "Count"),
        "BelowDesired": (1, "Count"),
        "SlotsTaken": (3, "Count"),
        "SlotsFree": (7, "Count"),
        "BuildsStarted": (2, "Count"),
        "BuildsRefused": (0, "Count"),
        "Problems": (0, "Count"),
    }


def test_only_interviews_that_should_run_count_as_below_desired(
    shared: Shared, builds: Builds, capsys: pytest.CaptureFixture[str]
) -> None:
    place = shared.place
    place.stored("overdue", Status.ACTIVE)
    place.clock.forward(hours=2)
    for name in ("short", "running", "gone", "stopped"):
        place.stored(name, Status.ACTIVE)
    place.stored("ending", Status.DESTROYING)
    for name, desired in (("overdue", 2), ("short", 2), ("running", 1), ("stopped", 0), ("ending", 0)):
        run_service(shared, name, desired=desired)
    done = shared.reaper(codebuild=builds).run(place.clock())
    assert sorted(done.below_desired) == ["gone", "short", "stopped"]
    assert json.loads(capsys.readouterr().out)["pass"]["below_desired"] == sorted(done.below_desired)


def test_a_pass_over_99_interviews_reads_each_document_once_and_starts_ten_builds(
    recording: RecordingAws, shared: Shared, builds: Builds
) -> None:
    place, s3 = shared.place, shared.place.embedded.aws.s3
    place.stored("n0", Status.ACTIVE)
    bucket = place.values["instance_bucket_name"]
    intent = json.loads(s3.get_object(Bucket=bucket, Key="workspaces/n0/interview.json")["Body"].read())
    lease = json.loads(s3.get_object(Bucket=bucket, Key="slots/0.json")["Body"].read())
    place.clock.forward(minutes=90)
    for n in range(99):
        deadline = place.clock() + timedelta(minutes=0 if n < 10 else n)
        own = {"id": f"n{n}", "incarnation": f"inc{n}", "slot": n, "deadline": deadline.isoformat()}
        s3.put_object(Bucket=bucket, Key=f"workspaces/n{n}/interview.json", Body=json.dumps(intent | own).encode())
        held = {"interview_id": f"n{n}", "incarnation": f"inc{n}"}
        s3.put_object(Bucket=bucket, Key=f"slots/{n}.json", Body=json.dumps(lease | held).encode())
    before = len(recording.calls("embedded"))
    done = shared.reaper(codebuild=builds, max_instances=99).run(place.clock())
    assert (done.active, done.slots_free, len(done.started), len(builds.started)) == (99, 0, 10, 10)
    calls = Counter(call["action"] for call in recording.calls("embedded")[before:])
    assert calls == {
        "sts:GetCallerIdentity": 1,
        "s3:ListBucket": LISTS_A_PASS,
        "s3:GetObject": 2 * 99 + 10,
        "s3:PutObject": 3 * 10,
        "ecs:DescribeServices": 9 + 10,
    }
