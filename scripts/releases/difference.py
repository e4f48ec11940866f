"""How two releases differ, as people read it."""

import difflib
import json
from typing import TYPE_CHECKING

from scripts.console import printable
from scripts.releases.release import RELEASE_FILES, Release, short

if TYPE_CHECKING:
    from rich.text import Text

_STYLES = (("+++", "bold"), ("---", "bold"), ("@@", "cyan"), ("+", "green"), ("-", "red"))


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


def coloured(diff: str) -> "Text":
    """The diff for a terminal; as a string it is the same without its last line break."""
    from rich.text import Text

    return Text("\n").join(Text(printable(line), style=_style(line)) for line in diff.splitlines())


def _style(line: str) -> str:
    return next((style for start, style in _STYLES if line.startswith(start)), "")


def _lines(release: Release, name: str) -> list[str]:
    if name == "limits":
        text = json.dumps(release.limits.model_dump(), indent=2) + "\n"
    else:
        text = release.files[name].decode(errors="replace")
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n\\ no newline at the end\n"
    return lines
