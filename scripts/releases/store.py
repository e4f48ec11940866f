"""Releases in the bucket: stored under their digest, switched by compare-and-swap, verified to the last byte.

    releases/{digest}/              the five files, never changed, and manifest.json, written last
    instance/                       plain copies of the current release's five files, for clients that copy the prefix
    instance/manifest.json          the pointer, written after the plain copies

The order of the writes and the checks after them are what makes this safe; docs/decisions/0010-releases.md argues it.
"""

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scripts.aws.bucket import Bucket, LostRaceError, StoredObject
from scripts.aws.clients import Aws
from scripts.errors import AlteredReleaseError, ReleaseError
from scripts.releases.release import RELEASE_FILES, Pointer, PublishedFile, Release, ReleaseManifest, short

POINTER_KEY = "instance/manifest.json"
SHORTEST_DIGEST = 7
"""Characters of an abbreviated digest, as in git."""

_ATTEMPTS = 20
_PAUSE_SECONDS = 0.05


class SupersededError(ReleaseError):
    """Another release became the current one in the meantime; ``winner`` is its pointer."""

    def __init__(self, winner: Pointer | None) -> None:
        who = f"{winner.switched_by} made {short(winner.digest)} the current release" if winner else "the pointer went"
        super().__init__(f"{who} in the meantime; nothing was switched, look at the difference and try again")
        self.winner = winner


@dataclass(frozen=True)
class PointerSnapshot:
    """The pointer as a publisher saw it: what it wants to replace, and nothing newer.

    ``pointer`` is None when there is none or when it was ``altered``, of which that is the description.
    """

    pointer: Pointer | None
    etag: str | None
    altered: str = ""


@dataclass(frozen=True)
class Entry:
    """One release in the catalogue; ``problem`` is empty when it can be used."""

    digest: str
    last_modified: datetime
    manifest: ReleaseManifest | None
    problem: str

    @property
    def published_at(self) -> datetime:
        """When it was published, or last written if its manifest cannot tell."""
        return self.manifest.origin.published_at if self.manifest else self.last_modified


class ReleaseStore:
    """The releases in ``bucket``.

    Every method raises ``AwsError`` when S3 refuses, and asks AWS at most once which account this is.
    """

    def __init__(self, aws: Aws, bucket: str) -> None:
        self.aws = aws
        self.bucket = Bucket(aws, bucket)

    # Reading.

    def current(self) -> Pointer | None:
        """The current release's pointer, None before the first publish; raises ``AlteredReleaseError``."""
        seen = self.look()
        if seen.altered:
            raise AlteredReleaseError(seen.altered)
        return seen.pointer

    def look(self) -> PointerSnapshot:
        """The pointer for a later ``switch``; an unreadable one is told, not raised, so that it can be replaced."""
        stored = self.bucket.read(POINTER_KEY)
        if stored is None:
            return PointerSnapshot(None, None)
        try:
            return PointerSnapshot(Pointer.parse(stored.body, POINTER_KEY), stored.etag)
        except AlteredReleaseError as error:
            return PointerSnapshot(None, stored.etag, str(error))

    def manifest(self, digest: str) -> ReleaseManifest:
        """The manifest of a stored release; raises ``AlteredReleaseError`` when there is none or it is not right."""
        stored = self.bucket.read(manifest_key(digest))
        if stored is None:
            raise AlteredReleaseError(f"{manifest_key(digest)} is missing: the release was never completely published")
        return self._parse(stored, digest)

    def read(self, digest: str) -> tuple[ReleaseManifest, Release]:
        """A stored release, every byte verified; raises ``AlteredReleaseError`` naming the first file that is wrong."""
        manifest = self.manifest(digest)
        stored = self.bucket.read_all(file_key(digest, name) for name in RELEASE_FILES)
        for name in RELEASE_FILES:
            problem = _problem(stored[file_key(digest, name)], manifest.files[name].matches)
            if problem:
                raise AlteredReleaseError(f"{file_key(digest, name)} {problem}")
        bodies = {name: found.body for name in RELEASE_FILES if (found := stored[file_key(digest, name)])}
        return manifest, Release(bodies, manifest.limits)

    def download(self, digest: str, directory: Path) -> ReleaseManifest:
        """Writes the five files of a release into ``directory``, once every byte has been verified.

        Raises ``AlteredReleaseError`` naming the file that is missing or altered; then nothing was written.
        """
        manifest, release = self.read(digest)
        release.write(directory)
        return manifest

    def catalogue(self) -> list["Entry"]:
        """Every release of which anything is stored, the newest first."""
        found: dict[str, datetime] = {}
        for key, modified in self.bucket.listing("releases/").items():
            digest = key.split("/")[1]
            found[digest] = max(modified, found.get(digest, modified))
        stored = self.bucket.read_all(map(manifest_key, found))
        entries = []
        for digest, modified in found.items():
            manifest = stored[manifest_key(digest)]
            parsed, problem = None, "" if manifest else "incomplete"
            try:
                parsed = self._parse(manifest, digest) if manifest else None
            except AlteredReleaseError as error:
                problem = str(error)
            entries.append(Entry(digest, modified, parsed, problem))
        return sorted(entries, key=lambda entry: entry.published_at, reverse=True)

    def resolve(self, digest: str) -> str:
        """The whole of an abbreviated digest; raises ``ReleaseError`` unless exactly one stored release begins so."""
        if not re.fullmatch(rf"[0-9a-f]{{{SHORTEST_DIGEST},64}}", digest):
            raise ReleaseError(f"{digest!r} is no digest, expected {SHORTEST_DIGEST} to 64 characters of 0-9 and a-f")
        found = sorted({key.split("/")[1] for key in self.bucket.listing(f"releases/{digest}")})
        if not found:
            raise ReleaseError(f"there is no release {digest}; see `prequel templates list`")
        if len(found) > 1:
            raise ReleaseError(f"{digest} could be {', '.join(map(short, found))}; give more of it")
        return found[0]

    def foreign_keys(self) -> list[str]:
        """What lies in ``instance/`` beside the current release; clients that copy the prefix would run it too."""
        known = {"instance/", POINTER_KEY, *map(plain_key, RELEASE_FILES)}
        return sorted(self.bucket.listing("instance/").keys() - known)

    # Writing.

    def store(
        self, release: Release, manifest: ReleaseManifest, *, on_stored: Callable[[str], None] | None = None
    ) -> list[str]:
        """Makes ``release`` completely stored, its manifest last, and returns the names of what it had to write.

        What is there and right is not written again. ``on_stored`` is called with each name.
        """
        digest = release.digest
        for _ in _attempts():
            stored = self.bucket.read(manifest_key(digest))
            known = self._parse_or_none(stored, digest)
            present = self.bucket.read_all(file_key(digest, name) for name in RELEASE_FILES)
            missing = [
                name
                for name in RELEASE_FILES
                if (found := present[file_key(digest, name)]) is None or found.body != release.files[name]
            ]
            self.bucket.write_all(
                {file_key(digest, name): release.files[name] for name in missing},
                on_written=on_stored and (lambda key: on_stored(key.rsplit("/", 1)[1])),
            )
            merged = _merged(known, manifest)
            if merged == known:
                return missing
            try:
                self.bucket.write(
                    manifest_key(digest),
                    merged.to_json(),
                    if_match=stored.etag if stored else None,
                    if_absent=stored is None,
                )
            except LostRaceError:
                continue
            return [*missing, "manifest.json"]
        raise ReleaseError(f"others keep writing the release {short(digest)}; try again")

    def switch(self, release: Release, manifest: ReleaseManifest, seen: PointerSnapshot) -> Pointer:
        """Makes the stored ``release`` the current one, if the current one is still as ``seen``.

        The plain copies first, then the pointer by compare-and-swap, then a look at both. Raises ``SupersededError``
        when somebody else switched to another release in the meantime; the plain copies are theirs then.
        """
        for _ in _attempts():
            now = self.look()
            if not _same_release(now, seen):
                self.settle()
                if now.pointer is not None and now.pointer.digest == release.digest:
                    return now.pointer
                raise SupersededError(now.pointer)
            try:
                versions = self._write_plain_copies(release)
                self._swap(now, self._pointer(release, manifest, versions, now.pointer))
            except LostRaceError:
                continue
            self.settle()
            pointer = self.current()
            if pointer is None or pointer.digest != release.digest:
                raise SupersededError(pointer)
            return pointer
        raise ReleaseError("others keep switching the current release; try again")

    def settle(self, *, dry_run: bool = False) -> list[str]:
        """Makes the plain copies those of the pointer, and returns the keys of what was not so.

        Whoever writes plain copies or the pointer calls this last, and it ends only with a look that finds nothing to
        do: so the last writer of all leaves both in agreement. With ``dry_run`` it only looks.
        """
        mended: list[str] = []
        for _ in _attempts():
            seen = self.look()
            if seen.pointer is None:
                return mended
            pointer = seen.pointer
            copies = self._plain_copies()
            wrong = [name for name in RELEASE_FILES if _problem(copies[name], pointer.files[name].matches)]
            moved = [
                name for name in RELEASE_FILES
                if (copy := copies[name]) is not None and copy.version_id != pointer.files[name].version_id
            ]  # fmt: skip
            mended += [plain_key(name) for name in wrong if plain_key(name) not in mended]
            if dry_run or not (wrong or moved):
                return mended
            manifest, release = self.read(pointer.digest)
            try:
                versions = self._write_plain_copies(release, copies)
                files = {
                    name: PublishedFile(**manifest.files[name].model_dump(), version_id=versions[name])
                    for name in RELEASE_FILES
                }
                self._swap(seen, pointer.model_copy(update={"files": files, "generation": pointer.generation + 1}))
            except LostRaceError:
                continue
        raise ReleaseError("others keep switching the current release; try again")

    def _plain_copies(self) -> dict[str, StoredObject | None]:
        stored = self.bucket.read_all(map(plain_key, RELEASE_FILES))
        return {name: stored[plain_key(name)] for name in RELEASE_FILES}

    def _write_plain_copies(
        self, release: Release, copies: Mapping[str, StoredObject | None] | None = None
    ) -> dict[str, str]:
        """Writes the plain copies that differ, and returns the version id of each.

        Each write is conditional on what was read, so that a publisher that slept cannot write over a newer switch.
        Only what differs is written, all at once: the shortest time in which a plain client can get a mixed set.
        """
        found = copies if copies is not None else self._plain_copies()
        versions = {name: copy.version_id for name, copy in found.items() if copy and copy.body == release.files[name]}
        differing = [name for name in RELEASE_FILES if name not in versions]
        written = self.bucket.replace_all(
            {plain_key(name): release.files[name] for name in differing},
            {plain_key(name): found[name] for name in differing},
        )
        return versions | {name: written[plain_key(name)] for name in differing}

    def _pointer(
        self, release: Release, manifest: ReleaseManifest, versions: Mapping[str, str], before: Pointer | None
    ) -> Pointer:
        told = manifest.model_dump(exclude={"files"})
        previous = before.previous_digest if before and before.digest == release.digest else before and before.digest
        return Pointer.model_validate(
            told
            | {
                "files": {
                    name: release.records[name].model_dump() | {"version_id": versions[name]} for name in RELEASE_FILES
                },
                "generation": before.generation + 1 if before else 1,
                "previous_digest": previous,
                "switched_by": self.aws.caller_arn,
                "switched_at": datetime.now(UTC),
            }
        )

    def _swap(self, seen: PointerSnapshot, pointer: Pointer) -> None:
        self.bucket.write(POINTER_KEY, pointer.to_json(), if_match=seen.etag, if_absent=seen.etag is None)

    @staticmethod
    def _parse(stored: StoredObject, digest: str) -> ReleaseManifest:
        key = manifest_key(digest)
        manifest = ReleaseManifest.parse(stored.body, key)
        if manifest.digest != digest:
            raise AlteredReleaseError(f"{key} was altered: it describes the release {short(manifest.digest)}")
        return manifest

    def _parse_or_none(self, stored: StoredObject | None, digest: str) -> ReleaseManifest | None:
        try:
            return self._parse(stored, digest) if stored else None
        except AlteredReleaseError:
            return None


def file_key(digest: str, name: str) -> str:
    """Where a release's file is stored."""
    return f"releases/{digest}/{name}"


def manifest_key(digest: str) -> str:
    """Where a release's manifest is stored."""
    return file_key(digest, "manifest.json")


def plain_key(name: str) -> str:
    """Where the current release's plain copy of a file is."""
    return f"instance/{name}"


def _same_release(now: PointerSnapshot, seen: PointerSnapshot) -> bool:
    """Whether the pointer still means what it did; a repair writes it again without a switch."""
    if now.pointer is not None and seen.pointer is not None:
        return now.pointer.digest == seen.pointer.digest
    return now.etag == seen.etag


def _problem(stored: StoredObject | None, matches: Any) -> str:
    if stored is None:
        return "is missing"
    return "" if matches(stored.body) else "was altered"


def _merged(known: ReleaseManifest | None, new: ReleaseManifest) -> ReleaseManifest:
    """What is known of a release, and a rehearsal that it passed only now."""
    if known is None:
        return new
    if known.rehearsal.status == "skipped" and new.rehearsal.status == "passed":
        return known.model_copy(update={"rehearsal": new.rehearsal, "checks": new.checks})
    return known


def _attempts() -> Iterator[int]:
    """Counts attempts, with a growing random pause between them, until others must be said to be in the way."""
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(random.uniform(0, _PAUSE_SECONDS * min(attempt, 10)))  # noqa: S311
        yield attempt
