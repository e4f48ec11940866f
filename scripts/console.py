"""What a command says: for people on standard error, for machines as JSON lines on standard output."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TextIO

_GREEN, _YELLOW, _RED, _DIM, _OFF = "\033[32m", "\033[33m", "\033[31m", "\033[2m", "\033[0m"


def wants_colour(stream: TextIO) -> bool:
    """Whether ``stream`` is a terminal whose user has not asked for none (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


class Console:
    """One command's voice.

    With ``json_lines`` every event and the result are single-line JSON objects on standard output, each with the keys
    ``time`` (RFC 3339, UTC) and ``event``. Otherwise progress goes to standard error and the result to standard
    output, in colour only on a terminal.
    """

    def __init__(self, *, json_lines: bool = False, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self.json_lines = json_lines
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self._colour = not json_lines and wants_colour(self._err)

    @property
    def in_colour(self) -> bool:
        """Whether progress is read by a person at a terminal."""
        return self._colour

    def event(self, event: str, /, **fields: Any) -> None:
        """A machine-readable event; nothing for people."""
        if self.json_lines:
            self._write_json({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **fields})

    def say(self, message: str) -> None:
        """One line of progress."""
        self.event("message", message=message)
        self._write_line(message)

    def warn(self, message: str) -> None:
        """One line that the user should not miss."""
        self.event("warning", message=message)
        self._write_line(self._paint(_YELLOW, f"warning: {message}"))

    def error(self, message: str, **fields: Any) -> None:
        """The one line with which a command fails."""
        self.event("error", message=message, **fields)
        self._write_line(self._paint(_RED, "error: ") + message)

    def done(self, what: str, seconds: float, **fields: Any) -> None:
        """One finished piece of work and the time that it took."""
        self.event("done", what=what, seconds=round(seconds, 3), **fields)
        self._write_line(f"  {self._paint(_GREEN, '✓')} {what} {self._paint(_DIM, f'{seconds:.1f} s')}")

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announces ``title``, and its time when it ends well."""
        self.event("step", title=title)
        self._write_line(f"{title} …")
        start = time.monotonic()
        yield
        self.done(title, time.monotonic() - start)

    def progress(self, event: str, text: str, /, **fields: Any) -> None:
        """A piece of progress: an event for machines, for people a line."""
        self.event(event, **fields)
        self._write_line(text)

    def part(self, event: str, text: str, /, **fields: Any) -> None:
        """A piece of the result that is ready: an event for machines, for people a line on standard output."""
        self.event(event, **fields)
        if not self.json_lines:
            self._out.write(text + "\n")
            self._out.flush()

    def result(self, value: Any, text: str | None = None) -> None:
        """What the command was run for: ``value`` for machines, ``text`` for people."""
        if self.json_lines:
            self._write_json(
                {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": "result"} | {"result": value}
            )
        elif text:
            self._out.write(text.rstrip("\n") + "\n")
            self._out.flush()

    def _paint(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_OFF}" if self._colour else text

    def _write_json(self, document: dict[str, Any]) -> None:
        self._out.write(json.dumps(document, default=str) + "\n")
        self._out.flush()

    def _write_line(self, line: str) -> None:
        if not self.json_lines:
            self._err.write(line + "\n")
            self._err.flush()
