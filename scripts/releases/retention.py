"""Which releases are in use, and the removal of those that are not.

Removal is fenced against a publisher that switches to the very release: see docs/decisions/0011-pruning.md.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from scripts.aws.bucket import Bucket, LostRaceError, StoredVersion
from scripts.console import Console
from scripts.errors import AwsError, ReleaseError
from scripts.releases.release import short
from scripts.releases.store import Entry, ReleaseStore, is_retired, manifest_key, tombstone

INCOMPLETE_AGE = timedelta(days=1)
"""How long an unfinished publish may be somebody's who is still at it; uploading five files takes seconds."""


def pinned_interviews(bucket: Bucket) -> dict[str, list[str]]:
    """The ids of the interviews that a release's digest is pinned by.

    Raises ``AwsError`` or ``ReleaseError`` when that cannot be known for certain: unknown is not unused.
    """
    records = [key for key in bucket.listing("workspaces/") if key.endswith("/interview.json")]
    pinned: dict[str, list[str]] = defaultdict(list)
    for key, stored in bucket.read_all(records).items():
        if stored is None:
            continue  # moved to history/ since it was listed
        try:
            record = json.loads(stored.body)
            digest, status = record["release_digest"], record["status"]
        except (ValueError, KeyError, TypeError) as error:
            raise ReleaseError(f"cannot tell which release {key} uses; mend or remove it") from error
        if status != "destroyed":
            pinned[digest].append(key.split("/")[1])
    return dict(pinned)


def prune(store: ReleaseStore, *, keep: int, dry_run: bool, console: Console) -> list[str]:
    """Removes every release but the current, the previous, the newest ``keep`` and the pinned; returns their digests.

    Raises ``AwsError`` or ``ReleaseError``, having removed nothing, when it cannot be known what is in use.
    """
    store.bucket.check_usable()
    versions = store.bucket.versions("releases/")
    entries = store.catalogue()
    newest = {entry.digest for entry in [entry for entry in entries if not entry.problem][:keep]}
    removable = [entry for entry in entries if entry.digest not in newest and _is_removable(entry)]
    used = _used(store)
    candidates = [entry for entry in removable if entry.digest not in used]
    if dry_run:
        return [entry.digest for entry in candidates]

    retired = [(entry, mark) for entry in candidates if (mark := _retire(store, entry)) is not None]
    try:
        store.fence()
        # Whoever switched or pinned before the fence is seen now; whoever does later sees what is retired.
        used = _used(store)
    except (ReleaseError, AwsError):
        for entry, mark in retired:
            _revive(store, entry, mark)
        raise
    removed = []
    for entry, mark in retired:
        if entry.digest in used:
            _revive(store, entry, mark)
            continue
        with console.step(f"Removing release {short(entry.digest)}"):
            _remove(store, entry, versions)
        removed.append(entry.digest)
    return removed


def _is_removable(entry: Entry) -> bool:
    if entry.problem in {"", "retired"}:
        return True
    # What was altered is evidence; only an unfinished publish is waste.
    return entry.problem == "incomplete" and entry.last_modified < datetime.now(UTC) - INCOMPLETE_AGE


def _used(store: ReleaseStore) -> set[str]:
    pointer = store.current()
    current = {pointer.digest, pointer.previous_digest or ""} if pointer else set()
    return current | pinned_interviews(store.bucket).keys()


def _retire(store: ReleaseStore, entry: Entry) -> bytes | None:
    """Marks the release and returns the mark; None if somebody wrote its manifest since it was listed."""
    manifest = entry.manifest and entry.manifest.model_copy(update={"retired_at": datetime.now(UTC)})
    mark = manifest.to_json() if manifest else tombstone()
    try:
        store.bucket.write(
            manifest_key(entry.digest), mark, if_match=entry.manifest_etag, if_absent=entry.manifest_etag is None
        )
    except LostRaceError:
        return None
    return mark


def _revive(store: ReleaseStore, entry: Entry, mark: bytes) -> None:
    """Takes the mark back, if it is this prune's own: one that an earlier prune left stands on a release half gone."""
    stored = store.bucket.read(manifest_key(entry.digest))
    if entry.manifest is None or entry.problem or stored is None or stored.body != mark:
        return
    try:
        store.bucket.write(manifest_key(entry.digest), entry.manifest.to_json(), if_match=stored.etag)
    except LostRaceError:
        return  # a publisher revived it already


def _remove(store: ReleaseStore, entry: Entry, versions: Mapping[str, list[StoredVersion]]) -> None:
    """Deletes the listed versions only: what a publisher has stored since stays. The mark goes last."""
    prefix, last = f"releases/{entry.digest}/", manifest_key(entry.digest)
    listed = [v for key, found in versions.items() if key.startswith(prefix) and key != last for v in found]
    store.bucket.delete_versions(listed)
    marks = store.bucket.versions(last).get(last, [])
    stored = store.bucket.read(last)
    if stored is None or is_retired(stored):
        store.bucket.delete_versions(marks)
