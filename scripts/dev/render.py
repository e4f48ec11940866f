"""Renders the interview stack as the template set in ``instance_templates/``; the only script that imports cdktf.

cdktf's own HCL output loses falsy values and breaks strings and conditions, so the values come from its JSON output,
which is right. An element's HCL form is asked only which of its arguments are blocks, because JSON does not tell.
"""

import argparse
import difflib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import stacks.node  # noqa: F401  (first: it starts the Node.js process of all jsii modules)

# isort: split
from cdktf import App, TerraformElement, TerraformStack

from contract.names import TEMPLATE_FILES
from scripts.console import Console
from scripts.errors import PrequelError
from scripts.project import PROJECT
from scripts.terraform.binary import terraform_binary
from stacks.interview import InterviewStack

TEMPLATE_DIRECTORY = PROJECT / "instance_templates"

HEADERS = {
    "main.tf": "State, provider and tags of one interview; the client replaces the backend's three placeholders.",
    "service.tf": "What one interview creates: its password, its route and its container.",
    "variables.tf": "What the client says about one interview, then what the shared stack gives it.",
    "outputs.tf": "What one interview tells its client.",
}
_ORIGIN = "Produced by `make synth` from stacks/interview.py; do not edit."

LINE_WIDTH = 120
"""A list or object that would end beyond it gets one element a line."""


class RenderError(PrequelError):
    """The stack holds something that cannot be written without guessing or losing it."""


class UnbalancedError(ValueError):
    """An expression ends within a bracket or a string."""


@dataclass(frozen=True)
class Grammar:
    """What Terraform's language fixes about one kind of block.

    ``first`` are the arguments that a reader expects on top, ``references`` those written bare, ``constants`` those
    that Terraform reads without evaluation (None: all of them). ``blocks`` are the nested blocks; only with
    ``is_complete`` there are no others, else the bindings know. ``is_labelled`` blocks have a name.
    """

    first: tuple[str, ...] = ()
    references: Collection[str] = ()
    constants: Collection[str] | None = ()
    blocks: dict[str, "Grammar"] = field(default_factory=dict)
    is_labelled: bool = False
    is_complete: bool = True


_CONDITION = Grammar(first=("condition", "error_message"))
_LIFECYCLE = Grammar(
    first=("precondition", "postcondition"),
    references=("ignore_changes", "replace_triggered_by"),
    blocks={"precondition": _CONDITION, "postcondition": _CONDITION},
)
_PROVISIONER = Grammar(references=("when", "on_failure"), blocks={"connection": Grammar()}, is_labelled=True)
_ARGUMENTS = Grammar(first=("name", "type"), is_complete=False)
_DYNAMIC = Grammar(("for_each", "iterator"), references=("iterator",), blocks={"content": _ARGUMENTS}, is_labelled=True)
_BUILT_IN = Grammar(
    first=("name", "family", "type"),
    references=("provider", "depends_on"),
    blocks={"dynamic": _DYNAMIC, "lifecycle": _LIFECYCLE, "connection": Grammar(), "provisioner": _PROVISIONER},
)
_RESOURCE = replace(_BUILT_IN, is_complete=False)
_BACKEND = Grammar(first=("bucket", "key", "region"), constants=None, is_labelled=True)
_TERRAFORM = Grammar(
    first=("required_version", "required_providers", "backend"),
    constants=None,
    blocks={"required_providers": Grammar(constants=None), "backend": _BACKEND},
)
_VARIABLE = Grammar(
    first=("type", "description", "default", "nullable", "sensitive", "ephemeral"),
    references=("type",),
    constants=("description", "default"),
    blocks={"validation": _CONDITION},
)
_OUTPUT = Grammar(("description", "value"), ("depends_on",), ("description",), {"precondition": _CONDITION})
_PROVIDER = Grammar(first=("alias", "region"), blocks={"dynamic": _DYNAMIC}, is_complete=False)
_SECTIONS = {
    "provider": _PROVIDER,
    "locals": Grammar(),
    "variable": _VARIABLE,
    "resource": _RESOURCE,
    "data": _RESOURCE,
    "output": _OUTPUT,
}
_META_FIRST, _META_LAST = ("count", "for_each", "provider"), ("depends_on", "lifecycle")


@dataclass
class Block:
    """A block to be written: ``shape`` is its part of the element's HCL form, ``path`` the construct it comes from."""

    header: str
    grammar: Grammar
    values: dict[str, Any]
    shape: dict[str, Any]
    path: str

    def text(self) -> str:
        """The block in HCL, in paragraphs: meta-arguments, arguments, long ones, blocks, meta-arguments again."""
        text, above = "", 0
        for (paragraph, _), piece in sorted(self._pieces(), key=lambda placed: placed[0]):
            text += ("\n" if paragraph == above or not text else "\n\n") + piece
            above = 0 if "\n" in piece else paragraph
        return f"{self.header} {{{text}\n}}"

    def _pieces(self) -> Iterator[tuple[tuple[int, int], str]]:
        """Each argument and nested block behind its paragraph and its rank therein."""
        first = self.grammar.first
        for key, value in self.values.items():
            if is_block := self._is_block(key, value):
                pieces = [block.text() for block in self._nested(key, value)]
            else:
                pieces = [f"{key} = {self._argument(key, value)}"]
            place = self._paragraph(key, is_block, "\n" in pieces[0]), first.index(key) if key in first else len(first)
            yield from ((place, piece) for piece in pieces)

    def _paragraph(self, key: str, is_block: bool, is_long: bool) -> int:
        if key in _META_LAST:
            return 5 + _META_LAST.index(key)
        if is_block or key in self.grammar.first:
            return 4 if is_block else 2
        return 1 if key in _META_FIRST else 3 if is_long else 2

    def _is_block(self, key: str, value: Any) -> bool:
        if key in self.grammar.blocks or self.grammar.is_complete or key in _META_FIRST:
            return key in self.grammar.blocks
        described = self.shape.get(key)
        for spelling in ("isBlock", "is_block"):  # a provider's HCL form has all its keys in snake case
            if isinstance(described, dict) and spelling in described:
                return bool(described[spelling])
        if any(isinstance(item, dict) for item in _as_list(value)):
            raise RenderError(f"{self.path}: {key} may be a block or a map: set it by the binding, not by an override")
        return False

    def _nested(self, key: str, value: Any) -> Iterator["Block"]:
        grammar, described = self.grammar.blocks.get(key, _ARGUMENTS), self.shape.get(key)
        items = _as_list(value)
        shapes = _as_list(described["value"]) if isinstance(described, dict) and "value" in described else []
        if not items or not all(isinstance(item, dict) for item in items):
            raise RenderError(f"{self.path}: {key} is a block and cannot be {value}")
        for item, shape in zip(items, [*shapes, *({} for _ in items)], strict=False):
            if grammar.is_labelled:
                for label, bodies in item.items():
                    yield from (Block(f'{key} "{label}"', grammar, body, {}, self.path) for body in _as_list(bodies))
            else:
                yield Block(key, grammar, item, shape, self.path)

    def _argument(self, key: str, value: Any) -> str:
        constants = self.grammar.constants
        try:
            if key in self.grammar.references:
                expression = f"[{', '.join(map(_bare, value))}]" if isinstance(value, list) else _bare(value)
            else:
                expression = _expression(value, is_constant=constants is None or key in constants)
            return _layout(expression, column=len(key) + 5, indent=2)
        except UnbalancedError as error:
            raise RenderError(f"{self.path}: {key} has unbalanced brackets or quotes: {error}") from error


def render(stack: TerraformStack) -> dict[str, str]:
    """The files of ``stack`` by name, as `terraform fmt` leaves them; a construct's top scope decides its file."""
    stack.prepare_stack()
    document = stack.to_terraform()
    settings = document.pop("terraform")
    providers = settings.get("required_providers", {})
    for name in providers:
        providers[name] = dict(sorted(providers[name].items()))  # the source before the version
    files: dict[str, dict[str, Block]] = {name: {} for name in TEMPLATE_FILES}
    files["main.tf"]["terraform"] = Block("terraform", _TERRAFORM, settings, {}, stack.node.path)
    for element in stack.node.find_all():
        if isinstance(element, TerraformElement):
            scope = element.node.path.removeprefix(f"{stack.node.path}/").split("/")[0]
            blocks = files.get(f"{scope}.tf", files["main.tf"])
            for block in _take(element, document):
                # All locals of a file share one block.
                key = "locals" if block.header == "locals" else block.path
                blocks.setdefault(key, block).values.update(block.values)
    lost = [section for section, content in document.items() if section != "//" and _holds_anything(content)]
    if lost:
        raise RenderError(f"{stack.node.path}: no way to write {', '.join(sorted(lost))}")
    return _formatted({name: "\n\n".join(block.text() for block in blocks.values()) for name, blocks in files.items()})


def _take(element: TerraformElement, document: dict[str, Any]) -> Iterator[Block]:
    """What ``element`` declares, taken out of ``document``, so that whatever stays there was forgotten."""
    for section, declared in element.to_hcl_terraform().items():
        if section not in _SECTIONS or not declared:
            continue
        owner, grammar = document[section], _SECTIONS[section]
        [(label, shape)] = declared.items()
        labels = [] if section == "locals" else [label]
        if section in ("resource", "data"):
            owner, grammar = owner[label], _BUILT_IN if label == "terraform_data" else grammar
            [(label, shape)] = shape.items()
            labels.append(label)
        values = owner[label].pop(0) if section == "provider" else owner.pop(label)
        values = {label: values} if section == "locals" else {key: values[key] for key in values if key != "//"}
        header = " ".join([section, *(f'"{label}"' for label in labels)])
        yield Block(header, grammar, values, _as_list(shape)[0], element.node.path)


def _holds_anything(node: Any) -> bool:
    return any(map(_holds_anything, node.values())) if isinstance(node, dict) else node != []


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# From values of the JSON form to expressions.

_OPENING = re.compile(r"(?P<escape>\$\$\{|%%\{)|\$\{|%\{")


def _expression(value: Any, *, is_constant: bool) -> str:
    if isinstance(value, str):
        return _constant(value) if is_constant else _template(value)
    if isinstance(value, list):
        return f"[{', '.join(_expression(item, is_constant=is_constant) for item in value)}]"
    if isinstance(value, dict):
        entries = []
        for name, item in value.items():
            key = _expression(name, is_constant=is_constant)
            key = key if is_constant or _bare(name) == name else f"({key})"
            entries.append(f"{key} = {_expression(item, is_constant=is_constant)}")
        return f"{{{', '.join(entries)}}}"
    return json.dumps(value)


def _template(text: str) -> str:
    """A string of the JSON form, which is a template without escapes: bare if it is one expression, else quoted."""
    expression = _bare(text)
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


def _bare(text: str) -> str:
    """What stands between the braces if ``text`` is nothing but one ``${...}``, else ``text``."""
    if not text.startswith("${") or _end(text, 1) != len(text):
        return text
    return text[2:-1].removeprefix("~").removesuffix("~").strip()


# From expressions to lines; `terraform fmt` does the indentation.

_KEY_IN_NEEDLESS_QUOTES = re.compile(r'^"(?!(?:for|null|true|false)")([A-Za-z_]\w*)"$', re.ASCII)


def _layout(text: str, *, column: int = 0, indent: int = 0, is_item: bool = False) -> str:
    """``text``, which begins at ``column``, with its lists and objects on as many lines as a reader needs."""
    text = text.strip()
    call = re.match(r"\w+(?=\()", text)
    if call and _end(text, call.end()) == len(text):
        argument = text[call.end() + 1 : -1]
        return f"{call[0]}({_layout(argument, column=column + call.end() + 1, indent=indent)})"
    if not re.match(r"[\[{](?!\s*for\b)", text) or _end(text, 0) != len(text):
        return text
    if text[0] == "{":
        return _object(text[1:-1], column, indent + 2, is_item=is_item)
    items = [_layout(item, column=indent + 2, indent=indent + 2, is_item=True) for item in _split(text[1:-1], ",")]
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
        value = _layout(entry[end:].lstrip()[1:], column=indent + len(key) + 3, indent=indent)
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


# Files.


def _formatted(files: dict[str, str]) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as directory:
        paths = {name: Path(directory, name) for name in files}
        for name, path in paths.items():
            path.write_text(f"# {HEADERS[name]}\n# {_ORIGIN}\n\n{files[name]}\n", encoding="utf-8")
        command = [terraform_binary(), "fmt", "-no-color"]
        formatting = subprocess.run(command, cwd=directory, check=False, capture_output=True, text=True)
        if formatting.returncode:
            raise RenderError(f"terraform fmt refuses what was rendered: {formatting.stderr.strip()}")
        return {name: path.read_text(encoding="utf-8") for name, path in paths.items()}


def render_interview() -> dict[str, str]:
    """The template set as the interview stack defines it now."""
    return render(InterviewStack(App(), "interview"))


def difference(rendered: dict[str, str], directory: Path) -> str:
    """A unified diff from the files in ``directory`` to ``rendered``; empty if they are equal."""
    diff: list[str] = []
    for name, text in rendered.items():
        path = directory / name
        old = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        diff += difflib.unified_diff(old, text.splitlines(keepends=True), f"{directory.name}/{name}", f"stack/{name}")
    return "".join(diff)


def main(arguments: list[str] | None = None) -> int:
    """Write the template set that the interview stack defines."""
    parser = argparse.ArgumentParser(prog="python -m scripts.dev.render", description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; show how the files differ, exit 1 if so")
    is_check = parser.parse_args(arguments).check
    console = Console()
    try:
        rendered = render_interview()
    except PrequelError as error:
        console.error(str(error))
        return error.exit_code
    changed = [name for name, text in rendered.items() if difference({name: text}, TEMPLATE_DIRECTORY)]
    if is_check and changed:
        console.result(None, difference(rendered, TEMPLATE_DIRECTORY))
        console.error("the templates are not what stacks/interview.py defines: run `make synth`")
        return 1
    TEMPLATE_DIRECTORY.mkdir(exist_ok=True)
    for name in changed:
        (TEMPLATE_DIRECTORY / name).write_text(rendered[name], encoding="utf-8")
        console.result(None, f"wrote {TEMPLATE_DIRECTORY.name}/{name}")
    if not changed:
        console.result(None, f"{TEMPLATE_DIRECTORY.name} unchanged")
    return 0


if __name__ == "__main__":
    sys.exit(main())
