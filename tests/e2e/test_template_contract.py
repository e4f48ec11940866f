"""The contract with clients, kept by a client of the plainest kind."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Deployed
from tests.plain_client import PlainClient

pytestmark = pytest.mark.e2e

INTERVIEW = "plain-client"
PASSWORD = "correct-horse-battery"
EXPIRES_AT = "2027-01-31T12:00:00Z"
RELEASE = 64 * "a"


def plain_client(deployed: Deployed, directory: Path, *, more: str) -> PlainClient:
    s3, bucket = deployed.embedded.aws.s3, deployed.outputs["instance_bucket_name"]
    return PlainClient(deployed.environment, s3, bucket, directory, interview=INTERVIEW, more=more)


@pytest.fixture(scope="module")
def created(published: Deployed, tmp_path_factory: pytest.TempPathFactory) -> PlainClient:
    more = (
        f'password = "{PASSWORD}"\nimage_tag = "with-go"\nexpires_at = "{EXPIRES_AT}"\n'
        f'release_digest = "{RELEASE}"\nportal_session = "an unknown extra"\n'
    )
    client = plain_client(published, tmp_path_factory.mktemp("plain"), more=more)
    client.terraform("init", "-input=false")
    client.terraform("plan", "-input=false", "-out=plan")
    client.terraform("apply", "-input=false", "plan")
    return client


@pytest.fixture(scope="module")
def outputs(created: PlainClient) -> dict[str, Any]:
    return {name: output["value"] for name, output in json.loads(created.terraform("output", "-json")).items()}


def test_the_manifest_names_each_file_by_its_hash(published: Deployed) -> None:
    s3, bucket = published.embedded.aws.s3, published.outputs["instance_bucket_name"]
    objects = {
        found["Key"].removeprefix("instance/"): s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
        for found in s3.list_objects_v2(Bucket=bucket, Prefix="instance/")["Contents"]
    }
    manifest = json.loads(objects.pop("manifest.json"))
    assert objects.keys() == {"main.tf", "service.tf", "variables.tf", "outputs.tf", "shared.auto.tfvars.json"}
    assert {name: file["sha256"] for name, file in manifest["files"].items()} == {
        name: hashlib.sha256(content).hexdigest() for name, content in objects.items()
    }


def test_every_promised_output_is_there_and_the_password_is_not(outputs: dict[str, Any]) -> None:
    promised = {
        "interview_id", "service_name", "access_url", "target_group_arn", "listener_rule_arn",
        "candidate_name", "challenge", "subdomain", "expires_at",
    }  # fmt: skip
    assert promised <= outputs.keys()
    assert PASSWORD not in json.dumps(outputs)
    assert outputs["expires_at"] == EXPIRES_AT
    assert outputs["access_url"] == f"https://{INTERVIEW}.interviews.example.com"


def test_the_password_is_in_ssm_and_not_in_the_state(created: PlainClient, published: Deployed) -> None:
    name = f"/prequel/interviews/{INTERVIEW}/password"
    stored = published.embedded.aws.ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]
    assert (stored["Type"], stored["Value"]) == ("SecureString", PASSWORD)
    assert PASSWORD not in created.terraform("state", "pull")


def test_a_plan_after_the_apply_is_empty(created: PlainClient) -> None:
    created.terraform("plan", "-input=false", "-detailed-exitcode")


def test_under_the_wildcard_an_interview_is_five_resources(created: PlainClient) -> None:
    assert len(created.terraform("state", "list").splitlines()) == 5


def test_the_container_runs_in_the_shared_cluster_with_the_image_and_the_tags_that_were_given(
    outputs: dict[str, Any], published: Deployed
) -> None:
    ecs = published.embedded.aws.ecs
    (service,) = ecs.describe_services(
        cluster=published.outputs["ecs_cluster_name"], services=[outputs["service_name"]], include=["TAGS"]
    )["services"]
    assert service["status"] == "ACTIVE"
    assert service["networkConfiguration"]["awsvpcConfiguration"]["assignPublicIp"] == "DISABLED"
    tags = {tag["key"]: tag["value"] for tag in service["tags"]}
    assert (tags["ExpiresAt"], tags["Release"]) == (EXPIRES_AT, RELEASE)
    task = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    images = {container["name"]: container["image"] for container in task["containerDefinitions"]}
    assert images["code-server"] == f"{published.outputs['code_server_repository_url']}:with-go"


def test_after_a_destroy_from_a_new_directory_without_the_password_nothing_of_the_interview_is_left(
    outputs: dict[str, Any], published: Deployed, tmp_path: Path
) -> None:
    other = plain_client(published, tmp_path, more="")
    other.terraform("init", "-input=false")
    other.terraform("destroy", "-input=false", "-auto-approve")
    s3, bucket = published.embedded.aws.s3, published.outputs["instance_bucket_name"]
    state = json.loads(s3.get_object(Bucket=bucket, Key=f"instances/{INTERVIEW}.tfstate")["Body"].read())
    assert (state["resources"], state["outputs"]) == ([], {})
    aws = published.embedded.aws
    (service,) = aws.ecs.describe_services(
        cluster=published.outputs["ecs_cluster_name"], services=[outputs["service_name"]]
    )["services"]
    assert service["status"] == "INACTIVE"
    assert not [g for g in aws.elbv2.describe_target_groups()["TargetGroups"] if g["TargetGroupName"] == INTERVIEW]
    rules = aws.elbv2.describe_rules(ListenerArn=published.outputs["listener_arn"])["Rules"]
    assert outputs["listener_rule_arn"] not in [rule["RuleArn"] for rule in rules]
    assert not aws.ssm.get_parameters(Names=[f"/prequel/interviews/{INTERVIEW}/password"])["Parameters"]
    assert not aws.ecs.list_task_definitions(familyPrefix=f"prequel-{INTERVIEW}", status="ACTIVE")["taskDefinitionArns"]
