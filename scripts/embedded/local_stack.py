"""The shared stack on an embedded AWS, deployed by `cdktf deploy`."""

import json
import shlex
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from scripts.console import Console
from scripts.embedded.deployment import cdktf_deploy
from scripts.embedded.launcher import SERVER_MODULE, EmbeddedAws
from scripts.embedded.live.host import live_engine
from scripts.embedded.live.ownership import sweep
from scripts.engine.engine import Engine
from scripts.engine.haproxy import haproxy
from scripts.engine.image import editor_image
from scripts.errors import EngineError, PrequelError

DOMAIN = "interviews.example.com"
"""Reserved for examples (https://www.rfc-editor.org/rfc/rfc2606), so it is nobody's."""

EMBEDDED_SETTINGS = f"""\
# As on AWS, except that it may be destroyed at once.
aws_region          = "us-east-1"
environment         = "local"
domain_name         = "{DOMAIN}"
deletion_protection = false
"""

_STOP_SECONDS = 120
"""A task is given its stop timeout, and removing containers takes a busy machine a while."""

DEFAULT_PREFIX = "prequel"


@dataclass(frozen=True)
class LocalAws:
    """An embedded AWS that outlives the command that started it, recorded in ``directory``."""

    directory: Path
    endpoint: str
    pid: int
    live: bool = False

    @classmethod
    def find(cls, directory: Path) -> "LocalAws | None":
        """The one recorded in ``directory``, if it still runs."""
        record = directory / "embedded.json"
        if not record.exists():
            return None
        found = cls(directory, **json.loads(record.read_text()))
        return found if found._process() else None

    def record(self) -> None:
        """Writes what ``find`` reads."""
        (self.directory / "embedded.json").write_text(
            json.dumps({"endpoint": self.endpoint, "pid": self.pid, "live": self.live})
        )

    def _process(self) -> psutil.Process | None:
        try:
            process = psutil.Process(self.pid)
            return process if SERVER_MODULE in process.cmdline() else None  # the pid may be another's by now
        except psutil.Error:
            return None

    def stop(self) -> None:
        """Ends it and deletes everything that it held."""
        process = self._process()
        if process is not None:
            process.terminate()
            _, left = psutil.wait_procs([process], timeout=_STOP_SECONDS)
            for one in left:
                one.kill()
        clean(self.directory)


def clean(directory: Path) -> None:
    """Deletes what a local AWS left that runs no more: its files, and its containers if there is an engine."""
    if directory.exists():
        shutil.rmtree(directory, ignore_errors=True)
        with suppress(EngineError), Engine.find() as engine:
            sweep(engine)


def live_image(console: Console) -> str | None:
    """The candidate's image in this machine's container engine, for ``EmbeddedAws.start``; built when it is missing.

    None where tasks cannot run, after one line that says why.
    """
    try:
        haproxy()
        with live_engine() as engine, console.step("Building the candidate's image, if it is not there yet"):
            return editor_image(engine, report=console.say)
    except EngineError as error:
        console.say(f"no editor will run: {error}")
        return None


def up(directory: Path, console: Console) -> LocalAws:
    """Deploys the shared stack on an embedded AWS that outlives this command; leaves nothing running when it fails."""
    if running := LocalAws.find(directory):
        raise PrequelError(f"a local AWS already runs at {running.endpoint}; stop it with `prequel local down`")
    clean(directory)
    directory.mkdir(parents=True)
    image = live_image(console)
    with console.step("Starting the embedded AWS"):
        embedded = EmbeddedAws.start(log=directory / "requests.log", detach=True, live=image)
    assert embedded.process is not None  # noqa: S101  (it was just started)
    local = LocalAws(directory, embedded.endpoint, embedded.process.pid, embedded.live)
    local.record()  # at once, so that `prequel local down` ends it also if this command is killed
    try:
        deploy_shared(embedded, directory, console)
    except BaseException:
        embedded.stop()
        clean(directory)
        raise
    return local


def exports(local: LocalAws) -> dict[str, str]:
    """The environment variables with which `prequel`, terraform and the AWS CLI use ``local``."""
    return EmbeddedAws(local.endpoint, "us-east-1").variables | {"PREQUEL_CONFIG_DIR": str(local.directory)}


def exported_names() -> list[str]:
    """The names of ``exports``, which are the same whether it runs or not."""
    return list(exports(LocalAws(Path(), "", 0)))


def shell_exports(local: LocalAws) -> str:
    """``exports`` as lines for a shell to evaluate."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in exports(local).items())


def deploy_shared(embedded: EmbeddedAws, directory: Path, console: Console) -> None:
    """Runs `cdktf deploy shared` with ``EMBEDDED_SETTINGS``; ``directory`` receives them, state and output.

    Where editors run there is no domain, because every browser finds names under ``.localhost`` by itself.
    """
    settings = EMBEDDED_SETTINGS.replace(DOMAIN, "") if embedded.live else EMBEDDED_SETTINGS
    (directory / "terraform.tfvars").write_text(settings)
    if not embedded.live:
        embedded.aws.route53.create_hosted_zone(Name=DOMAIN, CallerReference=DOMAIN)
    with console.step("Deploying the shared stack with cdktf deploy"):
        cdktf_deploy(directory, embedded.environment, console)


def hint(local: LocalAws) -> str:
    """Where editors are reached, as a further line; nothing where none run."""
    if not local.live:
        return ""
    url = interview_url(EmbeddedAws(local.endpoint, "us-east-1", live=True), "ID")
    return f"\nThe interview ID is at {url} in any browser on this machine."


def interview_url(embedded: EmbeddedAws, interview_id: str) -> str:
    """Where any browser on this machine reaches an interview of a live one."""
    port = next(one["localPort"] for one in embedded.listeners if one["port"] == 80)
    return f"http://{interview_id}.{DEFAULT_PREFIX}.localhost:{port}"
