"""Rules that AWS documents and its service models lack; the table is rules.toml."""

import tomllib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jmespath
import regex

from scripts.embedded.checks.call import Call, Refusal

TABLE = Path(__file__).with_suffix(".toml")

_MEMORY_BY_CPU: dict[str, Any] = {
    "256": (512, 1024, 2048),
    "512": range(1024, 4096 + 1, 1024),
    "1024": range(2048, 8192 + 1, 1024),
    "2048": range(4096, 16384 + 1, 1024),
    "4096": range(8192, 30720 + 1, 1024),
    "8192": range(16384, 61440 + 1, 4096),
    "16384": range(32768, 122880 + 1, 8192),
}
"""MiB that Fargate has for each CPU: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html."""


@dataclass(frozen=True)
class DocumentedRule:
    """One row of the table."""

    path: Any
    accepts: Callable[[Any], bool]
    code: str
    message: str


def check(call: Call) -> None:
    """Raises ``Refusal`` for the first rule that ``call`` breaks."""
    for rule in _BY_CALL.get(call.name, ()):
        found = rule.path.search(call.parameters)
        for value in found if isinstance(found, list) else [found]:
            if value is not None and not rule.accepts(value):
                raise Refusal(rule.code, rule.message.replace("{value}", str(value)))
    if call.name == "ecs:RegisterTaskDefinition" and not _has_a_size(call.parameters):
        raise Refusal("ClientException", "No Fargate configuration exists for given values.")


def _has_a_size(task: dict[str, Any]) -> bool:
    if "FARGATE" not in task.get("requiresCompatibilities", []):
        return True
    memory = str(task.get("memory", ""))
    return memory.isdigit() and int(memory) in _MEMORY_BY_CPU.get(str(task.get("cpu")), ())


def _accepts(row: dict[str, Any]) -> Callable[[Any], bool]:
    if "pattern" in row:
        pattern = regex.compile(row["pattern"])
        return lambda value: pattern.fullmatch(value) is not None
    if "policy_size" in row:
        return lambda document: len(regex.sub(r"\s", "", document)) <= row["policy_size"]
    return lambda value: value in row["one_of"]


def _read() -> dict[str, list[DocumentedRule]]:
    found = defaultdict(list)
    for row in tomllib.loads(TABLE.read_text())["rule"]:
        rule = DocumentedRule(jmespath.compile(row["path"]), _accepts(row), row["code"], row["message"])
        for call in row["calls"]:
            found[call].append(rule)
    return found


_BY_CALL = _read()
