"""An interview's whole life, with the real terraform and provider."""

import io
import json
import time
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from contract.names import lock_key, state_key
from scripts.cli.interview_views import sheet
from scripts.errors import NotReadyError, TerraformError
from scripts.interviews.create import create
from scripts.interviews.destroy import destroy
from scripts.interviews.doctor import diagnose, fix
from scripts.interviews.drift import drift
from scripts.interviews.listing import all_rows, details, last_log
from scripts.interviews.reap import reap
from scripts.interviews.records import Status
from scripts.interviews.recover import recover
from scripts.interviews.run_lock import RunLock
from scripts.interviews.state import state_addresses
from scripts.interviews.workspace import Workspace
from tests.interviews.conftest import Place, PlaceFactory

pytestmark = pytest.mark.e2e

ALL = {"service", "target group", "rule", "task definition", "password"}
NAME = 'Zoë "${var.password}" %{ if }\nO\'Neil 🎉'


def paths(place: Place, interview_id: str) -> list[str]:
    """What the interview's rule matches."""
    [rule] = place.aws.elbv2.describe_rules(RuleArns=[place.live(interview_id)["rule"]])["Rules"]
    return [
        path
        for one in rule["Conditions"]
        if one["Field"] == "path-pattern"
        for path in one["PathPatternConfig"]["Values"]
    ]


def test_an_interview_is_created_does_not_drift_is_changed_noticed_and_proven_gone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = io.StringIO()
    request = place.request(candidate_name=NAME)
    before_ready: list[list[str]] = []
    monkeypatch.setattr(
        "scripts.interviews.create.wait_until_steady",
        lambda *_, **__: before_ready.append(paths(place, request.id)),
    )
    created = create(place.context(out=said), request)
    assert (before_ready, paths(place, request.id)) == ([["/starting"]], ["/*"])
    assert created is not None
    assert created.intent.status == "active"
    assert created.intent.access_url == f"http://{request.id}.{place.values['domain_name']}"
    assert created.intent.outputs["candidate_name"] == NAME
    assert set(place.live(request.id)) == ALL

    rows, unreadable = all_rows(place.context())
    assert [row["id"] for row in rows] == [request.id]
    assert not unreadable
    stored = place.aws.s3.list_objects_v2(Bucket=place.context().bucket, Prefix=f"workspaces/{request.id}/")
    assert {entry["Key"].split("/")[2] for entry in stored["Contents"]} == {
        "main.tf", "service.tf", "variables.tf", "outputs.tf", "shared.auto.tfvars.json", "terraform.tfvars",
        "interview.json", "terraform.log",
    }  # fmt: skip
    assert sum(entry["Size"] for entry in stored["Contents"]) <= 50_000

    assert drift(place.context(), request.id) == []
    place.aws.elbv2.modify_target_group(
        TargetGroupArn=place.live(request.id)["target group"], HealthCheckIntervalSeconds=30
    )
    (found,) = drift(place.context(), request.id)
    assert (found.address, found.attribute) == ("aws_lb_target_group.target", "health_check")
    assert found.found[0]["interval"] == 30
    assert found.ordered[0]["interval"] == 5

    done = destroy(place.context(), request.id)
    assert done.existed
    assert "service: none" in done.evidence
    assert place.live(request.id) == {}
    assert [key.split("/")[0] for key in place.objects()] == ["history"]
    assert "Apply complete! Resources: 0 added, 0 changed, 5 destroyed." in last_log(place.context(), request.id)
    events = [json.loads(line) for line in said.getvalue().splitlines()]
    created_at = {event["address"]: event["seconds"] for event in events if event["event"] == "resource"}
    assert len(created_at) == 5
    assert all(seconds >= 0 for seconds in created_at.values())


def test_an_interview_that_somebody_stopped_is_listed_so_until_it_is_recovered(place: Place) -> None:
    request = place.request()
    create(place.context(), request)
    cluster = place.values["ecs_cluster_arn"]
    place.aws.ecs.update_service(cluster=cluster, service=request.id, desiredCount=0)
    rows, problems = all_rows(place.context())
    assert [(row["status"], row["stopped"]) for row in rows] == [("active", True)]
    assert not problems
    shown = sheet(details(place.context(), request.id), place.clock())(120)
    assert f"{request.id} (stopped)" in shown
    assert f"its service is set to 0 tasks; run `prequel interview recover {request.id}`" in shown
    assert recover(place.context(), request.id).did == (
        "repaired: 0 created again, 0 taken back into the state, its stopped service started again"
    )
    (service,) = place.aws.ecs.describe_services(cluster=cluster, services=[request.id])["services"]
    assert service["desiredCount"] == 1
    assert not details(place.context(), request.id)["stopped"]
    destroy(place.context(), request.id)


def test_a_list_without_the_right_to_look_at_services_says_so_and_shows_the_rest(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.stored("a", Status.ACTIVE)
    context = place.breakable_context()

    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DescribeServices")

    monkeypatch.setattr(context.aws.ecs, "describe_services", refuse)
    rows, problems = all_rows(context)
    assert [row["id"] for row in rows] == ["a"]
    assert "cannot find out which interviews are stopped" in problems[0]


def test_an_answer_that_was_lost_costs_no_interview(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider repeats a request whose answer it did not get, and learns that the resource exists already."""
    request = place.request()
    apply = Workspace.apply
    applies: list[str] = []

    def lose_the_first_answer(workspace: Workspace, held: RunLock, password: str, *, opened: bool) -> object:
        outputs = apply(workspace, held, password, opened=opened)
        applies.append(held.intent.id)
        if len(applies) == 1:
            place.aws.s3.delete_object(Bucket=place.context().bucket, Key=state_key(held.intent.id))
            raise TerraformError("terraform apply: DuplicateTargetGroupName")
        return outputs

    monkeypatch.setattr(Workspace, "apply", lose_the_first_answer)
    created = create(place.context(), request)
    assert created is not None
    assert created.intent.status is Status.ACTIVE
    assert len(applies) == 2
    assert len(state_addresses(place.context(), request.id)) == len(ALL)


@pytest.mark.soak  # a record is waited for, for half a minute
def test_without_the_wildcard_an_interview_has_a_record_of_its_own_that_goes_with_it(new_place: PlaceFactory) -> None:
    place = new_place(wildcard=False)
    request = place.request()
    create(place.context(), request)
    assert "aws_route53_record.record[0]" in state_addresses(place.context(), request.id)
    assert "DNS record: none" in destroy(place.context(), request.id).evidence


def test_a_failed_create_is_destroyed_by_itself_and_says_why(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    # Another client's rule that appears after the priorities were looked at.
    monkeypatch.setattr("scripts.interviews.create.priorities_of_others", lambda *_: frozenset())
    rule = place.aws.elbv2.create_rule(
        ListenerArn=place.values["listener_arn"],
        Priority=1000,
        Conditions=[{"Field": "host-header", "Values": ["somebody.else"]}],
        Actions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
    )["Rules"][0]["RuleArn"]
    request = place.request()
    try:
        with pytest.raises(TerraformError, match=r"PriorityInUse.*; what had been created is proven gone"):
            create(place.context(), request)
        assert place.live(request.id) == {}
        assert [key.split("/")[0] for key in place.objects()] == ["history"]
        tombstone = place.context().intents.tombstone(request.id)
        assert tombstone is not None
        assert "PriorityInUse" in tombstone.intent.error

        with pytest.raises(TerraformError):
            create(place.context(), place.request(id="kept", keep=True))
        stored = place.context().intents.load("kept")
        assert stored is not None
        assert stored.intent.status is Status.FAILED
    finally:
        place.aws.elbv2.delete_rule(RuleArn=rule)
    assert recover(place.context(), "kept").outcome == "active"
    assert set(place.live("kept")) == ALL


def test_what_does_not_become_ready_is_destroyed_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise NotReadyError("its image cannot be pulled")

    monkeypatch.setattr("scripts.interviews.create.wait_until_steady", never)
    request = place.request()
    with pytest.raises(NotReadyError, match="its image cannot be pulled; what had been created is proven gone"):
        create(place.context(), request)
    assert place.live(request.id) == {}


def encrypted_with(place: Place, name: str) -> str | None:
    (parameter,) = place.aws.ssm.describe_parameters(
        ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": [name]}]
    )["Parameters"]
    return parameter.get("KeyId")


def test_a_lost_state_is_rebuilt_without_replacing_what_the_candidate_uses(place: Place) -> None:
    request = place.request()
    create(place.context(), request)
    before = place.live(request.id)
    s3, bucket = place.aws.s3, place.context().bucket
    s3.delete_object(Bucket=bucket, Key=state_key(request.id))

    said = io.StringIO()
    done = recover(place.context(out=said), request.id)
    assert done.outcome == "active"
    assert "5 taken back into the state" in done.did
    assert place.live(request.id) == before
    actions = {
        event["action"] for event in map(json.loads, said.getvalue().splitlines()) if event["event"] == "resource"
    }
    assert actions <= {"update"}
    name = f"/{place.prefix}/interviews/{request.id}/password"
    assert encrypted_with(place, name) == place.values["kms_key_arn"]
    assert drift(place.context(), request.id) == []
    assert recover(place.context(), request.id).did == "nothing: it is as it should be"

    s3.delete_object(Bucket=bucket, Key="slots/0.json")
    lock = {"Who": place.context().actor, "Created": f"{place.clock():%Y-%m-%dT%H:%M:%SZ}", "Operation": "apply"}
    s3.put_object(Bucket=bucket, Key=lock_key(request.id), Body=json.dumps(lock).encode())
    assert recover(place.context(), request.id).did == "repaired: a stale lock cleared, slot 0 taken again"
    assert place.context().slots.taken() == [0]
    assert place.objects("instances/") == [state_key(request.id)]
    value = place.aws.ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    assert value == request.password

    s3.delete_object(Bucket=bucket, Key=state_key(request.id))
    destroy(place.context(), request.id)
    assert place.live(request.id) == {}


def test_a_service_that_somebody_deleted_is_created_again_and_costs_no_destroy_its_time(place: Place) -> None:
    """Left to itself, the provider waits two minutes for a deleted service to come back."""
    request = place.request()
    create(place.context(), request)
    place.aws.ecs.delete_service(cluster=place.prefix, service=request.id, force=True)
    assert recover(place.context(), request.id).did == "repaired: 1 created again, 0 taken back into the state"
    assert set(place.live(request.id)) == ALL
    place.aws.ecs.delete_service(cluster=place.prefix, service=request.id, force=True)
    start = time.monotonic()
    destroy(place.context(), request.id)
    assert time.monotonic() - start < 60
    assert place.live(request.id) == {}


def test_a_scheduled_interview_is_started_by_the_first_pass_after_its_time_with_its_password(place: Place) -> None:
    request = place.request(starts_at=place.clock() + timedelta(hours=1), duration=timedelta(minutes=30))
    create(place.context(), request)
    assert reap(place.context()).started == []
    place.clock.forward(hours=1)
    assert reap(place.context()).started == [request.id]
    assert set(place.live(request.id)) == ALL
    name = f"/{place.prefix}/interviews/{request.id}/password"
    value = place.aws.ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    assert value == request.password
    place.clock.forward(minutes=30)
    assert reap(place.context()).destroyed == [request.id]


def test_resources_without_an_intent_are_found_with_their_price_and_destroyed(new_place: PlaceFactory) -> None:
    place = new_place()
    request = place.request()
    create(place.context(), request)
    s3, bucket = place.aws.s3, place.context().bucket
    for key in (*place.objects("workspaces/"), state_key(request.id)):
        s3.delete_object(Bucket=bucket, Key=key)

    findings = diagnose(place.context())
    assert [(finding.kind, finding.subject) for finding in findings] == [
        ("orphan", request.id),
        ("leaked lease", "slot 0"),
    ]
    assert findings[0].hourly_price == pytest.approx(0.0611, abs=0.001)
    assert findings[0].command == f"prequel interview destroy {request.id}"
    assert fix(place.context(), diagnose(place.context())) == {}
    assert diagnose(place.context()) == []
    assert place.live(request.id) == {}
