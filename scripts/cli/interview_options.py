"""What the commands of `prequel interview` share: their exit codes, their options, and what ctrl-C does."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from scripts.cli.completion import challenge_names, interview_ids
from scripts.cli.session import Session
from scripts.console import Fitted
from scripts.errors import InterruptedRunError, PrequelError

EXIT_CODES = """\
Exit codes: 0 done; 1 refused or failed; 2 wrong usage; 3 not proven gone (leaking); 4 no free slot;
5 destroyed, but the candidate's last work may not be saved; 130 interrupted.
With --json each line on standard output is an object with "time" and "event"; the last is the "result", or an "error".
The events are described in docs/interviews.md."""

RemoteOption = Annotated[bool, typer.Option("--remote", help="Run it on AWS, in CodeBuild and the reaper's function.")]
WaitOption = Annotated[
    float, typer.Option(metavar="SECONDS", min=0, max=600, help="How long it may take to become ready.")
]
ChallengeOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="A published challenge, such as python/rate-limiter.", autocompletion=challenge_names
    ),
]
IdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="The interview's id, or the beginning of it.", autocompletion=interview_ids)
]
IdsArgument = Annotated[
    list[str], typer.Argument(metavar="ID...", help="Ids, or their beginnings.", autocompletion=interview_ids)
]


@contextmanager
def graceful(what_next: str) -> Iterator[None]:
    """Ends on ctrl-C with one line instead of a traceback; terraform is interrupted first, and waited for."""
    try:
        yield
    except KeyboardInterrupt:
        raise InterruptedRunError(f"interrupted; {what_next}") from None


def for_each(
    session: Session,
    given: list[str],
    work: Callable[[str], tuple[dict[str, Any], str | Fitted]],
    *,
    ended: bool = False,
    leftovers: bool = False,
    first: Callable[[list[str]], None] | None = None,
) -> None:
    """Does ``work`` for each interview and prints what it returns, for machines as a list if there are several.

    Every id is looked up before the first is worked on, see ``full_id``. One that fails does not keep the others from
    their turn; afterwards a ``PrequelError`` has the reason of each. ``first`` gets all ids before anything is done.
    """
    from scripts.interviews.lookup import full_id

    ids = list(dict.fromkeys(full_id(session.context, one, ended=ended, leftovers=leftovers) for one in given))
    if first:
        first(ids)
    if len(ids) == 1:
        session.console.result(*work(ids[0]))
        return
    values: list[dict[str, Any]] = []
    errors: list[PrequelError] = []
    for one in ids:
        try:
            value, text = work(one)
        except InterruptedRunError:
            raise
        except PrequelError as error:
            errors.append(error)
        else:
            values.append(value)
            session.console.part("interview", text, interview=value)
    session.console.result(values)
    if errors:
        worst = max(errors, key=lambda error: error.exit_code)
        raise type(worst)("\n".join(map(str, errors)))
