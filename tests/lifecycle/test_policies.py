"""The policies of `prequel preflight --policy`, enforced: who has them can do the whole work, and no call is denied."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scripts.embedded.launcher import ACCOUNT_ID
from scripts.interviews.create import create
from scripts.interviews.destroy import destroy
from scripts.interviews.drift import drift
from scripts.interviews.extend import extend
from scripts.interviews.listing import all_rows, details
from scripts.interviews.saved_work import fetch_challenge
from scripts.preflight import policies
from scripts.preflight.policies import client_policies, deployment_policies
from scripts.project import PROJECT
from scripts.terraform.providers import terraform_environment
from stacks.configuration import load_settings
from tests.lifecycle.conftest import RecordingAws, Shared, assume
from tests.lifecycle.iam import RESOURCES, allows

MOTO_NAMES = {"s3:ListBucket": "s3:HeadBucket"}
"""What moto calls some actions."""


def terraform_statements(documents: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The statements of policies as Terraform writes them, which is what the tests of roles compare."""
    return [
        {
            "sid": statement["Sid"],
            "actions": statement["Action"],
            "resources": statement["Resource"],
            "condition": [
                {"test": test, "variable": variable, "values": values if isinstance(values, list) else [values]}
                for test, variables in statement.get("Condition", {}).items()
                for variable, values in variables.items()
            ],
        }
        for document in documents.values()
        for statement in document["Statement"]
    ]


def denied(calls: list[dict[str, Any]]) -> list[str]:
    assert len(calls) > 10
    return sorted({call["action"] for call in calls if not call["allowed"]})


@pytest.mark.e2e
def test_the_policy_for_creating_interviews_takes_one_from_its_creation_to_its_end(
    recording: RecordingAws, shared: Shared, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = shared.place
    monkeypatch.setattr(policies, "synthesized", lambda *_: (shared.stack.document, {}))
    statements = terraform_statements(client_policies(load_settings(place.directory, {})))
    role = assume(shared, f"{place.prefix}-client", statements, monkeypatch)
    context = shared.context(aws=role.aws, environment=role.environment)
    request = place.request()
    with recording.enforcing():
        create(context, request)
        assert details(context, request.id)["activity"]["requests"] == 0
        assert len(all_rows(context)[0]) == 1
        challenge = context.intents.get(request.id).inputs.challenge
        fetch_challenge(context, challenge, tmp_path / "challenge")
        extend(context, request.id, timedelta(minutes=5))
        assert drift(context, request.id) == []
        assert destroy(context, request.id).existed
    calls = recording.calls(role.key)
    assert denied(calls) == []
    unmatched = [call for call in calls if call["action"] != "sts:GetCallerIdentity" and not allows(statements, call)]
    assert unmatched == []


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("command", "right"),
    [
        (("backend", "create"), "s3:ListBucket"),
        (("templates", "show"), "s3:GetObject"),
        (("interview", "list"), "s3:ListBucket"),
        (("image", "status"), "ecr:DescribeRepositories"),
        (("preflight",), "ec2:DescribeAvailabilityZones"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_right_that_is_missing_is_named_in_one_line(
    recording: RecordingAws, shared: Shared, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], right: str
) -> None:
    place = shared.place
    (place.directory / "backend.config").write_text('bucket = "nobodys"\nkey = "shared"\nregion = "us-east-1"\n')
    powerless = [{"sid": "Nothing", "actions": ["sts:GetCallerIdentity"], "resources": ["*"]}]
    role = assume(shared, f"{place.prefix}-powerless", powerless, monkeypatch)
    with recording.enforcing():
        done = subprocess.run(
            [sys.executable, "-m", "scripts", "--config", str(place.directory), *command],
            cwd=PROJECT,
            env=role.environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert "Traceback" not in done.stderr
    assert right in done.stdout + done.stderr
    assert command == ("preflight",) or (done.returncode == 1 and done.stderr.count("error: ") == 1)


def written(directory: Path, **settings: Any) -> Path:
    """A configuration in ``directory``, with its state in the bucket `states`."""
    given = {
        "aws_region": "us-east-1",
        "environment": "test",
        "domain_name": "deployed.example.com",
        "portal_image": "ghcr.io/example/portal:1.0.0",
    } | settings
    directory.mkdir()
    (directory / "terraform.tfvars").write_text("".join(f"{key} = {json.dumps(v)}\n" for key, v in given.items()))
    (directory / "backend.config").write_text('bucket = "states"\nkey = "shared.tfstate"\nregion = "us-east-1"\n')
    return directory


@pytest.mark.soak
def test_the_policies_for_deploying_deploy_upgrade_and_destroy_the_shared_stack(
    recording: RecordingAws, tmp_path: Path
) -> None:
    admin = recording.embedded.aws
    admin.s3.create_bucket(Bucket="states")
    admin.route53.create_hosted_zone(Name="deployed.example.com", CallerReference="deployed")
    first, second = (
        written(tmp_path / "first"),
        written(
            tmp_path / "second",
            portal_image="ghcr.io/example/portal:2.0.0",
            log_retention_days=60,
            deletion_protection=False,
        ),
    )
    documents = deployment_policies(load_settings(second, {}))
    iam = admin.client("iam")
    iam.create_role(RoleName="deployer", AssumeRolePolicyDocument="{}")
    for name, document in documents.items():
        iam.put_role_policy(RoleName="deployer", PolicyName=name, PolicyDocument=json.dumps(for_moto(document)))
    given = admin.sts.assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT_ID}:role/deployer", RoleSessionName="test")
    credentials = given["Credentials"]
    environment = terraform_environment(recording.embedded.environment) | {
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials["SessionToken"],
    }
    stacks = ((stack(first), ("apply", "plan")), (stack(second), ("apply", "destroy")))
    with recording.enforcing():
        for directory, commands in stacks:
            terraform(directory, environment, "init")
            for command in commands:
                options = ("-detailed-exitcode",) if command == "plan" else ("-auto-approve",)
                terraform(directory, environment, command, *options)
    calls = recording.calls(credentials["AccessKeyId"])
    assert denied(calls) == []
    statements = terraform_statements(documents)
    by_name = [call for call in calls if call["action"] in RESOURCES]
    assert len(by_name) > 100
    assert [call for call in by_name if not allows(statements, call)] == []


def stack(configuration: Path) -> Path:
    """The directory of the synthesized shared stack, with the archives beside it."""
    out = configuration / "out"
    subprocess.run(
        [sys.executable, "main.py"],
        cwd=PROJECT,
        env=os.environ | {"PREQUEL_CONFIG_DIR": str(configuration), "CDKTF_OUTDIR": str(out)},
        check=True,
        capture_output=True,
    )
    return out / "stacks" / "shared"


def terraform(directory: Path, environment: dict[str, str], *arguments: str) -> None:
    done = subprocess.run(
        ["terraform", *arguments, "-no-color", "-input=false"],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout[-3000:]}{done.stderr[-3000:]}"


def for_moto(document: dict[str, Any]) -> dict[str, Any]:
    """A policy as far as moto can match it: resources for S3 alone, no conditions, and some names of its own."""
    matchable = []
    for statement in document["Statement"]:
        actions = [name for action in statement["Action"] for name in {action, MOTO_NAMES.get(action, action)}]
        # It takes the name that CloudWatch's requests are signed for.
        actions = [action.replace("cloudwatch:", "monitoring:") for action in actions]
        of_s3 = all(action.startswith("s3:") for action in actions)
        matchable.append({"Effect": "Allow", "Action": actions, "Resource": statement["Resource"] if of_s3 else "*"})
    return {"Version": "2012-10-17", "Statement": matchable}
