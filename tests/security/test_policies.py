"""Every policy of a resource, and who may assume a role, read by parliament; tests/lifecycle has those of the roles."""

import json
from typing import Any

import pytest
from parliament import analyze_policy_string

from scripts.embedded import ACCOUNT_ID
from tests.conftest import SynthesizedStack

EXCUSED = {
    "encryption_policy RESOURCE_STAR": "in a key policy it means the key that carries it",
    "encryption_policy UNKNOWN_CONDITION_FOR_ACTION": "as CloudWatch Logs documents it; one action lacks it",
}

_ROLE = f"arn:aws:iam::{ACCOUNT_ID}:role/prequel"


def resource_policies(stack: SynthesizedStack) -> dict[str, str]:
    """What Terraform renders from each document that has principals, by name."""
    text = json.dumps(stack.document["data"]["aws_iam_policy_document"])
    for token, value in {
        "${data.aws_caller_identity.account_caller.account_id}": ACCOUNT_ID,
        "${data.aws_partition.account_partition.partition}": "aws",
    }.items():
        text = text.replace(token, value)
    return {
        name: json.dumps({"Version": "2012-10-17", "Statement": [_rendered(s) for s in document["statement"]]})
        for name, document in json.loads(text).items()
        if any("principals" in statement for statement in document["statement"])
    }


def _rendered(statement: dict[str, Any]) -> dict[str, Any]:
    conditions: dict[str, dict[str, Any]] = {}
    for condition in statement.get("condition", []):
        values = condition["values"]
        conditions.setdefault(condition["test"], {})[condition["variable"]] = values if len(values) > 1 else values[0]
    return {
        "Effect": statement.get("effect", "Allow"),
        "Principal": {principal["type"]: principal["identifiers"] for principal in statement["principals"]},
        "Action": statement["actions"],
        # Who may assume a role is written on that role.
        "Resource": statement.get("resources", _ROLE),
        "Condition": conditions,
    }


def findings(name: str, policy: str) -> set[str]:
    return {f"{name} {finding.issue}" for finding in analyze_policy_string(policy).findings}


def test_parliament_finds_nothing_in_any_policy_of_a_resource(portal_stack: SynthesizedStack) -> None:
    policies = resource_policies(portal_stack)
    carried = {f"{name}_permissions" for name in ("access_logs", "storage")} | {
        "alarms_publishing",
        "encryption_policy",
    }
    trusts = {name for name in policies if name.endswith("_trust")}
    assert carried | trusts <= policies.keys()
    assert len(trusts) == len(portal_stack.all("aws_iam_role"))
    assert {finding for name, policy in policies.items() for finding in findings(name, policy)} == set(EXCUSED)


def test_every_policy_is_read_here_or_there(portal_stack: SynthesizedStack) -> None:
    of_roles = {policy["policy"] for policy in portal_stack.all("aws_iam_role_policy").values()}
    read = {f"${{data.aws_iam_policy_document.{name}.json}}" for name in resource_policies(portal_stack)} | of_roles
    documents = portal_stack.document["data"]["aws_iam_policy_document"]
    assert {f"${{data.aws_iam_policy_document.{name}.json}}" for name in documents} == read


@pytest.mark.parametrize("action", ["s3:NoSuchAction", "sns:Publish"])
def test_an_action_that_does_not_fit_is_noticed(action: str) -> None:
    statement = {"principals": [{"type": "Service", "identifiers": ["logging.s3.amazonaws.com"]}], "actions": [action]}
    policy = _rendered(statement | {"resources": ["arn:aws:s3:::bucket/*"]})
    assert findings("bucket", json.dumps({"Version": "2012-10-17", "Statement": [policy]}))
