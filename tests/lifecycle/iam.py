"""What moto does not match: whether a policy allows a recorded call on the resources that it names."""

import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from scripts.embedded.launcher import ACCOUNT_ID

Call = dict[str, Any]
Statement = dict[str, Any]


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:us-east-1:{ACCOUNT_ID}:{resource}"


def _members(call: Call, name: str) -> list[str]:
    """The values of ``name``, a pattern, in a call by AWS's query protocol, where lists are numbered."""
    found = [value for key, value in call["parameters"].items() if re.fullmatch(rf"{name}(\.member\.\d+)?", key)]
    # moto keeps each as a list of its own.
    return [one for value in found for one in (value if isinstance(value, list) else [value])]


def _s3(call: Call) -> list[str]:
    bucket, _, key = call["path"].partition("?")[0].lstrip("/").partition("/")
    keys = [key] if key else re.findall("<Key>(.+?)</Key>", str(call["parameters"].get("body", "")))
    return [f"arn:aws:s3:::{bucket}/{key}" for key in keys] or [f"arn:aws:s3:::{bucket}"]


def _parameter(call: Call) -> list[str]:
    given = call["parameters"]
    names = given.get("Names") or [given.get("Name") or given.get("ResourceId")]
    return [_arn("ssm", f"parameter{name}") for name in names]


def _service(call: Call) -> list[str]:
    given = call["parameters"]
    cluster = given["cluster"].rsplit("/", 1)[-1]
    names = given.get("services") or [given.get("serviceName") or given.get("service")]
    return [_arn("ecs", f"service/{cluster}/{name.rsplit('/', 1)[-1]}") for name in names]


def _tasks(call: Call) -> list[str]:
    cluster = call["parameters"]["cluster"].rsplit("/", 1)[-1]
    return [_arn("ecs", f"task/{cluster}/{task.rsplit('/', 1)[-1]}") for task in call["parameters"]["tasks"]]


def _zone(call: Call) -> list[str]:
    kind, name = re.findall("/(hostedzone|change)/([^/?]+)", call["path"])[0]
    return [f"arn:aws:route53:::{kind}/{name}"]


def _repository(call: Call) -> list[str]:
    return [_arn("ecr", f"repository/{call['parameters']['repositoryName']}")]


def _project(call: Call) -> list[str]:
    return [_arn("codebuild", f"project/{call['parameters']['projectName']}")]


RESOURCES: dict[str, Callable[[Call], list[str]]] = {
    "codebuild:BatchGetBuilds": lambda call: [
        _arn("codebuild", f"project/{build.split(':')[0]}") for build in call["parameters"]["ids"]
    ],
    "codebuild:ListBuildsForProject": _project,
    "codebuild:StartBuild": _project,
    "ecr:BatchGetImage": _repository,
    "ecr:DescribeImages": _repository,
    "ecs:CreateService": _service,
    "ecs:DeleteService": _service,
    "ecs:DescribeServices": _service,
    "ecs:DescribeTasks": _tasks,
    "ecs:RegisterTaskDefinition": lambda call: [
        _arn("ecs", f"task-definition/{call['parameters']['family']}:1"),
    ],
    "ecs:UpdateService": _service,
    "elasticloadbalancing:CreateRule": lambda call: _members(call, "ListenerArn"),
    "elasticloadbalancing:CreateTargetGroup": lambda call: [
        _arn("elasticloadbalancing", f"targetgroup/{name}/0123456789abcdef") for name in _members(call, "Name")
    ],
    "elasticloadbalancing:DeleteRule": lambda call: _members(call, "RuleArn"),
    "elasticloadbalancing:DeleteTargetGroup": lambda call: _members(call, "TargetGroupArn"),
    "elasticloadbalancing:ModifyRule": lambda call: _members(call, "RuleArn"),
    "elasticloadbalancing:ModifyTargetGroup": lambda call: _members(call, "TargetGroupArn"),
    "elasticloadbalancing:ModifyTargetGroupAttributes": lambda call: _members(call, "TargetGroupArn"),
    "elasticloadbalancing:SetRulePriorities": lambda call: _members(call, r"RulePriorities\.member\.\d+\.RuleArn"),
    "route53:ChangeResourceRecordSets": _zone,
    "route53:GetChange": _zone,
    "route53:GetHostedZone": _zone,
    "route53:ListResourceRecordSets": _zone,
    "s3:DeleteObject": _s3,
    "s3:DeleteObjectVersion": _s3,
    "s3:GetObject": _s3,
    "s3:ListBucket": _s3,
    "s3:PutObject": _s3,
    "ssm:AddTagsToResource": _parameter,
    "ssm:DeleteParameter": _parameter,
    "ssm:DeleteParameters": _parameter,
    "ssm:GetParameter": _parameter,
    "ssm:ListTagsForResource": _parameter,
    "ssm:PutParameter": _parameter,
}
"""The resources of a call, for each action that AWS lets a policy hold to some; the others must be allowed on all."""


def _tags(call: Call) -> dict[str, str]:
    given = call["parameters"]
    if isinstance(given.get("tags"), list):
        return {tag["key"]: tag["value"] for tag in given["tags"]}
    keys, values = _members(call, r"Tags\.member\.\d+\.Key"), _members(call, r"Tags\.member\.\d+\.Value")
    return dict(zip(keys, values, strict=True))


def context(call: Call) -> dict[str, list[str]]:
    """The condition keys whose values a call itself shows; tags of existing resources are not among them."""
    given = call["parameters"]
    found = {f"aws:RequestTag/{key}": [value] for key, value in _tags(call).items()}
    found["aws:RequestedRegion"] = ["us-east-1"]
    if call["action"] == "s3:ListBucket":
        prefix = given.get("prefix", [""])
        found["s3:prefix"] = prefix if isinstance(prefix, list) else [prefix]
    if call["action"] == "s3:PutObject" and call["if_none_match"]:
        found["s3:if-none-match"] = [call["if_none_match"]]
    if call["action"].startswith("ecs:") and "cluster" in given:
        found["ecs:cluster"] = [_arn("ecs", f"cluster/{given['cluster'].rsplit('/', 1)[-1]}")]
    if call["action"] == "route53:ChangeResourceRecordSets":
        body = str(given.get("body", ""))
        found["route53:ChangeResourceRecordSetsNormalizedRecordNames"] = [
            name.rstrip(".") for name in re.findall("<Name>(.+?)</Name>", body)
        ]
        found["route53:ChangeResourceRecordSetsRecordTypes"] = re.findall("<Type>(.+?)</Type>", body)
    return found


_SEEN_ELSEWHERE = ("aws:ResourceTag/", "kms:", "iam:", "elasticloadbalancing:CreateAction", "ecs:CreateAction")
"""Conditions on what a call does not show: tests/test_identity.py asserts them on the policy."""


def allows(statements: list[Statement], call: Call, network: Mapping[str, list[str]] | None = None) -> bool:
    """Whether ``statements`` allow ``call`` on each resource that it names, under the conditions that the call shows.

    AWS asks for each key of a DeleteObjects by itself, so several statements may allow one call together.
    ``network`` are condition keys that the call's network shows.
    """
    known = RESOURCES.get(call["action"])
    wanted = known(call) if known else ["*"]
    shown = {**context(call), **(network or {})}
    applying = [one for one in statements if call["action"] in one["actions"] and _conditions_hold(one, shown)]
    return bool(wanted) and all(any(_matches(resource, one["resources"]) for one in applying) for resource in wanted)


def _conditions_hold(statement: Statement, shown: Mapping[str, list[str]]) -> bool:
    return all(
        condition["variable"].startswith(_SEEN_ELSEWHERE) or _holds(condition, shown.get(condition["variable"], []))
        for condition in statement.get("condition", [])
    )


def _holds(condition: dict[str, Any], given: list[str]) -> bool:
    if condition["test"] == "Null":
        return str(not given).lower() in condition["values"]
    return bool(given) and all(_matches(value, condition["values"]) for value in given)


def _matches(value: str, patterns: list[str]) -> bool:
    # Of fnmatch's own letters, [ is none of IAM's; no ARN of ours has one.
    return any(fnmatchcase(value, pattern) for pattern in patterns)
