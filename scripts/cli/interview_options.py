"""What the commands of `prequel interview` share: their exit codes, their options, and what ctrl-C does."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from scripts.errors import InterruptedRunError

EXIT_CODES = """\
Exit codes: 0 done; 1 refused or failed; 2 wrong usage; 3 not proven gone (leaking); 4 no free slot; 130 interrupted.
With --json each line on standard output is an object with "time" and "event"; the last is the "result", or an "error".
The events are described in docs/interviews.md."""

RemoteOption = Annotated[bool, typer.Option("--remote", help="Run it on AWS, in CodeBuild and the reaper's function.")]
WaitOption = Annotated[
    float, typer.Option(metavar="SECONDS", min=0, max=600, help="How long it may take to become ready.")
]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The interview's id.")]


@contextmanager
def graceful(what_next: str) -> Iterator[None]:
    """Ends on ctrl-C with one line instead of a traceback; terraform is interrupted first, and waited for."""
    try:
        yield
    except KeyboardInterrupt:
        raise InterruptedRunError(f"interrupted; {what_next}") from None
