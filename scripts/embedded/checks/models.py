"""Checks a call by botocore's model of the service: required members, enums, lengths, ranges and patterns.

botocore itself checks no enum, no pattern and no maximum before it sends a request; Terraform's provider checks some.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import regex

from scripts.embedded.checks.call import Call, Refusal

_CODES = {
    "codebuild": "InvalidInputException",
    "ec2": "InvalidParameterValue",
    "ecr": "InvalidParameterException",
    "ecs": "InvalidParameterException",
    "logs": "InvalidParameterException",
    "route53": "InvalidInput",
    "s3": "InvalidArgument",
    "sns": "InvalidParameter",
    "sqs": "InvalidParameterValue",
}
"""The code of a service whose own is neither ValidationException (JSON) nor ValidationError (query)."""

_MISSING_CODES = {"ec2": "MissingParameter", "s3": "MalformedXML", "sqs": "MissingParameter"}

EXCEPTIONS: dict[tuple[str, str], str] = {}
"""Shapes of the models that are not what AWS does, by service and name, each with its reason."""


def check(call: Call) -> None:
    """Raises ``Refusal`` with all that is wrong, in the words of AWS's validation."""
    shape = call.model.input_shape
    found = list(_violations(call.service, call.parameters, shape, "")) if shape is not None else []
    if not found:
        return
    default = "ValidationError" if call.model.service_model.protocol == "query" else "ValidationException"
    code = _CODES.get(call.service, default)
    missing = [path for path, constraint in found if constraint is None]
    if missing and call.service in _MISSING_CODES:
        raise Refusal(_MISSING_CODES[call.service], f"The request must contain the parameter {missing[0]}")
    described = [
        f"Value null at '{path}' failed to satisfy constraint: Member must not be null"
        if constraint is None
        else f"Value {constraint[0]} at '{path}' failed to satisfy constraint: Member must {constraint[1]}"
        for path, constraint in found
    ]
    errors = "error" if len(found) == 1 else "errors"
    raise Refusal(code, f"{len(found)} validation {errors} detected: {'; '.join(described)}")


_Violation = tuple[str, tuple[str, str] | None]
"""Where it is, and the value with what it must; None for a member that is missing."""


def _violations(service: str, value: Any, shape: Any, path: str) -> Iterator[_Violation]:
    if (service, shape.name) in EXCEPTIONS or getattr(shape, "is_document_type", False):
        return
    shown = "***" if shape.metadata.get("sensitive") else f"'{value}'"
    for constraint in _unmet(value, shape):
        yield path, (shown, constraint)
    if shape.type_name == "structure":
        for name in shape.required_members:
            if value.get(name) is None:
                yield _join(path, name), None
        for name, member in value.items():
            if member is not None:
                yield from _violations(service, member, shape.members[name], _join(path, name))
    elif shape.type_name == "list":
        for number, member in enumerate(value, 1):
            yield from _violations(service, member, shape.member, f"{path}.{number}.member")
    elif shape.type_name == "map":
        for key, member in value.items():
            yield from _violations(service, key, shape.key, path)
            yield from _violations(service, member, shape.value, f"{path}.{key}.member")


def _join(path: str, name: str) -> str:
    return f"{path}.{name[0].lower()}{name[1:]}".lstrip(".")


def _unmet(value: Any, shape: Any) -> Iterator[str]:
    limits, kind = shape.metadata, shape.type_name
    if kind in ("string", "list", "map", "blob"):
        size, measure = len(value), "length"
    elif kind in ("integer", "long", "float", "double"):
        size, measure = value, "value"
    else:
        return
    if "min" in limits and size < limits["min"]:
        yield f"have {measure} greater than or equal to {limits['min']}"
    if "max" in limits and size > limits["max"]:
        yield f"have {measure} less than or equal to {limits['max']}"
    if kind == "string":
        if getattr(shape, "enum", None) and value not in shape.enum:
            yield f"satisfy enum value set: [{', '.join(shape.enum)}]"
        if "pattern" in limits and not compiled(limits["pattern"]).fullmatch(value):
            yield f"satisfy regular expression pattern: {limits['pattern']}"


@cache
def compiled(pattern: str) -> Any:
    """AWS writes Java's patterns, where a pair of surrogates stands for the characters beyond 16 bits."""
    return regex.compile(pattern.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF"))
