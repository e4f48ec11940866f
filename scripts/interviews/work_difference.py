"""How two folders of a candidate's work differ, file by file."""

import difflib
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from image.saver.ignore import Ignore
from image.saver.tree import printable
from scripts.console import counted

LONGEST_DIFFERENCE = 1_000_000
"""Bytes of a file that is compared line by line."""


@dataclass(frozen=True)
class FileDifference:
    """A file or link that differs: the ``lines`` of a unified diff, or one line if it cannot be compared by lines."""

    lines: tuple[str, ...]

    @property
    def added(self) -> int:
        """How many lines are new."""
        return sum(line.startswith("+") for line in self.lines[2:])  # after the two that name the file

    @property
    def deleted(self) -> int:
        """How many lines are gone."""
        return sum(line.startswith("-") for line in self.lines[2:])


@dataclass(frozen=True)
class Changes:
    """The size of a difference: how many files differ, and their lines that are new or gone."""

    files: int
    added: int
    deleted: int

    @classmethod
    def of(cls, files: Iterable[FileDifference]) -> Self:
        """The sum over ``files``."""
        found = list(files)
        return cls(len(found), sum(file.added for file in found), sum(file.deleted for file in found))

    def __bool__(self) -> bool:
        return self.files > 0

    def __str__(self) -> str:
        return f"{counted(self.files, 'file')}, +{self.added} -{self.deleted} lines"


def differences(before: Path, after: Path) -> Iterator[FileDifference]:
    """What differs between two folders; what was only generated, and is not saved, is not missing."""
    old, new, ignore = entries(before), entries(after), Ignore()
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) == new.get(path) or (path not in new and ignore.matches(path, folder=False)):
            continue
        texts = [_lines(root / path) if path in known else [] for root, known in ((before, old), (after, new))]
        name = printable(path)
        if any(lines is None for lines in texts):
            yield FileDifference((f"{name}: differs (not text, or large)",))
        else:
            names = (f"a/{name}" if path in old else "/dev/null", f"b/{name}" if path in new else "/dev/null")
            lines = difflib.unified_diff(texts[0] or [], texts[1] or [], *names, lineterm="")
            yield FileDifference(tuple(lines))


def entries(root: Path) -> dict[str, str]:
    """Each file and link below ``root``, and what it is: a hash of its content, or where it leads."""
    found = {}
    for directory, folders, files in os.walk(root):
        for name in [*files, *(folder for folder in folders if Path(directory, folder).is_symlink())]:
            path = Path(directory, name)
            link = stat.S_ISLNK(path.lstat().st_mode)
            content = f"link to {path.readlink()}" if link else hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path.relative_to(root))] = content
    return found


def _lines(path: Path) -> list[str] | None:
    """The lines of a text or link; None for what is not to be compared by lines."""
    if path.is_symlink():
        return [f"link to {printable(str(path.readlink()))}"]
    content = path.read_bytes()
    if len(content) > LONGEST_DIFFERENCE or b"\0" in content:
        return None
    # What a terminal would act on is written out.
    return [printable(line) for line in content.decode(errors="replace").splitlines()]
