"""What no interview may do, asserted on a plan of the template set with the values that are to be published."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from contract.names import CODE_SERVER_CONTAINER

SENTINEL_PASSWORD = "sentinel-" + "password-of-the-validation"
"""Given to the plan, and looked for in everything that the plan holds."""

RESOURCE_TYPES = frozenset(
    {
        "aws_ecs_service",
        "aws_ecs_task_definition",
        "aws_lb_listener_rule",
        "aws_lb_target_group",
        "aws_route53_record",
        "aws_ssm_parameter",
    }
)
"""What the rehearsal and `prequel interview destroy` can prove to be gone."""

_SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|PRIVATE|CREDENTIAL|API_?KEY", re.IGNORECASE)


@dataclass(frozen=True)
class Plan:
    """Terraform's JSON plan; ``resource_changes`` as in
    https://developer.hashicorp.com/terraform/internals/json-format#plan-representation.
    """

    resource_changes: list[dict[str, Any]]

    def planned(self, type: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Address and planned attributes of every resource of ``type``."""
        for change in self.resource_changes:
            if change["type"] == type:
                yield change["address"], change["change"]["after"] or {}

    @cached_property
    def containers(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Address with name, and definition, of every container."""
        return [
            (f"{address} container {container.get('name')}", container)
            for address, task in self.planned("aws_ecs_task_definition")
            for container in json.loads(task.get("container_definitions") or "[]")
        ]


def _known_types(plan: Plan) -> Iterator[str]:
    for change in plan.resource_changes:
        if change["mode"] == "managed" and change["type"] not in RESOURCE_TYPES:
            yield f"{change['address']} is of a type that cannot be verified to be gone"


def _containers_known(plan: Plan) -> Iterator[str]:
    for address, task in plan.planned("aws_ecs_task_definition"):
        if not task.get("container_definitions"):
            yield f"{address} has container definitions that are unknown before the apply"


def _no_public_address(plan: Plan) -> Iterator[str]:
    for address, service in plan.planned("aws_ecs_service"):
        networks = service.get("network_configuration") or []
        if not networks or any(network.get("assign_public_ip") for network in networks):
            yield f"{address} gives its containers a public address"


def _no_shell(plan: Plan) -> Iterator[str]:
    for address, service in plan.planned("aws_ecs_service"):
        if service.get("enable_execute_command"):
            yield f"{address} enables ECS Exec"


def _isolated_tasks(plan: Plan) -> Iterator[str]:
    for address, task in plan.planned("aws_ecs_task_definition"):
        if task.get("network_mode") != "awsvpc":
            yield f"{address} has network mode {task.get('network_mode')}, expected awsvpc"
        if task.get("pid_mode") or task.get("ipc_mode"):
            yield f"{address} shares its processes or memory"
        if any(volume.get("host_path") for volume in task.get("volume") or []):
            yield f"{address} mounts its host"


def _unprivileged(plan: Plan) -> Iterator[str]:
    for where, container in plan.containers:
        if container.get("privileged"):
            yield f"{where} is privileged"
        if (container.get("linuxParameters") or {}).get("capabilities", {}).get("add"):
            yield f"{where} adds capabilities"


def _locked_down_candidate(plan: Plan) -> Iterator[str]:
    candidates = [(where, c) for where, c in plan.containers if c.get("name") == CODE_SERVER_CONTAINER]
    if not candidates:
        yield f"there is no container {CODE_SERVER_CONTAINER}"
    for where, container in candidates:
        if container.get("readonlyRootFilesystem") is not True:
            yield f"{where} has a writable root"
        if str(container.get("user", "root")).split(":")[0] in {"0", "root", ""}:
            yield f"{where} runs as root"
        if (container.get("linuxParameters") or {}).get("capabilities", {}).get("drop") != ["ALL"]:
            yield f"{where} keeps capabilities"


def _secrets_by_reference(plan: Plan) -> Iterator[str]:
    for where, container in plan.containers:
        for variable in container.get("environment") or []:
            if _SECRET_NAME.search(variable.get("name", "")):
                yield f"{where} has {variable['name']} in plain text in its environment"
        for secret in container.get("secrets") or []:
            if not str(secret.get("valueFrom", "")).startswith("arn:aws"):
                yield f"{where} has a secret {secret.get('name')} that is no reference"


def _encrypted_password(plan: Plan) -> Iterator[str]:
    for address, parameter in plan.planned("aws_ssm_parameter"):
        if parameter.get("type") != "SecureString" or not parameter.get("key_id"):
            yield f"{address} is not encrypted with a key of ours"
        if parameter.get("value") or parameter.get("insecure_value"):
            yield f"{address} keeps its value in the state, expected value_wo"


def _password_nowhere(plan: Plan) -> Iterator[str]:
    for change in plan.resource_changes:
        if SENTINEL_PASSWORD in json.dumps(change):
            yield f"{change['address']} holds the password"


def _logged(plan: Plan) -> Iterator[str]:
    for where, container in plan.containers:
        if not container.get("logConfiguration"):
            yield f"{where} writes no log"


POLICIES: dict[str, Callable[[Plan], Iterator[str]]] = {
    "only known resource types": _known_types,
    "container definitions known": _containers_known,
    "no public address": _no_public_address,
    "no ECS Exec": _no_shell,
    "tasks isolated from their host": _isolated_tasks,
    "no privileged container": _unprivileged,
    "candidate's container locked down": _locked_down_candidate,
    "secrets by reference only": _secrets_by_reference,
    "password encrypted and write-only": _encrypted_password,
    "password nowhere in the plan": _password_nowhere,
    "containers logged": _logged,
}
"""Each yields a line for every thing in a plan that breaks it."""
