"""Small releases, and what must be true of a bucket whatever happened to it."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

from contract.names import SHARED_VALUES_FILE
from scripts.aws.clients import Aws
from scripts.releases.release import RELEASE_FILES, Limits, Origin, Pointer, Rehearsal, Release, ReleaseManifest
from scripts.releases.store import POINTER_KEY, ReleaseStore, plain_key

LIMITS = Limits(max_instances=10, interview_default_minutes=90, interview_maximum_minutes=240)
SHARED = {"aws_account_id": "123456789012", "aws_region": "us-east-1", "environment": "test"}


def release(label: str, *, values: str | None = None, limits: Limits = LIMITS) -> Release:
    """A release in which every file holds ``label``, so that a mixed set is seen at once.

    ``values`` stand in the shared values instead.
    """
    files = {name: f"# {label}\n".encode() for name in RELEASE_FILES}
    files[SHARED_VALUES_FILE] = json.dumps(SHARED | {"label": values or label}).encode()
    return Release(files, limits)


def manifest(release: Release, *, rehearsed: bool = True, age: timedelta = timedelta()) -> ReleaseManifest:
    """Its manifest, as if published ``age`` ago."""
    then = datetime.now(UTC) - age
    return ReleaseManifest(
        digest=release.digest,
        target=release.target,
        limits=release.limits,
        terraform_versions=">= 1.11",
        provider_versions=">= 5.100.0, < 7.0.0",
        checks=("formatted",),
        rehearsal=Rehearsal(status="passed" if rehearsed else "skipped", at=then),
        origin=Origin(published_by="arn:aws:iam::123456789012:user/ada", published_at=then),
        files=release.records,
    )


def stored(store: ReleaseStore, label: str, *, age: timedelta = timedelta()) -> Release:
    """Stores a sample release without switching to it."""
    sample = release(label)
    store.store(sample, manifest(sample, age=age))
    return sample


def published(store: ReleaseStore, label: str, *, rehearsed: bool = True, age: timedelta = timedelta()) -> Release:
    """Stores a sample release and makes it the current one."""
    sample = release(label)
    described = manifest(sample, rehearsed=rehearsed, age=age)
    seen = store.look()
    store.store(sample, described)
    store.switch(sample, described, seen)
    return sample


def assert_readers_are_safe(store: ReleaseStore) -> str | None:
    """A reader that follows the pointer gets one whole release, by digest and by version ids alike; its digest."""
    pointer, _ = _whole(store)
    return pointer.digest if pointer else None


def assert_settled(store: ReleaseStore) -> str | None:
    """Besides, a client that copies ``instance/`` gets the same release, in the versions that the pointer names."""
    pointer, latest = _whole(store)
    if pointer is None:
        return None
    assert latest == {plain_key(name): record.version_id for name, record in pointer.files.items()}
    return pointer.digest


def _whole(store: ReleaseStore) -> tuple[Pointer | None, dict[str, str]]:
    """The checked pointer, and the newest version id of each plain copy."""
    pointer = store.current()
    if pointer is None:
        return None, {}
    _, sample = store.read(pointer.digest)
    assert sample.digest == pointer.digest
    listed = store.aws.s3.list_object_versions(Bucket=store.bucket.name, Prefix="instance/")["Versions"]
    content = {(version["Key"], version["VersionId"]): version["ETag"].strip('"') for version in listed}
    for name, record in pointer.files.items():
        # Without SSE-KMS an ETag is the MD5 of the bytes.
        expected = hashlib.md5(sample.files[name], usedforsecurity=False).hexdigest()
        assert content[plain_key(name), record.version_id] == expected, name
    latest = {v["Key"]: v["VersionId"] for v in listed if v["IsLatest"] and v["Key"] != POINTER_KEY}
    return pointer, latest


def objects(aws: Aws, bucket: str) -> dict[str, str]:
    """Every object's key and version, to see whether anything was written."""
    listed = aws.s3.list_object_versions(Bucket=bucket)
    return {f"{v['Key']} {v['VersionId']}": v["ETag"] for v in listed.get("Versions", [])} | {
        f"{m['Key']} {m['VersionId']}": "deleted" for m in listed.get("DeleteMarkers", [])
    }
