"""The shared stack on an embedded AWS, deployed by `cdktf deploy`."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from scripts.console import Console
from scripts.embedded.launcher import SERVER_MODULE, EmbeddedAws
from scripts.errors import InterruptedRunError, MissingToolError, PrequelError
from scripts.project import PROJECT
from scripts.terraform.binary import terraform_binary
from scripts.terraform.environment import own_environment
from scripts.terraform.providers import terraform_environment

DOMAIN = "interviews.example.com"
"""Reserved for examples (https://www.rfc-editor.org/rfc/rfc2606), so it is nobody's."""

EMBEDDED_SETTINGS = f"""\
# As on AWS, except that it may be destroyed at once.
aws_region          = "us-east-1"
environment         = "local"
domain_name         = "{DOMAIN}"
deletion_protection = false
"""

_RESOURCE_DONE = re.compile(
    r"(?P<address>[a-z0-9_]+\.[a-z0-9_]+(?:\[\S+\])?)\b.*: Creation complete after (?P<time>\S+)"
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_DURATION = re.compile(r"(?:(\d+)m)?(\d+)s")


@dataclass(frozen=True)
class LocalAws:
    """An embedded AWS that outlives the command that started it, recorded in ``directory``."""

    directory: Path
    endpoint: str
    pid: int

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
        (self.directory / "embedded.json").write_text(json.dumps({"endpoint": self.endpoint, "pid": self.pid}))

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
            psutil.wait_procs([process], timeout=10)
        shutil.rmtree(self.directory, ignore_errors=True)


def up(directory: Path, console: Console) -> LocalAws:
    """Deploys the shared stack on an embedded AWS that outlives this command; leaves nothing running when it fails."""
    if running := LocalAws.find(directory):
        raise PrequelError(f"a local AWS already runs at {running.endpoint}; stop it with `prequel local down`")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    with console.step("Starting the embedded AWS"):
        embedded = EmbeddedAws.start(log=directory / "requests.log", detach=True)
    try:
        deploy_shared(embedded, directory, console)
    except BaseException:
        embedded.stop()
        shutil.rmtree(directory, ignore_errors=True)
        raise
    assert embedded.process is not None  # noqa: S101  (it was just started)
    local = LocalAws(directory, embedded.endpoint, embedded.process.pid)
    local.record()
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
    """Runs `cdktf deploy shared` with ``EMBEDDED_SETTINGS``; ``directory`` receives them, state and output."""
    (directory / "terraform.tfvars").write_text(EMBEDDED_SETTINGS)
    embedded.aws.route53.create_hosted_zone(Name=DOMAIN, CallerReference=DOMAIN)
    with console.step("Deploying the shared stack with cdktf deploy"):
        _cdktf_deploy(directory, embedded.environment, console)


def _cdktf_deploy(directory: Path, environment: Mapping[str, str], console: Console) -> None:
    prepared = terraform_environment(own_environment(environment))
    prepared.pop("TF_CLI_ARGS_init", None)  # backend flags for S3, which a local backend refuses
    prepared |= {
        "PREQUEL_CONFIG_DIR": str(directory),
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), prepared.get("PATH", ""))),
        "CI": "1",  # plain lines instead of a full-screen display
    }
    output = directory / "cdktf.out"
    process = subprocess.Popen(
        [_cdktf(), "deploy", "shared", "--auto-approve", "--skip-provider-lock", "--output", str(output)],
        cwd=PROJECT,
        env=prepared,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: list[str] = []
    assert process.stdout is not None  # noqa: S101  (it is a pipe)
    try:
        for line in process.stdout:
            lines.append(_COLOUR.sub("", line).rstrip())
            done = _RESOURCE_DONE.search(lines[-1])
            if done:
                console.done(done["address"], _seconds(done["time"]))
        exit_code = process.wait()
    except KeyboardInterrupt:
        process.wait()  # it received the same ctrl-C, and finishes what it began
        raise InterruptedRunError("the deployment was interrupted") from None
    if exit_code != 0:
        (directory / "cdktf.log").write_text("\n".join(lines))
        errors = [line for line in lines if "rror:" in line] or lines[-1:] or ["no output"]
        raise PrequelError(
            f"cdktf deploy failed: {errors[0].strip()}; the whole output is in {directory / 'cdktf.log'}"
        )


def _cdktf() -> str:
    terraform_binary()
    if shutil.which("node") is None:
        raise MissingToolError("node is not on PATH; install Node.js 20 or later from https://nodejs.org")
    command = PROJECT / "node_modules" / ".bin" / "cdktf"
    if not command.exists():
        raise MissingToolError(f"{command} is missing; run `make setup` in {PROJECT}")
    return str(command)


def _seconds(text: str) -> float:
    found = _DURATION.search(text)
    return 60 * int(found[1] or 0) + int(found[2]) if found else 0.0
