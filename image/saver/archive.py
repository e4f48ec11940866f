"""A tree as a compressed tar archive, and back."""

import gzip
import io
import json
import os
import stat
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from image.saver.tree import Entry, StateLimits, WorkTree, opened, opened_below

LEFT_OUT = "PREQUEL.left-out"
"""The archive's own header (pax) that lists what is not in it, as JSON."""

_ROOT = "."
"""The first member, because tarfile does not read an archive of nothing but a header."""

_SMALL = 1_000_000
_ATTEMPTS = 3
_COMPRESSION = 3
"""A third of the time of gzip's default for a tenth more bytes (measured on the samples)."""


class ArchiveError(Exception):
    """An archive that is not as ``pack`` writes it."""


def pack(root: Path, tree: WorkTree, file: IO[bytes]) -> list[str]:
    """Writes ``tree``, found below ``root``, to ``file``; returns the paths that changed while they were read.

    What changed is there as it was at some moment, or cut off: the next look at the tree finds it different.
    """
    changed: list[str] = []
    headers = {LEFT_OUT: json.dumps(tree.left_out.named)}
    with (
        opened(root) as folder,
        gzip.GzipFile(fileobj=file, mode="wb", compresslevel=_COMPRESSION, mtime=0) as content,
        tarfile.open(fileobj=content, mode="w|", format=tarfile.PAX_FORMAT, pax_headers=headers) as tar,
    ):
        tar.addfile(_member(Entry(_ROOT, 0o755, 0, ()), tarfile.DIRTYPE))
        for entry in tree.folders:
            tar.addfile(_member(entry, tarfile.DIRTYPE))
        for entry in tree.files:
            try:
                with _parent(folder, entry) as (parent, name):
                    whole = _add_file(tar, parent, name, entry)
            except OSError:
                whole = False  # deleted, or replaced by something else
            if not whole:
                changed.append(entry.path)
        for entry in tree.links:
            member = _member(entry, tarfile.SYMTYPE)
            try:
                with _parent(folder, entry) as (parent, name):
                    member.linkname = os.readlink(name, dir_fd=parent)
            except OSError:
                changed.append(entry.path)
            else:
                tar.addfile(member)
    return changed


@contextmanager
def _parent(root: int, entry: Entry) -> Iterator[tuple[int, str]]:
    path, _, name = entry.path.rpartition("/")
    with opened_below(root, path) as folder:
        yield folder, name


def _member(entry: Entry, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(entry.path)
    member.type = kind
    member.mode = stat.S_IMODE(entry.mode)
    member.mtime = entry.stamp[0] / 1e9 if entry.stamp else 0
    return member


def _add_file(tar: tarfile.TarFile, parent: int, name: str, entry: Entry) -> bool:
    """Adds a file, of at most the size that was found; whether it is whole."""
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY, dir_fd=parent)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        member = _member(entry, tarfile.REGTYPE)
        for _ in range(_ATTEMPTS):
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                return False
            member.size = min(before.st_size, entry.size)
            if member.size > _SMALL:
                tar.addfile(member, _Padded(file))
                return _unchanged(before, os.fstat(descriptor)) and before.st_size == member.size
            content = os.pread(descriptor, member.size, 0)
            if _unchanged(before, os.fstat(descriptor)) and before.st_size == member.size == len(content):
                tar.addfile(member, io.BytesIO(content))
                return True
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
        return False


def _unchanged(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_size,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )


class _Padded(io.RawIOBase):
    """A file that goes on with zeros where it was cut off while it was read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        content = b""
        while piece := self._file.read(size - len(content)):
            content += piece
        return content.ljust(size, b"\0")


def unpack(file: IO[bytes], root: Path, limits: StateLimits | None = None) -> list[str]:
    """Writes the archive in ``file`` below ``root``, an empty folder; returns what it says is left out.

    Folders come first and links last, so nothing is written through a link. Raises ``ArchiveError``, ``OSError`` and
    what ``gzip`` and ``tarfile`` raise.
    """
    limits = limits or StateLimits()
    folders: list[tarfile.TarInfo] = []
    links: list[tarfile.TarInfo] = []
    known, rest = {""}, limits.content
    if any(root.iterdir()):
        raise ArchiveError(f"{root} is not empty")
    with opened(root) as folder, tarfile.open(fileobj=file, mode="r|gz") as tar:
        for number, member in enumerate(tar):
            if number == 0 and member.name == _ROOT:
                continue
            rest -= member.size
            if number > limits.entries or rest < 0:
                raise ArchiveError("the archive holds more than a state may")
            _check(member, known)
            known.add(member.name)
            if member.isdir():
                _make_folder(folder, member)
                folders.append(member)
            elif member.isreg():
                known.discard(member.name)
                _write_file(folder, member, tar)
            else:
                known.discard(member.name)
                links.append(member)
        for member in links:
            with _place(folder, member) as (parent, name):
                os.symlink(member.linkname, name, dir_fd=parent)
        for member in reversed(folders):
            with _place(folder, member) as (parent, name):
                os.chmod(name, member.mode & 0o777, dir_fd=parent)
        left_out: list[str] = json.loads(tar.pax_headers.get(LEFT_OUT, "[]"))
    return left_out


def left_out_of(file: IO[bytes]) -> list[str]:
    """What the archive in ``file`` says is left out."""
    with tarfile.open(fileobj=file, mode="r|gz") as tar:
        tar.next()
        left_out: list[str] = json.loads(tar.pax_headers.get(LEFT_OUT, "[]"))
    return left_out


def _check(member: tarfile.TarInfo, folders: set[str]) -> None:
    parent, _, name = member.name.rpartition("/")
    if not (member.isdir() or member.isreg() or member.issym()):
        raise ArchiveError(f"{member.name!r} is neither a file nor a folder nor a link")
    if name in {"", ".", ".."} or "\0" in name or parent not in folders or member.name in folders:
        raise ArchiveError(f"{member.name!r} is not a new path in a folder of the archive")


@contextmanager
def _place(root: int, member: tarfile.TarInfo) -> Iterator[tuple[int, str]]:
    path, _, name = member.name.rpartition("/")
    with opened_below(root, path) as folder:
        yield folder, name


def _make_folder(root: int, member: tarfile.TarInfo) -> None:
    with _place(root, member) as (parent, name):
        os.mkdir(name, 0o700, dir_fd=parent)


def _write_file(root: int, member: tarfile.TarInfo, tar: tarfile.TarFile) -> None:
    content = tar.extractfile(member)
    with _place(root, member) as (parent, name):
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=parent)
        with os.fdopen(descriptor, "wb") as file:
            while content is not None and (piece := content.read(1 << 16)):
                file.write(piece)
            file.flush()
            os.fchmod(descriptor, member.mode & 0o777)
            with suppress(OverflowError):
                os.utime(descriptor, (member.mtime, member.mtime))
