"""The runner and the reaper may do what they do, and nothing else: each call recorded, each right used."""

from dataclasses import replace
from datetime import timedelta

import pytest

from contract.names import state_key
from scripts.interviews.create import create
from scripts.interviews.destroy import destroy
from scripts.interviews.drift import drift
from scripts.interviews.extend import extend
from scripts.interviews.reap import reap
from scripts.interviews.records import Status
from scripts.interviews.recover import recover
from tests.embedded.roles import settled_role
from tests.lifecycle.conftest import Assumed, RecordingAws, Shared, assume, run_service
from tests.lifecycle.iam import allows

NEVER_SEEN_AT_THE_RUNNER = {
    "ec2:DescribeInternetGateways": "Elastic Load Balancing asks for it when a target group is created",
    "ec2:DescribeVpcs": "Elastic Load Balancing asks for it when a target group is created",
    "ecs:DescribeTasks": "only explains why a create failed",
    "elasticloadbalancing:DescribeTargetHealth": "only explains why a create failed",
    "ecs:TagResource": "AWS asks for it when something is created with tags; the call is the create",
    "elasticloadbalancing:AddTags": "AWS asks for it when something is created with tags; the call is the create",
    "iam:PassRole": "ECS asks for it when a task definition names the roles",
    "kms:Decrypt": "SSM decrypts in the caller's name",
    "kms:Encrypt": "SSM encrypts in the caller's name",
    "logs:CreateLogStream": "CodeBuild itself writes the log",
    "logs:PutLogEvents": "CodeBuild itself writes the log",
    "s3:GetBucketAcl": "CodeBuild itself fetches the source",
    "s3:GetBucketLocation": "CodeBuild itself fetches the source",
    "s3:GetObjectVersion": "CodeBuild itself fetches the source",
}
NEVER_SEEN_AT_THE_REAPER = {
    "logs:CreateLogStream": "Lambda itself writes the log",
    "logs:PutLogEvents": "Lambda itself writes the log",
    "sqs:SendMessage": "Lambda itself keeps a failed pass",
}


def check(recording: RecordingAws, shared: Shared, role: Assumed, policy: str, never_seen: dict[str, str]) -> None:
    """Every call of ``role`` was allowed, by ARN and condition too, and every action allowed was used or excused."""
    calls = recording.calls(role.key)
    statements = shared.policy(policy)
    assert len(calls) > 10
    denied = sorted({call["action"] for call in calls if not call["allowed"]})
    assert not denied
    # AWS allows GetCallerIdentity to everybody.
    unmatched = [
        call
        for call in calls
        if call["action"] != "sts:GetCallerIdentity" and not any(allows(statement, call) for statement in statements)
    ]
    assert not unmatched
    # S3 reports a missing object only to a caller that may list the bucket with the object's key as the prefix.
    reads = [call for call in calls if call["action"] == "s3:GetObject"]
    lists = [
        {"action": "s3:ListBucket", "path": f"/{bucket}", "parameters": {"prefix": [key]}}
        for bucket, _, key in (call["path"].partition("?")[0].lstrip("/").partition("/") for call in reads)
    ]
    assert not [one for one in lists if not any(allows(statement, one) for statement in statements)]
    allowed = {action for statement in statements for action in statement["actions"]}
    unused = allowed - {call["action"] for call in calls}
    assert unused == set(never_seen)


def lose_slot_and_settings(shared: Shared, interview_id: str) -> None:
    """Gives the interview's slot to another one, and changes its rule and target group by hand."""
    place, context = shared.place, shared.context()
    stored = context.intents.load(interview_id)
    assert stored is not None
    lease = context.slots.of(stored.intent)
    assert lease is not None
    context.slots.release(lease)
    place.stored("newcomer", Status.ACTIVE)
    elbv2, live = place.embedded.aws.elbv2, place.live(interview_id)
    hosts = [f"{interview_id}.{place.values['domain_name']}", "elsewhere.example.com"]
    elbv2.modify_rule(
        RuleArn=live["rule"], Conditions=[{"Field": "host-header", "HostHeaderConfig": {"Values": hosts}}]
    )
    elbv2.modify_target_group(TargetGroupArn=live["target group"], HealthCheckIntervalSeconds=299)


@pytest.mark.e2e
def test_a_whole_life_takes_each_right_of_the_runner_and_no_other(
    recording: RecordingAws, shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = shared.place
    role = assume(shared, f"{place.prefix}-runner", shared.policy("runner_role_permissions"), monkeypatch)
    context = shared.context(aws=role.aws, environment=role.environment)
    request = place.request()
    with recording.enforcing():
        create(context, request)
        extend(context, request.id, timedelta(minutes=5))
        assert drift(context, request.id) == []
    place.embedded.aws.elbv2.delete_rule(RuleArn=place.live(request.id)["rule"])
    with recording.enforcing():
        assert "1 created again" in recover(context, request.id).did
    place.embedded.aws.s3.delete_object(Bucket=context.bucket, Key=state_key(request.id))
    with recording.enforcing():
        assert "6 taken back" in recover(context, request.id).did
    lose_slot_and_settings(shared, request.id)
    with recording.enforcing():
        assert "slot 1 taken again" in recover(context, request.id).did
        assert drift(context, request.id) == []
        destroy(context, "newcomer")
        assert destroy(context, request.id).existed
    later = [place.request(starts_at=place.clock() + timedelta(minutes=1)) for _ in range(2)]
    with recording.enforcing():
        for scheduled in later:
            create(context, scheduled)
        destroy(context, later[0].id)
    place.clock.forward(minutes=2)
    with recording.enforcing():
        assert recover(context, later[1].id).outcome == "active"
    place.clock.forward(hours=9)
    with recording.enforcing():
        assert reap(context).destroyed == [later[1].id]
        assert context.intents.tombstone(request.id) is not None
    assert [place.live(made.id) for made in (request, *later)] == [{}, {}, {}]
    check(recording, shared, role, "runner_role_permissions", NEVER_SEEN_AT_THE_RUNNER)


def test_passes_take_each_right_of_the_reaper_and_no_other(
    recording: RecordingAws, shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, admin = shared.place, shared.place.embedded.aws
    admin.client("codebuild").create_project(
        name=f"{place.prefix}-runner",
        source={"type": "S3", "location": "bucket/key"},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={"type": "LINUX_CONTAINER", "image": "image", "computeType": "BUILD_GENERAL1_SMALL"},
        serviceRole=settled_role(admin.client("iam"), f"{place.prefix}-runner", "codebuild.amazonaws.com"),
    )
    place.stored("overdue", Status.ACTIVE)
    run_service(shared, "overdue")
    gone = place.stored("again", Status.ACTIVE)
    stored = place.context().intents.load("again")
    assert stored is not None
    later = gone.deadline + timedelta(days=1)
    place.context().intents.replace(stored, replace(gone, incarnation="another life of that id", deadline=later))
    admin.s3.put_object(
        Bucket=place.values["instance_bucket_name"], Key="workspaces/portals/terraform.tfvars", Body=b""
    )
    role = assume(shared, f"{place.prefix}-reaper", shared.policy("reaper_role_permissions"), monkeypatch)
    reaper = shared.reaper(role.aws)
    place.clock.forward(hours=2)
    with recording.enforcing():
        first = reaper.run(place.clock())
        assert (list(first.started), first.scaled_down) == (["overdue"], ["overdue"])
        assert first.freed_slots == [gone.slot]
    place.clock.forward(minutes=1)
    place.embedded.aws.ecs.delete_service(cluster=place.prefix, service="overdue", force=True)
    with recording.enforcing():
        assert reaper.run(place.clock()).scaled_down == []
    stored = place.context().intents.load("overdue")
    assert stored is not None
    assert stored.intent.status is Status.DESTROYING
    destroy(shared.context(), "overdue")
    with recording.enforcing():
        reaper.run(place.clock())
    assert place.objects("dispatches/") == []
    check(recording, shared, role, "reaper_role_permissions", NEVER_SEEN_AT_THE_REAPER)
