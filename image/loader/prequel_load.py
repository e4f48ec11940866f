"""`prequel-load`: puts an interview's challenge into the candidate's folder, before the editor starts.

The variable CHALLENGE names a folder of S3, ``s3://{bucket}/challenge/{challenge}/``. Its ``challenge.tar.gz`` is
extracted; without one, its plain files are copied. CHALLENGE may also be the absolute path of an archive, for trying
one. All ends in ``/home/coder/challenge``, and the candidate's user then owns ``/home/coder``, ``/tmp`` and
``/run/prequel``.

With WORK, ``s3://{bucket}/work/{incarnation}/``, the work that was saved there comes first: a task that replaces
another one begins with it, and with those files of the challenge that a saved state leaves out (image/saver/).

It runs as root with no capabilities but CHOWN and DAC_OVERRIDE, on the Python of the image's Debian, whose tarfile has
no extraction filters: every member is checked here, and only here. It needs boto3.
"""

import gzip
import os
import shutil
import sys
import tarfile
import tempfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from image.saver.session import SavedSession

ARCHIVE = "challenge.tar.gz"
HOME = Path("/home/coder")
CHALLENGE = HOME / "challenge"
VOLUMES = (HOME, Path("/tmp"), Path("/run/prequel"))  # noqa: S108  (the task's own volume)
CANDIDATE = (1000, 1000)
"""User and group."""

# S3 answers 403 for a missing object to a role that may not list the bucket
# (https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html, Permissions).
_NOT_THERE = {"404", "NoSuchKey", "403", "AccessDenied"}

_CLIENT = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 6})
_TRANSFER = TransferConfig(use_threads=False)  # repeats what breaks off in the middle, which the client does not


class LoadError(Exception):
    """The challenge cannot be delivered; the text is one line."""


_FAILURES = (LoadError, ValueError, BotoCoreError, ClientError, OSError, EOFError, zlib.error, tarfile.TarError)


class S3Folder:
    """The objects at ``s3://{bucket}/{prefix}/``; methods raise boto3's errors."""

    def __init__(self, address: str, s3: Any = None) -> None:
        self._bucket, _, self._prefix = address.removeprefix("s3://").partition("/")
        if not (address.startswith("s3://") and self._bucket and self._prefix.endswith("/")):
            raise LoadError(f'CHALLENGE is "{address}", expected s3://bucket/challenge/kind/name/')
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        self._s3: Any = s3 or boto3.client("s3", region_name=region, config=_CLIENT)

    def names(self) -> list[str]:
        """The keys of the objects, without the prefix."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return [key.removeprefix(self._prefix) for key in keys if key != self._prefix]

    def save(self, name: str, file: IO[bytes]) -> None:
        """Writes an object to ``file``; the client compares it with the checksum that S3 keeps."""
        self._s3.download_fileobj(self._bucket, self._prefix + name, file, Config=_TRANSFER)

    def save_archive(self, file: IO[bytes]) -> bool:
        """Writes the archive to ``file``; False if there is none."""
        try:
            self.save(ARCHIVE, file)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _NOT_THERE or ARCHIVE in self.names():
                raise
            return False
        return True


def deliver(folder: S3Folder, target: Path) -> None:
    """Writes the challenge in ``folder`` below ``target``; raises ``LoadError`` and boto3's errors."""
    with tempfile.TemporaryFile() as archive:
        if folder.save_archive(archive):
            archive.seek(0)
            extract(archive, target)
        else:
            copy(folder, target)


def copy(folder: S3Folder, target: Path) -> None:
    """Writes the plain files in ``folder`` below ``target``."""
    names = folder.names()
    files = [name for name in names if not name.endswith("/")]
    for name in names:  # one that ends in a slash is how S3's console makes a directory
        path = _inside(target, name.removesuffix("/"))
        (path.parent if name in files else path).mkdir(parents=True, exist_ok=True)

    def save(name: str) -> None:
        with _inside(target, name).open("xb") as file:
            folder.save(name, file)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(save, files))


def extract(archive: IO[bytes], target: Path) -> None:
    """Writes what is in ``archive`` below ``target``, with its permissions; raises ``LoadError`` for what leads out.

    Links come last, so that no file is written through one. A hard link becomes a copy of the archive's own file.
    """
    links: list[tuple[Path, str]] = []
    with tempfile.TemporaryFile() as file:
        with gzip.open(archive) as content:
            shutil.copyfileobj(content, file)  # to its end, where gzip compares its checksum
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                if member.isdir() and member.name in {"", "."}:
                    continue
                path = _inside(target, member.name.removeprefix("./"))
                path.parent.mkdir(parents=True, exist_ok=True)
                if member.isdir():
                    path.mkdir(exist_ok=True)
                elif member.issym():
                    links.append((path, member.linkname))
                elif member.isreg() or member.islnk():
                    _write(tar, member, path)
                else:
                    raise LoadError(f"{member.name!r} is neither a file, a directory nor a link")
            end = tar.offset
        file.seek(end)
        if file.read().strip(b"\0"):  # tarfile takes a damaged header for the end
            raise LoadError(f"the archive is damaged at byte {end}")
    _link(links, target)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    try:
        content = tar.extractfile(member)
    except KeyError:
        content = None
    if content is None:
        raise LoadError(f"{member.name!r} is a hard link to {member.linkname!r}, which is not a file of the archive")
    with path.open("xb") as file:
        shutil.copyfileobj(content, file)
    path.chmod(member.mode & 0o777 | 0o600)


def _link(links: list[tuple[Path, str]], target: Path) -> None:
    for path, to in links:
        path.symlink_to(to)
    root = target.resolve()
    for path, to in links:  # when all are there, because one may lead through another
        if to.startswith("/") or not Path(os.path.realpath(path)).is_relative_to(root):
            raise LoadError(f"{str(path.relative_to(target))!r} is a link to {to!r}, outside the challenge")


def _inside(target: Path, name: str) -> Path:
    if {"", ".", ".."} & set(name.split("/")) or "\0" in name:
        raise LoadError(f"{name!r} is not a path within a challenge")
    return target / name


def restore_or_deliver(source: str) -> None:
    """Writes the work that was saved before the task was replaced, or else the challenge."""
    if os.environ.get("WORK"):
        from image.saver.restore import restore
        from image.saver.session import of_this_task

        session = of_this_task()
        state = restore(session)
        if state is not None:
            if state.left_out:
                _add_left_out(source, session)
            return
    deliver(S3Folder(source), CHALLENGE)
    _check_delivered(source)


def _add_left_out(source: str, session: "SavedSession") -> None:
    """Adds those files of the challenge that the restored state leaves out; without them the session goes on."""
    from image.saver.restore import add_left_out

    with tempfile.TemporaryDirectory(dir=session.folder.parent) as directory:
        try:
            deliver(S3Folder(source), Path(directory))
            add_left_out(Path(directory), session)
        except _FAILURES as error:
            sys.stderr.write(f"the challenge's files that are not saved are missing: {_line(error)}\n")


def _check_delivered(source: str) -> None:
    if not any(CHALLENGE.iterdir()):
        sys.exit(f"nothing at {source}")


def hand_over(directory: Path, owner: tuple[int, int]) -> None:
    """Makes ``owner`` own everything below ``directory``, and the directory itself last."""
    for root, directories, files in os.walk(directory, topdown=False):
        for name in [*files, *directories]:
            os.chown(Path(root, name), *owner, follow_symlinks=False)
    os.chown(directory, *owner)


def main() -> None:
    """Runs with the task's environment; exits with 1 and a line on stderr if there is nothing to work on."""
    source = os.environ.get("CHALLENGE", "")
    try:
        CHALLENGE.mkdir(parents=True, exist_ok=True)
        if source.startswith("/"):
            with Path(source).open("rb") as archive:
                extract(archive, CHALLENGE)
            _check_delivered(source)
        else:
            restore_or_deliver(source)
        for volume in filter(Path.exists, VOLUMES):
            hand_over(volume, CANDIDATE)
    except _FAILURES as error:
        sys.exit(f"cannot deliver {source}: {_line(error)}")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


if __name__ == "__main__":
    main()
