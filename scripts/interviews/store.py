"""The interviews' documents in S3, changed by compare-and-swap only.

The reaper's Lambda function uses it too, so nothing here imports more than the standard library and boto3
(docs/decisions/0040-a-reaper-without-packages.md).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from contract.names import HISTORY, INTENT_FILE, WORKSPACES, workspace_key
from scripts.aws.bucket import Bucket, LostRaceError, StoredObject
from scripts.aws.clients import Aws
from scripts.errors import PrequelError, RefusedError, UnreadableIntentError
from scripts.interviews.documents import UnreadableDocumentError, from_json, to_json
from scripts.interviews.records import Intent, Tombstone

LOG_FILE = "terraform.log"


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


class IntentStore:
    """Intents, workspaces and tombstones in the instance ``bucket``.

    Each method raises ``AwsError`` when S3 refuses; a failed listing is never an empty one.
    """

    def __init__(self, aws: Aws, bucket: str) -> None:
        self.bucket = Bucket(aws, bucket)

    def load(self, interview_id: str) -> Stored | None:
        """The intent, or None when there is none; raises ``UnreadableIntentError`` when it is not one of ours."""
        found = self.bucket.read(workspace_key(interview_id, INTENT_FILE))
        return None if found is None else _parse(interview_id, found)

    def get(self, interview_id: str) -> Intent:
        """The intent; raises ``RefusedError`` when there is none."""
        stored = self.load(interview_id)
        if stored is None:
            raise RefusedError(f"there is no interview {interview_id}; see `prequel interview list`")
        return stored.intent

    def create(self, intent: Intent) -> Stored:
        """Writes a new intent; raises ``IdInUseError`` when there is one of this id."""
        try:
            written = self.bucket.write(workspace_key(intent.id, INTENT_FILE), to_json(intent), if_absent=True)
        except LostRaceError as error:
            raise IdInUseError(f"the id {intent.id} is in use; choose another") from error
        return Stored(intent, written.etag)

    def replace(self, stored: Stored, intent: Intent) -> Stored:
        """Writes ``intent`` over ``stored``; raises ``ChangedMeanwhileError`` when that is no longer the latest."""
        try:
            written = self.bucket.write(workspace_key(intent.id, INTENT_FILE), to_json(intent), if_match=stored.etag)
        except LostRaceError as error:
            raise _changed(intent) from error
        return Stored(intent, written.etag)

    def remove(self, stored: Stored) -> None:
        """Removes the intent; raises ``ChangedMeanwhileError`` when ``stored`` is no longer the latest."""
        try:
            self.bucket.delete(workspace_key(stored.intent.id, INTENT_FILE), if_match=stored.etag)
        except LostRaceError as error:
            raise _changed(stored.intent) from error

    def all(self) -> Listing:
        """Every intent there is."""
        ids = self.bucket.folders(WORKSPACES)
        found = self.bucket.read_all(workspace_key(interview_id, INTENT_FILE) for interview_id in ids)
        intents: dict[str, Stored] = {}
        unreadable: dict[str, str] = {}
        for interview_id, document in zip(ids, found.values(), strict=True):
            if document is None:
                continue  # another client's workspace, such as the portal's
            try:
                intents[interview_id] = _parse(interview_id, document)
            except UnreadableIntentError as error:
                unreadable[interview_id] = str(error)
        return Listing(intents, unreadable)

    def read(self, key: str) -> bytes | None:
        """Any object of the bucket, or None when there is none."""
        found = self.bucket.read(key)
        return None if found is None else found.body

    def upload(self, interview_id: str, files: Mapping[str, bytes]) -> None:
        """Writes files into the interview's workspace, several at once."""
        self.bucket.write_all({workspace_key(interview_id, name): content for name, content in files.items()})

    def write_tombstone(self, tombstone: Tombstone) -> None:
        """Writes what remains of an interview; twice is once."""
        key = f"{HISTORY}{tombstone.intent.id}/{tombstone.intent.created_at:%Y%m%dT%H%M%SZ}.json"
        self.bucket.write(key, to_json(tombstone))

    def tombstone(self, interview_id: str) -> Tombstone | None:
        """The latest tombstone of the id, or None; raises ``UnreadableIntentError`` when it is not one of ours."""
        keys = self.keys(f"{HISTORY}{interview_id}/")
        found = self.read(max(keys)) if keys else None
        if found is None:
            return None
        try:
            return from_json(Tombstone, found)
        except UnreadableDocumentError as error:
            raise UnreadableIntentError(_unreadable(max(keys), error)) from error

    def keys(self, prefix: str) -> list[str]:
        """Every key that begins with ``prefix``."""
        return list(self.bucket.listing(prefix))

    def delete(self, keys: Iterable[str]) -> None:
        """Deletes objects; one that is already gone is no error. Raises ``AwsError`` naming one that could not be."""
        self.bucket.delete_all(keys)


def _changed(intent: Intent) -> ChangedMeanwhileError:
    return ChangedMeanwhileError(f"interview {intent.id} was changed by somebody else; try again")


def _parse(interview_id: str, found: StoredObject) -> Stored:
    key = workspace_key(interview_id, INTENT_FILE)
    try:
        intent = from_json(Intent, found.body)
    except UnreadableDocumentError as error:
        raise UnreadableIntentError(_unreadable(key, error)) from error
    if intent.id != interview_id:
        raise UnreadableIntentError(f"{key} cannot be read: it is the record of {intent.id}")
    return Stored(intent, found.etag)


def _unreadable(key: str, error: UnreadableDocumentError) -> str:
    return f"{key} cannot be read: {error}; if a newer prequel wrote it, update this one"
