"""What cannot work is refused before anything is touched."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from scripts.embedded.launcher import EmbeddedAws
from scripts.errors import AlteredReleaseError, AwsError, NoFreeSlotError, PrequelError, RefusedError
from scripts.interviews.create import create, plan, slot_for
from scripts.interviews.destroy import destroy
from scripts.interviews.records import LONGEST_RUN, Status
from scripts.interviews.recover import recover
from scripts.interviews.run_lock import run_lock
from scripts.interviews.workspace import Workspace
from scripts.private_files import private_directory
from tests.interviews.conftest import Place, PlaceFactory, publish
from tests.interviews.test_absence import a_target_group


def refused(place: Place, message: str, **request: object) -> None:
    before = place.objects()
    with pytest.raises(PrequelError, match=message):
        create(place.context(), place.request(**request))
    assert place.objects() == before


def test_a_challenge_that_is_not_published(place: Place) -> None:
    refused(place, 'there is no challenge "python/nope"', challenge="python/nope")


def test_a_duration_over_the_maximum(place: Place) -> None:
    refused(place, "over the maximum of 4h", duration=timedelta(hours=5))


def test_an_id_in_use(place: Place) -> None:
    place.stored("taken", Status.ACTIVE)
    refused(place, "the id taken is in use", id="taken")


def test_an_id_that_another_client_uses_is_not_adopted_let_alone_destroyed(place: Place) -> None:
    context = place.context()
    context.aws.s3.put_object(Bucket=context.bucket, Key="workspaces/theirs/terraform.tfvars", Body=b"")
    refused(place, "the id theirs is in use", id="theirs")


def test_an_id_whose_service_or_task_family_would_be_called_as_the_portals(place: Place) -> None:
    for name in ("portal", f"{place.prefix}-portal"):
        refused(place, f"the portal is called {place.prefix}-portal; choose another", id=name)


def test_a_bad_id_name_or_password(place: Place) -> None:
    refused(place, "cannot name an interview", id="Bad_Id")
    refused(place, "candidate's name", candidate_name="")
    refused(place, "the password has 3 characters", password="abc")
    refused(place, "is not an image tag", image_tag="a b")


def test_no_free_slot_names_the_holders_and_has_its_own_exit_code(new_place: PlaceFactory) -> None:
    place = new_place(max_instances=2)
    place.stored("one", Status.ACTIVE)
    place.stored("two", Status.ACTIVE)
    with pytest.raises(NoFreeSlotError, match=r"all 2 are taken by one until .*, two until .*; the next frees in 9"):
        create(place.context(), place.request())
    assert NoFreeSlotError.exit_code == 4


def a_rule_of_a_plain_client(place: Place, priority: int) -> None:
    place.aws.elbv2.create_rule(
        ListenerArn=place.values["listener_arn"],
        Priority=priority,
        Conditions=[{"Field": "host-header", "HostHeaderConfig": {"Values": [f"plain{priority}.example.com"]}}],
        Actions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
    )


def test_a_slot_whose_listener_priority_another_client_has_is_left_out(place: Place) -> None:
    context, request = place.context(), place.request(starts_at=place.clock() + timedelta(minutes=1))
    create(context, request)
    a_rule_of_a_plain_client(place, 1000)
    a_rule_of_a_plain_client(place, 1002)
    with run_lock(context, request.id, "recover") as held:
        assert slot_for(context, held, 3, place.values) == 1


def test_when_other_clients_have_the_last_slots_it_says_so(place: Place) -> None:
    publish(place.values, place.aws, max_instances=2)
    place.stored("ours", Status.ACTIVE)
    a_rule_of_a_plain_client(place, 1001)
    with pytest.raises(
        NoFreeSlotError, match=r"taken by ours until .*, rules of other clients, at the listener .* 1001;"
    ):
        create(place.context(), place.request())


def test_a_create_that_loses_the_race_for_the_last_slot_leaves_nothing(
    new_place: PlaceFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = new_place(max_instances=1)
    context = place.context()
    store = context.intents.create
    once = threading.Lock()

    def create_and_lose(intent: object) -> object:
        if once.acquire(blocking=False):
            place.stored("faster", Status.ACTIVE)
        return store(intent)  # type: ignore[arg-type]

    monkeypatch.setattr(context.intents, "create", create_and_lose)
    with pytest.raises(NoFreeSlotError, match="faster until"):
        create(context, place.request(id="slower"))
    assert not [key for key in place.objects() if "slower" in key]
    assert place.context().slots.taken() == [0]


def test_resources_of_that_name_that_are_not_ours_are_not_touched(place: Place) -> None:
    context = place.context()
    request = place.request()
    name = f"/{place.prefix}/interviews/{request.id}/password"
    context.aws.ssm.put_parameter(Name=name, Value="somebody else's", Type="SecureString")
    with pytest.raises(RefusedError, match="in use by resources of no interview of this stack"):
        create(context, request)
    assert place.objects() == []
    value = context.aws.ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    assert value == "somebody else's"


@pytest.mark.parametrize("status", [Status.CREATING, Status.SCHEDULED])
def test_resources_that_somebody_made_before_a_start_or_a_recovery_are_not_touched(
    place: Place, status: Status
) -> None:
    request = place.request(starts_at=place.clock() + timedelta(hours=1))
    context = place.context()
    if status is Status.SCHEDULED:
        create(context, request)
    else:
        stored_without_slot(place, request.id)
    group = a_target_group(place.aws, request.id, place.values)
    place.clock.forward(hours=1)
    with pytest.raises(RefusedError, match=r"in use by resources of no interview of this stack .*target group"):
        recover(place.context(), request.id)
    destroy(place.context(), request.id)
    assert place.live(request.id) == {"target group": group}
    assert place.context().slots.taken() == []


def stored_without_slot(place: Place, name: str) -> None:
    """What a create that died in its first second leaves."""
    intent = place.stored(name, Status.CREATING)
    context = place.context()
    stored = context.intents.load(name)
    assert stored is not None
    context.intents.replace(stored, replace(intent, slot=None))


def test_without_a_release_there_is_nothing_to_create_from(place: Place) -> None:
    context = place.context()
    context.aws.s3.delete_object(Bucket=context.bucket, Key="instance/manifest.json")
    refused(place, "no templates are published yet")


def test_an_altered_release_is_refused_with_the_file_named(place: Place) -> None:
    context = place.context()
    pointer = context.releases.current()
    assert pointer is not None
    key = f"releases/{pointer.digest}/service.tf"
    context.aws.s3.put_object(Bucket=context.bucket, Key=key, Body=b"# altered")
    refused(place, "service.tf was altered")


@pytest.fixture
def altered(place: Place) -> Place:
    """A place with the interview a, whose release and whose own copy of it were altered."""
    place.stored("a", Status.ACTIVE)
    context = place.context()
    pointer = context.releases.current()
    assert pointer is not None
    with private_directory() as directory:
        context.releases.download(pointer.digest, directory)
        copies = {f"workspaces/a/{path.name}": path.read_bytes() + b"\n" for path in directory.iterdir()}
    context.objects.write_all(copies)
    key = f"releases/{pointer.digest}/service.tf"
    context.aws.s3.put_object(Bucket=context.bucket, Key=key, Body=b"# altered")
    return place


def test_nothing_is_created_from_a_copy_that_nobody_can_verify(altered: Place) -> None:
    before = altered.objects()
    with pytest.raises(AlteredReleaseError, match=r"service\.tf was altered"):
        recover(altered.context(), "a")
    assert altered.objects() == before


def test_an_interview_whose_release_was_altered_can_still_be_destroyed(altered: Place) -> None:
    assert destroy(altered.context(), "a").existed
    assert altered.context().intents.load("a") is None


def test_in_another_region_nothing_is_created_and_nothing_is_taken_for_gone(place: Place) -> None:
    place.stored("a", Status.ACTIVE)
    before = place.objects()
    elsewhere = place.context(aws=EmbeddedAws(place.embedded.endpoint, "eu-west-1").aws)
    for attempt in (
        lambda: create(elsewhere, place.request()),
        lambda: recover(elsewhere, "a"),
        lambda: destroy(elsewhere, "a"),
        lambda: destroy(elsewhere, "never-was"),
    ):
        with pytest.raises(PrequelError, match="aws_region is us-east-1, expected eu-west-1"):
            attempt()
    assert place.objects() == before


def test_a_password_that_cannot_be_kept_leaves_nothing_scheduled(place: Place) -> None:
    context = place.breakable_context()

    def denied(**_: object) -> object:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "PutParameter")

    context.aws.ssm.put_parameter = denied  # type: ignore[method-assign,assignment]
    request = place.request(starts_at=place.clock() + timedelta(hours=1))
    with pytest.raises(AwsError, match="cannot store the password of interview"):
        create(context, request)
    assert [key.split("/")[0] for key in place.objects()] == ["history"]


def test_a_dry_run_writes_nothing(place: Place) -> None:
    assert plan(place.context(), place.request()).intent.outputs == {}
    assert place.objects() == []


def test_a_wait_that_no_run_could_survive(place: Place) -> None:
    refused(place, "cannot wait 3600 s, expected 0 to 600", wait_seconds=3600)


def test_a_create_that_was_taken_over_leaves_everything_to_the_other_run(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = place.request()

    def apply_until_displaced(*_: object, **__: object) -> dict[str, object]:
        place.clock.forward(seconds=LONGEST_RUN.total_seconds())
        with run_lock(place.context(host="another"), request.id, "recover") as held:
            held.move(Status.FAILED, "for the test")
        return {}

    monkeypatch.setattr(Workspace, "init", lambda *_: None)
    monkeypatch.setattr(Workspace, "apply", apply_until_displaced)
    monkeypatch.setattr("scripts.interviews.create.wait_until_steady", lambda *_, **__: None)
    with pytest.raises(PrequelError, match="was taken over by another run"):
        create(place.context(), request)
    stored = place.context().intents.load(request.id)
    assert stored is not None
    assert stored.intent.status is Status.FAILED
    assert place.context().slots.taken() == [0]
