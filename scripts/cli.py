"""The `prequel` command."""

import signal
import sys

import typer

from scripts.commands import backend, challenge, cost, image, interview, local, templates
from scripts.console import Console
from scripts.errors import PrequelError

app = typer.Typer(
    name="prequel",
    help="Run coding interviews on AWS: publish their templates, create them, and see them gone.",
    no_args_is_help=True,
    # Plain help starts in half the time of the decorated one, and a traceback is for our own mistakes only.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(templates.app, name="templates")
app.add_typer(challenge.app, name="challenge")
app.add_typer(interview.app, name="interview")
app.command()(interview.doctor)
app.command()(cost.cost)
app.add_typer(image.app, name="image")
app.add_typer(local.app, name="local")
app.add_typer(backend.app, name="backend")


def main() -> None:
    """Runs the command line; every failure of a kind that the user can mend is one line and an exit code."""
    try:
        app()
    except PrequelError as error:
        # One more ctrl-C while this process ends must change neither its last line nor its exit code.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        console = Console(json_lines="--json" in sys.argv)
        for line in str(error).splitlines():
            console.error(line)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
