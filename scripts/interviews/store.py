"""The interviews' documents in S3, changed by compare-and-swap only."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError
from pydantic import ValidationError

from scripts.aws import CONFLICTS, MISSING, Aws, error_code, explained
from scripts.errors import PrequelError, UnreadableIntentError
from scripts.interviews.model import Intent, Tombstone

WORKSPACES = "workspaces/"
HISTORY = "history/"
STATES = "instances/"
INTENT_FILE = "interview.json"
LOG_FILE = "terraform.log"

_PARALLEL = 24


class ChangedMeanwhileError(PrequelError):
    """Somebody else changed the object since it was read; read it again."""


class IdInUseError(ChangedMeanwhileError):
    """There is an interview of that id already."""


@dataclass(frozen=True)
class Stored:
    """An intent and the version of it that was read."""

    intent: Intent
    etag: str


@dataclass(frozen=True)
class Listing:
    """All intents, by id; ``unreadable`` holds a sentence for each document that could not be read."""

    intents: Mapping[str, Stored]
    unreadable: Mapping[str, str]


def workspace_key(interview_id: str, name: str = "") -> str:
    """The key of a workspace's file, or the workspace's prefix."""
    return f"{WORKSPACES}{interview_id}/{name}"


def state_key(interview_id: str) -> str:
    """The key of an interview's Terraform state."""
    return f"{STATES}{interview_id}.tfstate"


def lock_key(interview_id: str) -> str:
    """The key of Terraform's own lock on that state."""
    return f"{state_key(interview_id)}.tflock"


class IntentStore:
    """Intents, workspaces and tombstones in the instance ``bucket``.

    Each method raises ``AwsError`` when S3 refuses; a failed listing is never an empty one.
    """

    def __init__(self, aws: Aws, bucket: str) -> None:
        self._aws = aws
        self.bucket = bucket

    def load(self, interview_id: str) -> Stored | None:
        """The intent, or None when there is none; raises ``UnreadableIntentError`` when it is not one of ours."""
        found = self.read(workspace_key(interview_id, INTENT_FILE))
        return None if found is None else _parse(interview_id, *found)

    def create(self, intent: Intent) -> Stored:
        """Writes a new intent; raises ``IdInUseError`` when there is one of this id."""
        try:
            return self._write(intent, IfNoneMatch="*")
        except ChangedMeanwhileError as error:
            raise IdInUseError(f"the id {intent.id} is in use; choose another") from error

    def replace(self, stored: Stored, intent: Intent) -> Stored:
        """Writes ``intent`` over ``stored``; raises ``ChangedMeanwhileError`` when that is no longer the latest."""
        return self._write(intent, IfMatch=stored.etag)

    def remove(self, stored: Stored) -> None:
        """Removes the intent; raises ``ChangedMeanwhileError`` when ``stored`` is no longer the latest."""
        key = workspace_key(stored.intent.id, INTENT_FILE)
        with explained(f"remove {key}"):
            try:
                self._aws.s3.delete_object(Bucket=self.bucket, Key=key, IfMatch=stored.etag)
            except ClientError as error:
                if error_code(error) not in CONFLICTS | MISSING:
                    raise
                raise ChangedMeanwhileError(
                    f"interview {stored.intent.id} was changed by somebody else; try again"
                ) from error

    def all(self) -> Listing:
        """Every intent there is."""
        with explained(f"list the interviews in {self.bucket}"):
            pages = self._aws.s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=WORKSPACES, Delimiter="/"
            )
            ids = [
                entry["Prefix"].removeprefix(WORKSPACES).rstrip("/")
                for page in pages
                for entry in page.get("CommonPrefixes", [])
            ]
        intents: dict[str, Stored] = {}
        unreadable: dict[str, str] = {}
        with ThreadPoolExecutor(_PARALLEL) as pool:
            for interview_id, found in zip(ids, pool.map(self._load_or_reason, ids), strict=True):
                if isinstance(found, Stored):
                    intents[interview_id] = found
                elif found is not None:
                    unreadable[interview_id] = found
        return Listing(intents, unreadable)

    def _load_or_reason(self, interview_id: str) -> Stored | str | None:
        try:
            return self.load(interview_id)
        except UnreadableIntentError as error:
            return str(error)

    def read(self, key: str) -> tuple[bytes, str] | None:
        """Any object of the bucket as (content, etag), or None when there is none."""
        with explained(f"read {key} in {self.bucket}"):
            try:
                answer = self._aws.s3.get_object(Bucket=self.bucket, Key=key)
            except ClientError as error:
                if error_code(error) in MISSING:
                    return None
                raise
            return answer["Body"].read(), answer["ETag"]

    def upload(self, interview_id: str, files: Mapping[str, bytes]) -> None:
        """Writes files into the interview's workspace, several at once."""

        def put(item: tuple[str, bytes]) -> None:
            self._aws.s3.put_object(Bucket=self.bucket, Key=workspace_key(interview_id, item[0]), Body=item[1])

        with explained(f"write the workspace of {interview_id}"), ThreadPoolExecutor(8) as pool:
            list(pool.map(put, files.items()))

    def bury(self, tombstone: Tombstone) -> None:
        """Writes what remains of an interview; twice is once."""
        key = f"{HISTORY}{tombstone.intent.id}/{tombstone.intent.created_at:%Y%m%dT%H%M%SZ}.json"
        with explained(f"write {key}"):
            self._aws.s3.put_object(Bucket=self.bucket, Key=key, Body=_json(tombstone))

    def tombstone(self, interview_id: str) -> Tombstone | None:
        """The latest tombstone of the id, or None; raises ``UnreadableIntentError`` when it is not one of ours."""
        keys = self.keys(f"{HISTORY}{interview_id}/")
        found = self.read(max(keys)) if keys else None
        if found is None:
            return None
        try:
            return Tombstone.model_validate_json(found[0])
        except ValidationError as error:
            raise UnreadableIntentError(_unreadable(max(keys), error)) from error

    def keys(self, prefix: str) -> list[str]:
        """Every key that begins with ``prefix``."""
        with explained(f"list {prefix} in {self.bucket}"):
            pages = self._aws.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
            return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def delete(self, keys: Iterable[str]) -> None:
        """Deletes objects; one that is already gone is no error. Raises ``AwsError`` naming one that could not be."""
        wanted = [{"Key": key} for key in keys]
        if not wanted:
            return
        with explained(f"delete {wanted[0]['Key']}"):
            answer = self._aws.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": wanted, "Quiet": True})  # type: ignore[typeddict-item]
        for problem in answer.get("Errors", []):
            raise PrequelError(f"cannot delete {problem.get('Key')}: {problem.get('Code')}: {problem.get('Message')}")

    def _write(self, intent: Intent, **condition: Any) -> Stored:
        key = workspace_key(intent.id, INTENT_FILE)
        body = _json(intent)
        with explained(f"write {key}"):
            try:
                answer = self._aws.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **condition)
            except ClientError as error:
                if error_code(error) not in CONFLICTS | MISSING:
                    raise
                return self._own_write(intent.id, key, body)
        return Stored(intent, answer["ETag"])

    def _own_write(self, interview_id: str, key: str, body: bytes) -> Stored:
        """After a conflict: the write may be our own, of which only the answer was lost."""
        found = self.read(key)
        if found is not None and found[0] == body:
            return _parse(interview_id, *found)
        raise ChangedMeanwhileError(f"interview {interview_id} was changed by somebody else; try again")


def _parse(interview_id: str, content: bytes, etag: str) -> Stored:
    try:
        return Stored(Intent.model_validate_json(content), etag)
    except ValidationError as error:
        raise UnreadableIntentError(_unreadable(workspace_key(interview_id, INTENT_FILE), error)) from error


def _unreadable(key: str, error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or "the document"
    return f"{key} cannot be read: {where}: {first['msg']}; if a newer prequel wrote it, update this one"


def _json(document: Intent | Tombstone) -> bytes:
    return (document.model_dump_json(indent=2) + "\n").encode()


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
