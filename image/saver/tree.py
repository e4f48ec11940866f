"""What is in a candidate's folder, found without following a link, without waiting, and within limits."""

import os
import signal
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from image.saver.ignore import IGNORE_FILE, Ignore

_LONGEST_SECONDS = 5.0
"""Many times what a look at the largest tree takes."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@dataclass(frozen=True)
class StateLimits:
    """What one state holds at most."""

    content: int = 50_000_000
    """Bytes of all files together; the smallest files come first."""
    entries: int = 20_000
    """Files, folders and links: a look at so many takes 0.3 s."""
    entries_of_folder: int = 5_000
    depth: int = 64
    named: int = 100
    """How many of the paths that are left out are named."""


@dataclass(frozen=True)
class Entry:
    """A file, folder or link; ``stamp`` changes with it."""

    path: str
    mode: int
    size: int
    stamp: tuple[int, ...]


@dataclass
class LeftOut:
    """What is not saved: the first paths with the reason, and how many there are."""

    limit: int
    named: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, path: str, why: str) -> None:
        """Adds ``path``, written so that no character of it can do harm."""
        self.count += 1
        if len(self.named) < self.limit:
            self.named.append(f"{printable(path)}: {why}")


@dataclass(frozen=True)
class WorkTree:
    """The entries of a folder to be saved, each after the folder that it is in, and what is left out."""

    folders: tuple[Entry, ...]
    files: tuple[Entry, ...]
    links: tuple[Entry, ...]
    left_out: LeftOut

    @property
    def signature(self) -> int:
        """Differs after any change of a path, type, mode, size or time."""
        return hash((self.folders, self.files, self.links))


def printable(path: str) -> str:
    """``path`` on one line, without control characters and bytes that are no text."""
    return path.encode(errors="surrogateescape").decode(errors="backslashreplace").encode("unicode_escape").decode()


def look(root: Path, limits: StateLimits | None = None) -> WorkTree:
    """The tree below ``root``; raises ``OSError`` only when ``root`` itself cannot be read.

    Level by level, so that one full folder does not keep the others out.
    """
    limits = limits or StateLimits()
    left_out = LeftOut(limits.named)
    with opened(root) as folder:
        try:
            ignore = Ignore.of(folder)
        except ValueError as error:
            ignore = Ignore()
            left_out.add(IGNORE_FILE, f"{error}, so it has no effect")
        try:
            with _time_limit(_LONGEST_SECONDS):
                return _Search(folder, ignore, limits, left_out).tree()
        except _TooSlowError:
            left_out = LeftOut(limits.named)
            left_out.add(IGNORE_FILE, "takes too long to apply, so it has no effect")
            return _Search(folder, Ignore(), limits, left_out).tree()


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Ends what the main thread does inside after ``seconds``, be it within a regular expression."""

    def end(*_: object) -> None:
        raise _TooSlowError

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def opened(root: Path) -> Iterator[int]:
    """The folder ``root`` as a file descriptor."""
    folder = os.open(root, _FOLDER)
    try:
        yield folder
    finally:
        os.close(folder)


@contextmanager
def opened_below(root: int, path: str) -> Iterator[int]:
    """The folder ``path`` below ``root``; raises ``OSError`` where any part of it is no folder, or no longer one."""
    current = os.dup(root)
    try:
        for part in filter(None, path.split("/")):
            following = os.open(part, _FOLDER, dir_fd=current)
            os.close(current)
            current = following
        yield current
    finally:
        os.close(current)


class _Search:
    def __init__(self, root: int, ignore: Ignore, limits: StateLimits, left_out: LeftOut) -> None:
        self._root, self._ignore, self._limits, self._left_out = root, ignore, limits, left_out
        self._found: dict[int, list[Entry]] = {stat.S_IFDIR: [], stat.S_IFREG: [], stat.S_IFLNK: []}
        self._count = 0

    def tree(self) -> WorkTree:
        waiting = deque([""])
        while waiting:
            waiting += self._folder(waiting.popleft())
        files = self._within_size(self._found[stat.S_IFREG])
        return WorkTree(tuple(self._found[stat.S_IFDIR]), files, tuple(self._found[stat.S_IFLNK]), self._left_out)

    def _folder(self, path: str) -> list[str]:
        """Adds the entries of one folder, and returns the folders in it."""
        try:
            with opened_below(self._root, path) as folder, os.scandir(folder) as entries:
                names = sorted(self._names(entries))
                return [found for name in names if (found := self._entry(folder, path, name))]
        except OSError as error:
            self._left_out.add(f"{path}/", f"cannot be read: {error.strerror}")
        except _TooManyError as error:
            self._left_out.add(f"{path}/", str(error))
        return []

    def _names(self, entries: Iterator[os.DirEntry[str]]) -> Iterator[str]:
        for number, entry in enumerate(entries):
            if number >= self._limits.entries_of_folder:
                raise _TooManyError(f"holds more than {self._limits.entries_of_folder} entries")
            yield entry.name

    def _entry(self, folder: int, parent: str, name: str) -> str:
        """Adds one entry; its path, if it is a folder to be looked into."""
        path = f"{parent}/{name}" if parent else name
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return ""  # deleted meanwhile
        kind = stat.S_IFMT(found.st_mode)
        why = self._why_left_out(path, kind, found.st_mode)
        if why:
            self._left_out.add(f"{path}/" if kind == stat.S_IFDIR else path, why)
            return ""
        self._count += 1
        size = found.st_size if kind == stat.S_IFREG else 0
        # A folder's times change with its entries, which are compared anyway.
        times = () if kind == stat.S_IFDIR else (found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
        self._found[kind].append(Entry(path, found.st_mode, size, times))
        return path if kind == stat.S_IFDIR else ""

    def _why_left_out(self, path: str, kind: int, mode: int) -> str:
        if kind not in self._found:
            return "is neither a file nor a folder nor a link"
        if self._ignore.matches(path, folder=kind == stat.S_IFDIR):
            return "ignored"
        if self._count >= self._limits.entries:
            return f"there are more than {self._limits.entries} entries"
        if path.count("/") >= self._limits.depth:
            return f"is more than {self._limits.depth} folders deep"
        if kind == stat.S_IFREG and not mode & stat.S_IRUSR:
            return "cannot be read: its mode forbids it"
        return ""

    def _within_size(self, files: list[Entry]) -> tuple[Entry, ...]:
        taken, rest = [], self._limits.content
        for entry in sorted(files, key=lambda entry: (entry.size, entry.path)):
            if entry.size > rest:
                self._left_out.add(entry.path, f"its {entry.size} bytes are over the limit of {self._limits.content}")
            else:
                rest -= entry.size
                taken.append(entry)
        return tuple(sorted(taken, key=lambda entry: entry.path))


class _TooManyError(Exception):
    """A folder holds more entries than are looked at."""


class _TooSlowError(Exception):
    """The patterns of an ignore file take too long to compare, as some can for hours."""
