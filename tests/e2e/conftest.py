"""The shared stack, deployed once a session by `prequel local up`, and beside it the demo."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.embedded.launcher import EmbeddedAws
from scripts.project import PROJECT

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class Deployed:
    """A deployed shared stack: the AWS that it is on and the directory of its configuration and state."""

    embedded: EmbeddedAws
    directory: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a user's shell would hold."""
        return self.embedded.environment | {"PREQUEL_CONFIG_DIR": str(self.directory)}

    @property
    def outputs(self) -> dict[str, Any]:
        """The stack's outputs by name, from its state."""
        state = json.loads((self.directory / "terraform.shared.tfstate").read_text())
        return {name: output["value"] for name, output in state["outputs"].items()}

    def prequel(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The `prequel` command as a user runs it."""
        return subprocess.run(
            [sys.executable, "-m", "scripts", *arguments],
            cwd=PROJECT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    elsewhere = tmp_path_factory.mktemp("deployed")

    def local(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "scripts", "local", command],
            cwd=elsewhere,
            env=os.environ | {"PYTHONPATH": str(PROJECT), "DOCKER_HOST": "unix:///none"},  # as without an engine
            capture_output=True,
            text=True,
            check=False,
        )

    up = local("up")
    assert up.returncode == 0, up.stderr
    directory = elsewhere / ".prequel" / "local"
    running = json.loads((directory / "embedded.json").read_text())
    try:
        yield Deployed(EmbeddedAws(running["endpoint"], "us-east-1"), directory)
    finally:
        down = local("down")
    assert down.returncode == 0, down.stderr
    assert not directory.exists()


@dataclass(frozen=True)
class DemoRun:
    """A demo that runs while other tests do: its process, the directory for its files, and what it said."""

    process: subprocess.Popen[str]
    scratch: Path
    said: Path


@pytest.fixture(scope="session")
def whole_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoRun]:
    elsewhere, scratch = tmp_path_factory.mktemp("elsewhere"), tmp_path_factory.mktemp("scratch")
    said = elsewhere / "said"
    with said.open("w") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "scripts.dev.demo"],
            cwd=elsewhere,
            env=os.environ | {"PYTHONPATH": str(PROJECT), "TMPDIR": str(scratch)},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    yield DemoRun(process, scratch, said)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=120)


@pytest.fixture(scope="session")
def published(deployed: Deployed) -> Deployed:
    """The deployed shared stack with an image, and with the committed template set published on it."""
    built = deployed.prequel("image", "build")
    assert built.returncode == 0, built.stderr
    done = deployed.prequel("templates", "publish", "--yes", "--skip-rehearsal")
    assert done.returncode == 0, done.stderr
    return deployed


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
