"""What lies in a challenge's directory: files, links and empty directories, and what no candidate can be given."""

import hashlib
import math
import os
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from scripts.challenges.names import ARCHIVE
from scripts.errors import ChallengeError
from scripts.secrets_scan import find_secrets

MIB = 1024 * 1024
FILE_LIMIT = 5 * MIB
"""Bytes. A candidate reads a challenge in minutes; what is larger is a data set or a dependency, and belongs into the
image. Below 8 MiB every client uploads an object in one part."""

LONGEST_PATH = 800
"""Bytes of a path in UTF-8: with the longest prefix it fits a key's 1,024
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html)."""

LONGEST_FILE_NAME = 255
"""Bytes, https://man7.org/linux/man-pages/man7/path_resolution.7.html."""

MOST_LINKS = 40
"""That Linux follows for one path (same page)."""

CACHES = frozenset(
    {".git", ".hg", ".svn", "__pycache__", "node_modules", ".venv", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
    | {".DS_Store", "Thumbs.db"}
)
"""Left out: what tools make again, or keep for themselves."""

CACHE_SUFFIXES = frozenset({".pyc", ".pyo"})

_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


@dataclass(frozen=True)
class SourceFile:
    """A file as it was when it was read: ``size`` in bytes, both hashes in hexadecimal.

    ``md5`` is the ETag that S3 gives to the object (see ``Bucket.etags``); it protects nothing.
    """

    location: Path
    sha256: str
    md5: str
    size: int
    executable: bool = False

    def read(self) -> bytes:
        """The very content that was hashed; raises ``ChallengeError`` when the file has changed since."""
        try:
            content = self.location.read_bytes()
        except OSError as error:
            raise ChallengeError(f"{self.location} cannot be read: {error.strerror}; publish again") from error
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise ChallengeError(f"{self.location} was changed while it was being published; publish again")
        return content


@dataclass(frozen=True)
class ChallengeTree:
    """A directory's content by paths within it: ``links`` with their targets, ``directories`` that are empty.

    ``left_out`` are the caches that were found.
    """

    files: dict[str, SourceFile] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    directories: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def plain_files(self) -> dict[str, SourceFile]:
        """The files, and each link to a file as a copy of it: what S3 can hold as objects."""
        linked = {path: self.files.get(self.follow(path) or "") for path in self.links}
        return self.files | {path: file for path, file in linked.items() if file is not None}

    def follow(self, path: str) -> str | None:
        """The path that ``path`` leads to, whether or not anything is there; None if that is outside or a circle.

        As the candidate's machine sees it: the directory above may be called anything.
        """
        parts, here, followed = deque(path.split("/")), list[str](), 0
        while parts:
            part = parts.popleft()
            if part == "..":
                if not here:
                    return None
                here.pop()
            elif part not in {"", "."}:
                here.append(part)
                target = self.links.get("/".join(here))
                if target is not None:
                    followed += 1
                    if target.startswith("/") or followed > MOST_LINKS:
                        return None
                    here.pop()
                    parts.extendleft(reversed(target.split("/")))
        return "/".join(here)

    def leads_inside(self, link: str) -> bool:
        """Whether ``link`` may be delivered."""
        return self.follow(link) is not None and _is_utf8(self.links[link])


def read_tree(home: Path, problems: list[str], *, published: bool = True) -> ChallengeTree:
    """The content of ``home``; adds a line to ``problems`` for whatever is wrong with something in it.

    A secret is wrong in what is ``published``.
    """
    tree = ChallengeTree()
    for location in _walk(home, tree, problems):
        path = location.relative_to(home).as_posix()
        problem = name_problem(path) or _read(location, path, tree, problems if published else None)
        if problem:
            problems.append(f"{_shown(location)} {problem}")
    problems += [
        f"{_shown(home / path)} is a link to {_shown(Path(target))}, which is outside the challenge; "
        "copy the file instead, or link by a relative path"
        for path, target in tree.links.items()
        if not tree.leads_inside(path)
    ]
    return tree


def is_left_out(name: str) -> bool:
    """Whether files and directories called ``name`` are caches."""
    return name in CACHES or Path(name).suffix in CACHE_SUFFIXES


def name_problem(path: str) -> str | None:
    """Why S3 or the candidate's machine cannot have a file at ``path``; None if they can."""
    if path == ARCHIVE:
        return "has the name of the archive that delivers a challenge; rename it"
    if not _is_utf8(path):
        return "has a name that is not UTF-8, as the keys of S3 are; rename it"
    size = len(path.encode())
    if size > LONGEST_PATH:
        return f"has a path of {size} bytes, expected at most {LONGEST_PATH}; shorten it"
    longest = max(len(part.encode()) for part in path.split("/"))
    if longest > LONGEST_FILE_NAME:
        return f"has a name of {longest} bytes, expected at most {LONGEST_FILE_NAME}, as Linux allows; shorten it"
    return None


def mib(size: int) -> str:
    """``size`` in MiB, rounded up, so that too much never reads like just enough."""
    return f"{math.ceil(10 * size / MIB) / 10:g} MiB"


def _walk(home: Path, tree: ChallengeTree, problems: list[str]) -> Iterator[Path]:
    """Everything below ``home`` but caches and directories that are not empty."""

    def unreadable(error: OSError) -> None:
        problems.append(f"{error.filename} cannot be read: {error.strerror}")

    for root, directories, names in os.walk(home, onerror=unreadable):
        here = Path(root)
        if not directories and not names and here != home:
            yield here
        links = [name for name in directories if (here / name).is_symlink()]
        for name in [*directories, *names]:
            if is_left_out(name):
                tree.left_out.append((here / name).relative_to(home).as_posix())
        directories[:] = sorted(name for name in directories if name not in links and not is_left_out(name))
        yield from (here / name for name in sorted([*names, *links]) if not is_left_out(name))


def _read(location: Path, path: str, tree: ChallengeTree, secrets: list[str] | None) -> str | None:
    """Adds what is at ``location`` to ``tree``, and a line to ``secrets`` for each in it; returns what is wrong."""
    try:
        status = location.lstat()
        kind = stat.S_IFMT(status.st_mode)
        if kind == stat.S_IFLNK:
            tree.links[path] = os.readlink(location)  # noqa: PTH115  (Path.readlink changes what it reads)
            return None
        if kind == stat.S_IFDIR:
            tree.directories.append(path)
            return None
        if kind != stat.S_IFREG:
            return f"is {_KINDS.get(kind, 'something else')}, expected files, directories and links; remove it"
        if status.st_size > FILE_LIMIT:
            return f"has {mib(status.st_size)}, expected at most {mib(FILE_LIMIT)}; make it smaller"
        content = location.read_bytes()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if secrets is not None:
        secrets += [
            f"{_shown(location)}:{finding.line} seems to hold a secret ({finding.kind}), which every candidate would "
            "get; remove it, and revoke it if it is real"
            for finding in find_secrets(content)
        ]
    sha256, md5 = hashlib.sha256(content).hexdigest(), hashlib.md5(content, usedforsecurity=False).hexdigest()
    tree.files[path] = SourceFile(location, sha256, md5, len(content), bool(status.st_mode & stat.S_IXUSR))
    return None


def _is_utf8(text: str) -> bool:
    return text == text.encode(errors="replace").decode()


def _shown(location: Path) -> str:
    """A path in one line of UTF-8."""
    text = str(location).encode(errors="backslashreplace").decode()
    return "".join(f"\\x{ord(c):02x}" if ord(c) < 32 or 127 <= ord(c) < 160 else c for c in text)
