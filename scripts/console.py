"""What a command says: for people on standard error, for machines as JSON lines on standard output."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console as Terminal
    from rich.console import RenderableType
    from rich.text import Text

_WIDTH_OF_NO_TERMINAL = 160


class Console:
    """The output of one command; nothing else writes to standard output or standard error.

    With ``json_lines`` every event and the result are single-line JSON objects on standard output, each with the keys
    ``time`` (RFC 3339, UTC) and ``event``. Otherwise progress goes to standard error and the result to standard
    output, in colour only on a terminal whose user has not asked for none (https://no-color.org).
    """

    def __init__(self, *, json_lines: bool = False, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self.json_lines = json_lines
        self._out = out or sys.stdout
        self._err = err or sys.stderr

    def event(self, event: str, /, **fields: Any) -> None:
        """A machine-readable event; nothing for people."""
        if self.json_lines:
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            self._out.write(json.dumps({"time": now, "event": event} | fields, default=str) + "\n")
            self._out.flush()

    def say(self, message: "str | Text") -> None:
        """A line of progress."""
        self.progress("message", message, message=str(message))

    def warn(self, message: str) -> None:
        """A line that the user should not miss."""
        self.event("warning", message=message)
        self._print_progress(_styled((f"warning: {message}", "yellow")))

    def error(self, message: str) -> None:
        """Why a command fails; each line of ``message`` is a problem of its own."""
        for problem in message.splitlines():
            self.event("error", message=problem)
            self._print_progress(_styled(("error: ", "red"), problem))

    def done(self, what: str, seconds: float, **fields: Any) -> None:
        """A finished piece of work and the time that it took."""
        self.event("done", what=what, seconds=round(seconds, 3), **fields)
        self._print_progress(_styled("  ", ("✓", "green"), f" {what} ", (f"{seconds:.1f} s", "dim")))

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announces ``title``, and its time when it ends well."""
        self.progress("step", f"{title} …", title=title)
        start = time.monotonic()
        yield
        self.done(title, time.monotonic() - start)

    def progress(self, event: str, text: "str | Text", /, **fields: Any) -> None:
        """A piece of progress: an event for machines, for people a line."""
        self.event(event, **fields)
        self._print_progress(text)

    def part(self, event: str, text: str, /, **fields: Any) -> None:
        """A piece of the result that is ready: an event for machines, for people a line on standard output."""
        self.event(event, **fields)
        self._print_result(text)

    def result(self, value: Any, text: "RenderableType | None" = None) -> None:
        """What the command was run for: ``value`` for machines, ``text`` or a table for people."""
        self.event("result", result=value)
        if text:
            self._print_result(text.rstrip("\n") if isinstance(text, str) else text)

    def clear(self) -> None:
        """Clears the screen, if the result goes to one."""
        if not self.json_lines:
            _terminal(self._out).clear()

    def _print_progress(self, text: "str | Text") -> None:
        if not self.json_lines:
            _print(self._err, text)

    def _print_result(self, text: "RenderableType") -> None:
        if not self.json_lines:
            _print(self._out, text)


def counted(number: int, noun: str) -> str:
    """``1 interview``, ``2 interviews``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _styled(*parts: str | tuple[str, str]) -> "Text":
    from rich.text import Text

    return Text.assemble(*parts)


def _print(stream: TextIO, text: "RenderableType") -> None:
    if isinstance(text, str):  # as it is, tabs and all: a shell or a file may read it
        stream.write(text + "\n")
        stream.flush()
    else:
        _terminal(stream).print(text)


def _terminal(stream: TextIO) -> "Terminal":
    from rich.console import Console as Terminal  # imported late: `prequel --help` starts fast without it

    is_terminal = stream.isatty()
    return Terminal(
        file=stream,
        color_system="auto" if is_terminal and not os.environ.get("NO_COLOR") else None,
        force_terminal=is_terminal,
        width=None if is_terminal else _WIDTH_OF_NO_TERMINAL,
        soft_wrap=True,
    )
