"""`prequel interview watch`: what a candidate writes, while it is written."""

from contextlib import suppress
from typing import TYPE_CHECKING

from scripts.cli.interview_options import IdArgument
from scripts.cli.interview_work import state_row
from scripts.cli.session import JsonOption, Session

if TYPE_CHECKING:
    from scripts.interviews.watch import Save


def watch(id: IdArgument, *, json_lines: JsonOption = False) -> None:
    """Follow an interview: every save as a diff.

    Begins with what differs from the challenge by now, and ends with the interview, or with ctrl-C. Read-only: the
    candidate does not see it. Takes the rights of `interview work`.

    Example: prequel interview watch demo
    """
    from scripts.interviews import watch as operation
    from scripts.interviews.lookup import full_id

    session = Session(json_lines=json_lines)
    whole = full_id(session.context, id, ended=True)
    last, over = 0, False
    with suppress(KeyboardInterrupt):
        for save in operation.watch(session.context, whole):
            last = save.state.number
            lines = [line for file in save.files for line in file.lines]
            value = state_row(save.state) | {"interview": whole, "diff": "\n".join(lines)}
            session.console.part("state", "\n".join([_title(save), *lines]), **value)
        over = True
    text = f"Interview {whole} is over; nothing more is saved." if over else ""
    session.console.result({"id": whole, "state": last, "over": over}, text)


def _title(save: "Save") -> str:
    from scripts.interviews.work_difference import Changes

    changes = Changes.of(save.files)
    return f"── {save.state.saved_at:%H:%M:%S} UTC  state {save.state.number}: {changes or 'nothing differs'}"
