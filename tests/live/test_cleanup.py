"""Nothing of a live embedded AWS outlives it, however it ends."""

import tempfile
from pathlib import Path
from typing import Any

import psutil
import pytest

from scripts.embedded.launcher import EmbeddedAws
from scripts.embedded.live.ownership import containers, owner, sweep
from scripts.embedded.seed import seed_shared_infrastructure
from scripts.engine.engine import Engine
from tests import machine
from tests.live.conftest import PREFIX, wait_for

pytestmark = pytest.mark.e2e


def run_a_task(embedded: EmbeddedAws, *command: str) -> None:
    """Waits until a service of one container runs."""
    values = seed_shared_infrastructure(embedded.aws, project_prefix=PREFIX)
    ecs: Any = embedded.aws.ecs
    definition = ecs.register_task_definition(
        family="sleeper",
        cpu="256",
        memory="512",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        containerDefinitions=[{"name": "sleeper", "image": "any", "entryPoint": list(command), "stopTimeout": 2}],
    )["taskDefinition"]["taskDefinitionArn"]
    network = {"subnets": values["private_subnet_ids"], "securityGroups": [values["code_server_security_group_id"]]}
    ecs.create_service(
        cluster=PREFIX,
        serviceName="sleeper",
        taskDefinition=definition,
        desiredCount=1,
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": network},
    )
    wait_for(
        lambda: ecs.describe_services(cluster=PREFIX, services=["sleeper"])["services"][0]["runningCount"], "the task"
    )


def test_what_a_killed_one_left_is_removed_by_the_next(engine: Engine, editor_image: str, tmp_path: Path) -> None:
    machine.require(machine.PROXY)
    embedded = EmbeddedAws.start(live=editor_image, log=tmp_path / "log")
    assert embedded.process is not None
    server = owner(embedded.process.pid)
    run_a_task(embedded, "sleep", "1000")
    children = psutil.Process(embedded.process.pid).children(recursive=True)
    embedded.process.kill()
    embedded.process.wait()
    assert len(containers(engine, server)) == 2  # the task's, and its pause container
    _, alive = psutil.wait_procs(children, timeout=60)
    assert [process.cmdline() for process in alive] == []  # neither the proxy nor podman's service
    sweep(engine)
    assert containers(engine, server) == []
    assert [n.name for n in engine.client.networks.list(filters={"label": f"prequel.embedded={server}"})] == []


def test_a_stopped_one_leaves_no_container_no_network_and_no_file(
    engine: Engine, editor_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.require(machine.PROXY)
    scratch = Path(tempfile.mkdtemp(prefix="live-", dir="/tmp"))  # a socket's path has at most 107 bytes (unix(7))
    monkeypatch.setenv("TMPDIR", str(scratch))
    with EmbeddedAws.start(live=editor_image, log=tmp_path / "log") as embedded:
        assert embedded.process is not None
        server = owner(embedded.process.pid)
        run_a_task(embedded, "sleep", "1000")
    assert containers(engine, server) == []
    assert list(scratch.iterdir()) == []
    scratch.rmdir()


def test_an_engine_that_dies_in_between_is_said_and_what_it_ran_is_removed_by_the_next(
    engine: Engine, editor_image: str, tmp_path: Path
) -> None:
    machine.require(machine.PROXY)
    log = tmp_path / "log"
    with EmbeddedAws.start(live=editor_image, log=log) as embedded:
        assert embedded.process is not None
        server = owner(embedded.process.pid)
        run_a_task(embedded, "sleep", "1000")
        for child in psutil.Process(embedded.process.pid).children(recursive=True):
            if child.name() == "podman":  # the service that this embedded AWS started for itself
                child.kill()
    assert "Traceback" not in log.read_text()
    sweep(engine)
    assert containers(engine, server) == []
