"""What AWS accepts as tags, service by service.

General: keys of at most 128 and values of at most 256 characters, all letters, digits, spaces or ``_.:/=+-@``; keys
that begin with ``aws:`` are reserved; at most 50 on a resource, at most 10 on an S3 object. EC2 takes any character.
Sources: https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html,
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions and each service's API reference.
Lengths are in most models, and then those refuse them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import regex

from scripts.embedded.checks.call import Call, Parameters, Refusal

_LEGAL = regex.compile(r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*")
_RESERVED = "aws: prefixed tag key names are not allowed for external use."


@dataclass(frozen=True)
class TagRules:
    """The codes and words of one service."""

    illegal: str
    too_many: str
    reserved: str = ""
    reserved_message: str = _RESERVED
    any_character: bool = False

    @property
    def reserved_code(self) -> str:
        """The code for a reserved key, mostly the same as for an illegal one."""
        return self.reserved or self.illegal


SERVICES: dict[str, TagRules] = {
    "acm": TagRules("InvalidTagException", "TooManyTagsException"),
    "cloudwatch": TagRules("ValidationError", "LimitExceeded"),
    "codebuild": TagRules("InvalidInputException", "InvalidInputException"),
    "ec2": TagRules(
        "InvalidParameterValue",
        "TagLimitExceeded",
        reserved_message="Tag keys starting with 'aws:' are reserved for internal use",
        any_character=True,
    ),
    "ecr": TagRules("InvalidTagParameterException", "TooManyTagsException"),
    "ecs": TagRules("InvalidParameterException", "InvalidParameterException"),
    "elbv2": TagRules("ValidationError", "TooManyTags"),
    "events": TagRules("ValidationException", "LimitExceededException"),
    "iam": TagRules("InvalidInput", "LimitExceeded"),
    "kms": TagRules("TagException", "TagException", reserved_message="Tags beginning with aws: are reserved"),
    "lambda": TagRules("InvalidParameterValueException", "InvalidParameterValueException"),
    "logs": TagRules("InvalidParameterException", "TooManyTagsException"),
    "route53": TagRules("InvalidInput", "InvalidInput"),
    "s3": TagRules("InvalidTag", "BadRequest", reserved_message="System tags cannot be added/updated by requester"),
    "sns": TagRules("InvalidParameter", "TagLimitExceeded"),
    "sqs": TagRules("InvalidParameterValue", "InvalidParameterValue"),
    "ssm": TagRules("ValidationException", "TooManyTagsError"),
}


def check(call: Call) -> None:
    """Raises ``Refusal`` for the first wrong tag of ``call``."""
    rules = SERVICES.get(call.service)
    if rules is None:
        return
    most = 10 if call.name in ("s3:PutObject", "s3:PutObjectTagging") else 50
    for tags in _collections(call.parameters):
        if len(tags) > most:
            kind = "Object tags" if most == 10 else "Tags"
            raise Refusal(rules.too_many, f"{kind} cannot be greater than {most}")
        for key, value in tags:
            if key.lower().startswith("aws:"):
                raise Refusal(rules.reserved_code, rules.reserved_message)
            if len(key) > 128 or len(value) > 256:
                raise Refusal(rules.illegal, f"the tag '{key}' exceeds the maximum length of 128 or 256 characters")
            if not rules.any_character and not (_LEGAL.fullmatch(key) and _LEGAL.fullmatch(value)):
                raise Refusal(rules.illegal, f"The tag '{key}' with the value '{value}' contains invalid characters")


def _collections(parameters: Parameters) -> Iterator[list[tuple[str, str]]]:
    """The tags of each resource that a call gives some to, as pairs."""
    for name in ("Tags", "tags", "AddTags"):
        if parameters.get(name):
            yield _pairs(parameters[name])
    tagging = parameters.get("Tagging")
    if tagging:
        yield parse_qsl(tagging, keep_blank_values=True) if isinstance(tagging, str) else _pairs(tagging["TagSet"])
    for specification in parameters.get("TagSpecifications", []):
        yield _pairs(specification.get("Tags", []))


def _pairs(tags: Any) -> list[tuple[str, str]]:
    if isinstance(tags, dict):
        return [(key, value or "") for key, value in tags.items()]
    found = []
    for tag in tags:
        named = {name.lower().removeprefix("tag"): value for name, value in tag.items()}
        found.append((named.get("key") or "", named.get("value") or ""))
    return found
