"""What several tests share: the shared stack, synthesized in memory once for each set of settings."""

import stacks.node  # noqa: F401  (first: it starts the Node.js process of all jsii modules)

# isort: split
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from scripts.engine import image
from scripts.engine.engine import Engine
from scripts.errors import PrequelError
from scripts.programs import PROGRAMS
from scripts.terraform.providers import provider_mirror, tested_provider
from stacks.backend_settings import BackendSettings
from stacks.configuration import Configuration
from stacks.settings import Settings
from tests import machine

# How long an example takes depends on what else the machine does, and is no claim of any test.
settings.register_profile("prequel", deadline=None)
settings.load_profile("prequel")

REQUIRED_SETTINGS: dict[str, Any] = {
    "aws_region": "eu-central-1",
    "environment": "test",
    "domain_name": "interviews.example.com",
    "hosted_zone_name": "example.com",
}


@dataclass(frozen=True)
class SynthesizedStack:
    """The Terraform JSON of a stack, with its blocks by type and name."""

    document: dict[str, Any]

    def all(self, type: str) -> dict[str, dict[str, Any]]:
        """The resources of ``type`` by name."""
        found: dict[str, dict[str, Any]] = self.document["resource"].get(type, {})
        return found

    def one(self, type: str, name: str) -> dict[str, Any]:
        """One resource."""
        return self.all(type)[name]

    def statements(self, name: str) -> dict[str, dict[str, Any]]:
        """The statements of one policy document by their Sid."""
        document = self.document["data"]["aws_iam_policy_document"][name]
        return {statement["sid"]: statement for statement in document["statement"]}

    @property
    def addresses(self) -> set[str]:
        """The address of each resource."""
        return {f"{kind}.{name}" for kind, resources in self.document["resource"].items() for name in resources}

    @property
    def outputs(self) -> dict[str, Any]:
        """The outputs' values by name."""
        return {name: output["value"] for name, output in self.document["output"].items()}


SharedStackFactory = Callable[..., SynthesizedStack]


@pytest.fixture(scope="session")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> SharedStackFactory:
    """Gives the shared stack for ``REQUIRED_SETTINGS`` and the given ones; the same settings are synthesized once."""
    from cdktf import App

    from stacks.shared import SharedStack

    app = App(outdir=str(tmp_path_factory.mktemp("cdktf.out")))
    known: dict[str, SynthesizedStack] = {}

    def synthesize(*, backend: BackendSettings | None = None, **given: Any) -> SynthesizedStack:
        configuration = Configuration(
            settings=Settings(**(REQUIRED_SETTINGS | given)), backend=backend, directory=Path("/configuration")
        )
        key = repr(configuration)
        if key not in known:
            stack = SharedStack(app, f"shared{len(known)}", configuration=configuration, programs=PROGRAMS)
            stack.prepare_stack()
            known[key] = SynthesizedStack(stack.to_terraform())
        return known[key]

    return synthesize


@pytest.fixture(scope="session")
def default_stack(shared_stack: SharedStackFactory) -> SynthesizedStack:
    """The shared stack with a domain and all else by default."""
    return shared_stack()


@pytest.fixture(scope="session")
def development_stack(shared_stack: SharedStackFactory) -> SynthesizedStack:
    """The shared stack without a domain."""
    return shared_stack(domain_name="", hosted_zone_name="")


@pytest.fixture(scope="session")
def portal_stack(shared_stack: SharedStackFactory) -> SynthesizedStack:
    """The shared stack with a portal."""
    return shared_stack(portal_image="ghcr.io/example/portal:1.0.0")


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """This machine's container engine; podman is installed where there is none."""
    if shutil.which("docker") is None:
        machine.require(machine.ENGINE)
    with Engine.find() as found:
        yield found


@pytest.fixture(scope="session")
def editor_image(engine: Engine) -> str:
    """The candidate's image, built once for all tests, and kept by the engine."""
    return image.editor_image(engine)


def pytest_configure() -> None:
    """Every test runs the provider that we say is tested, whatever the registry offers by now."""
    _pass_on_no_ignored_signals()
    os.environ.pop("COLUMNS", None)  # what a command prints is folded to it
    try:
        if provider_mirror(os.environ) is None:
            os.environ["PREQUEL_TF_MIRROR"] = str(tested_provider())
    except PrequelError as error:
        raise pytest.UsageError(str(error)) from error


def _pass_on_no_ignored_signals() -> None:
    """Lets tests send signals to their children, whatever the tests themselves were started with.

    A shell ignores ctrl-C for a job in the background, and nohup a hang-up. Children inherit what is ignored, and what
    has a handler begins with the default in them (execve(2)).
    """
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


_ONE_WORKER = ("candidate", "e2e", "lifecycle", "live", "second", "security")
"""Directories whose tests share something that is dear to set up, such as the deployed shared stack."""


_AWS_FIXTURES = frozenset({"deployed", "editor_image", "embedded", "recording"})


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what must be asked for by name, such as ``-m soak``; keeps what shares setup together.

    Whatever uses an embedded AWS is marked ``e2e``, so that `make check` stays quick.
    """
    for marker in ("soak", "second"):
        if marker not in str(config.option.markexpr):
            config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker(marker)])
            items[:] = [item for item in items if not item.get_closest_marker(marker)]
    for item in items:
        if _AWS_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.e2e)
        directory = item.path.parent.name
        if directory in _ONE_WORKER:
            item.add_marker(pytest.mark.xdist_group(directory))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuses to run when xdist would ignore the groups: each worker would deploy a shared stack of its own."""
    grouped = [item for item in session.items if item.get_closest_marker("xdist_group")]
    if session.config.getoption("loadgroup", False) and not all("@" in item.nodeid for item in grouped):
        raise pytest.UsageError("this version of pytest-xdist ignores xdist_group with this version of pytest")
