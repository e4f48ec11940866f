"""Blocks of HCL: what Terraform's language fixes about each kind, and how one is written."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from scripts.dev.hcl import UnbalancedError, bare, expression, layout
from scripts.errors import PrequelError


class RenderError(PrequelError):
    """The stack holds something that cannot be written without guessing or losing it."""


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
BUILT_IN = Grammar(
    first=("name", "family", "type"),
    references=("provider", "depends_on"),
    blocks={"dynamic": _DYNAMIC, "lifecycle": _LIFECYCLE, "connection": Grammar(), "provisioner": _PROVISIONER},
)
_RESOURCE = replace(BUILT_IN, is_complete=False)
_BACKEND = Grammar(first=("bucket", "key", "region"), constants=None, is_labelled=True)
TERRAFORM = Grammar(
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
SECTIONS = {
    "provider": _PROVIDER,
    "locals": Grammar(),
    "variable": _VARIABLE,
    "resource": _RESOURCE,
    "data": _RESOURCE,
    "output": _OUTPUT,
}
"""The top-level blocks that a stack has beside ``terraform``, by their keyword."""
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
        if any(isinstance(item, dict) for item in as_list(value)):
            raise RenderError(f"{self.path}: {key} may be a block or a map: set it by the binding, not by an override")
        return False

    def _nested(self, key: str, value: Any) -> Iterator["Block"]:
        grammar, described = self.grammar.blocks.get(key, _ARGUMENTS), self.shape.get(key)
        items = as_list(value)
        shapes = as_list(described["value"]) if isinstance(described, dict) and "value" in described else []
        if not items or not all(isinstance(item, dict) for item in items):
            raise RenderError(f"{self.path}: {key} is a block and cannot be {value}")
        for item, shape in zip(items, [*shapes, *({} for _ in items)], strict=False):
            if grammar.is_labelled:
                for label, bodies in item.items():
                    yield from (Block(f'{key} "{label}"', grammar, body, {}, self.path) for body in as_list(bodies))
            else:
                yield Block(key, grammar, item, shape, self.path)

    def _argument(self, key: str, value: Any) -> str:
        constants = self.grammar.constants
        try:
            if key in self.grammar.references:
                text = f"[{', '.join(map(bare, value))}]" if isinstance(value, list) else bare(value)
            else:
                text = expression(value, is_constant=constants is None or key in constants)
            return layout(text, column=len(key) + 5, indent=2)
        except UnbalancedError as error:
            raise RenderError(f"{self.path}: {key} has unbalanced brackets or quotes: {error}") from error


def as_list(value: Any) -> list[Any]:
    """``value`` if it is a list, else a list of it alone: Terraform's JSON has both forms of a block."""
    return value if isinstance(value, list) else [value]
