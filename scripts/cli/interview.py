"""`prequel interview`: the group of commands."""

import typer

from scripts.cli.interview_create import create
from scripts.cli.interview_inspect import drift, list_, logs, show
from scripts.cli.interview_lifecycle import destroy, extend, reap, recover
from scripts.cli.interview_options import EXIT_CODES

app = typer.Typer(
    help="Create, inspect and destroy interviews.", epilog=EXIT_CODES, no_args_is_help=True, rich_markup_mode=None
)
app.command("create", epilog=EXIT_CODES)(create)
app.command("list", epilog=EXIT_CODES)(list_)
app.command("show", epilog=EXIT_CODES)(show)
app.command("destroy", epilog=EXIT_CODES)(destroy)
app.command("recover", epilog=EXIT_CODES)(recover)
app.command("extend", epilog=EXIT_CODES)(extend)
app.command("logs", epilog=EXIT_CODES)(logs)
app.command("drift", epilog=EXIT_CODES)(drift)
app.command("reap", epilog=EXIT_CODES)(reap)
