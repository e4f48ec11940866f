"""Destroying ends with AWS's own word, and goes on until it has it. None of these needs terraform."""

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tenacity import wait_none

from contract.names import state_key
from scripts.errors import AwsError, LeakingError, NoFreeSlotError, RefusedError
from scripts.interviews.context import Context
from scripts.interviews.create import create
from scripts.interviews.destroy import destroy, tear_down
from scripts.interviews.documents import from_json, to_json
from scripts.interviews.extend import extend, give_full_time
from scripts.interviews.pending import pending_action
from scripts.interviews.reap import reap
from scripts.interviews.records import Intent, Status
from scripts.interviews.recover import recover
from scripts.interviews.request import parsed_duration
from scripts.interviews.run_lock import RunLock, run_lock
from tests.interviews.conftest import Place, publish
from tests.interviews.test_absence import a_target_group
from tests.interviews.test_records import intent


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.interviews.destroy.PAUSES", wait_none())


def denied(*_: Any, **__: Any) -> Any:
    raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not now"}}, "Describe")


def unable_to_see_target_groups(place: Place) -> Context:
    context = place.breakable_context()
    context.aws.elbv2.describe_target_groups = denied  # type: ignore[method-assign]
    return context


def status_of(place: Place, interview_id: str) -> str:
    stored = place.context().intents.load(interview_id)
    return str(stored.intent.status) if stored else "gone"


def test_destroying_leaves_only_a_tombstone_and_frees_the_slot(place: Place) -> None:
    place.stored("a", Status.ACTIVE)
    assert destroy(place.context(), "a").existed
    (key,) = place.objects()
    assert key.startswith("history/a/")
    tombstone = place.context().intents.tombstone("a")
    assert tombstone is not None
    assert tombstone.intent.status is Status.DESTROYED
    assert len(tombstone.proof) == 6


def test_destroying_twice_or_what_never_was_is_success(place: Place) -> None:
    place.stored("a", Status.ACTIVE)
    assert destroy(place.context(), "a").existed
    assert not destroy(place.context(), "a").existed
    assert not destroy(place.context(), "never-was").existed


@pytest.mark.parametrize("status", [Status.CREATING, Status.ACTIVE, Status.FAILED, Status.DESTROYING, Status.LEAKING])
def test_every_status_can_be_destroyed(place: Place, status: Status) -> None:
    place.stored("a", status)
    destroy(place.context(), "a")
    assert status_of(place, "a") == "gone"


def test_unknown_is_not_gone(place: Place) -> None:
    """The one call that AWS does not answer keeps the interview leaking, with its lease, and with exit code 3."""
    place.stored("a", Status.ACTIVE)
    with pytest.raises(LeakingError, match=r"target group: unknown \(AccessDenied: not now\)") as leak:
        destroy(unable_to_see_target_groups(place), "a")
    assert leak.value.exit_code == 3
    assert status_of(place, "a") == "leaking"
    assert place.context().slots.taken() == [0]
    destroy(place.context(), "a")
    assert place.context().slots.taken() == []


@pytest.mark.parametrize("step", ["write_tombstone", "delete_all", "release", "remove"])
def test_a_destroy_that_dies_between_any_two_of_its_last_steps_is_finished_by_the_next(
    place: Place, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    place.stored("a", Status.ACTIVE)
    context = place.context()
    owner: object = next(known for known in (context.objects, context.slots, context.intents) if hasattr(known, step))
    monkeypatch.setattr(owner, step, lambda *_: (_ for _ in ()).throw(SystemExit))
    with pytest.raises(SystemExit):
        destroy(context, "a")
    assert status_of(place, "a") == "destroyed"
    destroy(place.context(), "a")
    assert [key.split("/")[0] for key in place.objects()] == ["history"]


def test_the_same_id_can_be_used_again_and_each_life_is_remembered(place: Place) -> None:
    for _ in range(2):
        place.stored("a", Status.ACTIVE)
        destroy(place.context(), "a")
        place.clock.forward(seconds=1)
    assert len(place.objects("history/a/")) == 2


def test_a_scheduled_interview_holds_its_password_and_no_slot_and_can_be_cancelled(place: Place) -> None:
    request = place.request(starts_at=place.clock() + timedelta(hours=1))
    created = create(place.context(), request)
    assert created is not None
    assert created.intent.status is Status.SCHEDULED
    assert place.live(request.id) == {"password": f"/{place.prefix}/interviews/{request.id}/password"}
    assert place.context().slots.taken() == []
    destroy(place.context(), request.id)
    assert place.live(request.id) == {}


def test_what_is_overdue_is_destroyed_and_nothing_else(place: Place) -> None:
    for minutes in (10, 20, 30):
        place.stored(f"a{minutes}", Status.ACTIVE, deadline=place.clock() + timedelta(minutes=minutes))
    place.clock.forward(minutes=25)
    report = reap(place.context())
    assert sorted(report.destroyed) == ["a10", "a20"]
    assert [status_of(place, f"a{minutes}") for minutes in (10, 20, 30)] == ["gone", "gone", "active"]


def test_a_listing_that_fails_changes_nothing(place: Place) -> None:
    place.stored("a", Status.ACTIVE)
    place.clock.forward(hours=9)
    before = place.objects()
    context = place.breakable_context()
    context.aws.s3.get_paginator = denied  # type: ignore[method-assign]
    with pytest.raises(AwsError):
        reap(context)
    assert place.objects() == before


def test_an_interview_that_was_extended_after_the_listing_is_left_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.stored("a", Status.ACTIVE, deadline=place.clock() + timedelta(minutes=30))
    place.clock.forward(minutes=31)
    context = place.context()
    listed = context.intents.all()
    extend(place.context(), "a", timedelta(minutes=30))
    monkeypatch.setattr(context.intents, "all", lambda: listed)
    assert reap(context).destroyed == []
    assert status_of(place, "a") == "active"


def test_failures_are_tried_again_by_later_passes_less_and_less_often_for_ever(place: Place) -> None:
    place.stored("a", Status.ACTIVE)
    place.clock.forward(hours=2)
    pauses = []
    for failures in range(1, 10):
        report = reap(unable_to_see_target_groups(place))
        assert report.leaking == ["a"]
        stored = place.context().intents.load("a")
        assert stored is not None
        assert stored.intent.failures == failures
        assert stored.intent.retry_at is not None
        pauses.append(stored.intent.retry_at - place.clock())
        assert reap(place.context()).waiting == ["a"]
        place.clock.moment = stored.intent.retry_at
    assert pauses[:3] == [timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=4)]
    assert pauses[-1] == timedelta(hours=1)
    assert reap(place.context()).destroyed == ["a"]


def test_whatever_goes_wrong_with_one_interview_is_reported_and_tried_again_later(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = place.clock() + timedelta(minutes=5)
    create(place.context(), place.request(id="refused", starts_at=start))
    for name in ("state", "full"):
        place.stored(name, Status.ACTIVE, deadline=place.clock() + timedelta(minutes=10))
    context = place.context()
    context.aws.s3.put_object(Bucket=context.bucket, Key=state_key("state"), Body=b'{"version": 4, "resou')

    def no_space(context: Context, held: RunLock, **note: Any) -> object:
        if held.intent.id == "full":
            raise OSError("no space left on device")
        return tear_down(context, held, **note)

    monkeypatch.setattr("scripts.interviews.reap.tear_down", no_space)
    a_target_group(place.aws, "refused", place.values)
    place.clock.forward(minutes=20)
    report = reap(context)
    assert report.destroyed == []
    assert report.failed["full"] == "OSError: no space left on device"
    assert "instances/state.tfstate is not a Terraform state" in report.failed["state"]
    assert "in use by resources of no interview of this stack" in report.failed["refused"]
    assert sorted(reap(context).waiting) == ["full", "refused", "state"]
    place.clock.forward(minutes=1)
    assert sorted(reap(context).failed) == ["full", "refused", "state"]
    stored = context.intents.load("refused")
    assert stored is not None
    assert stored.intent.retry_at == place.clock() + timedelta(minutes=2)


def test_a_lease_whose_interview_is_no_more_is_freed_and_no_other(place: Place) -> None:
    gone, kept = place.stored("gone", Status.ACTIVE), place.stored("kept", Status.ACTIVE)
    context = place.context()
    context.aws.s3.delete_object(Bucket=context.bucket, Key="workspaces/gone/interview.json")
    assert reap(context).freed_slots == [gone.slot]
    assert place.context().slots.taken() == [kept.slot]


def test_a_slot_whose_intent_was_lost_is_freed_only_when_nothing_of_its_interview_is_left(place: Place) -> None:
    place.stored("a", Status.ACTIVE)
    context = place.context()
    context.aws.s3.delete_object(Bucket=context.bucket, Key="workspaces/a/interview.json")
    report = reap(unable_to_see_target_groups(place))
    assert (report.leaking, report.freed_slots) == (["a"], [])
    assert place.context().slots.taken() == [0]
    place.clock.forward(minutes=1)
    assert reap(place.context()).destroyed == ["a"]
    assert place.context().slots.taken() == []


def test_the_slot_of_an_earlier_life_of_an_id_is_freed_and_the_living_one_stays(place: Place) -> None:
    earlier = place.stored("a", Status.ACTIVE)
    context = place.context()
    context.aws.s3.delete_object(Bucket=context.bucket, Key="workspaces/a/interview.json")
    living = place.stored("a", Status.ACTIVE)
    assert reap(place.context()).freed_slots == [earlier.slot]
    assert status_of(place, "a") == "active"
    assert place.context().slots.taken() == [living.slot]


def test_an_interview_scheduled_before_the_maximum_was_lowered_waits_like_any_other(place: Place) -> None:
    request = place.request(starts_at=place.clock() + timedelta(minutes=1))
    create(place.context(), request)
    publish(place.values, place.aws, max_instances=1)
    place.stored("a", Status.ACTIVE)
    place.clock.forward(minutes=2)
    with pytest.raises(NoFreeSlotError, match="all 1 are taken by a until"):
        recover(place.context(), request.id)


def test_a_lease_is_not_freed_when_its_intent_cannot_be_read(place: Place) -> None:
    place.stored("a", Status.ACTIVE)
    context = place.context()
    context.aws.s3.put_object(Bucket=context.bucket, Key="workspaces/a/interview.json", Body=b"{}")
    assert reap(context).freed_slots == []


def test_an_interview_that_somebody_works_on_is_left_to_them(place: Place) -> None:
    place.stored("a", Status.ACTIVE)
    place.clock.forward(hours=9)
    with run_lock(place.context(), "a", "destroy"):
        assert list(reap(place.context()).busy) == ["a"]


def test_a_dry_run_of_reap_changes_nothing(place: Place) -> None:
    place.stored("a", Status.ACTIVE)
    place.clock.forward(hours=9)
    before = place.objects()
    assert reap(place.context(), dry_run=True).destroyed == []
    assert place.objects() == before


def test_extending_moves_the_deadline_and_the_lease_up_to_the_ceiling(place: Place) -> None:
    before = place.stored("a", Status.ACTIVE)
    after = extend(place.context(), "a", timedelta(minutes=30))
    assert after.deadline == before.deadline + timedelta(minutes=30)
    held = place.context().slots.of(after)
    assert held is not None
    assert held.lease.deadline == after.deadline
    assert after.expires_at == before.expires_at
    with pytest.raises(Exception, match=r"expected at most 4h; it can be extended by 2h"):
        extend(place.context(), "a", timedelta(hours=3))


def test_the_time_that_a_start_takes_is_not_the_candidates_loss(place: Place) -> None:
    early, late = place.stored("early", Status.CREATING), place.stored("late", Status.CREATING)
    context = place.context()
    for minutes, begun in ((0, early), (2, late)):
        place.clock.forward(minutes=minutes)
        with run_lock(context, begun.id, "create") as run:
            give_full_time(context, run)
    assert context.intents.get("early").deadline == early.deadline
    given = context.intents.get("late")
    assert given.deadline == late.deadline + timedelta(minutes=2)
    held = context.slots.of(given)
    assert held is not None
    assert held.lease.deadline == given.deadline


def test_a_scheduled_interview_is_created_before_its_start(place: Place) -> None:
    starts_at = place.clock() + timedelta(minutes=6)
    intent = replace(place.stored("a", Status.ACTIVE), status=Status.SCHEDULED, starts_at=starts_at)
    assert pending_action(intent, place.clock()) is None
    place.clock.forward(minutes=1)
    action = pending_action(intent, place.clock())
    assert action is not None
    assert action.what == "start"


def test_how_long_before_its_start_an_interview_is_created_is_a_setting(place: Place) -> None:
    request = place.request(starts_at=place.clock() + timedelta(minutes=30))
    intent = create(place.context(start_early_minutes=20), request).intent
    assert pending_action(intent, place.clock() + timedelta(minutes=9)) is None
    assert recover(place.context(), request.id).outcome == "scheduled"
    assert pending_action(intent, place.clock() + timedelta(minutes=10)) is not None


def test_what_is_overdue_is_extended_into_the_future_or_not_at_all(place: Place) -> None:
    before = place.stored("a", Status.ACTIVE)
    place.clock.forward(hours=2)
    with pytest.raises(RefusedError, match="in the past; expected more than 30m"):
        extend(place.context(), "a", timedelta(minutes=30))
    assert extend(place.context(), "a", timedelta(minutes=31)).deadline == before.deadline + timedelta(minutes=31)


@pytest.mark.parametrize("by", [timedelta(minutes=-30), timedelta()])
def test_extending_never_shortens(place: Place, by: timedelta) -> None:
    before = place.stored("a", Status.ACTIVE)
    with pytest.raises(RefusedError, match="more would end interview a earlier, expected more time"):
        extend(place.context(), "a", by)
    assert place.context().intents.get("a").deadline == before.deadline


@pytest.mark.parametrize("text", ["-30m", "-30", "0", "0m"])
def test_a_duration_is_never_negative_or_nothing(text: str) -> None:
    with pytest.raises(RefusedError, match="is not a duration"):
        parsed_duration(text)


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Auckland"])
def test_no_change_of_the_clocks_to_or_from_summer_time_moves_a_deadline(
    monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        for start in (datetime(2026, 11, 1, 5, tzinfo=UTC), datetime(2027, 4, 3, 13, tzinfo=UTC)):
            later = intent(Status.ACTIVE, starts_at=start, deadline=start + timedelta(hours=2))
            kept = from_json(Intent, to_json(later))
            assert pending_action(kept, start + timedelta(minutes=119)) is None
            assert pending_action(kept, (start + timedelta(minutes=119)).astimezone()) is None
            assert pending_action(kept, start + timedelta(minutes=120)) is not None
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_clock_that_steps_in_the_middle_of_a_pass_ends_nothing(place: Place) -> None:
    place.stored("running", Status.ACTIVE)
    steps = iter([timedelta(days=1)])  # until the next answer of AWS's corrects it
    context = place.context(now=lambda: place.clock() + next(steps, timedelta()))
    assert reap(context).destroyed == []
    assert status_of(place, "running") == "active"


def test_what_is_ending_cannot_be_extended(place: Place) -> None:
    place.stored("a", Status.DESTROYING)
    with pytest.raises(Exception, match="is destroying and cannot be extended"):
        extend(place.context(), "a", timedelta(minutes=1))


def test_a_client_that_died_between_intent_and_lease_leaves_nothing_after_a_pass(place: Place) -> None:
    intent = place.stored("a", Status.CREATING)
    context = place.context()
    stored = context.intents.load("a")
    assert stored is not None
    context.intents.replace(stored, replace(intent, slot=None))
    destroy(context, "a")
    assert [json.dumps(key) for key in place.objects() if not key.startswith("history/")] == []
