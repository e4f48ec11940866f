"""An ECS container definition as the container engine's options, as Fargate would read it.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html
"""

from collections.abc import Mapping
from typing import Any

from docker.types import Ulimit

from scripts.engine.engine import Engine


def container_options(definition: Mapping[str, Any], task: Any, *, volumes: Mapping[str, str]) -> dict[str, Any]:
    """Keywords of ``client.containers.create`` for one container of ``task``, moto's task definition.

    ``volumes`` are the engine's volumes by the task's names. A container without limits of its own has the task's CPU,
    and what the others leave of the task's memory: together they never have more.
    """
    capabilities = (definition.get("linuxParameters") or {}).get("capabilities") or {}
    memory = int(definition.get("memory") or _rest_of(task)) * 1024 * 1024
    cpu = int(definition.get("cpu") or task.cpu or 1024)
    return {
        "entrypoint": definition.get("entryPoint") or None,
        "command": definition.get("command") or None,
        "user": definition.get("user"),
        "working_dir": definition.get("workingDirectory"),
        "read_only": bool(definition.get("readonlyRootFilesystem")),
        "cap_add": capabilities.get("add") or [],
        "cap_drop": capabilities.get("drop") or [],
        "mem_limit": memory,
        "memswap_limit": memory,  # Fargate has no swap
        "nano_cpus": cpu * 1_000_000_000 // 1024,
        "volumes": {
            volumes[mount["sourceVolume"]]: {
                "bind": mount["containerPath"],
                "mode": "ro" if mount.get("readOnly") else "rw",
            }
            for mount in definition.get("mountPoints") or []
        },
        "healthcheck": _health_check(definition.get("healthCheck")),
        "log_config": {"Type": "json-file", "Config": {}},  # what the engine's own log needs to be read again
    }


def _rest_of(task: Any) -> int:
    """MiB of the task that no container has for itself."""
    containers = getattr(task, "container_definitions", [])
    return int(task.memory or 2048) - sum(int(one.get("memory") or 0) for one in containers)


def ulimits(definition: Mapping[str, Any], engine: Engine) -> list[Ulimit]:
    """Fargate honours ``nofile`` only."""
    given = [limit for limit in definition.get("ulimits") or [] if limit["name"] == "nofile"]
    return engine.ulimits(soft=given[0]["softLimit"], hard=given[0]["hardLimit"]) if given else engine.ulimits()


def _health_check(check: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not check:
        return None
    second = 1_000_000_000
    return {
        "test": check["command"],
        "interval": int(check.get("interval") or 30) * second,
        "timeout": int(check.get("timeout") or 5) * second,
        "retries": int(check.get("retries") or 3),
        "start_period": int(check.get("startPeriod") or 0) * second,
    }
