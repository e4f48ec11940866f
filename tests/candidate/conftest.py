"""One interview on an embedded AWS, in a network of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.embedded.launcher import EmbeddedAws
from tests.candidate import install
from tests.candidate.container import check_possible
from tests.candidate.network import CredentialsEndpoint, own_network
from tests.candidate.task import Interview, create_interview

CHALLENGE = "python/rate-limiter"


@pytest.fixture(scope="package")
def credentials_endpoint() -> Iterator[CredentialsEndpoint]:
    """The ECS agent's endpoint. Whoever asks for it, asks to leave this machine's network until the package's end."""
    check_possible()
    # There is no way to npm, PyPI or Debian from inside.
    install.code_server()
    install.aws_cli()
    install.browser()
    with own_network(), CredentialsEndpoint() as endpoint:
        yield endpoint


@pytest.fixture(scope="package")
def interview(
    credentials_endpoint: CredentialsEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Interview]:
    """An interview with the sample challenge in Python."""
    with EmbeddedAws.start() as embedded:
        yield create_interview(
            embedded,
            tmp_path_factory.mktemp("interview"),
            challenge=CHALLENGE,
            credentials_path=credentials_endpoint.path,
        )


@pytest.fixture(scope="package")
def delivered(interview: Interview, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task's directory in which the challenge container has run."""
    directory = tmp_path_factory.mktemp("task")
    container = interview.container("challenge", directory)
    assert container.run() == 0, container.output
    return directory
