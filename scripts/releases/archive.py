"""Every release that was published: in releases/{digest}/ its five files and, written last, manifest.json.

Every byte is verified when it is read.
"""

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from contract.names import INTENT_FILE, RELEASES, WORKSPACES
from scripts.aws.bucket import Bucket, StoredObject
from scripts.aws.clients import Aws
from scripts.aws.retries import retry_lost_races
from scripts.errors import AlteredReleaseError, ReleaseError
from scripts.releases.release import RELEASE_FILES, FileRecord, Release, ReleaseManifest, short

SHORTEST_DIGEST = 7
"""Characters of an abbreviated digest, as in git."""


def file_key(digest: str, name: str) -> str:
    """Where a release's file is stored."""
    return f"{RELEASES}{digest}/{name}"


def manifest_key(digest: str) -> str:
    """Where a release's manifest is stored."""
    return file_key(digest, "manifest.json")


@dataclass(frozen=True)
class CatalogueEntry:
    """One release in the catalogue; ``problem`` is empty when it can be used."""

    digest: str
    last_modified: datetime
    manifest: ReleaseManifest | None
    problem: str

    @property
    def published_at(self) -> datetime:
        """When it was published, or last written if it has no readable manifest."""
        return self.manifest.origin.published_at if self.manifest else self.last_modified


@dataclass(frozen=True)
class StoredRelease:
    """``bodies`` by name, and a line for each file that is missing or altered, or for the ``manifest`` alone."""

    manifest: ReleaseManifest | None
    bodies: dict[str, bytes]
    problems: list[str]


class ReleaseArchive:
    """The releases in ``bucket``, by digest; every method raises ``AwsError`` when S3 refuses."""

    def __init__(self, aws: Aws, bucket: str) -> None:
        self.aws = aws
        self.bucket = Bucket(aws, bucket)

    def manifest(self, digest: str) -> ReleaseManifest:
        """The manifest of a stored release; raises ``AlteredReleaseError`` when there is none or it is not right."""
        return self._parse(digest, self.bucket.read(manifest_key(digest)))

    def inspect(self, digest: str) -> StoredRelease:
        """Whatever is stored of a release."""
        stored = self.bucket.read_all(file_key(digest, name) for name in (*RELEASE_FILES, "manifest.json"))
        bodies = {key.rsplit("/", 1)[1]: found.body for key, found in stored.items() if found is not None}
        try:
            manifest = self._parse(digest, stored[manifest_key(digest)])
        except AlteredReleaseError as error:
            return StoredRelease(None, bodies, [str(error)])
        found = {file_key(digest, name): record for name, record in manifest.files.items()}
        problems = [f"{key} {problem}" for key, record in found.items() if (problem := problem_of(stored[key], record))]
        return StoredRelease(manifest, bodies, problems)

    def read(self, digest: str) -> tuple[ReleaseManifest, Release]:
        """A stored release, every byte verified; raises ``AlteredReleaseError`` naming the first file that is wrong."""
        found = self.inspect(digest)
        if found.manifest is None or found.problems:
            raise AlteredReleaseError(found.problems[0])
        return found.manifest, Release({name: found.bodies[name] for name in RELEASE_FILES}, found.manifest.limits)

    def download(self, digest: str, directory: Path) -> ReleaseManifest:
        """Writes a release's five files; or none, with ``AlteredReleaseError``, if one is missing or altered."""
        manifest, release = self.read(digest)
        release.write(directory)
        return manifest

    def digests(self, prefix: str = "") -> list[str]:
        """Every release of which anything is stored and whose digest begins with ``prefix``, sorted."""
        return sorted({key.split("/")[1] for key in self.bucket.listing(f"{RELEASES}{prefix}")})

    def catalogue(self) -> list[CatalogueEntry]:
        """Every release of which anything is stored, the newest first."""
        modified: dict[str, datetime] = {}
        for key, when in self.bucket.listing(RELEASES).items():
            digest = key.split("/")[1]
            modified[digest] = max(when, modified.get(digest, when))
        stored = self.bucket.read_all(map(manifest_key, modified))
        entries = [self._entry(digest, when, stored[manifest_key(digest)]) for digest, when in modified.items()]
        return sorted(entries, key=lambda entry: entry.published_at, reverse=True)

    def resolve(self, digest: str) -> str:
        """The whole of an abbreviated digest; raises ``ReleaseError`` unless exactly one stored release begins so."""
        if not re.fullmatch(rf"[0-9a-f]{{{SHORTEST_DIGEST},64}}", digest):
            raise ReleaseError(f'"{digest}" is no digest, expected {SHORTEST_DIGEST} to 64 characters of 0-9 and a-f')
        found = self.digests(digest)
        if not found:
            raise ReleaseError(f"there is no release {digest}; see `prequel templates list`")
        if len(found) > 1:
            raise ReleaseError(f"{digest} could be {', '.join(map(short, found))}; give more of it")
        return found[0]

    def users(self) -> dict[str, list[str]]:
        """The ids of the interviews that exist, by release; raises ``ReleaseError`` for an unreadable record."""
        records = [key for key in self.bucket.listing(WORKSPACES) if key.endswith(f"/{INTENT_FILE}")]
        found: dict[str, list[str]] = {}
        for key, stored in self.bucket.read_all(records).items():
            if stored is None:
                continue  # moved to history/ since it was listed
            try:
                record = json.loads(stored.body)
                digest, status = record["release_digest"], record["status"]
            except (ValueError, KeyError, TypeError) as error:
                raise ReleaseError(
                    f"{key} does not say which release the interview uses; see `prequel doctor`"
                ) from error
            if status != "destroyed":
                found.setdefault(digest, []).append(key.split("/")[1])
        return found

    @retry_lost_races
    def store(self, release: Release, manifest: ReleaseManifest) -> list[str]:
        """Stores what is missing or altered of ``release``, its manifest last; returns the names of what it wrote."""
        digest = release.digest
        stored = self.bucket.read(manifest_key(digest))
        known = None
        with suppress(AlteredReleaseError):
            known = self._parse(digest, stored)
        present = self.bucket.read_all(file_key(digest, name) for name in RELEASE_FILES)
        missing = [name for name in RELEASE_FILES if problem_of(present[file_key(digest, name)], release.records[name])]
        self.bucket.write_all({file_key(digest, name): release.files[name] for name in missing})
        merged = _merged(known, manifest)
        if merged == known:
            return missing
        self.bucket.replace(manifest_key(digest), merged.to_json(), stored.etag if stored else None)
        return [*missing, "manifest.json"]

    def _entry(self, digest: str, modified: datetime, stored: StoredObject | None) -> CatalogueEntry:
        if stored is None:
            return CatalogueEntry(digest, modified, None, "incomplete")
        try:
            return CatalogueEntry(digest, modified, self._parse(digest, stored), "")
        except AlteredReleaseError as error:
            return CatalogueEntry(digest, modified, None, str(error))

    def _parse(self, digest: str, stored: StoredObject | None) -> ReleaseManifest:
        key = manifest_key(digest)
        if stored is None:
            raise AlteredReleaseError(
                f"{key} is missing: the release was never completely published; publish the same set again, "
                f"or remove the rest with `aws s3 rm --recursive s3://{self.bucket.name}/{RELEASES}{digest}/`"
            )
        manifest = ReleaseManifest.parse(stored.body, key)
        if manifest.digest != digest:
            raise AlteredReleaseError(f"{key} was altered: it describes the release {short(manifest.digest)}")
        return manifest


def problem_of(stored: StoredObject | None, record: FileRecord) -> str:
    """Why ``stored`` is not the file of ``record``, in words; empty when it is."""
    if stored is None:
        return "is missing"
    return "" if record.matches(stored.body) else "was altered"


def _merged(known: ReleaseManifest | None, new: ReleaseManifest) -> ReleaseManifest:
    """What is known of a release, and a rehearsal that it passed only now."""
    if known is None:
        return new
    if known.rehearsal.status == "skipped" and new.rehearsal.status == "passed":
        return known.model_copy(update={"rehearsal": new.rehearsal, "checks": new.checks})
    return known
