"""A second AWS, of other people's making, to which nothing of this project was fitted: MiniStack."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from contract.names import code_server_repository
from scripts.console import Console
from scripts.embedded.images import manifests, push
from scripts.embedded.launcher import EmbeddedAws
from scripts.embedded.local_stack import deploy_shared
from scripts.project import PROJECT
from scripts.terraform.providers import terraform_environment
from tests.e2e.conftest import Deployed

PROGRAMS = PROJECT / ".venv-second" / "bin"


@dataclass(frozen=True)
class SecondAws(Deployed):
    """The shared stack on MiniStack."""

    @property
    def bucket(self) -> str:
        """The instance bucket."""
        return str(self.outputs["instance_bucket_name"])

    @property
    def stack(self) -> Path:
        """Terraform's directory of the shared stack, as cdktf left it."""
        return self.directory / "cdktf.out" / "stacks" / "shared"

    def succeed(self, *arguments: str) -> Any:
        """Runs `prequel`, which must succeed; returns its result."""
        done = self.prequel(*arguments, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])["result"]

    def terraform(self, directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs terraform in ``directory``."""
        environment = terraform_environment(self.environment)
        if directory == self.stack:
            del environment["TF_CLI_ARGS_init"]  # backend flags for S3, which a local backend refuses
        return subprocess.run(
            ["terraform", *arguments], cwd=directory, env=environment, capture_output=True, text=True, check=False
        )

    def planned_changes(self, directory: Path) -> set[str]:
        """What a plan would change, as ``type.attribute``; attributes that follow from others are left out."""
        for arguments in (["init"], ["plan", "-out=plan"]):
            done = self.terraform(directory, *arguments)
            assert done.returncode == 0, done.stderr
        plan = json.loads(self.terraform(directory, "show", "-json", "plan").stdout)
        found = set()
        for resource in plan["resource_changes"]:
            change = resource["change"]
            assert "create" not in change["actions"] or change["actions"] == ["delete", "create"], resource["address"]
            if change["actions"] in (["no-op"], ["read"]):
                continue
            before, after, unknown = change["before"], change["after"], change["after_unknown"]
            names = {name for name in before | after if before.get(name) != after.get(name)}
            found |= {f"{resource['type']}.{name}" for name in names if unknown.get(name) is not True}
        return found


@contextmanager
def ministack(directory: Path) -> Iterator[str]:
    """MiniStack on a free port of this machine; gives its endpoint. ``directory`` receives its files and its log."""
    assert (PROGRAMS / "ministack").exists(), "MiniStack is not installed: run `make test-second`"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        # It runs the functions' archives with this python3, which has boto3, as Lambda's has, and nothing of ours.
        "PATH": os.pathsep.join((str(PROGRAMS), os.environ["PATH"])),
        "TMPDIR": str(directory),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "CLOUDTRAIL_RECORDING": "1",
    }
    with (directory / "ministack.log").open("w") as log:
        process = subprocess.Popen(
            [PROGRAMS / "python", Path(__file__).with_name("start.py")],
            cwd=directory,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        attempts = Retrying(retry=retry_if_exception_type(OSError), stop=stop_after_delay(60), wait=wait_fixed(0.1))
        attempts(socket.create_connection, ("127.0.0.1", port)).close()
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # with the functions that it runs
        process.wait(timeout=30)


@pytest.fixture(scope="session")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecondAws]:
    directory = tmp_path_factory.mktemp("second")
    with ministack(tmp_path_factory.mktemp("ministack")) as endpoint:
        embedded = EmbeddedAws(endpoint, "us-east-1")
        deploy_shared(embedded, directory, Console())
        yield SecondAws(embedded, directory)


@pytest.fixture(scope="session")
def published(second: SecondAws) -> SecondAws:
    # Its CodeBuild builds nothing.
    ecr, repository = second.embedded.aws.client("ecr"), code_server_repository("prequel")
    push(ecr, repository, manifests("second")[0], "second")
    second.succeed("templates", "publish", "--yes", "--skip-rehearsal")
    second.succeed("challenge", "publish")
    return second


def create(aws: SecondAws, interview: str, duration: str) -> Any:
    """An interview that `prequel` creates; returns the command's result."""
    request = ("--id", interview, "--challenge", "python/rate-limiter", "--candidate", "Ada Lovelace")
    return aws.succeed("interview", "create", *request, "--duration", duration)


@pytest.fixture(scope="session")
def overdue(published: SecondAws) -> str:
    """The id of an interview of one minute, whose deadline comes while other tests run."""
    create(published, "overdue", "1m")
    return "overdue"
