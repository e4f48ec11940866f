"""Runs an ECS container definition on this machine as Fargate would, with Linux's own means and no container engine.

What the definition says is done for real: entry point, command, environment, secrets, user, capabilities, limits,
volumes, and the read-only root, in a process namespace of its own. What differs from Fargate: the "image" is this
machine's ``/usr`` and ``/etc`` under layers (see ``tests.candidate.install``), the kernel is shared, cgroups limit
nothing, and all containers share the network of the test.
"""

import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

IMAGE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What Docker gives a container whose image says nothing."""

DEFAULT_CAPABILITIES = frozenset(
    {"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW"}
    | {"SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"}
)
"""What Docker leaves a container
(https://docs.docker.com/engine/containers/run/#runtime-privilege-and-linux-capabilities)."""

# $1 is the new root, $2 and $3 the layers' usr and etc from top to bottom, $4 the host name, the rest the command.
# The mounts vanish with the namespace. What is not named here, the rest of this machine, is not there.
_ENTER = """
mount -t tmpfs -o mode=755 tmpfs "$1"; cd "$1"
for name in bin sbin lib lib64; do [ ! -h "/$name" ] || cp -a "/$name" .; done
mkdir usr etc proc dev run var
mount -t overlay -o "lowerdir=$2/usr" overlay usr; mount -t overlay -o "lowerdir=$3/etc" overlay etc
mount -t proc proc proc; mount --rbind /dev dev; hostname "$4"
"""


_COMMANDS = ("unshare", "setpriv", "prlimit", "chroot", "mount", "hostname", "ip")


class NotPossibleError(Exception):
    """This machine cannot run a container so; the message says why."""


@dataclass
class Container:
    """One container of a task: ``definition`` as ECS describes it, ``volumes`` by name, ``layers`` from the top.

    ``environment`` is what the ECS agent adds, the resolved secrets included. Output goes to ``log``.
    """

    definition: Mapping[str, Any]
    layers: tuple[Path, ...]
    volumes: Mapping[str, Path]
    environment: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self, *, command: list[str] | None = None) -> None:
        """Starts the definition's command, or another one behind the same entry point."""
        self.process = subprocess.Popen(
            self._command(command),
            env={"PATH": IMAGE_PATH},
            stdin=subprocess.DEVNULL,
            stdout=self.log.open("ab"),
            stderr=subprocess.STDOUT,
        )

    def run(self, *, command: list[str] | None = None, timeout_seconds: float = 60) -> int:
        """Starts it and returns its exit code."""
        self.start(command=command)
        assert self.process is not None
        return self.process.wait(timeout_seconds)

    def stop(self) -> float:
        """Stops it as ECS does, by SIGTERM and after ``stopTimeout`` by SIGKILL; returns the seconds that it took."""
        assert self.process is not None
        start = time.monotonic()
        if self.process.poll() is None:
            os.kill(self.init, signal.SIGTERM)
            try:
                # 30 s is ECS's default.
                self.process.wait(self.definition.get("stopTimeout", 30))
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return time.monotonic() - start

    @property
    def init(self) -> int:
        """The pid, in this machine's numbers, of the process that is number 1 in the container."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return wait_for(lambda: next(map(int, children.read_text().split()), None), "the container's first process")

    @property
    def output(self) -> str:
        """What its processes have written."""
        return self.log.read_text()

    def _command(self, command: list[str] | None) -> list[str]:
        definition = self.definition
        root = self.log.parent / f"{definition['name']}-root"
        root.mkdir(exist_ok=True)
        script = _ENTER
        for mount in definition.get("mountPoints", []):
            path = mount["containerPath"].lstrip("/")
            script += f"mkdir -p {path}; mount --bind {self.volumes[mount['sourceVolume']]} {path}\n"
        if definition.get("readonlyRootFilesystem"):
            script += "mount -o remount,ro .\n"
        for limit in definition.get("ulimits", []):
            # No higher than this machine's: it may be a container itself, which cannot raise its own.
            highest = resource.getrlimit(getattr(resource, f"RLIMIT_{limit['name'].upper()}"))[1]
            hard = min(limit["hardLimit"], highest) if highest != resource.RLIM_INFINITY else limit["hardLimit"]
            script += f"prlimit --pid $$ --{limit['name']}={min(limit['softLimit'], hard)}:{hard}\n"
        user, _, group = definition.get("user", "0:0").partition(":")
        identity = ["setpriv", "--reuid", user, "--regid", group or user, "--clear-groups"]
        dropped = set(definition.get("linuxParameters", {}).get("capabilities", {}).get("drop", []))
        kept = [] if "ALL" in dropped else sorted(DEFAULT_CAPABILITIES - dropped)
        identity += [f"--bounding-set={','.join(['-all', *(f'+{name.lower()}' for name in kept)])}", "--inh-caps=-all"]
        given = {"PATH": IMAGE_PATH, **{pair["name"]: pair["value"] for pair in definition.get("environment", [])}}
        variables = [f"{name}={value}" for name, value in (given | dict(self.environment)).items()]
        script += 'shift 4; exec chroot . env -i "$@"\n'
        usr, etc = (
            "".join(f"{p}:" for layer in self.layers if (p := layer / part).is_dir()) for part in ("usr", "etc")
        )
        return [
            *(
                "setpriv",
                "--pdeathsig",
                "KILL",
                "unshare",
                "--mount",
                "--uts",
                "--pid",
                "--fork",
                "--kill-child",
                "sh",
                "-eu",
                "-c",
                script,
                "sh",
            ),
            *(str(root), usr, etc, definition["name"], *variables, *identity, "--"),
            *(*definition.get("entryPoint", []), *(command or definition.get("command", []))),
        ]


def check_possible() -> None:
    """Raises ``NotPossibleError`` unless this is root on Linux with the commands that it takes."""
    missing = [name for name in _COMMANDS if shutil.which(name) is None]
    if missing:
        raise NotPossibleError(f"running the candidate's container takes Linux with {', '.join(missing)}")
    if os.geteuid() != 0:
        raise NotPossibleError("running the candidate's container takes root, for its namespaces and mounts")


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
