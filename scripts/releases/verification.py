"""Every stored byte against its hash."""

from dataclasses import dataclass, field

from scripts.errors import AlteredReleaseError, ReleaseError
from scripts.releases.release import RELEASE_FILES
from scripts.releases.store import NO_RELEASE, POINTER_KEY, PointerSnapshot, ReleaseStore


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
    for found in map(store.inspect, digests):
        findings.checked += len(found.bodies)
        findings.problems += found.problems
    if digest is None:
        _verify_current(store, findings, dry_run=dry_run)
    return findings


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
