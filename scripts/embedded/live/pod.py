"""A task as containers: one network namespace with an address of its own, started, watched and ended."""

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import requests
from botocore.exceptions import ClientError
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container

from scripts.embedded.live import pause
from scripts.embedded.live.container_logs import LogGroupError, forward_logs
from scripts.embedded.live.container_options import container_options, ulimits
from scripts.embedded.live.host import LiveHost
from scripts.embedded.live.local_images import PullError
from scripts.embedded.live.ownership import LABEL
from scripts.embedded.live.pod_container import PodContainer
from scripts.embedded.live.task_network import TaskNetwork

_PAUSE_SECONDS = 0.25
_STOP_TIMEOUT = 30
"""ECS's default, in seconds."""


class SecretError(Exception):
    """A secret cannot be read; the message is what ECS says."""


class Pod:
    """Runs a task definition (moto's) in a thread of its own. All attributes may be read at any time."""

    def __init__(self, host: LiveHost, task_id: str, definition: Any) -> None:
        self._host = host
        self._definition = definition
        self._region = str(definition.arn).split(":")[3]
        self._task_role = getattr(definition, "task_role_arn", None)
        self.task_id = task_id
        self.containers = [PodContainer(one) for one in definition.container_definitions]
        self.status = "PROVISIONING"
        self.address: str | None = None
        self.stop_code: str | None = None
        self.stopped_reason: str | None = None
        self._stop = Event()
        self._drain_seconds = 0.0
        self._thread = Thread(target=self._live, daemon=True, name=f"task {task_id}")
        self._thread.start()

    @property
    def stopping(self) -> bool:
        """Whether it ends, or has."""
        return self._stop.is_set() or self.status == "STOPPED"

    def stop(self, code: str, reason: str, *, drain_seconds: float = 0) -> None:
        """Ends it without waiting, after ``drain_seconds`` for requests that are under way; the first reason stays."""
        if not self._stop.is_set():
            self._drain_seconds = drain_seconds
            self._ends(code, reason)

    def wait(self, seconds: float) -> None:
        """Waits until nothing of it is left."""
        self._thread.join(seconds)

    def _ends(self, code: str, reason: str) -> None:
        if self.stop_code is None:
            self.stop_code, self.stopped_reason = code, reason
        self._stop.set()

    def _live(self) -> None:
        with ExitStack() as cleanup:
            try:
                self._start(cleanup)
                self._watch()
            except (PullError, LogGroupError, SecretError) as error:
                self._ends("TaskFailedToStart", str(error))
            except (DockerException, ClientError, requests.RequestException, OSError) as error:
                sys.stderr.write(f"task {self.task_id}: {error}\n")
                self._ends("TaskFailedToStart", f"ResourceInitializationError: {' '.join(str(error).split())}")
            self.status = "DEACTIVATING"
            if self.address:
                time.sleep(self._drain_seconds)
            self.status = "STOPPING"
            self._stop_containers()
            self.status = "DEPROVISIONING"
        self.status = "STOPPED"

    def _start(self, cleanup: ExitStack) -> None:
        host, client = self._host, self._host.engine.client
        network = TaskNetwork(
            host.engine,
            host.application,
            f"prequel-{self.task_id}",
            owner=host.owner,
            credentials=self._credentials,
        )
        cleanup.callback(_quietly, network.close)
        volumes = {}
        for volume in self._definition.volumes or []:
            made = client.volumes.create(f"prequel-{self.task_id}-{volume['name']}", labels={LABEL: host.owner})
            cleanup.callback(_quietly, made.remove)
            volumes[volume["name"]] = made.name
        paused = self._pause(network)
        cleanup.callback(_quietly, lambda: paused.remove(force=True, v=True))
        self.status = "PENDING"
        variables = self._variables(network)
        for one in self._in_order():
            if not self._wait_for_dependencies(one):
                return
            cleanup.callback(_quietly, one.remove)
            self._run(one, paused, volumes, variables)
        self.status = "RUNNING"

    def _pause(self, network: TaskNetwork) -> Container:
        client, host = self._host.engine.client, self._host
        paused = client.containers.run(
            host.images.default,
            entrypoint=["python3", "-c", Path(pause.__file__).read_text()],
            command=[network.endpoint],
            name=f"prequel-{self.task_id}-pause",
            labels={LABEL: host.owner, "prequel.pause": "true"},
            network=network.network.name,
            user="0:0",
            cap_drop=["ALL"],
            cap_add=["NET_ADMIN", "NET_BIND_SERVICE"],
            read_only=True,
            ulimits=host.engine.ulimits(),
            detach=True,
        )
        paused.reload()
        [attached] = paused.attrs["NetworkSettings"]["Networks"].values()
        self.address = attached["IPAddress"]
        return paused

    def _in_order(self) -> list[PodContainer]:
        """Each after those that it depends on."""
        ordered: list[PodContainer] = []
        waiting = list(self.containers)
        while waiting:
            names = {one.name for one in ordered}
            ready = [one for one in waiting if {d["containerName"] for d in one.dependencies} <= names]
            ordered += ready
            waiting = [one for one in waiting if one not in ready]
        return ordered

    def _wait_for_dependencies(self, one: PodContainer) -> bool:
        """Whether all came true; False when the task ends first."""
        others = {other.name: other for other in self.containers}
        for dependency in one.dependencies:
            other = others[dependency["containerName"]]
            while not other.fulfils(dependency["condition"]):
                self._look()
                hopeless = other.status == "STOPPED" and not other.fulfils(dependency["condition"])
                if hopeless and not self._stop.is_set():
                    self._ends("TaskFailedToStart", f"Container {other.name} exited before {one.name} could start")
                if self._stop.wait(_PAUSE_SECONDS):
                    return False
        return not self._stop.is_set()

    def _run(
        self, one: PodContainer, paused: Container, volumes: Mapping[str, str], variables: Mapping[str, str]
    ) -> None:
        host, definition = self._host, one.definition
        given = {pair["name"]: pair["value"] for pair in definition.get("environment") or []}
        one.container = host.engine.client.containers.create(
            host.images.find(definition["image"]),
            name=f"prequel-{self.task_id}-{one.name}",
            labels={LABEL: host.owner, "prequel.task": self.task_id},
            network_mode=f"container:{paused.id}",
            environment={**variables, **given, **self._secrets(definition)},
            ulimits=ulimits(definition, host.engine),
            **container_options(definition, self._definition, volumes=volumes),
        )
        one.container.start()
        one.log = forward_logs(one.container, definition, self.task_id)
        one.status = "RUNNING"

    def _variables(self, network: TaskNetwork) -> dict[str, str]:
        """What Fargate's agent sets, and the one difference of this AWS: its endpoint."""
        variables = {
            "AWS_DEFAULT_REGION": self._region,
            "AWS_ENDPOINT_URL": network.endpoint,
            "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
            "AWS_REGION": self._region,
        }
        if self._task_role:
            variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = network.credentials_path
        return variables

    def _credentials(self) -> dict[str, Any] | None:
        role = self._task_role
        return self._host.sessions.credentials(role, self._region, self.task_id) if role else None

    def _secrets(self, definition: Mapping[str, Any]) -> dict[str, str]:
        wanted = {one["name"]: one["valueFrom"] for one in definition.get("secrets") or []}
        if not wanted:
            return {}
        session = self._host.sessions.session(self._definition.execution_role_arn, self._region, self.task_id)
        ssm = session.client("ssm", endpoint_url=self._host.sessions.endpoint)
        names = {name: source.partition(":parameter")[2] or source for name, source in wanted.items()}
        answer = ssm.get_parameters(Names=sorted(set(names.values())), WithDecryption=True)
        values = {one["Name"]: one["Value"] for one in answer["Parameters"]}
        if missing := answer.get("InvalidParameters"):
            raise SecretError(
                "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval"
                f" failed: unable to retrieve secrets from ssm: invalid parameters: {', '.join(missing)}"
            )
        return {name: values[source] for name, source in names.items()}

    def _watch(self) -> None:
        while not self._stop.is_set():
            self._look()
            if any(one.essential and one.status == "STOPPED" for one in self.containers):
                self._ends("EssentialContainerExited", "Essential container in task exited")
            self._stop.wait(_PAUSE_SECONDS)

    def _look(self) -> None:
        for one in self.containers:
            if one.status != "RUNNING" or one.container is None:
                continue
            state = self._host.container_state(str(one.container.id))
            if state in ("exited", "stopped", "dead", "removed", "stopping"):
                one.note_end()
            elif one.essential and one.status == "STOPPED":
                self._ends("EssentialContainerExited", "Essential container in task exited")

    def _stop_containers(self) -> None:
        """In reverse order of their start, those that depend on nothing together with the rest."""
        for one in reversed(self._in_order()):
            if one.container is None:
                continue
            if one.status == "RUNNING":
                with suppress(DockerException, requests.RequestException):
                    one.container.stop(timeout=int(one.definition.get("stopTimeout") or _STOP_TIMEOUT))
                _quietly(one.note_end)
                one.status = "STOPPED"
            if one.log is not None:
                one.log.join(5)


def _quietly(act: Callable[[], object]) -> None:
    """What cannot be removed now is removed with all that has the owner's label."""
    try:
        act()
    except (APIError, DockerException, requests.RequestException) as error:
        if not isinstance(error, NotFound):
            sys.stderr.write(f"not removed: {error}\n")
