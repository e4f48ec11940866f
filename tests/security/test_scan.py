"""No insecure line gets in: checkov on the plan of all that both stacks can hold."""

import re
from collections.abc import Iterable

import pytest

from tests.security.conftest import Plans, Scan

pytestmark = pytest.mark.e2e


def told(keys: Iterable[tuple[str, ...]]) -> list[str]:
    return sorted(" ".join(key) for key in keys)


def test_checkov_finds_nothing_that_is_not_waived(plans: Plans, scan: Scan) -> None:
    found = {key for key in scan.failed if key[0] != "leaky"}
    new = {(*key, scan.failed[key]) for key in found - plans.waivers.keys()}
    assert not told(new), "mend these, or waive them beside the resource"


def test_no_waiver_outlives_its_finding(plans: Plans, scan: Scan) -> None:
    needless = told(plans.waivers.keys() - scan.failed.keys())
    assert not needless, "take these waivers out"


def test_every_waiver_says_why_and_where_that_stands(plans: Plans) -> None:
    assert plans.waivers
    for key, waiver in plans.waivers.items():
        assert len(waiver["reason"].split()) >= 5, key
        assert re.match(r"https://\S+$", waiver["link"]), key


def test_checkov_read_both_plans_whole(plans: Plans, scan: Scan) -> None:
    planned = {
        stack: len(plans.plan(stack)["planned_values"]["root_module"]["resources"]) for stack in plans.directories
    }
    assert planned["shared"] > 100
    assert planned["interview"] >= 5
    assert scan.summary["parsing_errors"] == 0
    assert scan.summary["resource_count"] > 100
    assert len(scan.passed) > 250
    # A check of the containers themselves, which it can only see where the plan knows them.
    assert ("interview", "aws_ecs_task_definition.task", "CKV_AWS_336") in scan.passed


def test_checkov_finds_what_is_wrong(scan: Scan) -> None:
    leaks = {check for stack, _, check in scan.failed if stack == "leaky"}
    assert {"CKV_AWS_91", "CKV_AWS_131", "CKV_AWS_150"} <= leaks, "no access log, any header, no deletion protection"
