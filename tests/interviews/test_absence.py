"""What counts as gone, kind by kind, and that destroying goes on until it is."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tenacity import wait_none

from scripts.aws.clients import Aws
from scripts.errors import LeakingError, RefusedError, TerraformError
from scripts.interviews.create import create
from scripts.interviews.destroy import ATTEMPTS, destroy
from scripts.interviews.inventory import take_inventory
from scripts.interviews.records import LONGEST_RUN, Status
from scripts.interviews.workspace import Workspace
from tests.interviews.conftest import Place, PlaceFactory

CONTAINER: Any = {"name": "code-server", "image": "x", "memory": 512, "cpu": 256}


def a_password(aws: Aws, name: str, values: dict[str, Any]) -> None:
    aws.ssm.put_parameter(
        Name=f"/{values['project_prefix']}/interviews/{name}/password", Value="x", Type="SecureString"
    )


def tags(name: str, values: dict[str, Any], *, lower: bool = False) -> Any:
    key, value = ("key", "value") if lower else ("Key", "Value")
    return [{key: "InterviewId", value: name}, {key: "Project", value: values["project_prefix"]}]


def a_target_group(aws: Aws, name: str, values: dict[str, Any], *, tagged: bool = True) -> str:
    group = aws.elbv2.create_target_group(
        Name=name, Protocol="HTTP", Port=8443, VpcId=values["vpc_id"], TargetType="ip",
        **({"Tags": tags(name, values)} if tagged else {}),
    )  # fmt: skip
    return group["TargetGroups"][0]["TargetGroupArn"]


def a_rule(aws: Aws, name: str, values: dict[str, Any], *, tagged: bool = True) -> None:
    aws.elbv2.create_rule(
        ListenerArn=values["listener_arn"],
        Priority=len(aws.elbv2.describe_rules(ListenerArn=values["listener_arn"])["Rules"]),
        Conditions=[{"Field": "host-header", "HostHeaderConfig": {"Values": [f"{name}.{values['domain_name']}"]}}],
        Actions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
        **({"Tags": tags(name, values)} if tagged else {}),
    )


def a_task_definition(aws: Aws, name: str, values: dict[str, Any], *, tagged: bool = True) -> None:
    aws.ecs.register_task_definition(
        family=f"{values['project_prefix']}-{name}",
        containerDefinitions=[CONTAINER],
        tags=tags(name, values, lower=True) if tagged else [],
    )


def a_service(aws: Aws, name: str, values: dict[str, Any], *, tagged: bool = True) -> None:
    family = f"{values['project_prefix']}-other-{name}"
    aws.ecs.register_task_definition(family=family, containerDefinitions=[CONTAINER])
    aws.ecs.create_service(
        cluster=values["ecs_cluster_arn"],
        serviceName=name,
        taskDefinition=family,
        desiredCount=0,
        tags=tags(name, values, lower=True) if tagged else [],
    )


def a_record(aws: Aws, name: str, values: dict[str, Any], *, tagged: bool = True) -> None:
    """Records have no tags; where they point to shows whose they are."""
    to_the_balancer = {
        "HostedZoneId": values["alb_zone_id"],
        "DNSName": values["alb_dns_name"],
        "EvaluateTargetHealth": False,
    }
    record: Any = {"Name": f"{name}.{values['domain_name']}", "Type": "A"} | (
        {"AliasTarget": to_the_balancer} if tagged else {"TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    )
    aws.route53.change_resource_record_sets(
        HostedZoneId=values["hosted_zone_id"],
        ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]},
    )


Maker = Callable[..., object]

KINDS: list[tuple[str, Maker]] = [
    ("password parameter", a_password),
    ("target group", a_target_group),
    ("listener rule", a_rule),
    ("task definition", a_task_definition),
    ("service", a_service),
    ("DNS record", a_record),
]


@pytest.mark.parametrize(("what", "make"), KINDS)
def test_each_kind_is_seen_by_itself_and_not_for_a_neighbour_of_a_similar_name(
    new_place: PlaceFactory, what: str, make: Maker
) -> None:
    place = new_place(wildcard=False)
    name = place.request().id
    make(place.aws, f"{name}-2", place.values)
    assert take_inventory(place.aws, name, place.values).proven_gone
    make(place.aws, name, place.values)
    found = take_inventory(place.aws, name, place.values)
    assert [item.what for item in found.items if item.found] == [what]
    assert not found.proven_gone
    assert found.foreign == ""


def test_what_has_the_name_of_an_interview_and_not_its_tags_is_never_destroyed_and_hinders_no_proof(
    new_place: PlaceFactory,
) -> None:
    place = new_place(wildcard=False)
    name = place.request().id
    others = KINDS[1:]  # the password's path is the project's own
    for _, make in others:
        make(place.aws, name, place.values, tagged=False)
    found = take_inventory(place.aws, name, place.values)
    assert found.proven_gone
    assert found.live == {}
    assert [item.what for item in found.items if item.foreign] == [what for what, _ in others]
    with pytest.raises(RefusedError, match="carries other tags, and is left alone: target group arn:"):
        destroy(place.context(), name)
    with pytest.raises(RefusedError, match="in use by resources of no interview of this stack"):
        create(place.context(), place.request(id=name))
    place.stored(name, Status.ACTIVE)
    assert {f"{what}: none of ours" for what, _ in others} <= set(destroy(place.context(), name).evidence)
    assert take_inventory(place.aws, name, place.values).foreign == found.foreign


def test_inactive_services_and_task_definitions_count_as_gone(place: Place) -> None:
    name = place.request().id
    a_service(place.aws, name, place.values)
    a_task_definition(place.aws, name, place.values)
    place.aws.ecs.delete_service(cluster=place.prefix, service=name, force=True)
    for arn in take_inventory(place.aws, name, place.values).live.values():
        place.aws.ecs.deregister_task_definition(taskDefinition=arn)
    assert take_inventory(place.aws, name, place.values).proven_gone


@pytest.mark.parametrize(
    ("service", "call", "what"),
    [
        ("ssm", "get_parameter", "password parameter"),
        ("elbv2", "describe_target_groups", "target group"),
        ("ecs", "describe_services", "service"),
    ],
)
def test_a_call_that_fails_makes_that_kind_unknown_and_nothing_else(
    place: Place, service: str, call: str, what: str
) -> None:
    aws = place.breakable_context().aws

    def throttled(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, call)

    setattr(getattr(aws, service), call, throttled)
    found = take_inventory(aws, "a", place.values)
    assert [item.what for item in found.unknown] == [what]
    assert not found.proven_gone
    assert found.leftovers == f"{what}: unknown (ThrottlingException: slow down)"


@pytest.fixture
def flaky_terraform(place: Place, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Terraform whose first two destroys fail with an error of the passing kind, and whose third deletes the rest."""
    monkeypatch.setattr("scripts.interviews.destroy.PAUSES", wait_none())
    runs: list[str] = []

    def fail_twice(_workspace: Workspace, held: Any) -> None:
        runs.append(held.intent.id)
        if len(runs) < 3:
            raise TerraformError("terraform apply: ResourceInUse: the target group is in use")
        (group,) = place.aws.elbv2.describe_target_groups(Names=[held.intent.id])["TargetGroups"]
        place.aws.elbv2.delete_target_group(TargetGroupArn=group["TargetGroupArn"])

    monkeypatch.setattr(Workspace, "apply", lambda *_: {})
    monkeypatch.setattr(Workspace, "destroy", fail_twice)
    return runs


def test_an_error_that_passes_is_tried_again_within_one_destroy(place: Place, flaky_terraform: list[str]) -> None:
    name = place.request().id
    place.stored(name, Status.ACTIVE)
    a_target_group(place.aws, name, place.values)
    assert destroy(place.context(), name).existed
    assert flaky_terraform == [name] * 3


def test_an_error_that_stays_ends_in_leaking_with_the_reason(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    name = place.request().id
    monkeypatch.setattr("scripts.interviews.destroy.PAUSES", wait_none())
    runs: list[int] = []

    def fail(*_: Any) -> None:
        runs.append(1)
        raise TerraformError("terraform apply: DependencyViolation: no")

    monkeypatch.setattr(Workspace, "apply", lambda *_: {})
    monkeypatch.setattr(Workspace, "destroy", fail)
    place.stored(name, Status.ACTIVE)
    a_target_group(place.aws, name, place.values)
    with pytest.raises(LeakingError, match="DependencyViolation"):
        destroy(place.context(), name)
    assert len(runs) == ATTEMPTS
    stored = place.context().intents.load(name)
    assert stored is not None
    assert stored.intent.status is Status.LEAKING
    assert "DependencyViolation" in stored.intent.error


def test_a_destroy_stops_trying_before_another_machine_may_take_it_for_dead(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = place.request().id
    monkeypatch.setattr("scripts.interviews.destroy.PAUSES", wait_none())
    begun = place.clock()

    def fail_slowly(*_: Any) -> None:
        place.clock.forward(minutes=14)
        raise TerraformError("terraform apply: not done")

    monkeypatch.setattr(Workspace, "apply", lambda *_: {})
    monkeypatch.setattr(Workspace, "destroy", fail_slowly)
    place.stored(name, Status.ACTIVE)
    a_target_group(place.aws, name, place.values)
    with pytest.raises(LeakingError):
        destroy(place.context(), name)
    assert place.clock() - begun < LONGEST_RUN


def test_a_listener_cluster_or_zone_that_is_gone_holds_nothing(new_place: PlaceFactory) -> None:
    place = new_place(wildcard=False)
    lost = {
        "listener_arn": place.values["listener_arn"][:-4] + "0000",
        "ecs_cluster_arn": place.values["ecs_cluster_arn"] + "-gone",
        "hosted_zone_id": "Z0000000GONE",
    }
    assert take_inventory(place.aws, "a", place.values | lost).proven_gone


def test_what_appears_after_the_first_empty_answer_is_destroyed_too(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed client's last request takes effect while the destroy waits."""
    name = place.request().id
    place.stored(name, Status.ACTIVE)
    monkeypatch.setattr("scripts.interviews.destroy.PAUSES", wait_none())
    arriving = iter([a_target_group])

    def settle(_: float) -> None:
        for make in arriving:
            make(place.aws, name, place.values)

    def delete(*_: Any) -> None:
        (group,) = place.aws.elbv2.describe_target_groups(Names=[name])["TargetGroups"]
        place.aws.elbv2.delete_target_group(TargetGroupArn=group["TargetGroupArn"])

    monkeypatch.setattr("scripts.interviews.destroy.time.sleep", settle)
    monkeypatch.setattr(Workspace, "apply", lambda *_: {})
    monkeypatch.setattr(Workspace, "destroy", delete)
    destroy(place.context(), name)
    assert take_inventory(place.aws, name, place.values).proven_gone


def test_an_interview_whose_templates_are_lost_is_leaking_and_tried_again(place: Place) -> None:
    intent = place.stored("a", Status.ACTIVE)
    bucket = place.values["instance_bucket_name"]
    place.aws.s3.delete_object(Bucket=bucket, Key=f"releases/{intent.release_digest}/service.tf")
    with pytest.raises(LeakingError, match="restore the release"):
        destroy(place.context(), "a")
    stored = place.context().intents.load("a")
    assert stored is not None
    assert (stored.intent.status, stored.intent.failures) == (Status.LEAKING, 1)
    assert stored.intent.retry_at is not None
