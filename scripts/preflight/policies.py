"""The IAM policies of who deploys the shared stack and of who creates interviews, from what the stacks synthesize."""

import json
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.errors import PrequelError
from scripts.preflight.checks import CHECKS
from scripts.preflight.partition import partition_of
from scripts.shared_stack.synthesis import synthesized

if TYPE_CHECKING:
    from stacks.configuration import Configuration

Statement = dict[str, Any]
Policies = dict[str, dict[str, Any]]
"""Managed policies by name, each a document as IAM takes it."""

LARGEST_POLICY = 6144
"""Characters of a managed policy without white space
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html)."""

RUNNER_POLICY = "runner_role_permissions"
"""The policy document of the role with which a build runs the same `prequel` for interviews."""

_BUILD_ONLY = frozenset(
    {
        *("logs:CreateLogStream", "logs:PutLogEvents"),
        *("s3:GetBucketAcl", "s3:GetBucketLocation", "s3:GetObjectVersion"),
    }
)
"""What CodeBuild itself does with that role."""


@cache
def permissions() -> dict[str, Any]:
    """The table in permissions.toml."""
    return tomllib.loads(Path(__file__).with_name("permissions.toml").read_text())


def deployment_policies(configuration: "Configuration") -> Policies:
    """What it takes to deploy, upgrade, publish to and destroy the shared stack of ``configuration``.

    Held to the configured prefix and region wherever AWS allows it; the account is whichever has the policy. Raises
    ``PrequelError`` for a resource type that the table does not know.
    """
    shared, _ = synthesized(configuration.directory, {})
    table, values = permissions(), _values(configuration)
    explicit = [*table["statements"], *(table["state_statements"] if configuration.backend else [])]
    conditional = {action for statement in explicit if "condition" in statement for action in statement["actions"]}
    checked = {action for check in CHECKS for action in check.permissions}
    actions = (_actions(shared) | checked) - conditional
    statements = [*_scoped(actions), *(_statement(**statement) for statement in explicit)]
    return _packed(f"{values['prefix']}-deploy", _filled(statements, values))


def client_policies(configuration: "Configuration") -> Policies:
    """What it takes to create, extend and destroy interviews: the rights of the role that builds do the same with."""
    shared, _ = synthesized(configuration.directory, {})
    values = _values(configuration)
    statements = [
        rendered(statement)
        for statement in shared["data"]["aws_iam_policy_document"][RUNNER_POLICY]["statement"]
        if not set(statement["actions"]) <= _BUILD_ONLY
    ]
    statements += [_statement(**statement) for statement in permissions()["client_statements"]]
    return _packed(f"{values['prefix']}-create", _resolved(_filled(statements, values), shared, values))


def rendered(statement: Mapping[str, Any]) -> Statement:
    """A statement of a Terraform policy document as IAM writes it."""
    condition: dict[str, dict[str, Any]] = defaultdict(dict)
    for one in statement.get("condition", []):
        condition[one["test"]][one["variable"]] = one["values"]
    return _statement(statement["sid"], statement["actions"], statement["resources"], condition)


def _statement(
    sid: str, actions: list[str], resources: list[str], condition: Mapping[str, Any] | None = None
) -> Statement:
    given = {"Sid": sid, "Effect": "Allow", "Action": sorted(actions), "Resource": resources}
    return given | ({"Condition": condition} if condition else {})


def _actions(stack: Mapping[str, Any]) -> set[str]:
    """What the provider calls for the resources and data sources of ``stack``."""
    table = permissions()
    wanted = [(kind, "resources") for kind in stack["resource"]] + [(kind, "data_sources") for kind in stack["data"]]
    unknown = sorted(kind for kind, part in wanted if kind not in table[part])
    if unknown:
        raise PrequelError(f"scripts/preflight/permissions.toml does not know {', '.join(unknown)}; add what they take")
    return {action for kind, part in wanted for action in table[part][kind]}


def _scoped(actions: Iterable[str]) -> list[Statement]:
    """A statement for each service, one for what AWS offers no resource for, and one for what has no region."""
    table = permissions()
    by_service: dict[str, list[str]] = defaultdict(list)
    for action in actions:
        if action in table["everywhere"]:
            by_service["everywhere"].append(action)
        elif action in table["unscoped"]:
            by_service["unscoped"].append(action)
        else:
            by_service[action.partition(":")[0]].append(action)
    in_region = {"StringEquals": {"aws:RequestedRegion": "{region}"}}
    return [
        _statement(
            service.capitalize(),
            found,
            table["scopes"].get(service, ["*"]),
            in_region if service == "unscoped" else None,
        )
        for service, found in sorted(by_service.items())
    ]


def _values(configuration: "Configuration") -> dict[str, str]:
    settings, backend = configuration.settings, configuration.backend
    return {
        "partition": partition_of(settings.aws_region),
        "region": settings.aws_region,
        "prefix": settings.project_prefix,
        "state_bucket": backend.bucket if backend else "",
        "state_key": backend.key if backend else "",
    }


def _filled(statements: list[Statement], values: Mapping[str, str]) -> list[Statement]:
    text = json.dumps(statements)
    for name, value in values.items():
        # Not inside Terraform's own ${...}.
        text = re.sub(rf"(?<!\$)\{{{name}\}}", value, text)
    filled: list[Statement] = json.loads(text)
    return filled


def _resolved(statements: list[Statement], shared: Mapping[str, Any], values: Mapping[str, str]) -> list[Statement]:
    """``statements`` without references: names where they are configured, and a wildcard for what AWS made up."""
    roles = {name: role["name"] for name, role in shared["resource"]["aws_iam_role"].items()}
    partition, region = values["partition"], values["region"]

    def value(reference: re.Match[str]) -> str:
        kind, name, attribute = reference[1], reference[2], reference[3]
        if kind == "aws_iam_role":
            return f"arn:{partition}:iam::*:role/{roles[name]}"
        if kind == "aws_kms_key":
            return f"arn:{partition}:kms:{region}:*:key/*"
        return partition if attribute == "partition" else "*"

    text = re.sub(r"\$\{(?:data\.)?(\w+)\.(\w+)\.(\w+)\}", value, json.dumps(statements))
    resolved: list[Statement] = json.loads(text)
    return resolved


def _packed(name: str, statements: list[Statement]) -> Policies:
    """``statements`` in as few managed policies as their size allows, in order."""
    documents: list[list[Statement]] = [[]]
    for statement in statements:
        if documents[-1] and size(_document([*documents[-1], statement])) > LARGEST_POLICY:
            documents.append([])
        documents[-1].append(statement)
    return {f"{name}-{number}": _document(found) for number, found in enumerate(documents, 1)}


def _document(statements: list[Statement]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": statements}


def size(document: Mapping[str, Any]) -> int:
    """The characters of a policy as IAM counts them."""
    return len(json.dumps(document, separators=(",", ":")))
