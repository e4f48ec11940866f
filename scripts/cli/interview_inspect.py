"""`prequel interview` list, show, password, logs and drift, which change nothing."""

import time
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scripts.cli.interview_options import IdArgument, IdsArgument, for_each
from scripts.cli.session import JsonOption, Session

if TYPE_CHECKING:
    from scripts.console import Fitted

_WATCH_SECONDS = 5


def _known_columns(given: str | None) -> str | None:
    if given is None:
        return None
    from scripts.cli.interview_views import COLUMNS

    names, known = [name.strip().lower() for name in given.split(",")], [column.name for column in COLUMNS]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise typer.BadParameter(f'--columns has "{", ".join(unknown)}", expected any of {",".join(known)}')
    return ",".join(dict.fromkeys(names))


def list_(
    *,
    ended: Annotated[bool, typer.Option("--ended", help="Those that are proven gone, the latest first.")] = False,
    all_: Annotated[bool, typer.Option("--all", help="Also those that are proven gone.")] = False,
    wide: Annotated[bool, typer.Option("--wide", help="Every column, however wide the terminal is.")] = False,
    columns: Annotated[
        str | None, typer.Option(metavar="NAMES", help="These columns, such as id,url,starts.", callback=_known_columns)
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again every five seconds, until ctrl-C.")] = False,
    json_lines: JsonOption = False,
) -> None:
    """List the interviews that are not proven gone.

    The next to end comes first. Columns that have no room are left out.

    Examples: prequel interview list --watch; prequel interview list --ended --columns id,candidate,cost
    """
    from scripts.cli.interview_views import interviews_grid
    from scripts.interviews import listing
    from scripts.interviews.activity import Activities

    session = Session(json_lines=json_lines)
    activities = Activities(session.context)
    with suppress(KeyboardInterrupt) if watch else nullcontext():
        while True:
            rows, unreadable = listing.all_rows(
                session.context, present=not ended, ended=ended or all_, activities=activities
            )
            grid = interviews_grid(rows, session.context.now())
            if columns:
                grid = grid.select(columns.split(","))
            if watch:
                session.console.clear()
            for problem in unreadable:
                session.console.warn(problem)
            session.console.result(rows, grid.whole if wide else grid.fitted if rows else "No interviews.")
            if not watch:
                return
            time.sleep(_WATCH_SECONDS)


def show(ids: IdsArgument, *, json_lines: JsonOption = False) -> None:
    """Show interviews with their history.

    With what the candidate has done so far. Of one that is gone it shows what remains: the history, and the proof.

    Example: prequel interview show demo
    """
    from scripts.cli.interview_views import sheet
    from scripts.interviews import listing

    session = Session(json_lines=json_lines)

    def one(id: str) -> "tuple[dict[str, Any], Fitted]":
        value = listing.details(session.context, id)
        return value, sheet(value, session.context.now())

    for_each(session, ids, one, ended=True)


def password(id: IdArgument, *, json_lines: JsonOption = False) -> None:
    """Print an interview's password, and nothing else.

    It is read from SSM, which takes the rights that `prequel preflight --policy create` prints: ssm:GetParameter on
    the parameter and kms:Decrypt with the stack's key. CloudTrail records who read it.

    Example: prequel interview password demo
    """
    from scripts.interviews.lookup import full_id
    from scripts.interviews.passwords import stored_password

    session = Session(json_lines=json_lines)
    whole = full_id(session.context, id)
    found = stored_password(session.context, whole, session.configuration.settings.project_prefix)
    session.console.result({"id": whole, "password": found}, found)


def logs(id: IdArgument, *, json_lines: JsonOption = False) -> None:
    """Print the terraform log of the last run for an interview.

    Of one that is gone too.

    Example: prequel interview logs demo
    """
    from scripts.interviews import listing
    from scripts.interviews.lookup import full_id

    session = Session(json_lines=json_lines)
    whole = full_id(session.context, id, ended=True)
    text = listing.last_log(session.context, whole)
    session.console.result({"id": whole, "log": text}, text or "Terraform has not run for it yet.")


def drift(id: IdArgument, *, json_lines: JsonOption = False) -> None:
    """List what was changed about an interview since it was created.

    Exit code 1 if anything was.

    Example: prequel interview drift demo
    """
    from dataclasses import asdict

    from scripts.interviews import drift as operation
    from scripts.interviews.lookup import full_id

    session = Session(json_lines=json_lines)
    found = operation.drift(session.context, full_id(session.context, id))
    session.console.result([asdict(change) for change in found], "\n".join(map(str, found)) or "No drift.")
    if found:
        raise typer.Exit(1)
