"""One container of a task by its ECS definition, on this machine's container engine, as Fargate would run it."""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import docker.models.containers

from scripts.embedded.live.container_options import container_options, ulimits
from scripts.engine.engine import Engine

T = TypeVar("T")

LABELS = {"prequel.tests.candidate": str(os.getpid())}
"""Of every container of this test run."""

DEFAULT_CAPABILITIES = frozenset(
    {"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW"}
    | {"SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"}
)
"""What Docker leaves a container
(https://docs.docker.com/engine/containers/run/#runtime-privilege-and-linux-capabilities)."""

DEFAULT_STOP_SECONDS = 30
"""ECS's own (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html)."""


@dataclass
class Container:
    """``definition`` as ECS describes it, ``volumes`` by name; ``environment`` is what the ECS agent adds, the
    resolved secrets included. ``network`` is the task's.
    """

    engine: Engine
    definition: Mapping[str, Any]
    image: str
    network: str
    volumes: Mapping[str, Path]
    environment: Mapping[str, str]
    memory_mib: int
    cpu_units: int
    _running: docker.models.containers.Container | None = field(default=None, init=False)
    _output: str = field(default="", init=False)
    exit_code: int | None = field(default=None, init=False)

    def start(self, *, command: list[str] | None = None) -> None:
        """Starts the definition's command, or another one behind the same entry point."""
        definition = self.definition
        given = {pair["name"]: pair["value"] for pair in definition.get("environment", [])}
        task = SimpleNamespace(memory=self.memory_mib, cpu=self.cpu_units)
        volumes = {name: str(path) for name, path in self.volumes.items()}
        options = container_options(definition, task, volumes=volumes)
        self.exit_code, self._output = None, ""
        self._running = self.engine.client.containers.run(
            self.image,
            **(options | ({"command": command} if command else {})),
            environment=given | dict(self.environment),
            network_mode=self.network,
            ulimits=ulimits(definition, self.engine),
            labels=LABELS,
            detach=True,
        )

    def run(self, *, command: list[str] | None = None, timeout_seconds: float = 60) -> int:
        """Starts it and returns its exit code."""
        self.start(command=command)
        return self.wait(timeout_seconds)

    def wait(self, timeout_seconds: float) -> int:
        """Waits until it ends by itself, and returns its exit code."""
        assert self._running is not None
        self._running.wait(timeout=timeout_seconds)
        return self._end()

    def execute(self, *command: str) -> tuple[int, str]:
        """The exit code and the output of another command of its user, in it while it runs."""
        assert self._running is not None
        done = self._running.exec_run(list(command), user=self.definition["user"])
        assert isinstance(done.output, bytes)
        return int(done.exit_code or 0), done.output.decode(errors="replace")

    def stop(self) -> float:
        """Stops it as ECS does, by SIGTERM and after ``stopTimeout`` by SIGKILL; returns the seconds that it took."""
        start = time.monotonic()
        if self._running is not None:
            self._running.stop(timeout=self.definition.get("stopTimeout", DEFAULT_STOP_SECONDS))
            self._end()
        return time.monotonic() - start

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        if self._running is None:
            return False
        self._running.reload()
        return bool(self._running.status == "running")

    @property
    def output(self) -> str:
        """What its processes have written."""
        return self._running.logs().decode() if self._running is not None else self._output

    def _end(self) -> int:
        """Keeps what is known of a container that has ended, and removes it."""
        assert self._running is not None
        self._running.reload()
        self._output, self.exit_code = self.output, int(self._running.attrs["State"]["ExitCode"])
        self._running.remove()
        self._running = None
        return self.exit_code


def remove_all(engine: Engine) -> None:
    """Removes every container that a test has left."""
    for container in engine.client.containers.list(
        all=True, filters={"label": [f"{name}={value}" for name, value in LABELS.items()]}
    ):
        container.remove(force=True)


def wait_for(look: Callable[[], T | None], what: str, *, seconds: float = 60) -> T:
    """What ``look`` finds at last; nothing or a file that is not there yet means later. Raises ``TimeoutError``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(OSError):
            found = look()
            if found is not None:
                return found
        time.sleep(0.05)
    raise TimeoutError(f"{what} did not come within {seconds} s")
