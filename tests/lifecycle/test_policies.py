"""Every policy of the stack, read by parliament."""

import json
import re
from typing import Any

import pytest
from parliament import analyze_policy_string

from scripts.embedded import ACCOUNT_ID
from tests.conftest import SharedStackFactory, SynthesizedStack

CONDITION_KEYS = {"elasticloadbalancing:CreateAction"}

FILLED_IN = {
    "data.aws_caller_identity.account_caller.account_id": ACCOUNT_ID,
    "data.aws_partition.account_partition.partition": "aws",
    "data.aws_route53_zone.domain_zone.zone_id": "Z0123456789ABCDEFGHIJ",
    "aws_kms_key.encryption_key.arn": f"arn:aws:kms:eu-central-1:{ACCOUNT_ID}:key/12345678-1234-1234-1234-123456789012",
    "aws_iam_role.execution_role.arn": f"arn:aws:iam::{ACCOUNT_ID}:role/prequel-execution",
    "aws_iam_role.task_role.arn": f"arn:aws:iam::{ACCOUNT_ID}:role/prequel-task",
}

EXCUSED = {
    "runner_role_permissions RESOURCE_MISMATCH elasticloadbalancing:CreateRule": "it also wants a network balancer",
    "runner_role_permissions RESOURCE_MISMATCH elasticloadbalancing:DeleteRule": "it also wants a network balancer",
    "runner_role_permissions UNKNOWN_CONDITION_FOR_ACTION elasticloadbalancing:AddTags": "Classic balancers lack it",
    "runner_role_permissions RESOURCE_STAR ecs:ListTasks": "it wants a container instance, which Fargate has not",
}
"""What parliament finds and why it is nothing; beside each resource in constructs/identity.py stands more."""


@pytest.fixture(scope="module", params=[True, False], ids=["wildcard", "record-each"])
def stack(request: pytest.FixtureRequest, shared_stack: SharedStackFactory) -> SynthesizedStack:
    return shared_stack(portal_image="ghcr.io/example/portal:1.0.0", wildcard_domain=request.param)


def document(statements: list[dict[str, Any]]) -> str:
    """The identity policy that Terraform renders from a document's ``statements``."""
    text = json.dumps(statements)
    for token, value in FILLED_IN.items():
        text = text.replace("${" + token + "}", value)
    rendered = []
    for statement in json.loads(text):
        conditions: dict[str, dict[str, list[str]]] = {}
        for condition in statement.get("condition", []):
            conditions.setdefault(condition["test"], {})[condition["variable"]] = condition["values"]
        rendered.append(
            {"Sid": statement["sid"], "Effect": "Allow", "Action": statement["actions"]}
            | {"Resource": statement["resources"]}
            | ({"Condition": conditions} if conditions else {})
        )
    return json.dumps({"Version": "2012-10-17", "Statement": rendered})


def test_parliament_finds_nothing_in_any_policy_of_a_role(stack: SynthesizedStack) -> None:
    documents = stack.document["data"]["aws_iam_policy_document"]
    of_roles = {
        policy["policy"].removeprefix("${data.aws_iam_policy_document.").removesuffix(".json}")
        for policy in stack.all("aws_iam_role_policy").values()
    }
    assert {"runner_role_permissions", "reaper_role_permissions"} <= of_roles
    found = {
        f"{name} {finding.issue} {action}"
        for name in of_roles
        for finding in analyze_policy_string(document(documents[name]["statement"])).findings
        for action in set(re.findall(r"[a-z0-9]+:[A-Z]\w+(?!\w)", str(finding.detail))) - CONDITION_KEYS
    }
    assert found == set(EXCUSED)


def test_a_finding_of_parliaments_is_noticed() -> None:
    statement = {"sid": "Wide", "actions": ["s3:GetObject"], "resources": ["*"]}
    assert [f.issue for f in analyze_policy_string(document([statement])).findings] == ["RESOURCE_STAR"]
