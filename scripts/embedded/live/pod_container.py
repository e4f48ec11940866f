"""One container of a task, and what the others wait for in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Thread
from typing import Any

from docker.errors import NotFound
from docker.models.containers import Container


@dataclass
class PodContainer:
    """One container of a pod by its definition; ``status`` is ECS's word."""

    definition: Mapping[str, Any]
    status: str = "PENDING"
    exit_code: int | None = None
    reason: str | None = None
    container: Container | None = None
    log: Thread | None = None

    @property
    def name(self) -> str:
        """Its name within the task."""
        return str(self.definition["name"])

    @property
    def essential(self) -> bool:
        """Whether the task ends with it."""
        return bool(self.definition.get("essential", True))

    @property
    def dependencies(self) -> list[dict[str, str]]:
        """``containerName`` and ``condition`` of each container that it waits for."""
        return list(self.definition.get("dependsOn") or [])

    def fulfils(self, condition: str) -> bool:
        """Whether a container that depends on this one by ``condition`` may start
        (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDependency.html)."""
        if condition == "START":
            return self.status in ("RUNNING", "STOPPED")
        if condition == "COMPLETE":
            return self.status == "STOPPED"
        if condition == "SUCCESS":
            return self.status == "STOPPED" and self.exit_code == 0
        return self.container is not None and _is_healthy(self.container)

    def note_end(self) -> None:
        """Takes over the engine's word on how it ended, if it has."""
        if self.container is None:
            return
        try:
            self.container.reload()
        except NotFound:
            self.status, self.reason = "STOPPED", "the container was removed"
            return
        state = self.container.attrs["State"]
        if state.get("Running"):
            return
        self.exit_code = int(state["ExitCode"])
        if state.get("OOMKilled"):
            self.reason = "OutOfMemoryError: Container killed due to memory usage"
        self.status = "STOPPED"

    def remove(self) -> None:
        """Removes it from the engine, running or not."""
        if self.container is not None:
            self.container.remove(force=True, v=True)


def _is_healthy(container: Container) -> bool:
    container.reload()
    health = container.attrs["State"].get("Health") or container.attrs["State"].get("Healthcheck") or {}
    return bool(health.get("Status") == "healthy")
