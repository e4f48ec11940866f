"""parliament on every policy document of the shared stack: policies of roles and resources, and trust policies."""

import json
import re
from typing import Any

import pytest
from parliament import analyze_policy_string

from scripts.embedded.launcher import ACCOUNT_ID
from tests.conftest import SharedStackFactory, SynthesizedStack

FILLED_IN = {
    "data.aws_caller_identity.account_caller.account_id": ACCOUNT_ID,
    "data.aws_partition.account_partition.partition": "aws",
    "data.aws_route53_zone.domain_zone.zone_id": "Z0123456789ABCDEFGHIJ",
    "aws_kms_key.encryption_key.arn": f"arn:aws:kms:eu-central-1:{ACCOUNT_ID}:key/12345678-1234-1234-1234-123456789012",
    "aws_iam_role.execution_role.arn": f"arn:aws:iam::{ACCOUNT_ID}:role/prequel-execution",
    "aws_iam_role.task_role.arn": f"arn:aws:iam::{ACCOUNT_ID}:role/prequel-task",
}

_ROLE = f"arn:aws:iam::{ACCOUNT_ID}:role/prequel"


@pytest.fixture(scope="module", params=[True, False], ids=["wildcard", "record-each"])
def stack(request: pytest.FixtureRequest, shared_stack: SharedStackFactory) -> SynthesizedStack:
    return shared_stack(portal_image="ghcr.io/example/portal:1.0.0", wildcard_domain=request.param)


def documents(stack: SynthesizedStack) -> dict[str, dict[str, Any]]:
    """Each policy document by name, with the values that Terraform would insert."""
    text = json.dumps(stack.document["data"]["aws_iam_policy_document"])
    for token, value in FILLED_IN.items():
        text = text.replace("${" + token + "}", value)
    found: dict[str, dict[str, Any]] = json.loads(text)
    return found


def rendered(statement: dict[str, Any]) -> dict[str, Any]:
    """A statement as Terraform renders it."""
    conditions: dict[str, dict[str, Any]] = {}
    for condition in statement.get("condition", []):
        values = condition["values"]
        conditions.setdefault(condition["test"], {})[condition["variable"]] = values if len(values) > 1 else values[0]
    principals = {principal["type"]: principal["identifiers"] for principal in statement.get("principals", [])}
    return {
        "Effect": statement.get("effect", "Allow"),
        "Action": statement["actions"],
        # A trust policy applies to its own role.
        "Resource": statement.get("resources", _ROLE),
        **({"Principal": principals} if principals else {}),
        **({"Condition": conditions} if conditions else {}),
    }


def issues(statements: list[dict[str, Any]]) -> set[str]:
    """parliament's findings in a document with these statements."""
    policy = {"Version": "2012-10-17", "Statement": [rendered(statement) for statement in statements]}
    return {finding.issue for finding in analyze_policy_string(json.dumps(policy)).findings}


def findings(name: str, document: dict[str, Any]) -> set[tuple[str, str]]:
    """The document's name and each finding, in the form that waivers use."""
    statements = document["statement"]
    by_sid = {statement.get("sid", "trust"): issues([statement]) for statement in statements}
    assert len(by_sid) == len(statements)
    by_sid["together"] = issues(statements) - set[str]().union(*by_sid.values())
    return {(name, f"{sid} {issue}") for sid, found in by_sid.items() for issue in found}


def waivers(stack: SynthesizedStack) -> dict[tuple[str, str], dict[str, str]]:
    """The waivers that ``constructs.waivers.waive`` wrote for policies, by document and finding."""
    found = {}
    for resources in stack.document["resource"].values():
        for resource in resources.values():
            carried = re.findall(r"data\.aws_iam_policy_document\.(\w+)\.json", str(resource.get("policy")))
            for check, waiver in resource["//"].get("waivers", {}).items():
                if not check.startswith("CKV"):
                    (name,) = carried
                    found[name, check] = waiver
    return found


def test_parliament_reports_no_finding_without_a_waiver(stack: SynthesizedStack) -> None:
    found = {finding for name, document in documents(stack).items() for finding in findings(name, document)}
    waived = waivers(stack).keys()
    assert not found - waived, "fix these, or waive them in the construct"
    assert not waived - found, "remove these waivers"


def test_every_waiver_of_a_policy_has_a_reason_and_a_link(stack: SynthesizedStack) -> None:
    assert waivers(stack)
    for finding, waiver in waivers(stack).items():
        assert len(waiver["reason"].split()) >= 5, finding
        assert re.match(r"https://\S+$", waiver["link"]), finding


def test_the_policies_of_every_role_bucket_topic_queue_and_key_are_checked(stack: SynthesizedStack) -> None:
    names = documents(stack).keys()
    assert len([name for name in names if name.endswith("_trust")]) == len(stack.all("aws_iam_role"))
    assert {"runner_role_permissions", "reaper_role_permissions", "storage_permissions"} <= names
    assert {"access_logs_permissions", "alarms_publishing", "encryption_policy"} <= names
    assert "aws_iam_policy" not in stack.document["resource"]


@pytest.mark.parametrize("action", ["s3:NoSuchAction", "sns:Publish"])
def test_an_action_that_does_not_exist_or_fit_the_resource_is_detected(action: str) -> None:
    principals = [{"type": "Service", "identifiers": ["logging.s3.amazonaws.com"]}]
    statement = {"sid": "Bad", "principals": principals, "actions": [action], "resources": ["arn:aws:s3:::bucket/*"]}
    assert findings("bucket", {"statement": [statement]})


def test_a_finding_is_reported_for_its_own_statement_only() -> None:
    wide = {"sid": "Wide", "actions": ["s3:GetObject"], "resources": ["*"]}
    narrow = {"sid": "Narrow", "actions": ["s3:GetObject"], "resources": ["arn:aws:s3:::bucket/*"]}
    assert {found.partition(" ")[0] for _, found in findings("role", {"statement": [wide, narrow]})} == {"Wide"}
