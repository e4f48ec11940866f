"""Python imports this when it starts: makes one system call of the command fail, or a signal arrive there.

PREQUEL_FAULT is ``KIND:NUMBER:WHAT``: the NUMBERth call of KIND (``any`` counts all) fails with the error WHAT, such as
ENOSPC, or meets the signal WHAT, such as SIGTERM. ``count:FILE`` writes how many calls of each kind there were.
"""

import atexit
import errno
import io
import json
import os
import signal
import sys
import threading
from collections import Counter
from typing import Any

KINDS = {
    "open": "open",
    "os.mkdir": "mkdir",
    "os.rename": "rename",
    "os.remove": "unlink",
    "os.scandir": "scandir",
    "fcntl.flock": "flock",
    "subprocess.Popen": "fork",
    "socket.connect": "connect",
    "socket.getaddrinfo": "resolve",
    "_thread.start_new_thread": "thread",
}
"""Audit events, https://docs.python.org/3/library/audit_events.html: what raises in one, raises in the call."""

_fault = os.environ.pop("PREQUEL_FAULT", "")
_kind, _, _rest = _fault.partition(":")
_number, _, _what = _rest.partition(":")
_seen: Counter[str] = Counter()
_counting = threading.RLock()
_pid = os.getpid()


def _begun() -> bool:
    """The command has begun; what Python itself does before is not ours."""
    return type(sys.stdout).__name__ == "DurableStream"


def _reach(kind: str) -> None:
    if not _begun() or os.getpid() != _pid:
        return
    with _counting:
        _seen[kind] += 1
        _seen["any"] += 1
        due = _kind in {kind, "any"} and _seen[_kind] == int(_number)
    if not due:
        return
    if _what.startswith("SIG"):
        os.kill(_pid, getattr(signal, _what))
    elif kind == "thread":
        raise RuntimeError("can't start new thread")
    else:
        number = getattr(errno, _what)
        raise OSError(number, os.strerror(number), "/injected")


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    kind = KINDS.get(event)
    if kind and not (event == "open" and str(arguments[0]).endswith((".py", ".pyc", ".so"))):
        _reach(kind)


class _File(io.FileIO):
    def write(self, data: Any) -> int:
        _reach("write")
        return super().write(data)


_open = io.open


def _open_faulty(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
    """As ``open``; what is written to a file on the way may fail."""
    opened = _open(file, mode, *arguments, **options)
    if isinstance(file, int) or "opener" in options or not set(mode) & set("wax+"):
        return opened
    opened.close()
    raw = _File(file, "r+" if "r" in mode or "x" in mode else mode.replace("b", "").replace("t", ""))
    binary = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
    if "b" in mode:
        return binary
    return io.TextIOWrapper(binary, options.get("encoding"), options.get("errors"), options.get("newline"))


def _failing(call: Any, kind: str) -> Any:
    def made(*arguments: Any, **options: Any) -> Any:
        _reach(kind)
        return call(*arguments, **options)

    return made


if _fault:
    sys.addaudithook(_hear)
    io.open = _open_faulty
    for _name in ("write", "pwrite"):
        setattr(os, _name, _failing(getattr(os, _name), "write"))
    os.fsync = _failing(os.fsync, "fsync")
    if _kind == "count":
        atexit.register(lambda: _open(_rest, "w").write(json.dumps(_seen)))
