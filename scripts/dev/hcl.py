"""Values of Terraform's JSON form as HCL expressions, and their layout in lines; `terraform fmt` indents them."""

import json
import re
from typing import Any

LINE_WIDTH = 120
"""A list or object that would end beyond it gets one element a line."""


class UnbalancedError(ValueError):
    """An expression ends within a bracket or a string."""


_OPENING = re.compile(r"(?P<escape>\$\$\{|%%\{)|\$\{|%\{")


def expression(value: Any, *, is_constant: bool) -> str:
    """A value as an expression; strings of a constant are not evaluated, all others are templates."""
    if isinstance(value, str):
        return _constant(value) if is_constant else _template(value)
    if isinstance(value, list):
        return f"[{', '.join(expression(item, is_constant=is_constant) for item in value)}]"
    if isinstance(value, dict):
        entries = []
        for name, item in value.items():
            key = expression(name, is_constant=is_constant)
            key = key if is_constant or bare(name) == name else f"({key})"
            entries.append(f"{key} = {expression(item, is_constant=is_constant)}")
        return f"{{{', '.join(entries)}}}"
    return json.dumps(value)


def _template(text: str) -> str:
    """A string of the JSON form, which is a template without escapes: bare if it is one expression, else quoted."""
    expression = bare(text)
    if expression != text:
        return f"({expression})" if len(_split(expression, "\n")) > 1 else expression
    quoted, position = "", 0
    while opening := _OPENING.search(text, position):
        end = opening.end() if opening["escape"] else _end(text, opening.end() - 1)
        quoted += _escaped(text[position : opening.start()]) + text[opening.start() : end]
        position = end
    return f'"{quoted}{_escaped(text[position:])}"'


def _constant(text: str) -> str:
    """A string that Terraform does not evaluate in the JSON form, and so must not evaluate in HCL."""
    return '"' + re.sub(r"([$%])\{", r"\1\1{", _escaped(text)) + '"'


def _escaped(text: str) -> str:
    named = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"}
    return re.sub(r'[\\"\x00-\x1f\x7f]', lambda match: named.get(match[0], f"\\u{ord(match[0]):04x}"), text)


def bare(text: str) -> str:
    """What stands between the braces if ``text`` is nothing but one ``${...}``, else ``text``."""
    if not text.startswith("${") or _end(text, 1) != len(text):
        return text
    return text[2:-1].removeprefix("~").removesuffix("~").strip()


_KEY_IN_NEEDLESS_QUOTES = re.compile(r'^"(?!(?:for|null|true|false)")([A-Za-z_]\w*)"$', re.ASCII)


def layout(text: str, *, column: int = 0, indent: int = 0, is_item: bool = False) -> str:
    """``text``, which begins at ``column``, with its lists and objects on as many lines as a reader needs."""
    text = text.strip()
    call = re.match(r"\w+(?=\()", text)
    if call and _end(text, call.end()) == len(text):
        argument = text[call.end() + 1 : -1]
        return f"{call[0]}({layout(argument, column=column + call.end() + 1, indent=indent)})"
    if not re.match(r"[\[{](?!\s*for\b)", text) or _end(text, 0) != len(text):
        return text
    if text[0] == "{":
        return _object(text[1:-1], column, indent + 2, is_item=is_item)
    items = [layout(item, column=indent + 2, indent=indent + 2, is_item=True) for item in _split(text[1:-1], ",")]
    line = f"[{', '.join(items)}]"
    has_rows = len(items) > 1 and any(item.startswith("{") for item in items)
    if has_rows or "\n" in line or column + len(line) > LINE_WIDTH:
        return "[\n" + "".join(f"{item},\n" for item in items) + "]"
    return line


def _object(text: str, column: int, indent: int, *, is_item: bool) -> str:
    """An object on one line if it is a flat item of a list, else an entry a line."""
    entries, is_flat = [], True
    for entry in _split(text, ",\n"):
        end = _end(entry, 0) if entry[0] in '"(' else len(re.split(r"[\s=:]", entry)[0])
        key = _KEY_IN_NEEDLESS_QUOTES.sub(r"\1", entry[:end])
        value = layout(entry[end:].lstrip()[1:], column=indent + len(key) + 3, indent=indent)
        is_flat = is_flat and not value.startswith(("[", "{"))
        entries.append(f"{key} = {value}")
    line = f"{{ {', '.join(entries)} }}" if entries else "{}"
    if not entries or (is_item and is_flat and "\n" not in line and column + len(line) <= LINE_WIDTH):
        return line
    return "\n".join(["{", *entries, "}"])


def _split(text: str, separators: str) -> list[str]:
    """``text`` cut at those ``separators`` that stand outside any bracket or string."""
    parts, position = [""], 0
    while position < len(text):
        end = _end(text, position) if text[position] in '([{"' else position + 1
        if text[position] in separators:
            parts.append("")
        else:
            parts[-1] += text[position:end]
        position = end
    return [part.strip() for part in parts if part.strip()]


def _end(text: str, start: int) -> int:
    """The index behind the bracket or the quoted template that opens at ``start``."""
    position, is_string = start + 1, text[start] == '"'
    while position < len(text):
        if text[position] in ('"' if is_string else ")]}"):
            return position + 1
        if not is_string:
            position = _end(text, position) if text[position] in '([{"' else position + 1
        elif text.startswith(("$${", "%%{"), position):
            position += 3
        elif text.startswith(("${", "%{"), position):
            position = _end(text, position + 1)
        else:
            position += 2 if text[position] == "\\" else 1
    raise UnbalancedError(text)
