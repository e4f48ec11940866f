"""Standard streams that a command survives: a closed terminal, a full disk or a pipe without a reader ends no work."""

import os
import sys
from contextlib import suppress
from typing import Any, TextIO, cast


class DurableStream:
    """``stream``, whose writes never fail; ``lost`` is why it does not take them any more, if so.

    What was begun on AWS must be finished or withdrawn, whether anybody still reads along or not.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost: OSError | None = None

    def write(self, text: str) -> int:
        """Writes ``text``, as long as that is possible."""
        if self.lost is None:
            try:
                return self._stream.write(text)
            except OSError as error:
                self._lose(error)
        return len(text)

    def flush(self) -> None:
        """Passes on what was written, as long as that is possible."""
        if self.lost is None:
            try:
                self._stream.flush()
            except OSError as error:
                self._lose(error)

    def _lose(self, error: OSError) -> None:
        self.lost = error
        # What is still in the buffer goes nowhere; Python would try again when it ends, and complain.
        with suppress(OSError), open(os.devnull, "wb") as nowhere:  # noqa: PTH123  (before the rest works)
            os.dup2(nowhere.fileno(), self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def prepare() -> None:
    """Makes the standard streams of this process durable, whatever they are, and able to show every character."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # closed: else the next file that is opened would be taken for it, here and in a child
            os.open(os.devnull, os.O_RDWR)  # the lowest free descriptor
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        # Python has no stream for a descriptor that was closed when it began.
        stream: Any = getattr(sys, name) or open(descriptor, "w", closefd=False)  # noqa: SIM115
        if isinstance(stream, DurableStream):
            continue
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
        setattr(sys, name, cast("TextIO", DurableStream(stream)))


def why_lost() -> OSError | None:
    """Why standard output did not take everything, if it did not."""
    sys.stdout.flush()
    return sys.stdout.lost if isinstance(sys.stdout, DurableStream) else None
