"""Every difference between the records and AWS has a name and a command that repairs it."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from contract.names import lock_key, state_key
from scripts.embedded.launcher import EmbeddedAws
from scripts.embedded.seed import seed_shared_infrastructure
from scripts.errors import AwsError
from scripts.interviews.destroy import destroy
from scripts.interviews.doctor import Difference, diagnose, fix
from scripts.interviews.records import RunMark, Status
from scripts.interviews.run_lock import run_lock
from scripts.interviews.store import Listing
from tests.interviews.conftest import Place, PlaceFactory
from tests.interviews.test_absence import KINDS, a_password

MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"})


@pytest.fixture(scope="module")
def seeded(embedded: EmbeddedAws) -> dict[str, Any]:
    """A shared stack that no other module's interviews are on, because a doctor sees them all."""
    return seed_shared_infrastructure(embedded.aws, project_prefix="doctor", domain_name="doctor.example.com")


def the_finding(place: Place) -> Difference:
    (finding,) = diagnose(place.context())
    return finding


def test_a_healthy_place_has_no_findings(place: Place) -> None:
    assert diagnose(place.context()) == []


def test_a_leaked_lease_is_found_and_freed(place: Place) -> None:
    place.stored("a", Status.ACTIVE)
    context = place.context()
    context.aws.s3.delete_object(Bucket=context.bucket, Key="workspaces/a/interview.json")
    finding = the_finding(place)
    assert (finding.kind, finding.subject, finding.command) == ("leaked lease", "slot 0", "prequel interview reap")
    assert fix(context, [finding]) == {}
    assert diagnose(place.context()) == []


def test_leaked_leases_are_freed_all_at_once(place: Place) -> None:
    context = place.context()
    for name in ("a", "b"):
        place.stored(name, Status.ACTIVE)
        context.aws.s3.delete_object(Bucket=context.bucket, Key=f"workspaces/{name}/interview.json")
    assert fix(context, diagnose(context)) == {}
    assert context.slots.taken() == []


def test_an_active_interview_whose_lease_is_gone_is_found(new_place: PlaceFactory) -> None:
    place = new_place()
    name = place.request().id  # of its own, because target groups have their names in the whole account
    place.stored(name, Status.ACTIVE)
    for _, make in KINDS[:5]:
        make(place.aws, name, place.values)
    place.aws.ecs.update_service(cluster=place.values["ecs_cluster_arn"], service=name, desiredCount=1)
    assert diagnose(place.context()) == []
    place.aws.s3.delete_object(Bucket=place.context().bucket, Key="slots/0.json")
    finding = the_finding(place)
    assert (finding.kind, finding.command) == ("lost lease", f"prequel interview recover {name}")
    assert finding.detail == "active, but it has no lease of slot 0"


def test_an_active_interview_that_somebody_stopped_is_found_and_costs_nothing(new_place: PlaceFactory) -> None:
    place = new_place()
    name = place.request().id
    place.stored(name, Status.ACTIVE)
    for _, make in KINDS[:5]:
        make(place.aws, name, place.values)
    finding = the_finding(place)
    assert (finding.kind, finding.command) == ("stopped", f"prequel interview recover {name}")
    assert finding.detail == "active, but its service is set to 0 tasks"
    assert finding.hourly_price == 0


def test_a_ghost_is_an_active_interview_that_is_not_there(place: Place) -> None:
    place.stored("a", Status.ACTIVE)
    finding = the_finding(place)
    assert (finding.kind, finding.command) == ("ghost", "prequel interview recover a")
    assert "no listener rule, no password, no service, no target group" in finding.detail


@pytest.mark.parametrize(
    ("status", "kind"),
    [(Status.CREATING, "unfinished"), (Status.DESTROYING, "unfinished"), (Status.LEAKING, "leaking")],
)
def test_what_nobody_works_on_is_found(place: Place, status: Status, kind: str) -> None:
    place.stored("a", status)
    assert the_finding(place).kind == kind


def test_what_somebody_works_on_is_no_finding(place: Place) -> None:
    place.stored("a", Status.DESTROYING)
    with run_lock(place.context(), "a", "destroy"):
        assert diagnose(place.context()) == []


def test_a_dead_run_is_found_without_being_touched(place: Place) -> None:
    context = place.context()
    for suffix in ("client", "terraform"):
        (context.runs_directory / f"dead.{suffix}").touch()
    run = RunMark(id="dead", purpose="create", actor=context.actor, host=context.host, pid=7, started_at=place.clock())
    place.stored("a", Status.CREATING, run=run)
    finding = the_finding(place)
    assert finding.kind == "dead run"
    assert "process 7 of" in finding.detail


def test_a_run_of_a_lost_machine_is_found_when_it_may_be_taken_over(place: Place) -> None:
    run = RunMark(id="lost", purpose="create", actor="ada@far", host="far", pid=7, started_at=place.clock())
    place.stored("a", Status.CREATING, run=run)
    assert diagnose(place.context()) == []
    place.clock.forward(minutes=30)
    assert the_finding(place).kind == "dead run"


def test_overdue_is_found_and_destroyed(place: Place) -> None:
    place.stored("a", Status.FAILED)
    place.clock.forward(hours=2)
    finding = the_finding(place)
    assert (finding.kind, finding.command) == ("overdue", "prequel interview destroy a")
    assert fix(place.context(), [finding]) == {}
    assert diagnose(place.context()) == []


def test_a_stale_lock_is_found_and_cleared(place: Place) -> None:
    place.stored("a", Status.FAILED)
    context = place.context()
    lock = {"Who": context.actor, "Created": f"{place.clock():%Y-%m-%dT%H:%M:%SZ}", "Operation": "apply"}
    context.aws.s3.put_object(Bucket=context.bucket, Key=lock_key("a"), Body=json.dumps(lock).encode())
    finding = the_finding(place)
    assert finding.kind == "stale lock"
    assert fix(context, [finding]) == {}
    assert place.objects("instances/") == []


def test_a_lock_of_another_clients_run_is_found_only_when_no_run_takes_as_long(place: Place) -> None:
    context = place.context()
    lock = {"Who": "portal@far", "Created": f"{place.clock():%Y-%m-%dT%H:%M:%SZ}", "Operation": "apply"}
    context.aws.s3.put_object(Bucket=context.bucket, Key=lock_key("theirs"), Body=json.dumps(lock).encode())
    assert diagnose(context) == []
    place.clock.forward(hours=1)
    assert (the_finding(place).kind, the_finding(place).fix) == ("stale lock", None)


def test_a_state_that_nothing_belongs_to_is_found_and_removed_if_it_was_ours(place: Place) -> None:
    place.stored("a", Status.ACTIVE)
    destroy(place.context(), "a")
    context = place.context()
    for name in ("a", "theirs"):
        context.aws.s3.put_object(Bucket=context.bucket, Key=state_key(name), Body=b'{"version": 4, "resources": []}')
    ours, theirs = diagnose(place.context())
    assert (ours.kind, ours.command) == ("leftover files", "prequel interview destroy a")
    assert theirs.fix is None
    assert fix(context, [ours, theirs]) == {}
    assert diagnose(place.context()) == [theirs]


def test_what_vanishes_while_it_is_looked_at_is_no_finding(place: Place) -> None:
    context = place.context()
    context.aws.s3.put_object(Bucket=context.bucket, Key=state_key("a"), Body=b'{"version": 4, "resources": []}')
    listed = context.intents.all

    def finish_meanwhile() -> Listing:
        context.aws.s3.delete_object(Bucket=context.bucket, Key=state_key("a"))
        return listed()

    context.intents.all = finish_meanwhile  # type: ignore[method-assign]
    assert diagnose(context) == []


def test_half_a_release_is_found(place: Place) -> None:
    context = place.context()
    context.aws.s3.put_object(Bucket=context.bucket, Key=f"releases/{'a' * 64}/main.tf", Body=b"")
    finding = the_finding(place)
    assert (finding.kind, finding.command) == ("half release", "prequel templates verify")


def test_an_image_that_is_gone_is_found_before_a_candidate_waits_for_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    ecr, repository = place.aws.client("ecr"), f"{place.prefix}-code-server"
    url = ecr.create_repository(repositoryName=repository)["repository"]["repositoryUri"]
    values = place.values | {"code_server_image": f"{url}@sha256:{'0' * 64}", "code_server_repository_url": url}
    monkeypatch.setattr("scripts.interviews.workspace.Workspace.values", values)
    finding = the_finding(place)
    assert (finding.kind, finding.command) == ("missing image", "prequel templates publish")
    digest = ecr.put_image(repositoryName=repository, imageManifest=MANIFEST, imageTag="v1")["image"]["imageId"][
        "imageDigest"
    ]
    values["code_server_image"] = f"{url}@{digest}"
    assert diagnose(place.context()) == []


def test_a_template_set_that_a_dead_publisher_left_mixed_is_found_and_repaired(place: Place) -> None:
    context = place.context()
    context.aws.s3.put_object(Bucket=context.bucket, Key="instance/service.tf", Body=b"# of the next release")
    finding = the_finding(place)
    assert (finding.kind, finding.subject) == ("mixed templates", "instance/service.tf")
    assert fix(context, [finding]) == {}
    assert diagnose(place.context()) == []


def test_an_unreadable_intent_is_named_and_never_repaired_unasked(place: Place) -> None:
    context = place.context()
    context.aws.s3.put_object(Bucket=context.bucket, Key="workspaces/a/interview.json", Body=b"{}")
    finding = the_finding(place)
    assert finding.kind == "unreadable"
    assert finding.fix is None
    assert finding.command.endswith(f"--bucket {context.bucket} --prefix workspaces/a/interview.json")


def test_another_clients_interview_is_reported_and_never_destroyed_unasked(place: Place) -> None:
    context = place.context()
    context.aws.s3.put_object(Bucket=context.bucket, Key="workspaces/portal/terraform.tfvars", Body=b"")
    context.aws.ssm.put_parameter(
        Name=f"/{place.prefix}/interviews/portal/password", Value="x" * 8, Type="SecureString"
    )
    try:
        finding = the_finding(place)
        assert (finding.kind, finding.fix) == ("foreign", None)
    finally:
        context.aws.ssm.delete_parameter(Name=f"/{place.prefix}/interviews/portal/password")


@pytest.mark.parametrize("file", ["main.tf", "terraform.tfvars"])
def test_another_clients_workspace_is_not_removed_before_its_resources_exist(place: Place, file: str) -> None:
    context = place.context()
    context.aws.s3.put_object(Bucket=context.bucket, Key=f"workspaces/theirs/{file}", Body=b"")
    finding = the_finding(place)
    assert (finding.kind, finding.subject, finding.fix) == ("foreign", "theirs", None)


def test_resources_that_nothing_shows_to_have_been_ours_are_reported_and_never_destroyed_unasked(place: Place) -> None:
    """Another client uploads its workspace when its create is done, and not before."""
    a_password(place.aws, "theirs", place.values)
    try:
        finding = the_finding(place)
        assert (finding.kind, finding.fix) == ("orphan", None)
    finally:
        place.aws.ssm.delete_parameter(Name=f"/{place.prefix}/interviews/theirs/password")


def test_a_listing_that_fails_is_an_error_and_no_clean_bill(place: Place) -> None:
    context = place.breakable_context()

    def denied(*_: object, **__: object) -> object:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListServices")

    context.aws.ecs.get_paginator = denied  # type: ignore[method-assign,assignment]
    with pytest.raises(AwsError, match="cannot list the services"):
        diagnose(context)
