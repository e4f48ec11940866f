"""What the prices of the usual stacks follow from, kept with the package: reading it takes no synthesis."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from scripts.costs.resources import Resource
from scripts.project import PROJECT

SUMMARY = PROJECT / "scripts" / "costs" / "summary.json"

USUAL: dict[str, Any] = {"availability_zones": 2, "portal_image": "", "soci_indexing": True}
"""The settings that the kept resources follow from, next to ``egress`` and a domain; no other one adds a charge."""

_ARGUMENTS = frozenset(
    {
        *("count", "cpu", "memory", "desired_count", "task_definition", "runtime_platform", "ephemeral_storage"),
        *("internal", "subnets", "metric_query", "schedule_expression", "rule", "arn", "memory_size"),
        *("tier", "vpc_endpoint_type", "container_definitions"),
    }
)
"""The arguments that ``charges`` looks at."""


def covers(settings: Mapping[str, Any]) -> bool:
    """Whether the stack of ``settings`` has the charges of a kept one."""
    return bool(settings["domain_name"]) and all(settings[name] == value for name, value in USUAL.items())


def kept_shared(egress: str) -> list[Resource]:
    """The resources of the usual shared stack with this egress."""
    return _resources(_summary()["shared"][egress])


def kept_interview() -> list[Resource]:
    """The resources of the template set, in which ``${var.…}`` stands for a variable."""
    return _resources(_summary()["interview"])


def summary_of(shared: Mapping[str, Sequence[Resource]], interview: Sequence[Resource]) -> str:
    """The content of ``SUMMARY`` for ``shared`` by egress."""
    document = {
        "shared": {egress: _document(resources) for egress, resources in shared.items()},
        "interview": _document(interview),
    }
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


@cache
def _summary() -> Any:
    return json.loads(SUMMARY.read_text())


def _resources(kept: Mapping[str, Mapping[str, Any]]) -> list[Resource]:
    return [Resource(address, body) for address, body in kept.items()]


def _document(resources: Sequence[Resource]) -> dict[str, dict[str, Any]]:
    return {r.address: {name: value for name, value in r.body.items() if name in _ARGUMENTS} for r in resources}
