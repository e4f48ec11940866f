"""Each role may do what it does, and nothing else: each call recorded, each right used."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from contract.names import (
    NO_IMAGE,
    code_server_repository,
    image_indexer,
    image_parameter,
    password_parameter,
    state_key,
    task_family,
)
from scripts.interviews.create import create
from scripts.interviews.destroy import destroy
from scripts.interviews.drift import drift
from scripts.interviews.extend import extend
from scripts.interviews.reap import reap
from scripts.interviews.records import Status
from scripts.interviews.recover import recover
from scripts.lambdas.image_index import record, start
from tests.embedded.roles import settled_role
from tests.images.conftest import Ecr, event_of
from tests.interviews.conftest import Place
from tests.lifecycle.conftest import Assumed, RecordingAws, Shared, assume, run_service
from tests.lifecycle.iam import allows
from tests.plain_client import PlainClient

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
    "s3:DeleteObjectVersion": "only where work_retention_days is 0",
    "s3:ListBucketVersions": "only where work_retention_days is 0",
}
NEVER_SEEN_AT_A_FUNCTION = {
    "logs:CreateLogStream": "Lambda itself writes the log",
    "logs:PutLogEvents": "Lambda itself writes the log",
    "sqs:SendMessage": "Lambda itself keeps what failed",
}
_OF_THE_SERVICES = ("ec2:", "ecs:TagResource", "elasticloadbalancing:AddTags", "iam:", "kms:")
NEVER_SEEN_AT_THE_PORTAL = {
    action: why for action, why in NEVER_SEEN_AT_THE_RUNNER.items() if action.startswith(_OF_THE_SERVICES)
} | {
    "ssm:AddTagsToResource": "for a client that stores the password long before its create, as prequel does",
    "ssm:DeleteParameters": "for a client that stores the password long before its create, as prequel does",
}


def check(recording: RecordingAws, shared: Shared, role: Assumed, policy: str, never_seen: dict[str, str]) -> None:
    """Every call of ``role`` was allowed, by ARN and condition too, and every action allowed was used or excused."""
    calls = recording.calls(role.key)
    statements = shared.policy(policy)
    assert calls
    denied = sorted({call["action"] for call in calls if not call["allowed"]})
    assert not denied
    # AWS allows GetCallerIdentity to everybody.
    unmatched = [call for call in calls if call["action"] != "sts:GetCallerIdentity" and not allows(statements, call)]
    assert not unmatched
    # S3 reports a missing object only to a caller that may list the bucket with the object's key as the prefix.
    reads = [call for call in calls if call["action"] == "s3:GetObject"]
    lists = [
        {"action": "s3:ListBucket", "path": f"/{bucket}", "parameters": {"prefix": [key]}}
        for bucket, _, key in (call["path"].partition("?")[0].lstrip("/").partition("/") for call in reads)
    ]
    assert not [one for one in lists if not allows(statements, one)]
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
    change_route(shared, interview_id)


def change_route(shared: Shared, interview_id: str) -> None:
    """Changes the interview's rule and target group by hand."""
    place = shared.place
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
    check(recording, shared, role, "reaper_role_permissions", NEVER_SEEN_AT_A_FUNCTION)


def look_at(role: Assumed, place: Place, interview: str, target_group: str) -> None:
    """What a portal asks to show an interview: whether it runs and is healthy, and its password."""
    aws, cluster = role.aws, place.values["ecs_cluster_arn"]
    tasks = aws.ecs.list_tasks(cluster=cluster, serviceName=interview)["taskArns"]
    aws.ecs.describe_tasks(cluster=cluster, tasks=tasks or ["none"])
    aws.ecs.list_task_definitions(familyPrefix=task_family(place.prefix, interview))
    aws.elbv2.describe_target_health(TargetGroupArn=target_group)
    aws.ssm.get_parameter(Name=password_parameter(place.prefix, interview), WithDecryption=True)


@pytest.mark.e2e
def test_a_plain_client_takes_each_right_of_the_portal_and_no_other(
    recording: RecordingAws, shared: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, policy = shared.place, "portal_task_role_permissions"
    role = assume(shared, f"{place.prefix}-portal", shared.policy(policy), monkeypatch)
    s3, bucket = role.aws.s3, place.values["instance_bucket_name"]
    interview = place.request().id
    directory = tmp_path / "client"
    directory.mkdir()
    with recording.enforcing():
        more = 'password = "correct-horse-battery"\nlistener_priority = 2\n'
        client = PlainClient(role.environment, s3, bucket, directory, interview=interview, more=more)
        for file in directory.iterdir():
            s3.put_object(Bucket=bucket, Key=f"workspaces/{interview}/{file.name}", Body=file.read_bytes())
        client.terraform("init", "-input=false")
        client.terraform("plan", "-input=false", "-out=plan")
        client.terraform("apply", "-input=false", "plan")
        client.terraform("output", "-json")
    assert set(place.live(interview)) == {"service", "target group", "rule", "task definition", "password"}
    change_route(shared, interview)
    target_group = place.live(interview)["target group"]
    with recording.enforcing():
        look_at(role, place, interview, target_group)
        client.terraform("apply", "-input=false", "-auto-approve", "-var=listener_priority=3")
        client.terraform("destroy", "-input=false", "-auto-approve")
        for key in (state_key(interview), *(f"workspaces/{interview}/{file.name}" for file in directory.iterdir())):
            s3.delete_object(Bucket=bucket, Key=key)
    assert place.live(interview) == {}
    check(recording, shared, role, policy, NEVER_SEEN_AT_THE_PORTAL)


def test_a_push_takes_each_right_of_the_image_functions_and_no_other(
    recording: RecordingAws, shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, admin = shared.place, shared.place.embedded.aws
    repository, indexer = code_server_repository(place.prefix), image_indexer(place.prefix)
    made = admin.client("ecr").create_repository(repositoryName=repository)["repository"]
    admin.ssm.put_parameter(Name=image_parameter(place.prefix), Value=NO_IMAGE, Type="String")
    admin.client("codebuild").create_project(
        name=indexer,
        source={"type": "NO_SOURCE", "buildspec": "{}"},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={"type": "LINUX_CONTAINER", "image": "image", "computeType": "BUILD_GENERAL1_SMALL"},
        serviceRole=settled_role(admin.client("iam"), indexer, "codebuild.amazonaws.com"),
    )
    ecr = Ecr(recording.embedded, place.prefix, made["repositoryUri"])
    for name in ("start", "record"):
        policy = f"image_indexing_{name}_role_permissions"
        role = assume(shared, f"{indexer}-{name}", shared.policy(policy), monkeypatch)
        for key, value in role.environment.items() | {
            ("AWS_REGION", "us-east-1"),
            ("PREQUEL_REPOSITORY", repository),
            ("PREQUEL_REPOSITORY_URL", ecr.url),
            ("PREQUEL_INDEXER", indexer),
            ("PREQUEL_ARCHITECTURE", "amd64"),
            ("PREQUEL_IMAGE_PARAMETER", image_parameter(place.prefix)),
        }:
            monkeypatch.setenv(key, value)
        if name == "start":
            for tag in ("v1", "v2"):
                digest = ecr.push(ecr.image(), tag)
                with recording.enforcing():
                    assert start(event_of(repository, tag, digest), None).keys() == {"started"}
        else:
            for tag in ("w1", "w2"):
                index = ecr.push_index(ecr.push(ecr.image(), tag), f"{tag}-soci")
                with recording.enforcing():
                    assert record(event_of(repository, f"{tag}-soci", index), None).keys() == {"current"}
        check(recording, shared, role, policy, NEVER_SEEN_AT_A_FUNCTION)
