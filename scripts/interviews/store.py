"""The interviews' documents in S3, changed by compare-and-swap only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from contract.names import HISTORY, INTENT_FILE, WORKSPACES, workspace_key
from scripts.aws.bucket import Bucket, LostRaceError, StoredObject
from scripts.aws.clients import Aws
from scripts.errors import PrequelError, RefusedError, UnreadableIntentError
from scripts.interviews.documents import UnreadableDocumentError, from_json, to_json
from scripts.interviews.records import Intent, Tombstone

LOG_FILE = "terraform.log"

_Record = TypeVar("_Record", Intent, Tombstone)


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
    """Intents and tombstones in the instance ``bucket``.

    Each method raises ``AwsError`` when S3 refuses; a failed listing is never an empty one.
    """

    def __init__(self, aws: Aws, bucket: str) -> None:
        self._bucket = Bucket(aws, bucket)

    def load(self, interview_id: str) -> Stored | None:
        """The intent, or None when there is none; raises ``UnreadableIntentError`` when it is not one of ours."""
        found = self._bucket.read(workspace_key(interview_id, INTENT_FILE))
        return None if found is None else _stored(interview_id, found)

    def get(self, interview_id: str) -> Intent:
        """The intent; raises ``RefusedError`` when there is none."""
        stored = self.load(interview_id)
        if stored is None:
            raise RefusedError(f"there is no interview {interview_id}; see `prequel interview list`")
        return stored.intent

    def create(self, intent: Intent) -> Stored:
        """Writes a new intent; raises ``IdInUseError`` when there is one of this id."""
        try:
            written = self._bucket.write(workspace_key(intent.id, INTENT_FILE), to_json(intent), if_absent=True)
        except LostRaceError as error:
            raise IdInUseError(f"the id {intent.id} is in use; choose another") from error
        return Stored(intent, written.etag)

    def replace(self, stored: Stored, intent: Intent) -> Stored:
        """Writes ``intent`` over ``stored``; raises ``ChangedMeanwhileError`` when that is no longer the latest."""
        try:
            written = self._bucket.write(workspace_key(intent.id, INTENT_FILE), to_json(intent), if_match=stored.etag)
        except LostRaceError as error:
            raise _changed(intent) from error
        return Stored(intent, written.etag)

    def remove(self, stored: Stored) -> None:
        """Removes the intent; raises ``ChangedMeanwhileError`` when ``stored`` is no longer the latest."""
        try:
            self._bucket.delete(workspace_key(stored.intent.id, INTENT_FILE), if_match=stored.etag)
        except LostRaceError as error:
            raise _changed(stored.intent) from error

    def all(self) -> Listing:
        """Every intent there is."""
        ids = self._bucket.folders(WORKSPACES)
        found = self._bucket.read_all(workspace_key(interview_id, INTENT_FILE) for interview_id in ids)
        intents: dict[str, Stored] = {}
        unreadable: dict[str, str] = {}
        for interview_id, document in zip(ids, found.values(), strict=True):
            if document is None:
                continue  # another client's workspace, such as the portal's
            try:
                intents[interview_id] = _stored(interview_id, document)
            except UnreadableIntentError as error:
                unreadable[interview_id] = str(error)
        return Listing(intents, unreadable)

    def write_tombstone(self, tombstone: Tombstone) -> None:
        """Writes what remains of an interview; twice is once."""
        key = f"{HISTORY}{tombstone.intent.id}/{tombstone.intent.created_at:%Y%m%dT%H%M%SZ}.json"
        self._bucket.write(key, to_json(tombstone))

    def tombstone(self, interview_id: str) -> Tombstone | None:
        """The latest tombstone of the id, or None; raises ``UnreadableIntentError`` when it is not one of ours."""
        key = max(self._bucket.listing(f"{HISTORY}{interview_id}/"), default="")
        found = self._bucket.read(key) if key else None
        return None if found is None else _parse(Tombstone, key, found.body)

    def tombstones(self) -> tuple[list[Tombstone], list[str]]:
        """Every tombstone, and a sentence for each that could not be read."""
        found: list[Tombstone] = []
        unreadable: list[str] = []
        for key, document in self._bucket.read_all(self._bucket.listing(HISTORY)).items():
            if document is None:
                continue  # forgotten since it was listed
            try:
                found.append(_parse(Tombstone, key, document.body))
            except UnreadableIntentError as error:
                unreadable.append(str(error))
        return found, unreadable


def _changed(intent: Intent) -> ChangedMeanwhileError:
    return ChangedMeanwhileError(f"interview {intent.id} was changed by somebody else; try again")


def _stored(interview_id: str, found: StoredObject) -> Stored:
    key = workspace_key(interview_id, INTENT_FILE)
    intent = _parse(Intent, key, found.body)
    if intent.id != interview_id:
        raise UnreadableIntentError(f"{key} cannot be read: it is the record of {intent.id}")
    return Stored(intent, found.etag)


def _parse(kind: type[_Record], key: str, body: bytes) -> _Record:
    try:
        return from_json(kind, body)
    except UnreadableDocumentError as error:
        raise UnreadableIntentError(
            f"{key} cannot be read: {error}; if a newer prequel wrote it, update this one"
        ) from error
