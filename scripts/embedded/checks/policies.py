"""Whether a role's policies allow an action, as IAM decides it: a deny wins, and every condition must hold.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import json
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from scripts.embedded.checks.backends import backend

Statement = dict[str, Any]


def role_policies(role_arn: str) -> list[Statement]:
    """The statements of all inline and attached policies of a role."""
    iam = backend("iam")
    role = iam.get_role_by_arn(role_arn)
    inline = list(role.policies.values())
    versions = [version for policy in role.managed_policies.values() for version in policy.versions]
    attached = [version.document for version in versions if version.is_default]
    return [statement for text in [*inline, *attached] for statement in _statements(text)]


def _statements(text: Any) -> list[Statement]:
    document = json.loads(text) if isinstance(text, str) else text
    statements = document["Statement"]
    return statements if isinstance(statements, list) else [statements]


def allowed(statements: list[Statement], action: str, resource: str, context: Mapping[str, str]) -> bool:
    """Whether the statements allow ``action`` on ``resource``; an empty resource matches whatever a statement names."""
    applicable = [one for one in statements if _applies(one, action, resource, context)]
    return bool(applicable) and all(statement["Effect"] == "Allow" for statement in applicable)


def _applies(statement: Statement, action: str, resource: str, context: Mapping[str, str]) -> bool:
    if "Action" in statement:
        named = _any(action.lower(), (one.lower() for one in _list(statement["Action"])))
    else:
        named = not _any(action.lower(), (one.lower() for one in _list(statement["NotAction"])))
    if not named:
        return False
    if resource and "Resource" in statement and not _any(resource, _list(statement["Resource"])):
        return False
    if resource and "NotResource" in statement and _any(resource, _list(statement["NotResource"])):
        return False
    return all(
        _holds(operator, context.get(key), _list(values))
        for operator, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    )


def _holds(operator: str, given: str | None, values: list[Any]) -> bool:
    kind = operator.removeprefix("ForAnyValue:").removeprefix("ForAllValues:")
    if given is None:
        return kind.endswith("IfExists") or operator.startswith("ForAllValues:") or "Not" in kind
    compare = _OPERATORS[kind.removesuffix("IfExists").replace("Not", "")]
    return compare(given, [str(value) for value in values]) != ("Not" in kind)


def _any(value: str, patterns: Iterable[str]) -> bool:
    # Of fnmatch's own letters, [ is none of IAM's; no ARN has one.
    return any(fnmatchcase(value, pattern) for pattern in patterns)


_OPERATORS: dict[str, Callable[[str, list[str]], bool]] = {
    "ArnEquals": _any,
    "ArnLike": _any,
    "Bool": lambda given, values: given.lower() in [value.lower() for value in values],
    "StringEquals": lambda given, values: given in values,
    "StringEqualsIgnoreCase": lambda given, values: given.lower() in [value.lower() for value in values],
    "StringLike": _any,
}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
