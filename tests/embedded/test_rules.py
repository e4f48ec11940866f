"""Every documented rule of the table is kept: what breaks it is refused with AWS's code, what keeps it is not."""

import json
import tomllib
from typing import Any

import pytest

from scripts.embedded.checks.rules import TABLE
from tests.embedded.conftest import Client, refused

RULES = {rule["name"]: rule for rule in tomllib.loads(TABLE.read_text())["rule"]}
VPC = "vpc-12345678"
APOSTROPHE = "The VPC's resolver"
LONG_POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": "x" * 200}] * 120})

BROKEN: dict[str, tuple[str, str, dict[str, Any]]] = {
    "description of a security group": (
        "ec2",
        "create_security_group",
        {"GroupName": "x", "Description": APOSTROPHE, "VpcId": VPC},
    ),
    "description of a rule": (
        "ec2",
        "authorize_security_group_egress",
        {"GroupId": "sg-1", "IpPermissions": [{"IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": APOSTROPHE}]}]},
    ),
    "description of a changed rule": (
        "ec2",
        "modify_security_group_rules",
        {
            "GroupId": "sg-1",
            "SecurityGroupRules": [{"SecurityGroupRuleId": "r", "SecurityGroupRule": {"Description": "x" * 256}}],
        },
    ),
    "name of a security group": ("ec2", "create_security_group", {"GroupName": "sg-x", "Description": "x"}),
    "length of a target group's name": ("elbv2", "create_target_group", {"Name": "x" * 33}),
    "name of a target group": ("elbv2", "create_target_group", {"Name": "x-"}),
    "length of a load balancer's name": ("elbv2", "create_load_balancer", {"Name": "x" * 33, "Subnets": ["subnet-1"]}),
    "name of a load balancer": ("elbv2", "create_load_balancer", {"Name": "internal-x", "Subnets": ["subnet-1"]}),
    "name of a queue": ("sqs", "create_queue", {"QueueName": "a.b"}),
    "name of a topic": ("sns", "create_topic", {"Name": "a b"}),
    "name of a parameter": ("ssm", "put_parameter", {"Name": "/aws/x", "Value": "x", "Type": "String"}),
    "name of a log group": ("logs", "create_log_group", {"logGroupName": "aws/x"}),
    "namespace of a metric": ("cloudwatch", "put_metric_data", {"Namespace": "AWS/x", "MetricData": []}),
    "name of a cluster": ("ecs", "create_cluster", {"clusterName": "a b"}),
    "name of a service": ("ecs", "create_service", {"serviceName": "a.b", "taskDefinition": "x"}),
    "family of a task definition": ("ecs", "register_task_definition", {"family": "a.b", "containerDefinitions": []}),
    "name of a bucket": ("s3", "create_bucket", {"Bucket": "two..dots"}),
    "size of a bucket policy": ("s3", "put_bucket_policy", {"Bucket": "x", "Policy": LONG_POLICY}),
    "size of a trust policy": ("iam", "create_role", {"RoleName": "x", "AssumeRolePolicyDocument": LONG_POLICY}),
    "size of a managed policy": ("iam", "create_policy", {"PolicyName": "x", "PolicyDocument": LONG_POLICY}),
    "days that a log is kept": ("logs", "put_retention_policy", {"logGroupName": "x", "retentionInDays": 31}),
    "days before a key is deleted": ("kms", "schedule_key_deletion", {"KeyId": "x", "PendingWindowInDays": 6}),
    "schedule of a rule": ("events", "put_rule", {"Name": "x", "ScheduleExpression": "rate(1 minutes)"}),
}


def test_every_rule_is_broken_here() -> None:
    assert BROKEN.keys() == RULES.keys()


def test_a_message_is_as_somebody_quotes_it_from_aws_or_is_marked_as_ours() -> None:
    texts = TABLE.read_text().split("\n[[rule]]\n")[1:]
    ours = [rule["name"] for rule, text in zip(RULES.values(), texts, strict=True) if "\n# " in text]
    assert ours == [rule["name"] for rule in RULES.values() if "report" not in rule]


@pytest.mark.parametrize("name", RULES)
def test_what_breaks_a_rule_is_refused_with_its_code(name: str, client: Client) -> None:
    service, method, parameters = BROKEN[name]
    code, message = refused(getattr(client(service), method), **parameters)
    assert code == RULES[name]["code"]
    before, _, after = RULES[name]["message"].partition("{value}")
    assert message.startswith(before)
    assert message.endswith(after)
    assert RULES[name]["source"].startswith("https://docs.aws.amazon.com/")


@pytest.mark.parametrize("name", ["/prequel/interviews/a_b.c-d", "plain", "/a/b/c"])
def test_names_that_parameters_may_have_are_accepted(name: str, client: Client) -> None:
    client("ssm").put_parameter(Name=name, Value="x", Type="String")


@pytest.mark.parametrize("schedule", ["rate(1 minute)", "rate(5 minutes)", "rate(10 days)", "cron(0 12 * * ? *)"])
def test_schedules_that_rules_may_have_are_accepted(schedule: str, client: Client) -> None:
    client("events").put_rule(Name="accepted", ScheduleExpression=schedule)


@pytest.mark.parametrize(
    ("cpu", "memory", "exists"),
    [
        ("256", "512", True),
        ("1024", "2048", True),
        ("1024", "1024", False),
        ("300", "512", False),
        ("8192", "17408", False),
    ],
)
def test_a_task_has_a_size_that_fargate_has(cpu: str, memory: str, exists: bool, client: Client) -> None:
    task = {
        "family": "size",
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": cpu,
        "memory": memory,
        "containerDefinitions": [{"name": "x", "image": "x"}],
    }
    register = client("ecs").register_task_definition
    if exists:
        register(**task)
    else:
        assert refused(register, **task) == ("ClientException", "No Fargate configuration exists for given values.")
