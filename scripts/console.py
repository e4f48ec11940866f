"""What a command says: for people on standard error, for machines as JSON lines on standard output."""

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from textwrap import fill
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console as Terminal
    from rich.table import Table
    from rich.text import Text

Fitted = Callable[[int], "str | Table"]
"""A result that depends on how many columns there are for it."""

NO_TERMINAL = 10_000
"""Columns of a file or a pipe: as many as a line needs, so that a row is one line."""

_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, apart from tab and newline
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # change the direction of what follows
    "\u2028\u2029\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"  # break lines, are invisible, or are no text
)
"""What a terminal obeys, or would show as something else than it is (Unicode Technical Report 36, section 3)."""


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
            line = json.dumps({"time": now, "event": event} | fields, default=str)
            self._out.write(printable(line) + "\n")
            self._out.flush()

    def say(self, message: "str | Text") -> None:
        """A line of progress."""
        self.progress("message", message, message=str(message))

    def warn(self, message: str) -> None:
        """A line that the user should not miss."""
        self.event("warning", message=message)
        self._print_progress(f"warning: {message}", style="yellow")

    def error(self, message: str) -> None:
        """Why a command fails; each line of ``message`` is a problem of its own."""
        for problem in message.split("\n"):
            self.event("error", message=problem)
            self._print_progress(f"error: {problem}", style="red", until=len("error:"))

    def done(self, what: str, seconds: float, **fields: Any) -> None:
        """A finished piece of work and the time that it took."""
        self.event("done", what=what, seconds=round(seconds, 3), **fields)
        self._print_progress(f"  ✓ {what} {seconds:.1f} s", style="green", until=len("  ✓"))

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

    def part(self, event: str, text: "str | Fitted", /, **fields: Any) -> None:
        """A piece of the result that is ready: an event for machines, for people a line on standard output."""
        self.event(event, **fields)
        self._print_result(text)

    def result(self, value: Any, text: "str | Text | Fitted | None" = None) -> None:
        """What the command was run for: ``value`` for machines, ``text`` for people."""
        self.event("result", result=value)
        if text:
            self._print_result(text.rstrip("\n") if isinstance(text, str) else text)

    def clear(self) -> None:
        """Clears the screen, if the result goes to one."""
        if not self.json_lines:
            _terminal(self._out).clear()

    def _print_progress(self, text: "str | Text", *, style: str = "", until: int | None = None) -> None:
        """Prints ``text``, the first ``until`` characters of it in ``style``."""
        if self.json_lines:
            return
        if isinstance(text, str) and not self._err.isatty():
            _write(self._err, text)
            return
        from rich.text import Text

        terminal = _terminal(self._err)
        if isinstance(text, str):
            # A terminal would break a long line in the middle of a word.
            text = Text("\n".join(folded(line, terminal.width) for line in printable(text).split("\n")))
            text.stylize(style, 0, until)
        terminal.print(text, soft_wrap=True)

    def _print_result(self, text: "str | Text | Fitted") -> None:
        if self.json_lines:
            return
        shown = text(_columns(self._out)) if callable(text) else text
        if isinstance(shown, str):
            _write(self._out, shown)
        else:
            _terminal(self._out).print(shown, crop=False, soft_wrap=True)


def printable(text: str) -> str:
    """``text`` with escapes for characters that a terminal would obey; tabs and newlines stay."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), text)


def counted(number: int, noun: str) -> str:
    """``1 interview``, ``2 interviews``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def folded(line: str, width: int, indent: int = 0) -> str:
    """``line`` in as many of at most ``width`` columns as it needs, broken between words; a longer word stays whole."""
    if len(line) <= width:
        return line
    return fill(
        line,
        width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )


def _write(stream: TextIO, text: str) -> None:
    stream.write(printable(text) + "\n")
    stream.flush()


def _columns(stream: TextIO) -> int:
    """The width that a result on ``stream`` may have."""
    given = os.environ.get("COLUMNS", "")
    if given.isdigit() and int(given):
        return int(given)
    return _terminal(stream).width if stream.isatty() else NO_TERMINAL


def _terminal(stream: TextIO) -> "Terminal":
    from rich.console import Console as Terminal  # imported late: `prequel --help` starts fast without it

    is_terminal = stream.isatty()
    return Terminal(
        file=stream,
        color_system="auto" if is_terminal and not os.environ.get("NO_COLOR") else None,
        force_terminal=is_terminal,
        width=None if is_terminal else NO_TERMINAL,
        highlight=False,
        markup=False,
        emoji=False,
    )
