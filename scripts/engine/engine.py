"""Finds a container engine that speaks Docker's API, or starts podman's."""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from scripts.engine.attached import attached, end
from scripts.errors import EngineError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.types import Ulimit

NOFILE_LIMIT = 65535
"""Fargate's default, soft and hard
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html#container_definition_limits)."""

_PODMAN_PROCESSES = 32768
"""What podman's service lowers its own limit to (seen with 4.3), and so its containers'."""

_HOW = "install podman or Docker, start it, or set DOCKER_HOST to its socket"


@dataclass
class Engine:
    """A container engine that answers; as a context manager it is closed with the block."""

    client: "DockerClient"
    program: str
    """The command to build with: ``podman`` or ``docker``."""

    environment: Mapping[str, str]
    """What ``program`` needs in its environment to use the same engine."""

    _service: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @classmethod
    def find(cls, environment: Mapping[str, str] = os.environ, *, seconds: float = 30) -> Self:
        """DOCKER_HOST's engine if that is set; else Docker's or podman's that runs, or podman's, which is started.

        An engine must answer within ``seconds``. Raises ``EngineError``, which names all that was tried.
        """
        chosen = environment.get("DOCKER_HOST")
        problems: list[str] = []
        for url in [chosen] if chosen else _sockets(environment):
            try:
                return cls._at(url, environment, seconds)
            except EngineError as error:
                problems.append(str(error))
        podman = None if chosen else shutil.which("podman", path=environment.get("PATH"))
        if podman:
            try:
                return cls._started(podman, environment, seconds)
            except EngineError as error:
                problems.append(str(error))
        raise EngineError(f"no container engine: {'; '.join(problems) or 'none runs and podman is missing'}; {_HOW}")

    @classmethod
    def _at(
        cls,
        url: str,
        environment: Mapping[str, str],
        seconds: float,
        service: "subprocess.Popen[bytes] | None" = None,
    ) -> Self:
        from docker import DockerClient
        from docker.errors import DockerException

        try:
            client = DockerClient(base_url=url, version="auto", timeout=int(seconds))
            components = client.version().get("Components") or []
        except (DockerException, OSError) as error:
            raise EngineError(f"{url} does not answer: {_reason(error)}") from error
        client.api.timeout = 300  # a busy machine takes its time to remove or stop a container
        podman = any("podman" in str(component.get("Name")).lower() for component in components)
        program = "podman" if podman and shutil.which("podman", path=environment.get("PATH")) else "docker"
        return cls(client, program, dict(environment) | ({} if service else {"DOCKER_HOST": url}), service)

    @classmethod
    def _started(cls, podman: str, environment: Mapping[str, str], seconds: float) -> Self:
        directory = Path(tempfile.mkdtemp(prefix="prequel-engine-"))
        socket, log = directory / "podman.sock", directory / "log"
        configured = dict(environment)
        if "CONTAINERS_CONF" not in configured:
            configuration = directory / "containers.conf"
            configuration.write_text(_podman_configuration())
            configured["CONTAINERS_CONF"] = str(configuration)
        command = [podman, "system", "service", "--time", "0", f"unix://{socket}"]
        service = attached(command, log, environment=configured, directory=directory)
        listening = Retrying(
            wait=wait_fixed(0.05), stop=stop_after_delay(seconds), retry=retry_if_result(lambda found: not found)
        )
        try:
            listening(socket.exists)
            return cls._at(f"unix://{socket}", configured, seconds, service)
        except (RetryError, EngineError) as error:
            last = (log.read_text(errors="replace").strip().splitlines() or ["it says nothing"])[-1]
            end(service)
            raise EngineError(f"`{podman} system service` does not answer: {last}") from error
        except BaseException:
            end(service)
            raise

    def ulimits(self, *, soft: int = NOFILE_LIMIT, hard: int = NOFILE_LIMIT) -> "list[Ulimit]":
        """A container's limits with ``soft`` and ``hard`` for open files, no higher than this machine allows.

        A machine that is a container itself can raise no limit of its own, and podman asks for more by default.
        """
        from docker.types import Ulimit

        files = Ulimit(name="nofile", soft=min(soft, _nofile_limit()), hard=min(hard, _nofile_limit()))
        processes = resource.getrlimit(resource.RLIMIT_NPROC)[1]
        if processes == resource.RLIM_INFINITY:
            return [files]
        processes = min(processes, _PODMAN_PROCESSES)
        return [files, Ulimit(name="nproc", soft=processes, hard=processes)]

    @property
    def is_desktop(self) -> bool:
        """Whether its containers run in a virtual machine of this machine, which cannot reach their addresses."""
        return sys.platform != "linux" or "Docker Desktop" in str(self.client.info().get("OperatingSystem"))

    def close(self) -> None:
        """Closes the connection, and ends the engine's service if ``find`` started it; twice is once."""
        self.client.close()
        if self._service is not None:
            end(self._service)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _sockets(environment: Mapping[str, str]) -> Iterator[str]:
    """The sockets at the usual places: Docker, Docker Desktop, podman of root, podman of this user."""
    places = [Path("/var/run/docker.sock"), Path("/run/podman/podman.sock")]
    if home := environment.get("HOME"):
        places.insert(1, Path(home) / ".docker/run/docker.sock")
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        places.append(Path(runtime) / "podman/podman.sock")
    yield from (f"unix://{place}" for place in places if os.path.lexists(place))


def _podman_configuration() -> str:
    """Settings for Debian's podman: what is installed instead of its defaults, and limits that this machine allows."""
    runtime = 'runtime = "runc"\n' if shutil.which("runc") else ""
    netavark = any(Path(place, "netavark").exists() for place in ("/usr/lib/podman", "/usr/libexec/podman"))
    network = "" if netavark else '[network]\nnetwork_backend = "cni"\n'
    limit = _nofile_limit()
    return f'[containers]\ndefault_ulimits = ["nofile={limit}:{limit}"]\n{network}[engine]\n{runtime}'


def _nofile_limit() -> int:
    highest = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return NOFILE_LIMIT if highest == resource.RLIM_INFINITY else min(highest, NOFILE_LIMIT)


def _reason(error: BaseException) -> str:
    """The innermost cause on one line: the client's own messages hold several exceptions within each other."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    inner = error.__cause__ or error.__context__ or next((a for a in error.args if isinstance(a, BaseException)), None)
    return _reason(inner) if inner is not None else " ".join(str(error).split())
