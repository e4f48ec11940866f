"""checkov on the plans of both stacks, with all optional resources."""

import re
from collections.abc import Iterable

import pytest

from tests.security.conftest import Plans, Scan

pytestmark = pytest.mark.e2e


def listed(keys: Iterable[tuple[str, ...]]) -> list[str]:
    return sorted(" ".join(key) for key in keys)


def test_checkov_reports_no_finding_without_a_waiver(plans: Plans, scan: Scan) -> None:
    found = {key for key in scan.failed if key[0] != "leaky"}
    new = {(*key, scan.failed[key]) for key in found - plans.waivers.keys()}
    assert not listed(new), "fix these, or waive them in the construct"


def test_every_waiver_has_a_finding(plans: Plans, scan: Scan) -> None:
    needless = listed(plans.waivers.keys() - scan.failed.keys())
    assert not needless, "remove these waivers"


def test_every_waiver_has_a_reason_and_a_link(plans: Plans) -> None:
    assert plans.waivers
    for key, waiver in plans.waivers.items():
        assert len(waiver["reason"].split()) >= 5, key
        assert re.match(r"https://\S+$", waiver["link"]), key


def test_checkov_parsed_both_plans_completely(plans: Plans, scan: Scan) -> None:
    planned = {
        stack: len(plans.plan(stack)["planned_values"]["root_module"]["resources"]) for stack in plans.directories
    }
    assert planned["shared"] > 100
    assert planned["interview"] >= 5
    assert scan.summary["parsing_errors"] == 0
    assert scan.summary["resource_count"] > 100
    assert len(scan.passed) > 250
    # A check of the containers, which only works if the plan knows their definitions.
    assert ("interview", "aws_ecs_task_definition.task", "CKV_AWS_336") in scan.passed


def test_checkov_reports_an_insecure_plan(scan: Scan) -> None:
    leaks = {check for stack, _, check in scan.failed if stack == "leaky"}
    assert {"CKV_AWS_91", "CKV_AWS_131", "CKV_AWS_150"} <= leaks, "no access log, any header, no deletion protection"
