"""The instance bucket: whole objects, conditional writes, versions, and one owner."""

import base64
import hashlib
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from scripts.aws.clients import (
    CONFLICTS,
    MISSING,
    REFUSED_CREDENTIALS,
    Aws,
    OwnBucket,
    error_code,
    is_clock_skew,
    reason,
)
from scripts.errors import AwsError

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef, ObjectTypeDef

WORKERS = 8
"""Requests under way at one time."""

_CONFLICT_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.5)
"""At most so many seconds between two attempts. Without tenacity, because the reaper's function holds no packages
(docs/decisions/0040-a-reaper-without-packages.md)."""

_CONTENT_TYPES = {".json": "application/json", ".gz": "application/gzip"}

_FORBIDDEN = {"AccessDenied", "Forbidden", "403", "AllAccessDisabled"}
_ELSEWHERE = {"PermanentRedirect", "AuthorizationHeaderMalformed", "301", "TemporaryRedirect", "307"}
_GONE = MISSING | {"NoSuchVersion", "MethodNotAllowed", "405"}


_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class LostRaceError(AwsError):
    """A conditional write found another object than it expected: somebody else wrote first."""


@dataclass(frozen=True)
class StoredObject:
    """One version of an object with its whole ``body``; ``last_modified`` is None for one that was just written."""

    body: bytes
    etag: str
    version_id: str
    last_modified: datetime | None = None


class Bucket:
    """The bucket ``name``, used only while it is the caller's; methods raise ``AwsError`` that says what to do."""

    def __init__(self, aws: Aws, name: str) -> None:
        self.aws = aws
        self.name = name

    @cached_property
    def _place(self) -> OwnBucket:
        return self.aws.own_bucket(self.name)

    def check_usable(self) -> None:
        """Raises ``AwsError`` unless the bucket is there, is ours, is in this region and keeps versions."""
        with self._explained("s3:GetBucketVersioning"):
            status = self.aws.s3.get_bucket_versioning(**self._place).get("Status", "off")
        if status != "Enabled":
            raise AwsError(
                f"versioning of the bucket {self.name} is {status.lower()}, expected enabled; "
                "deploy the shared stack again, which enables it"
            )
        with self._explained("s3:ListBucket"):
            # botocore follows redirects to other regions by itself, so a wrong region has to be looked for.
            region = self.aws.s3.head_bucket(**self._place).get("BucketRegion")
        if region and region != self.aws.region:
            raise AwsError(f"the bucket {self.name} is in {region}, expected {self.aws.region}; correct aws_region")

    def read(self, key: str) -> StoredObject | None:
        """The current version of the object at ``key``; None when there is none."""
        try:
            with self._explained("s3:GetObject", key):
                answer = self.aws.s3.get_object(Key=key, **self._place)
                version_id = answer.get("VersionId", "null")
                return StoredObject(answer["Body"].read(), answer["ETag"], version_id, answer["LastModified"])
        except AwsError as error:
            if _code(error) in _GONE:
                return None
            raise

    def read_all(self, keys: Iterable[str]) -> dict[str, StoredObject | None]:
        """Several objects at a time, by key."""
        wanted = list(keys)
        return dict(zip(wanted, self.in_parallel(self.read, wanted), strict=True))

    def write(self, key: str, body: bytes, *, if_match: str | None = None, if_absent: bool = False) -> StoredObject:
        """Stores ``body`` and returns it as it is stored.

        With ``if_match`` only over the object with that ETag, with ``if_absent`` only where none is; otherwise raises
        ``LostRaceError``. A write that S3 made but whose answer was lost counts as made.
        """
        condition: dict[str, Any] = {"IfMatch": if_match} if if_match else {"IfNoneMatch": "*"} if if_absent else {}
        try:
            return self._put_in_turn(key, body, condition)
        except AwsError as error:
            if not condition or _code(error) not in CONFLICTS | _GONE:
                raise
            # botocore repeats a request whose answer it did not get; the repetition then meets our own object.
            stored = self.read(key)
            if stored is not None and stored.body == body:
                return stored
            raise LostRaceError(f"{self._address(key)} was just written by somebody else; try again") from error

    def replace(self, key: str, body: bytes, etag: str | None) -> StoredObject:
        """Like ``write``, only over the object with ``etag``, or only where none is for None."""
        return self.write(key, body, if_match=etag, if_absent=etag is None)

    def _put_in_turn(self, key: str, body: bytes, condition: Mapping[str, Any]) -> StoredObject:
        for pause in _CONFLICT_PAUSES:
            try:
                return self._put(key, body, condition)
            except AwsError as error:
                # S3 answers so while another write of the key is under way, and asks to try again
                # (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html).
                if _code(error) not in {"ConditionalRequestConflict", "409"}:
                    raise
            time.sleep(random.uniform(0, pause))  # noqa: S311  (no secret)
        return self._put(key, body, condition)

    def _put(self, key: str, body: bytes, condition: Mapping[str, Any]) -> StoredObject:
        with self._explained("s3:PutObject", key):
            answer = self.aws.s3.put_object(
                Key=key,
                Body=body,
                ChecksumSHA256=base64.b64encode(hashlib.sha256(body).digest()).decode(),
                ContentType=_CONTENT_TYPES.get(PurePosixPath(key).suffix, "text/plain; charset=utf-8"),
                **self._place,
                **condition,
            )
            return StoredObject(body, answer["ETag"], answer.get("VersionId", "null"))

    def write_all(self, bodies: Mapping[str, bytes]) -> None:
        """Stores several objects at a time."""
        self.in_parallel(lambda item: self.write(*item), bodies.items())

    def listing(self, prefix: str) -> dict[str, datetime]:
        """Every key that begins with ``prefix``, and when it was last written."""
        return {entry["Key"]: entry["LastModified"] for entry in self._entries(prefix)}

    def folders(self, prefix: str) -> list[str]:
        """The names that keys have between ``prefix`` and the next slash."""
        with self._explained("s3:ListBucket"):
            pages = self.aws.s3.get_paginator("list_objects_v2").paginate(Prefix=prefix, Delimiter="/", **self._place)
            entries = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", [])]
        return [entry.removeprefix(prefix).rstrip("/") for entry in entries]

    def etags(self, prefix: str) -> dict[str, str]:
        """The ETag of every object below ``prefix`` by key, without its quotes.

        It is the content's MD5 where the object was uploaded in one part and encrypted with S3's own keys, as this
        bucket is (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html). Any other ETag differs from every
        MD5, so that such an object counts as changed.
        """
        return {entry["Key"]: entry["ETag"].strip('"') for entry in self._entries(prefix)}

    def _entries(self, prefix: str) -> "list[ObjectTypeDef]":
        with self._explained("s3:ListBucket"):
            pages = self.aws.s3.get_paginator("list_objects_v2").paginate(Prefix=prefix, **self._place)
            return [entry for page in pages for entry in page.get("Contents", [])]

    def delete(self, key: str, *, if_match: str = "") -> None:
        """Deletes an object; one that is already gone is no error, and the bucket's versioning can bring it back.

        With ``if_match`` only the object with that ETag; otherwise raises ``LostRaceError``. A deletion that S3 made
        but whose answer was lost counts as made.
        """
        condition: dict[str, Any] = {"IfMatch": if_match} if if_match else {}
        try:
            with self._explained("s3:DeleteObject", key):
                self.aws.s3.delete_object(Key=key, **self._place, **condition)
        except AwsError as error:
            if not condition or _code(error) not in CONFLICTS | _GONE:
                raise
            if _repeated(error) and self.read(key) is None:
                return  # the first request's answer was lost, and the repetition found nothing any more
            raise LostRaceError(f"{self._address(key)} was just written by somebody else; try again") from error

    def delete_all(self, keys: Iterable[str]) -> None:
        """Deletes several objects in one request, at most 1,000; one that is already gone is no error."""
        wanted: list[ObjectIdentifierTypeDef] = [{"Key": key} for key in keys]
        if not wanted:
            return
        with self._explained("s3:DeleteObject", wanted[0]["Key"]):
            answer = self.aws.s3.delete_objects(Delete={"Objects": wanted, "Quiet": True}, **self._place)
        self._check_deleted(answer.get("Errors", []))

    def _check_deleted(self, problems: Iterable[Mapping[str, Any]]) -> None:
        for problem in problems:
            address = self._address(problem.get("Key", ""))
            raise AwsError(f"cannot delete {address}: {problem.get('Code')}: {problem.get('Message')}")

    def versions(self, prefix: str) -> list[tuple[str, str]]:
        """The key and the version id of everything below ``prefix`` that was ever there, deletions included."""
        with self._explained("s3:ListBucketVersions"):
            pages = self.aws.s3.get_paginator("list_object_versions").paginate(Prefix=prefix, **self._place)
            return [
                (entry["Key"], entry["VersionId"])
                for page in pages
                for entry in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
            ]

    def purge(self, key: str) -> None:
        """Deletes every version of an object, for good."""
        for found, version in self.versions(key):
            if found == key:
                with self._explained("s3:DeleteObjectVersion", key):
                    self.aws.s3.delete_object(Key=key, VersionId=version, **self._place)

    def purge_below(self, prefix: str) -> int:
        """Deletes every version of all objects below ``prefix`` until S3 has none left; returns how many there were."""
        count = 0
        while found := self.versions(prefix):
            objects: list[ObjectIdentifierTypeDef] = [{"Key": key, "VersionId": version} for key, version in found]
            for start in range(0, len(objects), 1000):  # as many as S3 takes at once
                with self._explained("s3:DeleteObjectVersion", prefix):
                    batch = objects[start : start + 1000]
                    answer = self.aws.s3.delete_objects(Delete={"Objects": batch, "Quiet": True}, **self._place)
                self._check_deleted(answer.get("Errors", []))
            count += len(found)
        return count

    def in_parallel(self, work: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
        """What ``work`` gives for each of ``items``, ``WORKERS`` at a time; raises the first failure."""
        _ = self.aws.s3, self._place  # made once, before the threads
        with ThreadPoolExecutor(WORKERS) as pool:
            return list(pool.map(work, items))

    def _address(self, key: str) -> str:
        return f"s3://{self.name}/{key}"

    @contextmanager
    def _explained(self, permission: str, key: str = "") -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            raise AwsError(self._reason(error, permission, key)) from error
        except BotoCoreError as error:
            raise AwsError(f"cannot reach the bucket {self.name}: {reason(error)}") from error

    def _reason(self, error: ClientError, permission: str, key: str) -> str:
        code, account = error_code(error), self.aws.account_id
        if is_clock_skew(error):
            return "this machine's clock differs from AWS's by more than 15 minutes; set the clock"
        if code == "NoSuchBucket" or (code in {"404", "NotFound"} and not key):
            return (
                f"there is no bucket {self.name} in account {account}; "
                "deploy the shared stack first, or correct project_prefix"
            )
        if code in _FORBIDDEN:
            return (
                f"account {account} may not use {self._address(key)}: "
                f"the caller lacks {permission}, or the bucket belongs to another account"
            )
        if code in _ELSEWHERE:
            return f"the bucket {self.name} is not in {self.aws.region}; correct aws_region"
        if code in REFUSED_CREDENTIALS:
            return reason(error)
        return f"{permission} on {self._address(key)} failed: {reason(error)}"


def _repeated(error: BaseException) -> bool:
    """Whether botocore sent the request behind an ``AwsError`` more than once."""
    cause = error.__cause__
    return isinstance(cause, ClientError) and bool(cause.response.get("ResponseMetadata", {}).get("RetryAttempts"))


def _code(error: BaseException) -> str:
    """S3's code behind an ``AwsError``; empty when S3 did not answer."""
    return error_code(error.__cause__) if isinstance(error.__cause__, ClientError) else ""
