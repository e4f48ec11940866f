"""How two releases differ, as people read it."""

import difflib
import json
from collections.abc import Iterable

from scripts.releases.release import RELEASE_FILES, Release, short

_COLOURS = (("+++", "\033[1m"), ("---", "\033[1m"), ("@@", "\033[36m"), ("+", "\033[32m"), ("-", "\033[31m"))


def difference(old: Release | None, new: Release) -> str:
    """A unified diff over all files and the limits; empty if the releases are equal."""
    before, after = short(old.digest) if old else "nothing", short(new.digest)
    names = (*RELEASE_FILES, "limits")
    return "".join(
        line
        for name in names
        for line in difflib.unified_diff(
            _lines(old, name) if old else [], _lines(new, name), f"{before}/{name}", f"{after}/{name}"
        )
    )


def changed_files(old: Release | None, new: Release) -> list[str]:
    """The names of the files that differ, and ``limits`` if those do."""
    return [name for name in (*RELEASE_FILES, "limits") if old is None or _lines(old, name) != _lines(new, name)]


def coloured(diff: str) -> str:
    """The diff for a terminal."""
    return "\n".join(_painted(diff.splitlines()))


def _painted(lines: Iterable[str]) -> Iterable[str]:
    for line in lines:
        colour = next((colour for start, colour in _COLOURS if line.startswith(start)), "")
        yield f"{colour}{line}\033[0m" if colour else line


def _lines(release: Release, name: str) -> list[str]:
    if name == "limits":
        text = json.dumps(release.limits.model_dump(), indent=2) + "\n"
    else:
        text = release.files[name].decode(errors="replace")
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n\\ no newline at the end\n"
    return lines
