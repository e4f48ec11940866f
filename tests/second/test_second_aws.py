"""The shared stack and an interview's whole life on the second AWS, in the order of this file."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from tests.second.conftest import SecondAws, create
from tests.second.differences import known

pytestmark = pytest.mark.second


def test_the_second_aws_holds_the_shared_stack_that_was_deployed(second: SecondAws) -> None:
    assert second.planned_changes(second.stack) == known("second plan")


def test_the_second_aws_lets_containers_out_where_the_stack_does(second: SecondAws) -> None:
    group = second.outputs["code_server_security_group_id"]
    answer = second.embedded.aws.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
    allowed = {(rule["IpProtocol"], rule.get("FromPort")) for rule in answer["IpPermissionsEgress"]}
    assert {("tcp", 443), ("tcp", 80), ("udp", 53)} <= allowed
    unexpected = {"all traffic to 0.0.0.0/0"} if ("-1", None) in allowed else set()
    assert unexpected == known("egress")


@pytest.mark.usefixtures("overdue")
def test_an_interview_on_the_second_aws_is_created_listed_extended_and_destroyed(
    published: SecondAws, tmp_path: Path
) -> None:
    created = create(published, "whole", "60m")
    assert created["status"] == "active"
    assert created["outputs"]["access_url"] == "https://whole.interviews.example.com"
    assert changes_of_interview(published, "whole", tmp_path) == known("interview's second plan")
    published.succeed("interview", "extend", "whole", "--by", "30m")
    listed = {row["id"]: row for row in published.succeed("interview", "list")}
    extended = datetime.fromisoformat(listed["whole"]["deadline"]) - datetime.fromisoformat(created["deadline"])
    assert extended.total_seconds() == 30 * 60
    published.succeed("interview", "destroy", "whole", "--yes")
    assert left(published, "whole") == []


def test_the_reapers_archive_run_by_its_schedule_ends_an_overdue_interview(published: SecondAws, overdue: str) -> None:
    aws = published.embedded.aws
    attempts = Retrying(
        retry=retry_if_exception_type(AssertionError), stop=stop_after_delay(300), wait=wait_fixed(1), reraise=True
    )
    attempts(assert_ended, published, overdue)
    codebuild = aws.client("codebuild")
    builds = codebuild.batch_get_builds(ids=codebuild.list_builds()["ids"])["builds"]
    assert {build["buildStatus"] for build in builds} == known("build")
    published.succeed("interview", "destroy", overdue, "--yes")  # what the build would have run
    assert left(published, overdue) == []
    assert published.succeed("interview", "list") == []


def test_the_second_aws_holds_nothing_of_the_shared_stack_after_its_destruction(second: SecondAws) -> None:
    failed = failed_to_destroy(second)
    assert {address.partition(".")[0] for address in failed} == known("destroy")
    second.terraform(second.stack, "state", "rm", *failed)
    codebuild = second.embedded.aws.client("codebuild")
    for project in codebuild.list_projects()["projects"]:
        codebuild.delete_project(name=project)
    assert failed_to_destroy(second) == []
    assert second.terraform(second.stack, "state", "list").stdout == ""
    aws = second.embedded.aws
    assert aws.s3.list_buckets()["Buckets"] == []
    assert aws.client("iam").list_roles()["Roles"] == []
    assert aws.client("logs").describe_log_groups()["logGroups"] == []
    assert aws.elbv2.describe_load_balancers()["LoadBalancers"] == []
    assert [vpc for vpc in aws.ec2.describe_vpcs()["Vpcs"] if not vpc["IsDefault"]] == []


def assert_ended(second: SecondAws, interview: str) -> None:
    """The end as far as the reaper itself brings it about; the build does the rest."""
    aws = second.embedded.aws
    body = aws.s3.get_object(Bucket=second.bucket, Key=f"workspaces/{interview}/interview.json")["Body"].read()
    last: Mapping[str, Any] = json.loads(body)["history"][-1]
    assert (last["status"], last["actor"], last["note"]) == ("destroying", "reaper@lambda", "overdue")
    cluster = second.outputs["ecs_cluster_name"]
    (service,) = aws.ecs.describe_services(cluster=cluster, services=[interview])["services"]
    assert service["desiredCount"] == 0
    events = aws.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "StartBuild"}]
    )["Events"]
    assert events
    for event in events:  # more than one when some minutes have passed, since no build ends the interview here
        request = json.loads(event["CloudTrailEvent"])["requestParameters"]
        assert request["projectName"] == "prequel-runner"
        overrides = {variable["name"]: variable["value"] for variable in request["environmentVariablesOverride"]}
        assert overrides == {"PREQUEL_ACTION": "destroy", "PREQUEL_INTERVIEW_ID": interview}


def changes_of_interview(second: SecondAws, interview: str, directory: Path) -> set[str]:
    """What a plan of the interview's own workspace would change."""
    s3, prefix = second.embedded.aws.s3, f"workspaces/{interview}/"
    for entry in s3.list_objects_v2(Bucket=second.bucket, Prefix=prefix)["Contents"]:
        (directory / Path(entry["Key"]).name).write_bytes(
            s3.get_object(Bucket=second.bucket, Key=entry["Key"])["Body"].read()
        )
    return second.planned_changes(directory)


def left(second: SecondAws, interview: str) -> list[str]:
    """What AWS itself still lists of an interview."""
    aws = second.embedded.aws
    cluster = second.outputs["ecs_cluster_name"]
    services = aws.ecs.describe_services(cluster=cluster, services=[interview])["services"]
    groups = aws.elbv2.describe_target_groups()["TargetGroups"]
    parameters = aws.ssm.describe_parameters()["Parameters"]
    return [
        *(service["serviceArn"] for service in services if service["status"] != "INACTIVE"),
        *(group["TargetGroupArn"] for group in groups if group["TargetGroupName"] == interview),
        *(parameter["Name"] for parameter in parameters if f"/interviews/{interview}/" in parameter["Name"]),
    ]


def failed_to_destroy(second: SecondAws) -> list[str]:
    """Destroys the shared stack; returns the addresses of what Terraform could not destroy."""
    done = second.terraform(second.stack, "destroy", "-auto-approve", "-json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return sorted(event["hook"]["resource"]["addr"] for event in events if event["type"] == "apply_errored")
