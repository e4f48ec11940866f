"""The shared stack, deployed once a session by the real `cdktf deploy` on an embedded AWS."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.console import Console
from scripts.embedded import EmbeddedAws
from scripts.local import PROJECT, deploy_shared

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
    directory = tmp_path_factory.mktemp("deployed")
    said = io.StringIO()
    with EmbeddedAws.start(log=directory / "requests.log") as embedded:
        deploy_shared(embedded, directory, Console(err=said))
        yield Deployed(embedded, directory)


@pytest.fixture(scope="session")
def published(deployed: Deployed) -> Deployed:
    """The deployed shared stack with the committed template set published on it."""
    done = deployed.prequel("templates", "publish", "--yes", "--skip-rehearsal")
    assert done.returncode == 0, done.stderr
    return deployed


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
