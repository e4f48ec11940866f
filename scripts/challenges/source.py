"""Challenges in a directory: which files belong to them, and whether they may be given to a candidate."""

import hashlib
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.challenges.names import checked_name
from scripts.errors import ChallengeError
from scripts.secrets_scan import find_secrets

README = "README.md"

MIB = 1024 * 1024
FILE_LIMIT = 5 * MIB
CHALLENGE_LIMIT = 50 * MIB
"""Bytes. A candidate reads a challenge in minutes and the init container copies it in seconds; what is larger is
a data set or a dependency, and belongs into the image. Below 8 MiB every client uploads an object in one part."""

LONGEST_PATH = 800
"""Bytes of a path in UTF-8: with the longest prefix it fits a key's 1,024
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html)."""

IGNORED_DIRECTORIES = frozenset({"__pycache__", "node_modules"})
IGNORED_SUFFIXES = frozenset({".pyc", ".pyo"})


@dataclass(frozen=True)
class SourceFile:
    """A file as it was when it was read: ``size`` in bytes, both hashes in hexadecimal.

    ``md5`` is the ETag that S3 gives to the object (see ``Bucket.etags``); it protects nothing.
    """

    location: Path
    sha256: str
    md5: str
    size: int

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
class Challenge:
    """One challenge: ``files`` by their path within it, ``title`` from the first heading of its README.md."""

    name: str
    title: str
    files: Mapping[str, SourceFile]

    @property
    def digest(self) -> str:
        """The SHA-256 over every path and its content's hash: what names this version."""
        lines = (f"{self.files[path].sha256}  {path}\0" for path in sorted(self.files))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(file.size for file in self.files.values())


def read_challenges(directory: Path) -> list[Challenge]:
    """Every challenge ``directory/{kind}/{name}/`` with a README.md, by name.

    Caches (``__pycache__``, ``node_modules``, ``*.pyc``) and whatever begins with a dot are left out, and so are
    directories that hold nothing else. Raises ``ChallengeError`` with a line for every problem in any of them.
    """
    if not directory.is_dir():
        raise ChallengeError(f"{directory} is not a directory, expected one that holds {{kind}}/{{name}}/{README}")
    challenges: list[Challenge] = []
    problems: list[str] = []
    for home in _candidates(directory):
        name = home.relative_to(directory).as_posix()
        found: list[str] = []
        files = _read_files(home, found)
        if not files and not found:
            continue
        try:
            checked_name(name)
        except ChallengeError as error:
            found.append(str(error))
        if README not in files and not found:
            found.append(f"{home} has no {README}, expected one with the task; write it, or move the directory away")
        size = sum(file.size for file in files.values())
        if size > CHALLENGE_LIMIT:
            found.append(f"{home} has {_mib(size)}, expected at most {_mib(CHALLENGE_LIMIT)}; make it smaller")
        problems += found
        if not found:
            challenges.append(Challenge(name, _title(files[README].read(), name), files))
    if problems:
        raise ChallengeError("\n".join(problems))
    if not challenges:
        raise ChallengeError(f"there is no challenge in {directory}, expected {directory}/{{kind}}/{{name}}/{README}")
    return challenges


def _candidates(directory: Path) -> Iterator[Path]:
    for kind in sorted(directory.iterdir()):
        if kind.is_dir() and not _is_ignored(kind):
            yield from (home for home in sorted(kind.iterdir()) if home.is_dir() and not _is_ignored(home))


def _is_ignored(path: Path) -> bool:
    return path.name.startswith(".") or path.name in IGNORED_DIRECTORIES or path.suffix in IGNORED_SUFFIXES


def _read_files(home: Path, problems: list[str]) -> dict[str, SourceFile]:
    """A challenge's files by their path within it; adds a line to ``problems`` for whatever is wrong with one."""
    files: dict[str, SourceFile] = {}
    for location in _walk(home, problems):
        path = location.relative_to(home).as_posix()
        problem = _why_not(home, location, path)
        if problem:
            problems.append(problem)
            continue
        try:
            content = location.read_bytes()
        except OSError as error:
            problems.append(f"{location} cannot be read: {error.strerror}")
            continue
        problems += [
            f"{location}:{finding.line} seems to hold a secret ({finding.kind}), which every candidate would get; "
            "remove it, and revoke it if it is real"
            for finding in find_secrets(content)
        ]
        sha256, md5 = hashlib.sha256(content), hashlib.md5(content, usedforsecurity=False)
        files[path] = SourceFile(location, sha256.hexdigest(), md5.hexdigest(), len(content))
    return files


def _walk(home: Path, problems: list[str]) -> Iterator[Path]:
    """Everything below ``home`` that is not ignored and not a directory; a link to a directory counts as a file."""

    def unreadable(error: OSError) -> None:
        problems.append(f"{error.filename} cannot be read: {error.strerror}")

    for root, directories, names in os.walk(home, onerror=unreadable):
        here = Path(root)
        links = [name for name in directories if (here / name).is_symlink()]
        directories[:] = sorted(name for name in directories if not _is_ignored(here / name) and name not in links)
        yield from (here / name for name in sorted([*names, *links]) if not _is_ignored(here / name))


def _why_not(home: Path, location: Path, path: str) -> str | None:
    if not path.isprintable():  # line breaks in a key, and names that are no UTF-8
        return f"{location!a} has a name that cannot be an S3 key, expected printable text; rename it"
    if len(path.encode()) > LONGEST_PATH:
        return f"{location} has a path of {len(path.encode())} bytes, expected at most {LONGEST_PATH}; shorten it"
    if location.is_symlink():
        target = Path(os.path.realpath(location))
        if not target.is_relative_to(home.resolve()):
            return f"{location} is a link to {target}, which is outside the challenge; copy the file instead"
    if not location.is_file():
        return f"{location} is not a file, expected files and directories only, and no links to directories; remove it"
    size = location.stat().st_size
    if size > FILE_LIMIT:
        return f"{location} has {_mib(size)}, expected at most {_mib(FILE_LIMIT)}; make it smaller"
    return None


def _title(readme: bytes, name: str) -> str:
    lines = readme.decode(errors="replace").splitlines()
    return next((line.lstrip("# ").strip() for line in lines if line.startswith("# ")), "") or name


def _mib(size: int) -> str:
    return f"{math.ceil(10 * size / MIB) / 10:g} MiB"  # rounded up, so that too much never reads like just enough
