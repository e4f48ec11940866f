"""``challenge.toml``: what a challenge says about itself, and what it needs. All of it is optional."""

import json
import re
import tomllib
from collections.abc import Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator

from contract.limits import FARGATE_MEMORY_MIB, IMAGE_TAG_PATTERN, STORAGE_GIB

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

DEFINITION = "challenge.toml"
README = "README.md"

_LINE = r"^[^\r\n\x00]{0,500}$"
_COMMAND = "a shell command in one line, such as python3 -m unittest"
_CPU_UNITS = ", ".join(map(str, FARGATE_MEMORY_MIB))


class Size(BaseModel, frozen=True, strict=True, validate_default=True):
    """What an interview gets instead of the shared stack's size: CPU units, MiB and GiB; 0 is the shared stack's."""

    cpu: int = Field(default=0, description=f"one of {_CPU_UNITS} CPU units")
    memory: int = Field(default=0, description="a whole number of MiB that Fargate offers with cpu")
    storage: int = Field(default=0, description=f"a whole number of GiB from {STORAGE_GIB[0]} to {STORAGE_GIB[1]}")

    @field_validator("cpu")
    @classmethod
    def _cpu_is_offered(cls, cpu: int) -> int:
        if cpu and cpu not in FARGATE_MEMORY_MIB:
            raise ValueError(cls.model_fields["cpu"].description)
        return cpu

    @field_validator("memory")
    @classmethod
    def _memory_is_offered(cls, memory: int, info: ValidationInfo) -> int:
        cpu = info.data.get("cpu")
        if cpu == 0 and memory:
            raise ValueError("size.cpu beside it")
        if cpu and memory not in (offered := FARGATE_MEMORY_MIB[cpu]):
            raise ValueError(f"one of {', '.join(map(str, offered))} MiB, as Fargate offers with cpu = {cpu}")
        return memory

    @field_validator("storage")
    @classmethod
    def _storage_is_offered(cls, storage: int) -> int:
        if storage and not STORAGE_GIB[0] <= storage <= STORAGE_GIB[1]:
            raise ValueError(cls.model_fields["storage"].description)
        return storage

    def __str__(self) -> str:
        parts = [f"{self.cpu / 1024:g} vCPU, {self.memory / 1024:g} GB"] if self.cpu else []
        return ", ".join([*parts, *([f"{self.storage} GB of storage"] if self.storage else [])])


class Definition(BaseModel, frozen=True, strict=True):
    """The content of a ``challenge.toml``; each field's ``description`` says what it accepts."""

    title: str = Field(default="", pattern=_LINE, description="one line")
    instructions: str = Field(default=README, min_length=1, description="a file of the challenge, such as README.md")
    test: str = Field(default="", pattern=_LINE, description=_COMMAND)
    tools: list[str] = Field(default_factory=list, description='programs on PATH, such as ["go", "make"]')
    extensions: list[str] = Field(
        default_factory=list, description='extensions that the image has, such as ["golang.go"]'
    )
    size: Size = Field(default_factory=Size, description="a table such as { cpu = 2048, memory = 8192, storage = 30 }")
    image: str = Field(
        default="", pattern=rf"^$|{IMAGE_TAG_PATTERN}", description="a tag of the stack's own repository, such as go"
    )
    setup: str = Field(default="", pattern=_LINE, description=_COMMAND)

    @field_validator("tools")
    @classmethod
    def _tools_are_names(cls, tools: list[str]) -> list[str]:
        return _all_match(r"[A-Za-z0-9_][A-Za-z0-9._+-]*", tools, "names of programs, such as go")

    @field_validator("extensions")
    @classmethod
    def _extensions_are_ids(cls, extensions: list[str]) -> list[str]:
        return _all_match(r"[A-Za-z0-9][A-Za-z0-9-]*\.[A-Za-z0-9][A-Za-z0-9._-]*", extensions, "ids such as golang.go")


def _all_match(pattern: str, values: list[str], expected: str) -> list[str]:
    wrong = [value for value in values if not re.fullmatch(pattern, value)]
    if wrong:
        raise ValueError(f"{expected}, and not {', '.join(map(json.dumps, wrong))}")
    return values


def parse(content: bytes, where: str, problems: list[str]) -> Definition:
    """The definition in ``content``; adds a line, beginning with ``where``, to ``problems`` for all that is wrong.

    With problems, the defaults are returned.
    """
    try:
        document = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{where} is not TOML: {error}")
        return Definition()
    found = [f"{where}: {problem}" for problem in _unknown(document)]
    try:
        definition = Definition.model_validate(document)
    except ValidationError as error:
        found += [f"{where}: {_problem(detail)}" for detail in error.errors(include_url=False)]
    if found:
        problems += found
        return Definition()
    return definition


def _unknown(document: dict[str, Any]) -> Iterator[str]:
    size = document.get("size")
    tables: list[tuple[str, dict[str, Any], type[BaseModel]]] = [("", document, Definition)]
    if isinstance(size, dict):
        tables.append(("size.", size, Size))
    for prefix, table, model in tables:
        for key in (key for key in table if key not in model.model_fields):
            near = get_close_matches(key, model.model_fields, n=1)
            known = f"did you mean {prefix}{near[0]}?" if near else f"expected one of {', '.join(model.model_fields)}"
            yield f"{prefix}{key} is not a key, {known}"


def _problem(detail: "ErrorDetails") -> str:
    """One line: the key, the value got and what is expected."""
    keys = [str(part) for part in detail["loc"]]
    field = Size.model_fields[keys[1]] if keys[0] == "size" and len(keys) > 1 else Definition.model_fields[keys[0]]
    # A validator's message is what it expects; for every other check, the field's description is.
    expected = detail["ctx"]["error"] if detail["type"] == "value_error" else field.description
    return f"{'.'.join(keys)} is {json.dumps(detail['input'], default=str, ensure_ascii=False)}, expected {expected}"
