"""The `prequel` command."""

import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from scripts.aws.proxies import direct_here
from scripts.cli import backend, challenge, cost, doctor, image, interview, local, preflight, templates
from scripts.cli.conflicts import checked
from scripts.cli.hints import hint
from scripts.console import Console
from scripts.errors import PrequelError

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
    os.environ.update(direct_here(os.environ))
    try:
        sys.exit(app(prog_name=app.info.name, standalone_mode=False))
    except PrequelError as error:
        _fail(str(error), error.exit_code)
    except typer.TyperException as error:
        words = error.format_message()
        if words.startswith("Usage: "):  # a group without a command, which is answered with its help
            Console().say(words)
            sys.exit(error.exit_code)
        _fail(misused(error), error.exit_code)
    except typer.Abort:
        _fail("not confirmed, so nothing was changed; answer y, or pass --yes", 1)


def _fail(message: str, exit_code: int) -> NoReturn:
    # One more ctrl-C while this process ends must change neither its last line nor its exit code.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Console(json_lines="--json" in sys.argv).error(message)
    sys.exit(exit_code)


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
