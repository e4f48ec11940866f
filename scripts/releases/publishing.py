"""Publishing and rolling back: look, ask, check, rehearse, store, switch."""

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from scripts.console import Console
from scripts.errors import AlteredReleaseError, ReleaseError
from scripts.images.choice import missing_image
from scripts.releases import rehearsal, validation
from scripts.releases.difference import changed_files, coloured, difference
from scripts.releases.release import Origin, Pointer, Rehearsal, Release, ReleaseManifest, short
from scripts.releases.store import PointerSnapshot, ReleaseStore
from scripts.shared_stack.values import check_deployment

Status = Literal["published", "unchanged", "declined", "dry-run"]
Commit = tuple[str | None, bool]


@dataclass(frozen=True)
class PublishResult:
    """What became of a publish or a rollback; ``changed`` names the files that differ from what was current."""

    status: Status
    digest: str
    previous_digest: str | None
    changed: list[str]
    rehearsal: str


@dataclass(frozen=True)
class Publisher:
    """One publish or rollback: where to, what reports it, whether the user agrees, and what is allowed.

    With ``rehearse`` False a release that was never rehearsed is switched to all the same, and says so.
    With ``dry_run`` everything is looked at and checked, and nothing is written.
    """

    store: ReleaseStore
    console: Console
    ask: Callable[[str], bool]
    rehearse: bool = True
    dry_run: bool = False

    def publish(self, release: Release, source: Path) -> PublishResult:
        """Makes ``release`` the current one; its template files came from the directory ``source``.

        Raises ``TemplateError``, ``SupersededError`` or ``AwsError``, with the old release current and whole.
        """
        return self._make_current(release, self._look(), git_commit(source))

    def roll_back(self, digest: str | None, here: Mapping[str, str]) -> PublishResult:
        """Makes the templates and images of a stored release current again, the previous one's without a ``digest``.

        The other shared values and the limits stay those of the current release: the load balancer and subnets of a
        former one may be gone. Where they differ that makes another release, which is validated and rehearsed.

        Raises as ``publish`` does, ``AlteredReleaseError`` when the release is not whole any more,
        ``SharedValuesError`` when it was made for another deployment than ``here``, and ``ReleaseError`` when its
        image is gone from the stack's own repository.
        """
        seen = self._look()
        wanted = digest or (seen.pointer.previous_digest if seen.pointer else None)
        if wanted is None:
            raise ReleaseError(
                "there is no release before the current one; give a digest from `prequel templates list`"
            )
        manifest, stored = self.store.read(wanted)
        check_deployment(stored.shared_values, here)
        release = self._with_present_values(stored, seen)
        image = missing_image(release.shared_values, self.store.aws)
        if image:
            raise ReleaseError(
                f"release {short(wanted)} names {image}, which is gone, so nothing could start with it; roll back to"
                " another one of `prequel templates list`, or publish the set anew"
            )
        return self._make_current(release, seen, (manifest.origin.git_commit, manifest.origin.git_dirty))

    def _with_present_values(self, stored: Release, seen: PointerSnapshot) -> Release:
        if seen.pointer is None or seen.pointer.digest == stored.digest:
            return stored
        try:
            current = self.store.read(seen.pointer.digest)[1]
        except AlteredReleaseError as error:
            self.console.warn(f"{error}; the shared values are those of {short(stored.digest)}")
            return stored
        release = stored.with_values_of(current)
        kept = [name for name, value in stored.shared_values.items() if release.shared_values[name] != value]
        if release.limits != stored.limits:
            kept.append("the limits")
        if kept:
            self.console.say(f"the templates of {short(stored.digest)} with the present values of {', '.join(kept)}")
        return release

    def _known(self, digest: str, pointer: Pointer | None) -> ReleaseManifest | None:
        """What is on record of the release, if it was ever published; the pointer knows when its manifest is lost."""
        try:
            return self.store.manifest(digest)
        except AlteredReleaseError:
            if pointer is None or pointer.digest != digest:
                return None
        return ReleaseManifest.model_validate(pointer.model_dump(include=set(ReleaseManifest.model_fields)))

    def _is_good_enough(self, manifest: ReleaseManifest) -> bool:
        return manifest.rehearsal.status == "passed" or not self.rehearse

    def _unchanged(self, release: Release, manifest: ReleaseManifest, seen: PointerSnapshot) -> PublishResult:
        """Nothing to switch; but what was altered, or left half done by a crash, is repaired."""
        if not self.dry_run:
            stored = self.store.store(release, manifest)
            repaired = self.store.settle()
            if stored or repaired:
                self.console.warn(f"restored {', '.join([*stored, *repaired])}, which was missing or altered")
        self.console.say(f"unchanged: {short(release.digest)} is the current release")
        return _outcome("unchanged", release, seen, [], manifest.rehearsal.status)

    def _look(self) -> PointerSnapshot:
        self.store.bucket.check_usable()
        for key in self.store.foreign_keys():
            self.console.warn(f"{key} belongs to no release, and clients that copy instance/ would run it; delete it")
        return self.store.look()

    def _make_current(self, release: Release, seen: PointerSnapshot, commit: Commit) -> PublishResult:
        known = self._known(release.digest, seen.pointer)
        if seen.pointer and known and seen.pointer.digest == release.digest and self._is_good_enough(known):
            return self._unchanged(release, known, seen)
        changed = self._show(release, seen)
        current = short(seen.pointer.digest) if seen.pointer else "no release"
        if not self.dry_run and not self.ask(f"Switch from {current} to {short(release.digest)}?"):
            self.console.say("nothing was written")
            return _outcome("declined", release, seen, changed, known.rehearsal.status if known else "skipped")
        manifest = self._passed(release, known, commit)
        if self.dry_run:
            self.console.say(f"would switch from {current} to {short(release.digest)}; nothing was written")
            return _outcome("dry-run", release, seen, changed, manifest.rehearsal.status)
        with self.console.step(f"Storing release {short(release.digest)}"):
            stored = self.store.store(release, manifest)
        for name in stored:
            self.console.say(f"  stored {name}")
        if not stored:
            self.console.say("  everything was stored already")
        with self.console.step("Switching"):
            pointer = self.store.switch(release, manifest, seen)
        self.console.say(f"{short(pointer.digest)} is the current release")
        return _outcome("published", release, seen, changed, pointer.rehearsal.status)

    def _show(self, release: Release, seen: PointerSnapshot) -> list[str]:
        if seen.altered:
            self.console.warn(f"{seen.altered}; it will be replaced")
        old = None
        if seen.pointer is not None:
            try:
                old = self.store.read(seen.pointer.digest)[1]
            except AlteredReleaseError as error:
                self.console.warn(f"cannot show the difference: {error}")
        changed = changed_files(old, release)
        if old is None:
            self.console.say(f"release {short(release.digest)} with {len(release.files)} files")
        elif changed:
            self.console.say(coloured(difference(old, release)))
        return changed

    def _passed(self, release: Release, known: ReleaseManifest | None, commit: Commit) -> ReleaseManifest:
        if known is not None and self._is_good_enough(known):
            self.console.say(f"rehearsal: {known.rehearsal.status} at {known.rehearsal.at:%Y-%m-%d %H:%M} UTC")
            return known
        checks = validation.check(release, self.console)
        terraform, provider = validation.version_ranges(release)
        if self.rehearse:
            passed = rehearsal.rehearse(release, self.console)
        else:
            self.console.warn("the rehearsal is skipped, and the release will say so")
            passed = Rehearsal(status="skipped", at=datetime.now(UTC))
        return ReleaseManifest(
            digest=release.digest,
            target=release.target,
            limits=release.limits,
            terraform_versions=terraform,
            provider_versions=provider,
            checks=checks,
            rehearsal=passed,
            origin=known.origin if known else self._origin(*commit),
            files=release.records,
        )

    def _origin(self, commit: str | None, dirty: bool) -> Origin:
        return Origin(
            published_by=self.store.aws.caller_arn, published_at=datetime.now(UTC), git_commit=commit, git_dirty=dirty
        )


def _outcome(
    status: Status, release: Release, seen: PointerSnapshot, changed: list[str], rehearsed: str
) -> PublishResult:
    previous = seen.pointer.digest if seen.pointer else None
    return PublishResult(status, release.digest, previous, changed, rehearsed)


def git_commit(directory: Path) -> tuple[str | None, bool]:
    """The commit that ``directory`` is checked out from, and whether its files differ; None outside git."""

    def git(*arguments: str) -> str:
        run = subprocess.run(
            ["git", "-C", str(directory), *arguments], capture_output=True, text=True, check=True, timeout=10
        )
        return run.stdout.strip()

    try:
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--", "."))
    except (OSError, subprocess.SubprocessError):
        return None, False
