"""Reads Terraform's ``key = value`` files: literal values only, as Terraform itself demands of them."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
_TEMPLATE = re.compile(
    r"\$\$\{|%%\{"  # escaped, so no template
    r"|(?P<template>[$%]\{)"
    r"|\\(?P<code>u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})"
    r"|\\(?P<character>.)",
    re.DOTALL,
)
"""https://developer.hashicorp.com/terraform/language/expressions/strings"""


class UnreadableFileError(Exception):
    """The file as a whole cannot be read; the message is one clear line."""


@dataclass(frozen=True)
class Unusable:
    """Stands for a value that is no literal; ``reason`` continues a sentence that begins with the key."""

    reason: str


def read_assignments(path: Path) -> dict[str, Any]:
    """The values by key: text, numbers, booleans, lists, maps and ``Unusable``; ``null`` leaves its key out.

    Raises ``UnreadableFileError``, with the line at which the file is no HCL; ``FileNotFoundError`` without a file.
    """
    # Imported only here: the parser would double what importing this module costs.
    import hcl2
    from lark.exceptions import LarkError, UnexpectedInput

    try:
        tree = hcl2.parses(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise
    except UnicodeDecodeError:
        raise UnreadableFileError(f"{path.name}: is not UTF-8 text") from None
    except OSError as error:
        raise UnreadableFileError(f"{path.name}: cannot be read: {error.strerror}") from None
    except UnexpectedInput as error:
        raise UnreadableFileError(
            f"{path.name}: is not valid HCL at line {error.line}, column {error.column}"
        ) from None
    except LarkError:
        raise UnreadableFileError(f"{path.name}: is not valid HCL") from None
    options = hcl2.SerializationOptions(with_comments=False, preserve_heredocs=False)
    values = {key: _value(raw) for key, raw in hcl2.serialize(tree, serialization_options=options).items()}
    values |= dict.fromkeys(_repeated_keys(tree), Unusable("is set more than once"))
    return {key: value for key, value in values.items() if value is not None}


def _repeated_keys(tree: Any) -> list[str]:
    """The keys that ``tree`` sets twice, which the parser would silently resolve to the last one."""
    from hcl2.rules.base import AttributeRule

    keys = [child.identifier.serialize() for child in tree.body.children if isinstance(child, AttributeRule)]
    return [key for key in keys if keys.count(key) > 1]


def _value(raw: Any) -> Any:
    try:
        return _literal(raw)
    except ValueError as error:
        return Unusable(str(error))


def _literal(raw: Any) -> Any:
    """The value that the parser's ``raw`` stands for; raises ``ValueError`` unless it is a literal."""
    if isinstance(raw, list):
        if any(isinstance(item, dict) and "__is_block__" in item for item in raw):
            raise ValueError("is a block, expected an assignment with =")
        return [_literal(item) for item in raw]
    if isinstance(raw, dict):
        return {_key(key): _literal(value) for key, value in raw.items()}
    if isinstance(raw, str):
        if not raw.startswith('"'):
            raise ValueError(f"is the expression {_without_braces(raw)}, expected a literal value")
        return _text(raw[1:-1])
    return raw


def _key(raw: str) -> str:
    if raw.startswith("${"):
        raise ValueError(f"has the expression {_without_braces(raw)} for a key, expected a name or quoted text")
    return _text(raw[1:-1]) if raw.startswith('"') else raw


def _without_braces(raw: str) -> str:
    return " ".join((raw[2:-1] if raw.startswith("${") else raw).split())


def _text(quoted: str) -> str:
    """``quoted`` without its escapes."""

    def replace(match: re.Match[str]) -> str:
        if match["template"]:
            raise ValueError(f"holds the template {quoted}, expected literal text")
        if match["code"]:
            return chr(int(match["code"][1:], 16))
        if match["character"]:
            if match["character"] not in _ESCAPES:
                raise ValueError(f"holds the unknown escape {match[0]}")
            return _ESCAPES[match["character"]]
        return match[0][1:]

    return _TEMPLATE.sub(replace, quoted)
