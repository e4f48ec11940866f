"""Logs, alarms and the dashboard: each watches something that exists, and pages only for trouble."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from contract.names import METRICS_NAMESPACE
from contract.prices import interview_per_hour, standing_per_day
from scripts.lambdas.reaper import Pass
from scripts.project import PROJECT
from tests.conftest import SharedStackFactory, SynthesizedStack

AWS_METRICS = {
    # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
    ("AWS/ApplicationELB", "LoadBalancer"): {
        *("ActiveConnectionCount", "HTTPCode_ELB_5XX_Count", "HTTPCode_Target_5XX_Count", "RejectedConnectionCount"),
        *("RequestCount", "TargetResponseTime"),
    },
    ("AWS/ApplicationELB", "LoadBalancer,TargetGroup"): {"HealthyHostCount", "UnHealthyHostCount"},
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-metrics-ECS.html
    ("ECS/ContainerInsights", "ClusterName"): {
        *("CpuReserved", "CpuUtilized", "MemoryReserved", "MemoryUtilized", "ServiceCount", "TaskCount"),
    },
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    ("AWS/Lambda", "FunctionName"): {"Duration", "Errors", "Invocations", "Throttles"},
    # https://docs.aws.amazon.com/codebuild/latest/userguide/cloudwatch_metrics-codebuild.html
    ("AWS/CodeBuild", "ProjectName"): {"Builds", "Duration", "FailedBuilds", "QueuedDuration", "SucceededBuilds"},
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/metrics-dimensions.html
    ("AWS/S3", "BucketName,FilterId"): {"4xxErrors", "5xxErrors", "AllRequests"},
    # https://docs.aws.amazon.com/vpc/latest/userguide/metrics-dimensions-nat-gateway.html
    ("AWS/NATGateway", "NatGatewayId"): {"ErrorPortAllocation"},
    # https://docs.aws.amazon.com/acm/latest/userguide/cloudwatch-metrics.html
    ("AWS/CertificateManager", "CertificateArn"): {"DaysToExpiry"},
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch-Logs-Monitoring-CloudWatch-Metrics.html
    ("AWS/Logs", "LogGroupName"): {"IncomingBytes"},
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    ("AWS/SQS", "QueueName"): {"ApproximateNumberOfMessagesVisible"},
    (METRICS_NAMESPACE, "Project"): set(Pass().metrics()),
}
"""The metrics of each namespace, by their dimensions."""

DIMENSION_OF = {
    "LoadBalancer": "aws_lb",
    "TargetGroup": "aws_lb_target_group",
    "ClusterName": "aws_ecs_cluster",
    "FunctionName": "aws_lambda_function",
    "ProjectName": "aws_codebuild_project",
    "QueueName": "aws_sqs_queue",
    "BucketName": "aws_s3_bucket",
    "NatGatewayId": "aws_nat_gateway",
    "CertificateArn": "aws_acm_certificate",
    "LogGroupName": "aws_cloudwatch_log_group",
}
"""Which resource gives a dimension its value."""


@dataclass(frozen=True)
class Watched:
    """One metric that an alarm or the dashboard reads."""

    by: str
    namespace: str
    name: str
    dimensions: Mapping[str, str]


_QUERY = re.compile(
    r'SELECT MAX\((?P<name>\w+)\) FROM SCHEMA\("(?P<namespace>[\w/]+)", (?P<where>\w+), (?P<each>\w+)\)'
    r" WHERE (?P=where) = '(?P<value>[^']+)' GROUP BY (?P=each) ORDER BY MAX\(\) DESC"
)


def watched_by_alarms(stack: SynthesizedStack) -> Iterator[Watched]:
    for name, alarm in stack.all("aws_cloudwatch_metric_alarm").items():
        if "metric_name" in alarm:
            yield Watched(name, alarm["namespace"], alarm["metric_name"], alarm["dimensions"])
        for query in alarm.get("metric_query", []):
            if "metric" in query:
                metric = query["metric"]
                yield Watched(name, metric["namespace"], metric["metric_name"], metric["dimensions"])
            elif query["expression"].startswith("SELECT"):
                found = _QUERY.fullmatch(query["expression"])
                assert found is not None, query["expression"]
                dimensions = {found["where"]: found["value"], found["each"]: "each"}
                yield Watched(name, found["namespace"], found["name"], dimensions)


def widgets(stack: SynthesizedStack) -> list[dict[str, Any]]:
    body = json.loads(stack.one("aws_cloudwatch_dashboard", "dashboard_dashboard")["dashboard_body"])
    found: list[dict[str, Any]] = body["widgets"]
    return found


def watched_by_dashboard(stack: SynthesizedStack) -> Iterator[Watched]:
    for widget in widgets(stack):
        for line in widget["properties"]["metrics"]:
            if isinstance(line[0], str):
                namespace, name, *pairs, _options = line
                dimensions = dict(zip(pairs[::2], pairs[1::2], strict=True))
                yield Watched(widget["properties"]["title"], namespace, name, dimensions)


def exists(stack: SynthesizedStack, dimension: str, value: str) -> bool:
    """Whether the stack has the resource that a dimension names, by reference or by name."""
    if value == "each":
        return True
    if dimension == "Project":
        return value == "prequel"
    if dimension == "FilterId":
        return value in {metric["name"] for metric in stack.all("aws_s3_bucket_metric").values()}
    resources = stack.all(DIMENSION_OF[dimension])
    names = {str(r.get("name") or r.get("bucket") or r.get("function_name")) for r in resources.values()}
    reference = re.fullmatch(r"\$\{(\w+)\.(\w+)\.\w+\}", value)
    if reference is None:
        return value in names
    # A certificate is awaited, and a bucket's policy too, before they are named.
    return reference[1].startswith(DIMENSION_OF[dimension]) and reference[2] in stack.all(reference[1])


@pytest.fixture(params=[watched_by_alarms, watched_by_dashboard], ids=["alarms", "dashboard"])
def watched(request: pytest.FixtureRequest, portal_stack: SynthesizedStack) -> list[Watched]:
    return list(request.param(portal_stack))


def test_every_metric_is_published_by_aws_or_the_reaper(watched: list[Watched]) -> None:
    assert len(watched) > 20
    for metric in watched:
        dimensions = ",".join(sorted(metric.dimensions))
        assert metric.name in AWS_METRICS[metric.namespace, dimensions], metric


def test_every_metric_is_one_of_a_resource_of_the_stack(watched: list[Watched], portal_stack: SynthesizedStack) -> None:
    for metric in watched:
        for dimension, value in metric.dimensions.items():
            assert exists(portal_stack, dimension, value), metric


def test_every_alarm_has_a_paragraph_that_says_what_to_look_at_and_to_do(portal_stack: SynthesizedStack) -> None:
    runbook = (PROJECT / "docs" / "operations.md").read_text()
    alarms = portal_stack.all("aws_cloudwatch_metric_alarm")
    assert len(alarms) > 15
    for name, alarm in alarms.items():
        heading = re.search(r"docs/operations\.md, (.+)$", alarm["alarm_description"])
        assert heading is not None, name
        _, found, rest = runbook.partition(f"\n### {heading[1]}\n")
        assert found, f"{name}: docs/operations.md has no heading {heading[1]}"
        paragraph = rest.partition("\n### ")[0]
        assert all(f"**{word}:**" in paragraph for word in ("Means", "Look", "Do")), name


def test_every_alarm_notifies_the_topic_when_it_begins_and_ends(portal_stack: SynthesizedStack) -> None:
    assert len(portal_stack.all("aws_sns_topic")) == 1
    for name, alarm in portal_stack.all("aws_cloudwatch_metric_alarm").items():
        assert alarm["alarm_actions"] == alarm["ok_actions"] == ["${aws_sns_topic.alarms_topic.arn}"], name
        assert alarm["alarm_name"].startswith("prequel-"), name


def test_an_address_is_subscribed_only_if_one_is_given(
    default_stack: SynthesizedStack, shared_stack: SharedStackFactory
) -> None:
    assert "aws_sns_topic_subscription" not in default_stack.document["resource"]
    (subscription,) = shared_stack(alarm_email="ops@example.com").all("aws_sns_topic_subscription").values()
    assert (subscription["protocol"], subscription["endpoint"]) == ("email", "ops@example.com")


def goes_off(stack: SynthesizedStack, id: str, **values: float | None) -> bool:
    """Whether an alarm's metric math is beyond its threshold for ``values``, where None was not counted at all."""
    alarm = stack.one("aws_cloudwatch_metric_alarm", f"alarms_{id}")
    math = alarm["metric_query"][-1]["expression"]
    functions: dict[str, Any] = {
        "FILL": lambda value, instead: instead if value is None else value,
        "IF": lambda condition, then, otherwise: then if condition else otherwise,
    }
    # Both branches of an IF are worked out, as in CloudWatch, where a division by 0 is no data point.
    try:
        result = eval(math, {"__builtins__": {}}, functions | values)  # noqa: S307  (our own expression)
    except ZeroDivisionError:
        return False
    above = alarm["comparison_operator"] == "GreaterThanThreshold"
    return bool(result > alarm["threshold"] if above else result < alarm["threshold"])


def pages(stack: SynthesizedStack, id: str, minutes: str) -> bool:
    """Whether an alarm goes off at any time in a series of minutes, each ``x`` beyond the threshold or ``.`` not."""
    alarm = stack.one("aws_cloudwatch_metric_alarm", f"alarms_{id}")
    (of_a_query,) = alarm.get("metric_query", [alarm])
    assert of_a_query["period"] == 60
    of_last, wanted = alarm["evaluation_periods"], alarm["datapoints_to_alarm"]
    return any(minutes[max(0, end - of_last) : end].count("x") >= wanted for end in range(1, len(minutes) + 1))


@pytest.mark.parametrize("id", ["unhealthy_hosts", "services_below_desired"])
def test_a_container_that_comes_and_goes_pages_like_one_that_stays_away_and_a_restart_does_not(
    default_stack: SynthesizedStack, id: str
) -> None:
    assert pages(default_stack, id, "." * 20 + "x" * 6)
    assert pages(default_stack, id, "xx.x." * 6), "a crash loop"
    assert pages(default_stack, id, "x." * 8), "every other minute"
    assert not pages(default_stack, id, ("xxx" + "." * 20) * 4), "an interview begins, or its task is replaced"


@pytest.mark.parametrize("id", ["load_balancer_errors", "target_errors"])
def test_a_handful_of_errors_pages_nobody_and_a_share_of_them_does(default_stack: SynthesizedStack, id: str) -> None:
    assert not goes_off(default_stack, id, errors=5, requests=5)
    assert not goes_off(default_stack, id, errors=20, requests=10_000)
    assert not goes_off(default_stack, id, errors=None, requests=10_000)
    assert goes_off(default_stack, id, errors=100, requests=1000)


def test_errors_without_any_container_to_ask_page_too(default_stack: SynthesizedStack) -> None:
    assert goes_off(default_stack, "load_balancer_errors", errors=50, requests=None)


def test_one_slow_page_at_night_pages_nobody(default_stack: SynthesizedStack) -> None:
    assert not goes_off(default_stack, "slow_responses", seconds=30, requests=3)
    assert goes_off(default_stack, "slow_responses", seconds=4, requests=500)


def test_leases_that_are_taken_are_no_trouble_with_the_bucket(default_stack: SynthesizedStack) -> None:
    assert not goes_off(default_stack, "bucket_client_errors", errors=40, requests=60)
    assert not goes_off(default_stack, "bucket_client_errors", errors=60, requests=1000)
    assert goes_off(default_stack, "bucket_client_errors", errors=300, requests=400)
    assert goes_off(default_stack, "bucket_server_errors", errors=10, requests=100)


def test_the_cluster_pages_when_all_tasks_are_full(default_stack: SynthesizedStack) -> None:
    for alarm in ("cluster_cpu", "cluster_memory"):
        assert not goes_off(default_stack, alarm, used=1024, reserved=10 * 1024)
        assert not goes_off(default_stack, alarm, used=0, reserved=0)
        assert goes_off(default_stack, alarm, used=950, reserved=1000)


@pytest.mark.parametrize(("egress", "alarms"), [("single_nat", 1), ("nat_per_az", 2)])
def test_every_nat_gateway_is_watched(shared_stack: SharedStackFactory, egress: str, alarms: int) -> None:
    stack = shared_stack(egress=egress)
    watched = {m.dimensions["NatGatewayId"] for m in watched_by_alarms(stack) if "NatGatewayId" in m.dimensions}
    assert watched == {f"${{aws_nat_gateway.{name}.id}}" for name in stack.all("aws_nat_gateway")}
    assert len(watched) == alarms


def test_without_a_domain_no_certificate_is_watched(development_stack: SynthesizedStack) -> None:
    assert "alarms_certificate_expiry" not in development_stack.all("aws_cloudwatch_metric_alarm")


def test_every_log_group_ends_and_is_encrypted_with_our_key(portal_stack: SynthesizedStack) -> None:
    groups = portal_stack.all("aws_cloudwatch_log_group")
    names = {group["name"] for group in groups.values()}
    assert names >= {
        *("/prequel/flow-logs", "/prequel/interviews", "/prequel/portal", "/prequel/runner"),
        *("/aws/lambda/prequel-reaper", "/aws/ecs/containerinsights/prequel/performance"),
    }
    for name, group in groups.items():
        assert group["retention_in_days"] == 30, name
        assert group["kms_key_id"] == "${aws_kms_key.encryption_key.arn}", name


def test_the_widgets_of_the_dashboard_do_not_overlap(default_stack: SynthesizedStack) -> None:
    taken: set[tuple[int, int]] = set()
    for widget in widgets(default_stack):
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert not cells & taken, widget["properties"]["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_the_math_of_the_dashboard_uses_only_its_own_lines(default_stack: SynthesizedStack) -> None:
    for widget in widgets(default_stack):
        lines = widget["properties"]["metrics"]
        ids = {line[-1]["id"] for line in lines if "id" in line[-1]}
        for line in lines:
            used = set(re.findall(r"[a-z]\w*", line[-1].get("expression", "")))
            assert used <= ids, line


def test_the_dashboard_estimates_what_the_interviews_and_the_stack_cost_a_day(
    default_stack: SynthesizedStack,
) -> None:
    (cost,) = [w for w in widgets(default_stack) if w["properties"]["title"].startswith("Dollars")]
    math = {line[0]["label"]: line[0]["expression"] for line in cost["properties"]["metrics"] if len(line) == 1}
    together = eval(math["Together"], {"__builtins__": {}}, {"active": 10})  # noqa: S307  (our own expression)
    # The tests' region has no prices here; us-east-1's stand in, and the title says so.
    assert cost["properties"]["title"].endswith("in us-east-1, without traffic, alarms and our metrics")
    hourly = interview_per_hour(cpu=1024, memory=2048, architecture="X86_64", storage=21)
    assert together == pytest.approx(240 * hourly + standing_per_day(nat_gateways=1, zones=2), rel=0.01)
    assert 30.4 * standing_per_day(nat_gateways=1, zones=2) == pytest.approx(61.2, rel=0.02)
