"""`prequel interview` list, show, logs and drift, which change nothing."""

import time
from contextlib import nullcontext, suppress
from typing import Annotated

import typer

from scripts.cli.interview_options import IdArgument
from scripts.cli.session import JsonOption, Session

_WATCH_SECONDS = 5


def list_(
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again every five seconds, until ctrl-C.")] = False,
    json_lines: JsonOption = False,
) -> None:
    """List the interviews that are not proven gone.

    The next to end comes first.

    Example: prequel interview list --watch
    """
    from scripts.cli.interview_views import interviews_table
    from scripts.interviews import listing

    session = Session(json_lines=json_lines)
    with suppress(KeyboardInterrupt) if watch else nullcontext():
        while True:
            rows, unreadable = listing.all_rows(session.context)
            if watch:
                session.console.clear()
            for problem in unreadable:
                session.console.warn(problem)
            session.console.result(rows, None if json_lines else interviews_table(rows))
            if not watch:
                return
            time.sleep(_WATCH_SECONDS)


def show(id: IdArgument, *, json_lines: JsonOption = False) -> None:
    """Show one interview with its history.

    Of one that is gone it shows what remains: the history, and the proof.

    Example: prequel interview show demo
    """
    from scripts.cli.interview_views import sheet
    from scripts.interviews import listing

    session = Session(json_lines=json_lines)
    value = listing.details(session.context, id)
    session.console.result(value, None if json_lines else sheet(value))


def logs(id: IdArgument, *, json_lines: JsonOption = False) -> None:
    """Print the terraform log of the last run for an interview.

    Of one that is gone too.

    Example: prequel interview logs demo
    """
    from scripts.interviews import listing

    session = Session(json_lines=json_lines)
    text = listing.last_log(session.context, id)
    session.console.result({"id": id, "log": text}, text or "Terraform has not run for it yet.")


def drift(id: IdArgument, *, json_lines: JsonOption = False) -> None:
    """List what was changed about an interview since it was created.

    Exit code 1 if anything was.

    Example: prequel interview drift demo
    """
    from dataclasses import asdict

    from scripts.interviews import drift as operation

    session = Session(json_lines=json_lines)
    found = operation.drift(session.context, id)
    session.console.result([asdict(change) for change in found], "\n".join(map(str, found)) or "No drift.")
    if found:
        raise typer.Exit(1)
