"""Image indexing as it is deployed, and gone when it is switched off."""

import base64
import json
import re

import pytest

from scripts.project import PROJECT
from tests.conftest import SharedStackFactory, SynthesizedStack

FUNCTIONS = {"start": {"anything-but": {"suffix": "-soci"}}, "record": {"suffix": "-soci"}}
ALARMS = {"image_indexing_failed": "FailedBuilds", "image_indexing_undelivered": "ApproximateNumberOfMessagesVisible"}
TOPIC = "${aws_sns_topic.alarms_topic.arn}"
QUEUE = "${aws_sqs_queue.image_indexing_failures.arn}"


def test_without_indexing_nothing_of_it_is_in_the_stack(
    shared_stack: SharedStackFactory, default_stack: SynthesizedStack
) -> None:
    off = shared_stack(soci_indexing=False)
    assert not [address for address in off.addresses if "image_indexing" in address]
    assert "image-indexer" not in json.dumps(off.document)
    added = default_stack.addresses - off.addresses
    assert len(added) > 20
    assert all("image_indexing" in address for address in added)
    assert off.outputs == default_stack.outputs


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_hears_of_its_own_tags_of_one_repository_only(default_stack: SynthesizedStack, name: str) -> None:
    rule = default_stack.one("aws_cloudwatch_event_rule", f"image_indexing_{name}_rule")
    assert json.loads(rule["event_pattern"]) == {
        "source": ["aws.ecr"],
        "detail-type": ["ECR Image Action"],
        "detail": {
            "action-type": ["PUSH"],
            "result": ["SUCCESS"],
            "repository-name": ["prequel-code-server"],
            "image-tag": [FUNCTIONS[name]],
        },
    }
    permission = default_stack.one("aws_lambda_permission", f"image_indexing_{name}_permission")
    assert permission["source_arn"] == f"${{aws_cloudwatch_event_rule.image_indexing_{name}_rule.arn}}"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_retries_are_bounded_and_what_fails_is_kept(default_stack: SynthesizedStack, name: str) -> None:
    target = default_stack.one("aws_cloudwatch_event_target", f"image_indexing_{name}_target")
    assert target["retry_policy"] == {"maximum_event_age_in_seconds": 3600, "maximum_retry_attempts": 2}
    assert target["dead_letter_config"] == {"arn": QUEUE}
    invocation = default_stack.one("aws_lambda_function_event_invoke_config", f"image_indexing_{name}_invocation")
    assert (invocation["maximum_retry_attempts"], invocation["maximum_event_age_in_seconds"]) == (2, 3600)
    assert invocation["destination_config"]["on_failure"]["destination"] == QUEUE


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_runs_the_bundled_handler_after_its_permissions(
    default_stack: SynthesizedStack, name: str
) -> None:
    function = default_stack.one("aws_lambda_function", f"image_indexing_{name}_function")
    assert function["handler"] == f"scripts.lambdas.image_index.{name}"
    archive = re.search(r"/([0-9a-f]{64})\.zip$", function["filename"])
    assert archive is not None
    assert base64.b64decode(function["source_code_hash"]).hex() == archive[1]
    assert set(function["depends_on"]) == {
        f"aws_cloudwatch_log_group.image_indexing_{name}_log_group",
        f"aws_iam_role_policy.image_indexing_{name}_role_policy",
    }


def test_each_role_does_its_own_part_and_no_more(default_stack: SynthesizedStack) -> None:
    may = {
        role: {
            action
            for statement in default_stack.statements(f"image_indexing_{role}_permissions").values()
            for action in statement["actions"]
            if not action.startswith(("logs:", "sqs:"))
        }
        for role in ("start_role", "record_role", "builder")
    }
    look = {"ecr:BatchGetImage", "ecr:DescribeImages"}
    builds = {"codebuild:BatchGetBuilds", "codebuild:ListBuildsForProject", "codebuild:StartBuild"}
    assert may["start_role"] == look | builds
    assert may["record_role"] == look | {"ssm:GetParameter", "ssm:PutParameter"}
    assert all(action.startswith("ecr:") for action in may["builder"])
    for role in may:
        for statement in default_stack.statements(f"image_indexing_{role}_permissions").values():
            if statement["sid"] != "SignInToRegistry":
                (resource,) = statement["resources"]
                assert re.search(r"prequel-code-server$|image-indexer|/prequel/images/code-server$", resource), resource


def test_logs_end_and_are_encrypted_with_the_key(default_stack: SynthesizedStack) -> None:
    groups = {
        name: group
        for name, group in default_stack.all("aws_cloudwatch_log_group").items()
        if name.startswith("image_indexing")
    }
    assert len(groups) == 3
    for group in groups.values():
        assert group["retention_in_days"] == 30
        assert group["kms_key_id"] == "${aws_kms_key.encryption_key.arn}"


def test_a_deployment_never_resets_the_current_image(default_stack: SynthesizedStack) -> None:
    parameter = default_stack.one("aws_ssm_parameter", "image_indexing_current")
    assert parameter["name"] == "/prequel/images/code-server"
    assert parameter["lifecycle"] == {"ignore_changes": ["value"]}


@pytest.mark.parametrize("architecture", ["X86_64", "ARM64"])
def test_the_build_follows_the_architecture_of_the_interviews(
    shared_stack: SharedStackFactory, architecture: str
) -> None:
    stack = shared_stack(cpu_architecture=architecture)
    project = stack.one("aws_codebuild_project", "image_indexing_project")
    variables = {v["name"]: v["value"] for v in project["environment"]["environment_variable"]}
    assert variables["PREQUEL_ARCHITECTURE"] == {"X86_64": "amd64", "ARM64": "arm64"}[architecture]
    assert project["environment"]["privileged_mode"] is False


@pytest.mark.parametrize("name", ALARMS)
def test_each_alarm_goes_to_the_topic_and_has_a_runbook(default_stack: SynthesizedStack, name: str) -> None:
    alarm = default_stack.one("aws_cloudwatch_metric_alarm", name)
    assert (alarm["metric_name"], alarm["threshold"], alarm["treat_missing_data"]) == (ALARMS[name], 0, "notBreaching")
    assert alarm["alarm_actions"] == alarm["ok_actions"] == [TOPIC]
    heading = re.search(r"docs/operations\.md, (.+)$", alarm["alarm_description"])
    assert heading is not None
    assert f"### {heading[1]}\n" in (PROJECT / "docs" / "operations.md").read_text()


def test_the_build_of_images_reads_sources_and_pushes_to_one_repository_and_no_more(
    default_stack: SynthesizedStack,
) -> None:
    statements = default_stack.statements("image_build_builder_permissions")
    assert statements.keys() == {"SignInToRegistry", "ReadSources", "PushImages", "WriteLogs"}
    assert statements["ReadSources"]["actions"] == ["s3:GetObject"]
    assert [r.rpartition(":")[2] for r in statements["ReadSources"]["resources"]] == ["prequel-instance/image/source/*"]
    assert [r.rpartition(":")[2] for r in statements["PushImages"]["resources"]] == ["repository/prequel-code-server"]
    project = default_stack.one("aws_codebuild_project", "image_build_project")
    assert (project["name"], project["build_timeout"], project["queued_timeout"]) == ("prequel-image", 45, 60)
    assert project["environment"]["privileged_mode"] is True


@pytest.mark.parametrize(("architecture", "machine"), [("X86_64", "LINUX_CONTAINER"), ("ARM64", "ARM_CONTAINER")])
def test_images_are_built_on_the_architecture_of_the_interviews(
    shared_stack: SharedStackFactory, architecture: str, machine: str
) -> None:
    other = {"X86_64": "ARM64", "ARM64": "X86_64"}[architecture]
    stack = shared_stack(cpu_architecture=architecture, runner_architecture=other)
    assert stack.one("aws_codebuild_project", "image_build_project")["environment"]["type"] == machine
