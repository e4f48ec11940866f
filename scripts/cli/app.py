"""The `prequel` command."""

import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from scripts import streams
from scripts.aws.proxies import direct_here
from scripts.cli import backend, challenge, cost, doctor, image, interview, local, preflight, templates
from scripts.cli.conflicts import checked
from scripts.cli.hints import hint
from scripts.console import Console
from scripts.errors import InterruptedRunError, PrequelError, is_of_machine, reason

app = typer.Typer(
    name="prequel",
    no_args_is_help=True,
    # Plain help starts in half the time of the decorated one, and a traceback is for our own mistakes only.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        Console().result(None, f"prequel {version('prequel-infrastructure')}")
        raise typer.Exit


def _use(config: Path | None) -> None:
    if config is not None:
        # In the environment, so that every process which this command starts uses the same one.
        os.environ["PREQUEL_CONFIG_DIR"] = str(config.resolve())


@app.callback()
def prequel(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The directory of terraform.tfvars and backend.config.",
            envvar="PREQUEL_CONFIG_DIR",
            show_default="the current one",
            callback=_use,
        ),
    ] = None,
) -> None:
    """Run coding interviews on AWS: publish templates and manage interviews."""


app.add_typer(templates.app, name="templates")
app.add_typer(challenge.app, name="challenge")
app.add_typer(interview.app, name="interview")
app.command()(doctor.doctor)
app.command(cls=checked("cost"))(cost.cost)
app.command()(preflight.preflight)
app.add_typer(image.app, name="image")
app.add_typer(local.app, name="local")
app.add_typer(backend.app, name="backend")


def main() -> None:
    """Runs the command line; every failure that the user can act on is one line and an exit code."""
    streams.prepare()
    os.environ.update(direct_here(os.environ))
    signals = _EndSignals()
    message, exit_code = _run(signals)
    # One more signal while this process ends must change neither its last line nor its exit code.
    signals.ignore()
    if message:
        Console(json_lines="--json" in sys.argv).error(message)
    if lost := streams.why_lost():
        exit_code = exit_code or 1
        Console().error(f"the result could not be written: {lost.strerror}; what was done stands")
    sys.exit(exit_code)


class _EndSignals:
    """The signals that end a command, each like ctrl-C; ``received`` says whether one came.

    While terraform runs, ``forward_interrupts`` has them instead.
    """

    _NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self.received = False
        for number in self._NUMBERS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup wants it
                signal.signal(number, self._receive)

    def _receive(self, *_: object) -> None:
        self.received = True
        raise KeyboardInterrupt

    def ignore(self) -> None:
        for number in self._NUMBERS:
            signal.signal(number, signal.SIG_IGN)


def _run(signals: _EndSignals) -> tuple[str, int]:
    """Runs the command; gives why it failed, and the exit code."""
    try:
        exit_code = app(prog_name=app.info.name, standalone_mode=False) or 0
    except BaseException as error:
        failure = _failure(error)
        if failure is None:
            raise  # a mistake of ours, whose traceback is wanted
        return failure
    stopped = signals.received and exit_code == InterruptedRunError.exit_code
    return "interrupted" if stopped else "", exit_code


def _failure(error: BaseException) -> tuple[str, int] | None:
    """The line and the exit code for a failure that the user can act on."""
    failure: tuple[str, int] | None = None
    if isinstance(error, PrequelError):
        failure = str(error), error.exit_code
    elif isinstance(error, typer.TyperException):
        words = error.format_message()
        if words.startswith("Usage: "):  # a group without a command, which is answered with its help
            Console().say(words)
            words = ""
        failure = words and misused(error), error.exit_code
    elif isinstance(error, typer.Abort):
        failure = "not confirmed, so nothing was changed; answer y, or pass --yes", 1
    elif isinstance(error, KeyboardInterrupt):
        failure = "interrupted", InterruptedRunError.exit_code
    elif isinstance(error, SystemExit) and isinstance(error.__context__, OSError):  # Typer's end for a broken pipe
        failure = reason(error.__context__), 1
    elif is_of_machine(error):
        failure = reason(error), 1
    elif "botocore" in sys.modules:
        from botocore.exceptions import BotoCoreError, ClientError

        from scripts.aws.clients import reason as aws_reason

        if isinstance(error, BotoCoreError | ClientError):
            failure = aws_reason(error), 1
    return failure


def misused(error: typer.TyperException) -> str:
    """A call that the parser refuses, as one line: what is wrong, the value got, and where to read what is right."""
    words = error.format_message().removeprefix("Invalid value: ").rstrip(".?")
    words = words[0].lower() + words[1:].replace(". Did you mean ", ", perhaps ").replace(": Input ", ": input ")
    cause: Any = error.__cause__
    if hasattr(cause, "errors"):  # pydantic's, which knows the value
        words += f", got {json.dumps(cause.errors()[0]['input'], default=str)}"
    context: Any = getattr(error, "ctx", None)
    command = str(context.command_path if context else app.info.name)
    unknown = re.match("no such command '([^']*)'", words)
    if unknown and context:
        instead = hint(command, unknown[1], list(getattr(context.command, "commands", ())))
        if instead:
            words = f"{unknown[0]}, perhaps `{instead}`"
    return f"{' '.join(words.split())}; see `{command} --help`"
