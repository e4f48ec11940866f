"""Records as JSON documents, and back: dataclasses that are read strictly."""

import json
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

_Record = TypeVar("_Record")


class UnreadableDocumentError(ValueError):
    """A document is not what a record of this version is; the text says where, the value got and what was expected."""


def to_json(record: object) -> bytes:
    """``record``, a dataclass or what JSON knows, as an indented document in UTF-8."""
    return (json.dumps(plain(record), indent=2, ensure_ascii=False) + "\n").encode()


def plain(value: Any) -> Any:
    """``value`` as JSON knows it: records as objects, times in RFC 3339."""
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value) if not _is_left_out(value, f)}
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def _is_left_out(record: Any, field: Field[Any]) -> bool:
    """An optional field with its default value, which documents of earlier versions do not have."""
    return bool(field.metadata.get("optional")) and getattr(record, field.name) == field.default


def from_json(kind: type[_Record], content: bytes) -> _Record:
    """The record of ``kind`` in a document; raises ``UnreadableDocumentError`` for the first thing that is wrong.

    Every field must be known and of its type, and every time must have a zone. A ``Literal`` is the only version of a
    schema that is read.
    """
    try:
        document = json.loads(content)
    except UnicodeDecodeError as error:
        raise UnreadableDocumentError("the document: no text in UTF-8, expected JSON") from error
    except ValueError as error:
        raise UnreadableDocumentError(f"the document: {error}, expected JSON") from error
    record: _Record = _read(document, kind, "")
    return record


def _read(value: Any, expected: Any, where: str) -> Any:
    origin, arguments = get_origin(expected), get_args(expected)
    if origin is UnionType:  # what may be None
        return None if value is None else _read(value, arguments[0], where)
    if origin is tuple:
        items = value if isinstance(value, list) else _refuse(value, "a list", where)
        return tuple(_read(item, arguments[0], f"{where}.{number}") for number, item in enumerate(items))
    if is_dataclass(expected):
        return _read_record(value, expected, where)
    return _read_time(value, where) if expected is datetime else _read_scalar(value, expected, where)


def _read_scalar(value: Any, expected: Any, where: str) -> Any:
    kind = get_origin(expected) or expected
    if kind is Literal:
        (known,) = get_args(expected)
        return value if (type(value), value) == (type(known), known) else _refuse(value, str(known), where)
    if issubclass(kind, Enum):
        names = [member.value for member in kind]
        return kind(value) if value in names else _refuse(value, f"one of {', '.join(names)}", where)
    if kind is float and type(value) is int:
        return float(value)
    return value if type(value) is kind else _refuse(value, _NAMES[kind], where)


def _read_record(value: Any, kind: Any, where: str) -> Any:
    document = value if isinstance(value, dict) else _refuse(value, "an object", where)
    known = _schema(kind)
    for name in document.keys() - known.keys():
        _refuse(document[name], "no such field", _inside(where, name))
    for name, (_, needed) in known.items():
        if needed and name not in document:
            raise UnreadableDocumentError(f"{_inside(where, name)}: missing")
    return kind(**{name: _read(given, known[name][0], _inside(where, name)) for name, given in document.items()})


@cache
def _schema(kind: Any) -> dict[str, tuple[Any, bool]]:
    """The type of each field, and whether a document must have it."""
    types = get_type_hints(kind)
    return {f.name: (types[f.name], f.default is MISSING and f.default_factory is MISSING) for f in fields(kind)}


def _read_time(value: Any, where: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        moment = None
    return moment if moment and moment.tzinfo else _refuse(value, "a time with a zone", where)


_NAMES = {str: "a string", int: "an integer", float: "a number", bool: "true or false", dict: "an object"}


def _inside(where: str, name: str) -> str:
    return f"{where}.{name}".lstrip(".")


def _refuse(value: Any, expected: str, where: str) -> Any:
    raise UnreadableDocumentError(f"{where or 'the document'}: got {json.dumps(value)[:60]}, expected {expected}")
