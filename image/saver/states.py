"""The saved states of one incarnation of an interview in S3: numbered from 1 without a gap, and never overwritten."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

_IN_ORDER = TransferConfig(use_threads=False)

_ABSENT = {"403", "404", "AccessDenied", "Forbidden", "NoSuchKey", "NotFound"}
"""S3 answers 403 for a missing object to a role that may not list the bucket
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html)."""

_TAKEN = {"412", "PreconditionFailed", "409", "ConditionalRequestConflict"}


@dataclass(frozen=True)
class State:
    """One saved state: when it was saved, its ``size`` as stored, its ``files``, how many paths it leaves out."""

    number: int
    saved_at: datetime
    size: int
    files: int
    left_out: int
    sha256: str


class States:
    """The states at ``address``, ``s3://{bucket}/work/{incarnation}/``; methods raise boto3's errors."""

    def __init__(self, s3: Any, address: str) -> None:
        self._s3 = s3
        self._bucket, _, self._prefix = address.removeprefix("s3://").partition("/")
        parts = self._prefix.split("/")
        if not address.startswith("s3://") or len(parts) != 4 or parts[0] != "work" or not all(parts[1:3]) or parts[3]:
            raise ValueError(f'WORK is "{address}", expected s3://bucket/work/interview/incarnation/')
        self.incarnation = f"{parts[1]}/{parts[2]}"

    def head(self, number: int) -> State | None:
        """What is known of a state without its content; None if there is none."""
        try:
            answer = self._s3.head_object(Bucket=self._bucket, Key=self.key(number))
        except ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                return None
            raise
        known = answer["Metadata"]
        return State(
            number,
            datetime.fromisoformat(known.get("saved-at", answer["LastModified"].isoformat())),
            answer["ContentLength"],
            int(known.get("files", 0)),
            int(known.get("left-out", 0)),
            known.get("sha256", ""),
        )

    def newest(self) -> int:
        """The number of the newest state, 0 if there is none: with a request for each doubling and halving."""
        return last_true(lambda number: self.head(number) is not None)

    def fetch(self, number: int, file: IO[bytes]) -> None:
        """Writes a state as it is stored to ``file``."""
        self._s3.download_fileobj(self._bucket, self.key(number), file, Config=_IN_ORDER)

    def create(self, number: int, file: IO[bytes], *, files: int, left_out: int) -> State | None:
        """Stores ``file`` as a state; None if that state exists and is another one."""
        digest, size = _digest(file)
        saved_at = datetime.now(UTC).replace(microsecond=0)
        try:
            self._s3.put_object(
                Bucket=self._bucket,
                Key=self.key(number),
                Body=file,
                IfNoneMatch="*",
                ChecksumSHA256=base64.b64encode(digest).decode(),
                Metadata={
                    "saved-at": saved_at.isoformat(),
                    "files": str(files),
                    "left-out": str(left_out),
                    "sha256": digest.hex(),
                },
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in _TAKEN:
                raise
            # botocore repeats a request whose answer was lost; the repetition then meets our own object.
            found = self.head(number)
            return found if found is not None and found.sha256 == digest.hex() else None
        return State(number, saved_at, size, files, left_out, digest.hex())

    def key(self, number: int) -> str:
        """The key of a state."""
        return f"{self._prefix}{number:06d}"


def last_true(exists: Callable[[int], bool]) -> int:
    """The largest number from 1 on for which ``exists``, which holds for all smaller ones; 0 if for none."""
    beyond = 1
    while exists(beyond):
        beyond *= 2
    low = beyond // 2  # exists, or is 0
    while beyond - low > 1:
        middle = (low + beyond) // 2
        if exists(middle):
            low = middle
        else:
            beyond = middle
    return low


def _digest(file: IO[bytes]) -> tuple[bytes, int]:
    """The SHA-256 and the size of ``file``, which is then at its beginning again."""
    file.seek(0)
    digest = hashlib.sha256()
    while piece := file.read(1 << 20):
        digest.update(piece)
    size = file.tell()
    file.seek(0)
    return digest.digest(), size
