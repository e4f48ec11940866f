"""One interview on an embedded AWS, in a network of its own, with the image that the project builds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.embedded.launcher import EmbeddedAws
from scripts.engine import image
from scripts.engine.engine import Engine
from tests import machine
from tests.candidate.container import Container, remove_all
from tests.candidate.editor import Session, browser, wait_until_healthy
from tests.candidate.network import CredentialsEndpoint, task_network
from tests.candidate.task import Interview, apply_templates

CHALLENGE = "python/rate-limiter"


@pytest.fixture(scope="package")
def network(engine: Engine, editor_image: str) -> Iterator[str]:
    """The task's. Whoever asks for it, asks to leave this machine's network until the package's end."""
    # There is no way to Debian or to a registry from inside.
    machine.require(machine.BROWSER)
    image.editor_image(engine, "go")
    try:
        with task_network(engine, editor_image) as name:
            yield name
    finally:
        remove_all(engine)


@pytest.fixture(scope="package")
def credentials_endpoint(network: str) -> Iterator[CredentialsEndpoint]:
    """The ECS agent's endpoint."""
    assert network
    with CredentialsEndpoint() as endpoint:
        yield endpoint


@pytest.fixture(scope="package")
def interview(
    engine: Engine,
    editor_image: str,
    network: str,
    credentials_endpoint: CredentialsEndpoint,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Interview]:
    """An interview with the sample challenge in Python."""
    with EmbeddedAws.start() as embedded:
        values = apply_templates(embedded, tmp_path_factory.mktemp("interview"), challenge=CHALLENGE)
        yield Interview(engine, editor_image, network, embedded, "ada", values, credentials_endpoint.path)


@pytest.fixture(scope="package")
def delivered(interview: Interview, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task's directory in which the challenge container has run."""
    directory = tmp_path_factory.mktemp("task")
    container = interview.container("challenge", directory)
    assert container.run() == 0, container.output
    return directory


@pytest.fixture(scope="module")
def running(interview: Interview, delivered: Path) -> Iterator[Container]:
    container = interview.container("code-server", delivered)
    container.start()
    yield container
    container.stop()


@pytest.fixture(scope="module")
def session(
    running: Container, interview: Interview, delivered: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Session]:
    """Past the login page, on the challenge."""
    wait_until_healthy(running)
    with browser(tmp_path_factory.mktemp("chromium")) as chromium:
        chromium.open()
        chromium.submit_password("not the password")
        chromium.wait_for_text("body", "Incorrect password")
        chromium.submit_password(interview.password)
        chromium.wait_for_text(".explorer-folders-view", "README.md")
        yield Session(running, delivered / "home", chromium)
