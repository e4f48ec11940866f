"""`prequel interview`: the group of commands."""

import typer

from scripts.cli.conflicts import checked
from scripts.cli.interview_create import create
from scripts.cli.interview_inspect import drift, list_, logs, password, show
from scripts.cli.interview_lifecycle import destroy, extend, forget, reap, recover
from scripts.cli.interview_options import EXIT_CODES
from scripts.cli.interview_watch import watch
from scripts.cli.interview_work import work

app = typer.Typer(
    help="Create, inspect and destroy interviews.", epilog=EXIT_CODES, no_args_is_help=True, rich_markup_mode=None
)
for command in (create, list_, show, password, destroy, forget, recover, extend, logs, work, watch, drift, reap):
    name = command.__name__.rstrip("_")
    app.command(name, epilog=EXIT_CODES, cls=checked(f"interview {name}"))(command)
