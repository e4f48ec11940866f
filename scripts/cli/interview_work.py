"""`prequel interview work`: what a candidate made."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scripts.cli.interview_options import IdArgument
from scripts.cli.session import DryRunOption, JsonOption, Session, YesOption

if TYPE_CHECKING:
    from image.saver.states import State
    from scripts.cli.tables import Grid
    from scripts.interviews.saved_work import SavedWork


def work(
    id: IdArgument,
    *,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Write a state into this empty folder.")
    ] = None,
    number: Annotated[
        int | None, typer.Option("--state", metavar="N", min=1, help="Which state; the last if not given.")
    ] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Show what differs from the published challenge.")] = False,
    log: Annotated[bool, typer.Option("--log", help="Show which files changed from state to state.")] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Delete all states with every version.")] = False,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    json_lines: JsonOption = False,
) -> None:
    """List, fetch, compare or delete a candidate's saved work.

    Of an interview that runs, and of one that is gone until work_retention_days are over. What a candidate wrote is not
    to be trusted: open it in an editor that runs nothing by itself, and run it in a container.

    Example: prequel interview work demo --to review/demo
    """
    from scripts.interviews import saved_work as operation
    from scripts.interviews.lookup import full_id

    session = Session(json_lines=json_lines)
    interview_id = full_id(session.context, id, ended=True)
    if delete:
        _delete(session, interview_id, yes=yes, dry_run=dry_run)
        return
    found = operation.saved_work(session.context, interview_id)
    if log:
        _log(session, found)
    elif to is not None or diff:
        state = found.state(number)
        value = state_row(state) | {"id": interview_id, "incarnation": found.incarnation}
        if to is not None:
            left_out = operation.fetch(session.context, found, state, to)
            text = f"State {state.number} of {state.saved_at:%Y-%m-%d %H:%M:%S} UTC is in {to}."
            notes = "".join(f"\nnot saved: {line}" for line in left_out)
            session.console.result(value | {"to": str(to), "left_out": left_out}, text + notes)
        else:
            files = operation.difference(session.context, found, state)
            text = "\n".join(line for file in files for line in file.lines)
            session.console.result(value | {"diff": text}, text or "Nothing differs from the challenge.")
    else:
        states = [found.state(number)] if number else found.states
        rows = [state_row(state) for state in states]
        value = {"id": interview_id, "incarnation": found.incarnation, "states": rows}
        session.console.result(value, _grid(rows).fitted)


def _delete(session: Session, interview_id: str, *, yes: bool, dry_run: bool) -> None:
    from scripts.interviews.saved_work import delete_work, saved_work

    if dry_run:
        count = len(saved_work(session.context, interview_id).states)
        value = {"id": interview_id, "states": count, "dry_run": True}
        session.console.result(value, f"Would delete {count} states of interview {interview_id}.")
        return
    if not yes and not session.confirm(f"Delete all saved work of interview {interview_id}, for good?"):
        raise typer.Abort
    count = delete_work(session.context, interview_id)
    text = f"No saved work of interview {interview_id} is left; {count} versions were deleted."
    session.console.result({"id": interview_id, "deleted_versions": count, "left": 0}, text)


def _log(session: Session, found: "SavedWork") -> None:
    from scripts.interviews.saved_work import steps

    rows: list[dict[str, Any]] = []
    for step in steps(session.context, found):
        changes = {"added": step.added, "changed": step.changed, "deleted": step.deleted}
        rows.append(state_row(step.state) | changes)
        lines = [f"  {what} {path}" for what, paths in changes.items() for path in paths]
        title = f"{step.state.number:>4}  {step.state.saved_at:%Y-%m-%d %H:%M:%S} UTC"
        session.console.part("state", "\n".join([title, *lines]), **rows[-1])
    session.console.result({"id": found.interview_id, "incarnation": found.incarnation, "states": rows})


def state_row(state: "State") -> dict[str, Any]:
    """A saved state for machines."""
    from scripts.interviews.records import timestamp

    return {
        "state": state.number,
        "saved_at": timestamp(state.saved_at),
        "bytes": state.size,
        "files": state.files,
        "left_out": state.left_out,
        "sha256": state.sha256,
    }


def _grid(rows: list[dict[str, Any]]) -> "Grid":
    from scripts.cli.tables import Column, Grid

    numbers = ("state", "bytes", "files", "left out")
    columns = [*(Column(name, right=True) for name in numbers), Column("saved at")]
    return Grid(columns, [{column.name: str(row[column.name.replace(" ", "_")]) for column in columns} for row in rows])
