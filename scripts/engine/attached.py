"""Processes that end with this one, however that one ends."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

# Standard input closes when this process ends, kill -9 included. $0 is removed then, if it is a directory of ours.
_WATCH = '"$@" & read -r _; kill $!; wait $!; [ -z "$0" ] || rm -rf "$0"'


def attached(
    command: list[str], log: Path, *, environment: Mapping[str, str] | None = None, directory: Path | None = None
) -> "subprocess.Popen[bytes]":
    """Starts ``command`` with its output in ``log``; ``directory`` is removed when it has ended.

    ctrl-C does not reach it: whoever uses it may need it to clean up.
    """
    with log.open("ab") as sink:
        return subprocess.Popen(
            ["sh", "-c", _WATCH, str(directory or ""), *command],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )


def end(process: "subprocess.Popen[bytes]") -> None:
    """Ends what ``attached`` started and waits for it; twice is once."""
    if process.stdin is not None:
        process.stdin.close()
    process.wait()
