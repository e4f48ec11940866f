"""The reaper's function, its tick and its alarms, as they are deployed."""

import base64
import re

import pytest

from contract.names import METRICS_NAMESPACE
from scripts.lambdas.reaper import Pass
from scripts.project import PROJECT
from tests.conftest import SynthesizedStack

ALARMS = {
    "reaper_overdue": ("LongestOverdue", "GreaterThanThreshold", 300, 60, "notBreaching"),
    "reaper_leaking": ("Leaking", "GreaterThanThreshold", 0, 60, "notBreaching"),
    "reaper_builds_refused": ("BuildsRefused", "GreaterThanThreshold", 0, 60, "notBreaching"),
    "reaper_reaper_silent": ("ReaperRuns", "LessThanThreshold", 1, 300, "breaching"),
    "reaper_reaper_errors": ("Errors", "GreaterThanThreshold", 2, 300, "notBreaching"),
    "runner_failed": ("FailedBuilds", "GreaterThanThreshold", 0, 300, "notBreaching"),
}


def test_the_reaper_is_an_arm_function_without_reserved_concurrency(
    default_stack: SynthesizedStack,
) -> None:
    function = default_stack.one("aws_lambda_function", "reaper_function")
    assert (function["runtime"], function["architectures"]) == ("python3.13", ["arm64"])
    assert "reserved_concurrent_executions" not in function
    assert function["timeout"] < 60
    archive = re.search(r"/([0-9a-f]{64})\.zip$", function["filename"])
    assert archive is not None
    assert base64.b64decode(function["source_code_hash"]).hex() == archive[1]


def test_it_runs_every_minute_and_is_never_late(default_stack: SynthesizedStack) -> None:
    assert default_stack.one("aws_cloudwatch_event_rule", "reaper_tick")["schedule_expression"] == "rate(1 minute)"
    invocation = default_stack.one("aws_lambda_function_event_invoke_config", "reaper_invocation")
    assert (invocation["maximum_retry_attempts"], invocation["maximum_event_age_in_seconds"]) == (0, 60)
    assert invocation["destination_config"]["on_failure"]["destination"] == "${aws_sqs_queue.reaper_failures.arn}"
    permission = default_stack.one("aws_lambda_permission", "reaper_permission")
    assert permission["source_arn"] == "${aws_cloudwatch_event_rule.reaper_tick.arn}"


def test_it_waits_for_its_permissions_and_its_log_group(default_stack: SynthesizedStack) -> None:
    assert set(default_stack.one("aws_lambda_function", "reaper_function")["depends_on"]) == {
        "aws_cloudwatch_log_group.reaper_log_group",
        "aws_iam_role_policy.reaper_role_policy",
    }
    assert default_stack.one("aws_cloudwatch_log_group", "reaper_log_group")["name"] == "/aws/lambda/prequel-reaper"


@pytest.mark.parametrize("name", ALARMS)
def test_each_alarm_goes_to_the_topic_and_has_a_runbook(default_stack: SynthesizedStack, name: str) -> None:
    alarm = default_stack.one("aws_cloudwatch_metric_alarm", name)
    metric, comparison, threshold, period, missing = ALARMS[name]
    assert (alarm["metric_name"], alarm["comparison_operator"], alarm["threshold"]) == (metric, comparison, threshold)
    assert (alarm["period"], alarm["treat_missing_data"]) == (period, missing)
    assert alarm["alarm_actions"] == alarm["ok_actions"] == ["${aws_sns_topic.alarms_topic.arn}"]
    heading = re.search(r"docs/operations\.md, (.+)$", alarm["alarm_description"])
    assert heading is not None
    assert f"### {heading[1]}\n" in (PROJECT / "docs" / "operations.md").read_text()


def test_each_alarm_watches_a_metric_that_the_reaper_writes(default_stack: SynthesizedStack) -> None:
    ours = [
        alarm
        for alarm in default_stack.all("aws_cloudwatch_metric_alarm").values()
        if alarm.get("namespace") == METRICS_NAMESPACE
    ]
    assert len(ours) == 5
    for alarm in ours:
        assert alarm["metric_name"] in Pass().metrics()
        assert alarm["dimensions"] == {"Project": "prequel"}
