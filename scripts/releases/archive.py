"""Every release that was published, stored under its digest and verified to the last byte when it is read."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from contract.names import RELEASES
from scripts.aws.bucket import Bucket, StoredObject
from scripts.aws.clients import Aws
from scripts.aws.retries import retry_lost_races
from scripts.errors import AlteredReleaseError, ReleaseError
from scripts.releases.keys import file_key, manifest_key
from scripts.releases.release import RELEASE_FILES, FileRecord, Release, ReleaseManifest, short

SHORTEST_DIGEST = 7
"""Characters of an abbreviated digest, as in git."""


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


class ReleaseArchive:
    """The releases in ``bucket``, by digest.

    Every method raises ``AwsError`` when S3 refuses, and asks AWS at most once which account this is.
    """

    def __init__(self, aws: Aws, bucket: str) -> None:
        self.aws = aws
        self.bucket = Bucket(aws, bucket)

    def manifest(self, digest: str) -> ReleaseManifest:
        """The manifest of a stored release; raises ``AlteredReleaseError`` when there is none or it is not right."""
        stored = self.bucket.read(manifest_key(digest))
        if stored is None:
            raise AlteredReleaseError(f"{manifest_key(digest)} is missing: the release was never completely published")
        return _parse(stored, digest)

    def read(self, digest: str) -> tuple[ReleaseManifest, Release]:
        """A stored release, every byte verified; raises ``AlteredReleaseError`` naming the first file that is wrong."""
        manifest = self.manifest(digest)
        stored = self.bucket.read_all(file_key(digest, name) for name in RELEASE_FILES)
        bodies: dict[str, bytes] = {}
        for name in RELEASE_FILES:
            found = stored[file_key(digest, name)]
            if found is None or problem_of(found, manifest.files[name]):
                raise AlteredReleaseError(f"{file_key(digest, name)} {problem_of(found, manifest.files[name])}")
            bodies[name] = found.body
        return manifest, Release(bodies, manifest.limits)

    def download(self, digest: str, directory: Path) -> ReleaseManifest:
        """Writes the five files of a release into ``directory``, once every byte has been verified.

        Raises ``AlteredReleaseError`` naming the file that is missing or altered; then nothing was written.
        """
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
        entries = [_entry(digest, when, stored[manifest_key(digest)]) for digest, when in modified.items()]
        return sorted(entries, key=lambda entry: entry.published_at, reverse=True)

    def resolve(self, digest: str) -> str:
        """The whole of an abbreviated digest; raises ``ReleaseError`` unless exactly one stored release begins so."""
        if not re.fullmatch(rf"[0-9a-f]{{{SHORTEST_DIGEST},64}}", digest):
            raise ReleaseError(f"{digest!r} is no digest, expected {SHORTEST_DIGEST} to 64 characters of 0-9 and a-f")
        found = self.digests(digest)
        if not found:
            raise ReleaseError(f"there is no release {digest}; see `prequel templates list`")
        if len(found) > 1:
            raise ReleaseError(f"{digest} could be {', '.join(map(short, found))}; give more of it")
        return found[0]

    @retry_lost_races
    def store(
        self, release: Release, manifest: ReleaseManifest, *, on_stored: Callable[[str], None] | None = None
    ) -> list[str]:
        """Makes ``release`` completely stored, its manifest last, and returns the names of what it had to write.

        What is there and right is not written again. ``on_stored`` is called with each name.
        """
        digest = release.digest
        stored = self.bucket.read(manifest_key(digest))
        known = _parse_or_none(stored, digest)
        present = self.bucket.read_all(file_key(digest, name) for name in RELEASE_FILES)
        missing = [name for name in RELEASE_FILES if problem_of(present[file_key(digest, name)], release.records[name])]
        self.bucket.write_all(
            {file_key(digest, name): release.files[name] for name in missing},
            on_written=on_stored and (lambda key: on_stored(key.rsplit("/", 1)[1])),
        )
        merged = _merged(known, manifest)
        if merged == known:
            return missing
        self.bucket.write(
            manifest_key(digest),
            merged.to_json(),
            if_match=stored.etag if stored else None,
            if_absent=stored is None,
        )
        return [*missing, "manifest.json"]


def problem_of(stored: StoredObject | None, record: FileRecord) -> str:
    """Why ``stored`` is not the file of ``record``, in words; empty when it is."""
    if stored is None:
        return "is missing"
    return "" if record.matches(stored.body) else "was altered"


def _entry(digest: str, modified: datetime, stored: StoredObject | None) -> CatalogueEntry:
    if stored is None:
        return CatalogueEntry(digest, modified, None, "incomplete")
    try:
        return CatalogueEntry(digest, modified, _parse(stored, digest), "")
    except AlteredReleaseError as error:
        return CatalogueEntry(digest, modified, None, str(error))


def _parse(stored: StoredObject, digest: str) -> ReleaseManifest:
    key = manifest_key(digest)
    manifest = ReleaseManifest.parse(stored.body, key)
    if manifest.digest != digest:
        raise AlteredReleaseError(f"{key} was altered: it describes the release {short(manifest.digest)}")
    return manifest


def _parse_or_none(stored: StoredObject | None, digest: str) -> ReleaseManifest | None:
    try:
        return _parse(stored, digest) if stored else None
    except AlteredReleaseError:
        return None


def _merged(known: ReleaseManifest | None, new: ReleaseManifest) -> ReleaseManifest:
    """What is known of a release, and a rehearsal that it passed only now."""
    if known is None:
        return new
    if known.rehearsal.status == "skipped" and new.rehearsal.status == "passed":
        return known.model_copy(update={"rehearsal": new.rehearsal, "checks": new.checks})
    return known
