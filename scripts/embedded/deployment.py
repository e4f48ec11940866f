"""`cdktf deploy` of the shared stack on an embedded AWS, and its progress."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from scripts.console import Console
from scripts.errors import InterruptedRunError, MissingToolError, PrequelError
from scripts.project import PROJECT
from scripts.terraform.binary import terraform_binary
from scripts.terraform.environment import own_environment
from scripts.terraform.providers import terraform_environment

REPORT_SECONDS = 10
"""Between two lines of progress."""

_SLOWEST = 3

_PLAN = re.compile(r"\bPlan: (\d+) to add\b")
_CREATING = re.compile(r"([a-z0-9_]+\.[a-z0-9_]+(?:\[\S+\])?): Creating\.\.\.")
_CREATED = re.compile(r"([a-z0-9_]+\.[a-z0-9_]+(?:\[\S+\])?): Creation complete after (?:(\d+)m)?(\d+)s")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Progress:
    """What Terraform prints, as a line every ``REPORT_SECONDS``: how many resources exist, and which takes longest."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._planned = 0
        self._begun = self._reported = clock()
        self._running: dict[str, float] = {}
        self._seconds: dict[str, int] = {}

    def read(self, line: str) -> None:
        """Takes one line of Terraform's output, without colours."""
        now = self._clock()
        if planned := _PLAN.search(line):
            self._planned, self._begun, self._reported = int(planned[1]), now, now
            self._console.say(f"  {self._planned} resources to create")
        elif creating := _CREATING.search(line):
            self._running[creating[1]] = now
        elif created := _CREATED.search(line):
            self._running.pop(created[1], None)
            self._seconds[created[1]] = 60 * int(created[2] or 0) + int(created[3])
            self._console.event("done", what=created[1], seconds=self._seconds[created[1]])
        if self._running and now - self._reported >= REPORT_SECONDS:
            self._reported = now
            longest, since = min(self._running.items(), key=lambda item: item[1])
            self._console.say(
                f"  {self._counted()} after {now - self._begun:.0f} s, waiting for {longest} ({now - since:.0f} s)"
            )

    def end(self) -> None:
        """Reports the total, and what took longest."""
        slowest = sorted(self._seconds.items(), key=lambda item: -item[1])[:_SLOWEST]
        named = ", ".join(f"{address} {seconds} s" for address, seconds in slowest)
        self._console.say(f"  {self._counted()}; the slowest: {named}")

    def _counted(self) -> str:
        return f"{len(self._seconds)} of {self._planned} resources"


def cdktf_deploy(directory: Path, environment: Mapping[str, str], console: Console) -> None:
    """Deploys the shared stack with the configuration in ``directory``, which also receives state and output.

    Raises ``PrequelError`` with Terraform's first error, ``InterruptedRunError`` on ctrl-C, ``MissingToolError``
    without Node.js, Terraform or cdktf.
    """
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
    progress = Progress(console)
    assert process.stdout is not None  # noqa: S101  (it is a pipe)
    try:
        for line in process.stdout:
            lines.append(_COLOUR.sub("", line).rstrip())
            progress.read(lines[-1])
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
    progress.end()


def _cdktf() -> str:
    terraform_binary()
    if shutil.which("node") is None:
        raise MissingToolError("node is not on PATH; install Node.js 20 or later from https://nodejs.org")
    command = PROJECT / "node_modules" / ".bin" / "cdktf"
    if not command.exists():
        raise MissingToolError(f"{command} is missing; run `make setup` in {PROJECT}")
    return str(command)
