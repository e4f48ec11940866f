"""The current release: instance/manifest.json, the pointer to it, and plain copies for clients that copy ``instance/``.

The pointer is switched by compare-and-swap, after the copies. The order of the writes and the checks after them are
what makes this safe; docs/decisions/0010-releases.md argues it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from contract.names import CURRENT_RELEASE
from scripts.aws.bucket import LostRaceError, StoredObject
from scripts.aws.retries import retry_lost_races
from scripts.errors import AlteredReleaseError, ReleaseError
from scripts.releases.archive import ReleaseArchive, problem_of
from scripts.releases.release import RELEASE_FILES, Pointer, PublishedFile, Release, ReleaseManifest, short

_REPAIRS = 20
"""How often the plain copies are repaired while others keep switching."""

NO_RELEASE = "there is no release yet; publish one with `prequel templates publish`"
POINTER_KEY = f"{CURRENT_RELEASE}manifest.json"


def plain_key(name: str) -> str:
    """Where the current release's plain copy of a file is."""
    return f"{CURRENT_RELEASE}{name}"


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


class ReleaseStore(ReleaseArchive):
    """The releases in ``bucket``, and which of them is the current one."""

    def current(self) -> Pointer | None:
        """The current release's pointer, None before the first publish; raises ``AlteredReleaseError``."""
        seen = self.look()
        if seen.altered:
            raise AlteredReleaseError(seen.altered)
        return seen.pointer

    def look(self) -> PointerSnapshot:
        """The pointer for a later ``switch``; an unreadable one is no error, so that it can be replaced."""
        stored = self.bucket.read(POINTER_KEY)
        if stored is None:
            return PointerSnapshot(None, None)
        try:
            return PointerSnapshot(Pointer.parse(stored.body, POINTER_KEY), stored.etag)
        except AlteredReleaseError as error:
            return PointerSnapshot(None, stored.etag, str(error))

    def foreign_keys(self) -> list[str]:
        """What lies in ``instance/`` beside the current release; clients that copy the prefix would run it too."""
        known = {CURRENT_RELEASE, POINTER_KEY, *map(plain_key, RELEASE_FILES)}
        return sorted(self.bucket.listing(CURRENT_RELEASE).keys() - known)

    def switch(self, release: Release, manifest: ReleaseManifest, seen: PointerSnapshot) -> Pointer:
        """Makes the stored ``release`` the current one, if the current one is still as ``seen``.

        The plain copies first, then the pointer by compare-and-swap, then a look at both. Raises ``SupersededError``
        when somebody else switched to another release in the meantime; the plain copies are theirs then.
        """
        self._swap_if_unchanged(release, manifest, seen)
        self.settle()
        pointer = self.current()
        if pointer is None or pointer.digest != release.digest:
            raise SupersededError(pointer)
        return pointer

    @retry_lost_races
    def _swap_if_unchanged(self, release: Release, manifest: ReleaseManifest, seen: PointerSnapshot) -> None:
        now = self.look()
        if _same_release(now, seen):
            versions = self._write_plain_copies(release, self._plain_copies())
            self._swap(now, self._pointer(release, manifest, versions, now.pointer))

    def settle(self, *, dry_run: bool = False) -> list[str]:
        """Makes the plain copies those of the pointer, and returns the keys of what was not so.

        Whoever writes plain copies or the pointer calls this last, and it ends only with a look that finds nothing to
        do: so the last writer of all leaves both in agreement. With ``dry_run`` it only looks.
        """
        repaired: list[str] = []
        for _ in range(_REPAIRS):
            wrong, is_settled = self._settle_once(dry_run=dry_run)
            repaired += [key for key in wrong if key not in repaired]
            if is_settled:
                return repaired
        raise LostRaceError("others keep switching the current release; try again")

    @retry_lost_races
    def _settle_once(self, *, dry_run: bool) -> tuple[list[str], bool]:
        """The plain copies that are not those of the pointer, and whether there was nothing to write."""
        seen = self.look()
        if seen.pointer is None:
            return [], True
        pointer, copies = seen.pointer, self._plain_copies()
        wrong = [name for name in RELEASE_FILES if problem_of(copies[name], pointer.files[name])]
        moved = [
            name
            for name, copy in copies.items()
            if copy is not None and copy.version_id != pointer.files[name].version_id
        ]
        keys = [plain_key(name) for name in wrong]
        if dry_run or not (wrong or moved):
            return keys, True
        manifest, release = self.read(pointer.digest)
        versions = self._write_plain_copies(release, copies)
        files = {
            name: PublishedFile(**manifest.files[name].model_dump(), version_id=versions[name])
            for name in RELEASE_FILES
        }
        self._swap(seen, pointer.model_copy(update={"files": files, "generation": pointer.generation + 1}))
        return keys, False

    def _plain_copies(self) -> dict[str, StoredObject | None]:
        stored = self.bucket.read_all(map(plain_key, RELEASE_FILES))
        return {name: stored[plain_key(name)] for name in RELEASE_FILES}

    def _write_plain_copies(self, release: Release, copies: Mapping[str, StoredObject | None]) -> dict[str, str]:
        """Writes those of the plain ``copies`` that differ, and returns the version id of each.

        Each write is conditional on what was read, so that a publisher that slept cannot write over a newer switch.
        Only what differs is written, all at once: the shortest time in which a plain client can get a mixed set.
        """

        def settled(name: str) -> str:
            copy, body = copies[name], release.files[name]
            if copy is None or copy.body != body:
                copy = self.bucket.replace(plain_key(name), body, copy.etag if copy else None)
            return copy.version_id

        return dict(zip(RELEASE_FILES, self.bucket.in_parallel(settled, RELEASE_FILES), strict=True))

    def _pointer(
        self, release: Release, manifest: ReleaseManifest, versions: Mapping[str, str], before: Pointer | None
    ) -> Pointer:
        previous = before.previous_digest if before and before.digest == release.digest else before and before.digest
        files = {name: release.records[name].model_dump() | {"version_id": versions[name]} for name in RELEASE_FILES}
        return Pointer.model_validate(
            manifest.model_dump(exclude={"files"})
            | {
                "files": files,
                "generation": before.generation + 1 if before else 1,
                "previous_digest": previous,
                "switched_by": self.aws.caller_arn,
                "switched_at": datetime.now(UTC),
            }
        )

    def _swap(self, seen: PointerSnapshot, pointer: Pointer) -> None:
        self.bucket.replace(POINTER_KEY, pointer.to_json(), seen.etag)


def _same_release(now: PointerSnapshot, seen: PointerSnapshot) -> bool:
    """Whether the pointer still means what it did; a repair writes it again without a switch."""
    if now.pointer is not None and seen.pointer is not None:
        return now.pointer.digest == seen.pointer.digest
    return now.etag == seen.etag
