"""Every stored byte against its hash."""

from dataclasses import dataclass, field

from scripts.errors import AlteredReleaseError, ReleaseError
from scripts.releases.keys import POINTER_KEY, file_key, manifest_key
from scripts.releases.release import RELEASE_FILES, ReleaseManifest
from scripts.releases.store import NO_RELEASE, PointerSnapshot, ReleaseStore


@dataclass
class Verification:
    """``checked`` objects were read; ``problems`` has a line for each that is wrong; ``repaired`` are keys."""

    checked: int = 0
    problems: list[str] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)


def verify(store: ReleaseStore, digest: str | None = None, *, dry_run: bool = False) -> Verification:
    """Checks one release, or all of them with the pointer and the plain copies.

    Plain copies that are not those of the pointer are written again, unless ``dry_run``: a switch that was cut off
    leaves them so. What is wrong in ``releases/`` is only reported; publishing the same set again restores it.
    Raises ``ReleaseError`` before the first release.
    """
    findings = Verification()
    digests = [digest] if digest else store.digests()
    if not digests and store.look() == PointerSnapshot(None, None):
        raise ReleaseError(NO_RELEASE)
    for one in digests:
        _verify_release(store, one, findings)
    if digest is None:
        _verify_current(store, findings, dry_run=dry_run)
    return findings


def _verify_release(store: ReleaseStore, digest: str, findings: Verification) -> None:
    key = manifest_key(digest)
    stored = store.bucket.read_all([key, *(file_key(digest, name) for name in RELEASE_FILES)])
    findings.checked += sum(found is not None for found in stored.values())
    manifest = stored[key]
    if manifest is None:
        findings.problems.append(
            f"{key} is missing: the release was never completely published; publish the same set again, "
            f"or remove the rest with `aws s3 rm --recursive s3://{store.bucket.name}/releases/{digest}/`"
        )
        return
    try:
        parsed = ReleaseManifest.parse(manifest.body, key)
    except AlteredReleaseError as error:
        findings.problems.append(str(error))
        return
    if parsed.digest != digest:
        findings.problems.append(f"{key} was altered: it describes another release")
        return
    for name in RELEASE_FILES:
        found = stored[file_key(digest, name)]
        if found is None:
            findings.problems.append(f"{file_key(digest, name)} is missing")
        elif not parsed.files[name].matches(found.body):
            findings.problems.append(f"{file_key(digest, name)} was altered")


def _verify_current(store: ReleaseStore, findings: Verification, *, dry_run: bool) -> None:
    findings.problems += [
        f"{key} belongs to no release, and clients that copy instance/ would run it; delete it"
        for key in store.foreign_keys()
    ]
    seen = store.look()
    if seen.altered:
        findings.problems.append(f"{seen.altered}; publish or roll back to replace it")
    if seen.pointer is None:
        return
    findings.checked += 1 + len(RELEASE_FILES)
    try:
        wrong = store.settle(dry_run=dry_run)
    except AlteredReleaseError as error:
        findings.problems += [f"{POINTER_KEY} names a release that is not whole: {error}"]
        return
    if dry_run:
        findings.problems += [f"{key} is not that of the current release" for key in wrong]
    else:
        findings.repaired += wrong
