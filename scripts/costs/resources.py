"""The resources of both stacks: of the shared stack as synthesized, and of an interview from the template set."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.project import PROJECT
from scripts.shared_stack.synthesis import synthesized

TEMPLATES = PROJECT / "instance_templates"

_VARIABLE = re.compile(r"\$\{(?:var\.task_\w+ > 0 \? var\.task_\w+ : )?var\.(\w+)\}")
"""A variable alone, or the shared stack's size where an interview has none of its own."""


@dataclass(frozen=True)
class Resource:
    """``address`` is ``type.name``; ``body`` has the arguments, blocks as lists, references as ``${...}``."""

    address: str
    body: Mapping[str, Any]

    @property
    def type(self) -> str:
        """The resource type, such as ``aws_lb``."""
        return self.address.partition(".")[0]


def shared_resources(directory: Path | None, settings: Mapping[str, str]) -> list[Resource]:
    """The resources of the shared stack; see ``synthesized`` for the parameters."""
    shared, _ = synthesized(directory, settings)
    return [
        Resource(f"{kind}.{name}", body) for kind, named in shared["resource"].items() for name, body in named.items()
    ]


def interview_resources(variables: Mapping[str, Any]) -> list[Resource]:
    """The resources in ``instance_templates/``, as ``with_variables`` gives them."""
    return with_variables(template_resources(), variables)


def with_variables(resources: Sequence[Resource], variables: Mapping[str, Any]) -> list[Resource]:
    """``resources`` with ``variables`` inserted as arguments; those whose ``count`` is then 0 are omitted."""
    return [
        Resource(each.address, _resolved(each.body, variables)) for each in resources if not _left_out(each, variables)
    ]


def template_resources() -> list[Resource]:
    """The resources in ``instance_templates/``, in which ``${var.…}`` stands for a variable."""
    import hcl2

    found: list[Resource] = []
    for path in sorted(TEMPLATES.glob("*.tf")):
        for block in hcl2.loads(path.read_text()).get("resource", []):
            for kind, named in block.items():
                for name, body in named.items():
                    found.append(Resource(f"{_plain(kind)}.{_plain(name)}", _resolved(body, {})))
    return found


def _left_out(resource: Resource, variables: Mapping[str, Any]) -> bool:
    """Whether ``count`` depends on a variable that is false."""
    count = str(resource.body.get("count", ""))
    return any(count == f"${{var.{name} ? 1 : 0}}" and not value for name, value in variables.items())


def _resolved(value: Any, variables: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        return {_plain(key): _resolved(each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [_resolved(each, variables) for each in value]
    if isinstance(value, str):
        found = _VARIABLE.fullmatch(value)
        return variables[found[1]] if found and found[1] in variables else _plain(value)
    return value


def _plain(text: str) -> str:
    """``text`` without the quotes that python-hcl2 preserves."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def referred(resources: Sequence[Resource], reference: str) -> Iterator[Resource]:
    """The resources to which the expression ``reference`` refers."""
    return (resource for resource in resources if f"${{{resource.address}." in reference)
