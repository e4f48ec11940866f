"""Tries a challenge as a candidate would get it: archive, loader, setup, tools and tests, in the candidate's image."""

import shlex
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.challenges.archive import pack
from scripts.challenges.source import Challenge
from scripts.challenges.tree import ChallengeTree, read_tree
from scripts.engine.engine import Engine
from scripts.errors import ChallengeError, EngineError

if TYPE_CHECKING:
    from docker.models.containers import Container
    from docker.models.volumes import Volume

SETUP_SECONDS = 60
"""The image's own limit (image/editor/start.py)."""

TEST_SECONDS = 600

CPU, MEMORY_MIB = 1024, 2048
"""CPU units and MiB of an interview whose challenge asks for none: the shared stack's defaults (stacks/settings.py)."""

_HOME = "/home/coder"
_FOLDER = f"{_HOME}/challenge"
_TRIAL = "/run/trial"
"""Where the containers find the archives."""

_NOT_RUN = {126: "cannot be executed", 127: "was not found"}
"""A shell's exit codes."""

_TIMED_OUT = 124
"""timeout(1)'s exit code."""


@dataclass(frozen=True)
class TrialStep:
    """One step: what was run, and how it ended; ``problem`` is empty if that was as expected."""

    step: str
    command: str
    exit_code: int
    seconds: float
    output: str = field(repr=False)
    problem: str = ""


class Trial:
    """One challenge in the candidate's ``image``, with the ``solution``'s files for its last step.

    With a candidate's ``work``, that is delivered instead of the challenge, and its tests are expected to pass. Used as
    a context manager, it leaves nothing behind.
    """

    def __init__(
        self,
        engine: Engine,
        image: str,
        challenge: Challenge,
        solution: ChallengeTree | None = None,
        *,
        work: ChallengeTree | None = None,
    ) -> None:
        self._engine = engine
        self._image = image
        self._challenge = challenge
        self._solution = solution
        self._work = work
        self._cleanup = ExitStack()

    def __enter__(self) -> "Trial":
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def steps(self) -> Iterator[TrialStep]:
        """Takes the steps, the last of which is the first that is not as expected; raises ``EngineError``."""
        with _explained():
            for step in self._steps():
                yield step
                if step.problem:
                    return

    def _steps(self) -> Iterator[TrialStep]:
        definition = self._challenge.definition
        name = f"prequel-trial-{uuid.uuid4().hex[:12]}"
        options = self._options(name)
        yield self._delivered(f"{name}-loader", options)
        container = self._started(name, options)
        if definition.setup:
            yield _run(container, "setup", definition.setup, seconds=SETUP_SECONDS)
        for tool in definition.tools:
            yield _run(container, "tool", f"command -v {shlex.quote(tool)}", missing=f"{tool} is not on PATH")
        for extension in definition.extensions:
            found = "code-server --extensions-dir /opt/editor/extensions --list-extensions"
            command = f"{found} | grep -ixF {shlex.quote(extension)}"
            yield _run(container, "extension", command, missing=f"the image has no extension {extension}")
        if self._work is not None:
            yield _run(container, "test", definition.test, seconds=TEST_SECONDS)
        elif definition.test:
            yield _unsolved(_run(container, "test", definition.test, seconds=TEST_SECONDS))
            if self._solution is not None:
                yield _run(container, "solution", f"tar -xzf {_TRIAL}/solution.tar.gz")
                yield _run(container, "test with solution", definition.test, seconds=TEST_SECONDS)

    def _options(self, name: str) -> dict[str, Any]:
        """What both containers have in common, as in a task."""
        directory = Path(self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="prequel-trial-")))
        (directory / "challenge.tar.gz").write_bytes(pack(self._work or self._challenge.tree))
        if self._solution is not None:
            (directory / "solution.tar.gz").write_bytes(pack(self._solution))
        directory.chmod(0o755)  # another user reads it
        volumes = {str(directory): {"bind": _TRIAL, "mode": "ro"}}
        for part, path in (("home", _HOME), ("tmp", "/tmp")):  # noqa: S108  (the container's own)
            volume = self._engine.client.volumes.create(f"{name}-{part}")
            self._cleanup.callback(_remove, volume)
            volumes[volume.name] = {"bind": path, "mode": "rw"}
        size = self._challenge.definition.size
        memory = (size.memory or MEMORY_MIB) * 1024 * 1024
        return {
            "image": self._image,
            "volumes": volumes,
            "read_only": True,
            "mem_limit": memory,
            "memswap_limit": memory,
            "ulimits": self._engine.ulimits(),
        }

    def _delivered(self, name: str, options: dict[str, Any]) -> TrialStep:
        start = time.monotonic()
        container = self._engine.client.containers.create(
            name=name,
            entrypoint=["prequel-load"],
            environment={"CHALLENGE": f"{_TRIAL}/challenge.tar.gz"},
            user="0:0",
            **options,
        )
        self._cleanup.callback(_remove, container, v=True)
        container.start()
        code = int(container.wait()["StatusCode"])
        output = container.logs().decode(errors="replace")
        problem = f"the challenge cannot be delivered: {' '.join(output.split())}" if code else ""
        return TrialStep("deliver", "prequel-load", code, time.monotonic() - start, output, problem)

    def _started(self, name: str, options: dict[str, Any]) -> "Container":
        """A container of the candidate's, in which nothing runs yet."""
        container = self._engine.client.containers.create(
            name=name,
            entrypoint=["dumb-init", "sleep", "infinity"],
            environment={"HOME": _HOME, "LANG": "C.UTF-8", "SHELL": "/bin/bash", "USER": "coder"},
            user="1000:1000",
            cap_drop=["ALL"],
            **options,
        )
        self._cleanup.callback(_remove, container, v=True)
        container.start()
        return container


def _remove(thing: "Container | Volume", **options: bool) -> None:
    from docker.errors import NotFound

    with suppress(NotFound):
        thing.remove(force=True, **options)


def read_solution(directory: Path) -> ChallengeTree:
    """The files of a solution; raises ``ChallengeError`` with a line for each problem."""
    if not directory.is_dir():
        raise ChallengeError(f"{directory} is not a directory, expected one with the files of a solution")
    problems: list[str] = []
    tree = read_tree(directory, problems)
    if problems:
        raise ChallengeError("\n".join(problems))
    return tree


def read_work(directory: Path) -> tuple[ChallengeTree, list[str]]:
    """A candidate's work as it was fetched, and a line for all that cannot be delivered, such as a link outside."""
    if not directory.is_dir():
        raise ChallengeError(f"{directory} is not a directory, expected one that `prequel interview work --to` wrote")
    problems: list[str] = []
    tree = read_tree(directory, problems, published=False)
    for path in [path for path in tree.links if not tree.leads_inside(path)]:
        del tree.links[path]
    return tree, problems


def _run(container: "Container", step: str, command: str, *, seconds: int = 60, missing: str = "") -> TrialStep:
    """Runs a command of the challenge's as its candidate would, in the folder."""
    start = time.monotonic()
    shell = ["timeout", str(seconds), "bash", "-c", f'PATH="$HOME/.local/bin:$PATH"; {command}']
    done = container.exec_run(shell, workdir=_FOLDER)
    code = int(done.exit_code or 0)
    output = done.output.decode(errors="replace") if isinstance(done.output, bytes) else ""
    problem = ""
    if code == _TIMED_OUT:
        problem = f"`{command}` did not end within {seconds} s"
    elif code:
        problem = missing or f"`{command}` {_NOT_RUN.get(code, f'ended with exit code {code}')}"
    return TrialStep(step, command, code, time.monotonic() - start, output, problem)


def _unsolved(step: TrialStep) -> TrialStep:
    """The tests must fail as long as nobody has solved the challenge, and because of the challenge."""
    if step.exit_code in _NOT_RUN or step.exit_code == _TIMED_OUT:
        return step
    problem = "" if step.exit_code else f"`{step.command}` passes already, expected to fail without a solution"
    return TrialStep(step.step, step.command, step.exit_code, step.seconds, step.output, problem)


@contextmanager
def _explained() -> Iterator[None]:
    from docker.errors import DockerException
    from requests import RequestException

    try:
        yield
    except (DockerException, RequestException) as error:
        raise EngineError(f"the container engine failed: {' '.join(str(error).split())}") from error
