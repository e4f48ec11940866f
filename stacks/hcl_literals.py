"""The part of HCL's native syntax that files of values use: assignments of literal values.

A parser of its own, because python-hcl2 reads some files otherwise than Terraform, which a test runs beside this one
(https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md, docs/decisions/0092-hcl-literals.md).
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow, Underflow
from typing import Any

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_EXACT = Context(prec=153, Emax=4299, Emin=-4299, traps=[Inexact, InvalidOperation, Overflow, Underflow])
"""Terraform holds every number of so many digits exactly, in 512 bits. Longer ones than Emax are no text in Python."""
_BLANK = re.compile(r"([ \t]|/\*.*?\*/|(#|//)[^\n]*(?<!\r))+", re.DOTALL)
_BLANK_LINES = re.compile(r"([ \t\n]|\r\n|/\*.*?\*/|(#|//)[^\n]*)+", re.DOTALL)
_LINE_END = re.compile(r"\r?\n")
_SPACE = "".join(c for c in map(chr, range(0x3001)) if c.isspace() and not "\x1c" <= c <= "\x1f")
"""What Go's unicode.IsSpace takes for space; Python also takes four control characters."""
_WORDS = {"true": True, "false": False, "null": None}
_FOR = re.compile(r"for\b(?!-)")
_OPERATOR = re.compile(r"[-+*/%<>?\[(.]|==|!=|&&|\|\|")
_TEMPLATE = re.compile(r"(?P<literal>\$\$\{|%%\{)|(?P<template>[$%]\{)")
_QUOTED = re.compile(
    _TEMPLATE.pattern + r"|\\(?P<code>u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})|\\(?P<escape>[^\n])"
    r'|(?P<text>[^"\\\r\n$%]+|[$%])'
)


class InvalidHclError(Exception):
    """The text is not HCL; ``offset`` is where."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"invalid at {offset}")
        self.offset = offset


class _NoLiteralError(Exception):
    """A value is legal in HCL, perhaps, but no literal; the text continues a sentence that begins with its key."""


@dataclass(frozen=True)
class Unusable:
    """Stands for a value that is no literal; ``reason`` continues a sentence that begins with the key."""

    reason: str


def assignments(text: str) -> Iterator[tuple[str, Any]]:
    """Each assignment of ``text`` in its order; raises ``InvalidHclError``.

    Numbers are ``int`` where they are whole, else ``float``, and text is in Unicode's form NFC, as in Terraform.
    """
    parser = _Parser(text)
    while parser.skip(_BLANK_LINES) < len(text):
        key = parser.name()
        parser.skip(_BLANK)
        start = parser.offset
        try:
            parser.equals_sign()
            start = parser.offset
            value = parser.whole_value()
        except _NoLiteralError as error:
            parser.offset = parser.end_of_expression(start, "")
            yield key, Unusable(str(error))
        else:
            yield key, value
        parser.skip(_BLANK)
        if parser.offset < len(text) and not parser.match(_LINE_END):
            raise InvalidHclError(parser.offset)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self.offset = 0

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self.offset)
        if found:
            self.offset = found.end()
        return found

    def skip(self, pattern: re.Pattern[str]) -> int:
        self.match(pattern)
        return self.offset

    def take(self, token: str) -> bool:
        found = self._text.startswith(token, self.offset)
        self.offset += len(token) if found else 0
        return found

    def at_name(self) -> bool:
        return self._text[self.offset : self.offset + 1].isidentifier()

    def name(self) -> str:
        if not self.at_name():
            raise InvalidHclError(self.offset)
        start = self.offset
        while self.offset < len(self._text) and f"a{self._text[self.offset].replace('-', '_')}".isidentifier():
            self.offset += 1
        return self._text[start : self.offset]

    def equals_sign(self) -> None:
        """Goes on behind the sign, or raises for a block, which has none."""
        if self.take("="):
            self.skip(_BLANK)
        elif self.at_name() or self._text.startswith(('"', "{"), self.offset):
            raise _NoLiteralError("is a block, expected an assignment with =")
        else:
            raise InvalidHclError(self.offset)

    def whole_value(self) -> Any:
        """A literal, behind which no operator makes it the first part of an expression."""
        start = self.offset
        value = self._value()
        end = self.skip(_BLANK)
        if _OPERATOR.match(self._text, end):
            raise self._expression(start)
        return value

    def _value(self) -> Any:
        start = self.offset
        readers = {'"': self._quoted, "<<": self._heredoc, "[": self._tuple, "{": self._object, "(": self._parenthesis}
        for token, read in readers.items():
            if self.take(token):
                return read()
        sign = "-" if self.take("-") else ""
        self.skip(_BLANK)
        if number := self.match(_NUMBER):
            return _number(f"{sign}{number[0]}")
        if sign or self.take("!"):
            raise self._expression(start)
        word = self.name()
        if word in _WORDS:
            return _WORDS[word]
        raise self._expression(start)

    def _parenthesis(self) -> Any:
        start = self.offset - 1
        self.skip(_BLANK_LINES)
        value = self.whole_value()
        self.skip(_BLANK_LINES)
        if not self.take(")"):
            raise self._expression(start)
        return value

    def _tuple(self) -> list[Any]:
        start = self.offset - 1
        found: list[Any] = []
        self.skip(_BLANK_LINES)
        if _FOR.match(self._text, self.offset):
            raise self._expression(start)
        while not self.take("]"):
            found.append(self.whole_value())
            self.skip(_BLANK_LINES)
            if not self.take(",") and not self._text.startswith("]", self.offset):
                raise InvalidHclError(self.offset)
            self.skip(_BLANK_LINES)
        return found

    def _object(self) -> dict[str, Any]:
        start = self.offset - 1
        found: dict[str, Any] = {}
        self.skip(_BLANK_LINES)
        if _FOR.match(self._text, self.offset):
            raise self._expression(start)
        while not self.take("}"):
            key = self._key()
            self.skip(_BLANK)
            if not self.take("=") and not self.take(":"):
                raise InvalidHclError(self.offset)
            self.skip(_BLANK)
            found[key] = self.whole_value()
            self.skip(_BLANK)
            if not self.take(",") and not self.match(_LINE_END) and not self._text.startswith("}", self.offset):
                raise InvalidHclError(self.offset)
            self.skip(_BLANK_LINES)
        return found

    def _key(self) -> str:
        start = self.offset
        if self.take('"'):
            return self._quoted()
        if number := self.match(_NUMBER):
            return f"{_exact(number[0]).normalize(_EXACT):f}"
        name = self.name() if self.at_name() else ""
        if name and not _OPERATOR.match(self._text, self.offset):
            return unicodedata.normalize("NFC", name)
        if not name and not self._text.startswith(("(", "-", "!", "[", "{", "<<"), self.offset):
            raise InvalidHclError(self.offset)
        shown = _shown(self._text[start : self.end_of_expression(start, "=:,}")])
        raise _NoLiteralError(f"has the expression {shown} for a key, expected a name or quoted text")

    def _quoted(self) -> str:
        start = self.offset
        parts: list[str] = []
        while not self.take('"'):
            part = self.match(_QUOTED)
            if part is None:
                raise InvalidHclError(self.offset)
            if part["template"]:
                raw = self._text[start : self._end_of_string(start)]
                raise _NoLiteralError(f"holds the template {_shown(raw)}, expected literal text")
            parts.append(self._unescaped(part))
        return unicodedata.normalize("NFC", "".join(parts))

    def _unescaped(self, part: re.Match[str]) -> str:
        if part["literal"]:
            return part["literal"][1:]
        if part["code"]:
            code = int(part["code"][1:], 16)
            if 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
                raise _NoLiteralError(f"holds {part[0]}, which is no character of Unicode")
            return chr(code)
        if part["escape"]:
            if part["escape"] not in _ESCAPES:
                raise _NoLiteralError(f"holds the unknown escape {part[0]}")
            return _ESCAPES[part["escape"]]
        return part["text"]

    def _heredoc(self) -> str:
        indented = self.take("-")
        marker = self.name()
        if not self.match(_LINE_END):
            raise InvalidHclError(self.offset)
        lines: list[str] = []
        while True:
            end = self._text.find("\n", self.offset)
            if end < 0:
                raise InvalidHclError(len(self._text))
            line = self._text[self.offset : end + 1]
            if (lone_return := self._text.find("\r", self.offset, end - 1)) >= 0:
                raise InvalidHclError(lone_return)
            if line.strip(_SPACE) == marker:
                # The line break that ends the marker also ends the assignment.
                self.offset = end - (1 if line.endswith("\r\n") else 0)
                break
            lines.append(line)
            self.offset = end + 1
        if indented:
            width = min((len(line) - len(line.lstrip(_SPACE)) for line in lines if line.strip(_SPACE)), default=0)
            lines = [line[width:] if line.strip(_SPACE) else line for line in lines]
        text = "".join(lines)
        if template := next((found[0] for found in _TEMPLATE.finditer(text) if found["template"]), ""):
            raise _NoLiteralError(f"holds the template {template}…, expected literal text")
        return unicodedata.normalize("NFC", _TEMPLATE.sub(lambda found: found["literal"][1:], text))

    def _expression(self, start: int) -> _NoLiteralError:
        shown = _shown(self._text[start : self.end_of_expression(start, ",")])
        return _NoLiteralError(f"is the expression {shown}, expected a literal value")

    def end_of_expression(self, offset: int, ends: str) -> int:
        """Where the line ends in which the expression at ``offset`` does, or the first of ``ends`` follows it."""
        depth = 0
        while offset < len(self._text):
            character = self._text[offset]
            if character == '"':
                offset = self._end_of_string(offset + 1)
            elif character in "([{":
                depth += 1
            elif character in ")]}":
                depth -= 1
            comment = _BLANK.match(self._text, offset) if character in "#/" else None
            if depth < 0 or (depth == 0 and (character in f"\r\n{ends}")):
                break
            offset = comment.end() if comment else offset + 1
        return offset

    def _end_of_string(self, offset: int) -> int:
        """Where the quote is that ends the string, templates and the strings in them included."""
        while offset < len(self._text) and self._text[offset] != '"':
            if self._text.startswith(("$${", "%%{"), offset):
                offset += 3
            elif self._text.startswith(("${", "%{"), offset):
                offset = self.end_of_expression(offset + 2, "") + 1
            else:
                offset += 2 if self._text[offset] == "\\" else 1
        return offset


def _exact(text: str) -> Decimal:
    try:
        return _EXACT.create_decimal(text)
    except ArithmeticError as error:
        limits = f"{_EXACT.prec} digits and an exponent of {_EXACT.Emax}"
        raise _NoLiteralError(f"holds the number {text:.20}…, expected at most {limits}") from error


def _number(text: str) -> int | float:
    value = _exact(text)
    return int(value) if value == value.to_integral_value() else float(text)


def _shown(raw: str) -> str:
    words = " ".join(raw.split())
    return words.replace("( ", "(").replace(" )", ")")
