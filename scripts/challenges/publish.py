"""Publishing: the version's archive, then the plain copy, then the manifest that makes the version the current one."""

from collections.abc import Callable, Iterator, Mapping, Set
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from scripts.aws.retries import retry_lost_races
from scripts.challenges.archive import pack
from scripts.challenges.catalog import ChallengeBucket, ManifestSnapshot
from scripts.challenges.manifest import Archive, ChallengeManifest
from scripts.challenges.names import archive_key, plain_prefix, version_prefix
from scripts.challenges.source import Challenge
from scripts.errors import ChallengeError, InterruptedRunError, PrequelError

_AT_ONCE = 4
"""Challenges at one time; each has ``scripts.aws.bucket.WORKERS`` requests under way."""

Status = Literal["new", "changed", "repaired", "unchanged"]

_Difference = tuple[Mapping[str, Callable[[], bytes]], Set[str]]
"""What is missing below a prefix, with its content, and the keys that do not belong there."""


@dataclass(frozen=True)
class ChallengeResult:
    """What publishing a challenge did, or would do: ``written`` and ``deleted`` count objects, the manifest included.

    ``repaired`` is a challenge whose current version is the same, but whose objects were not.
    """

    name: str
    digest: str
    status: Status
    written: int = 0
    deleted: int = 0


def publish_all(
    bucket: ChallengeBucket, challenges: list[Challenge], *, dry_run: bool = False
) -> Iterator[ChallengeResult | PrequelError]:
    """Publishes several challenges at a time; yields the outcome or the failure of each as it comes."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        futures = [pool.submit(publish, bucket, challenge, dry_run=dry_run) for challenge in challenges]
        try:
            for future in as_completed(futures):
                error = future.exception()
                if error is not None and not isinstance(error, PrequelError):
                    raise error
                yield error or future.result()
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise InterruptedRunError(
                "interrupted; each challenge is as it was or as it should be, publish again for the rest"
            ) from None


@retry_lost_races  # somebody else published in between, and may have written over our plain copy
def publish(bucket: ChallengeBucket, challenge: Challenge, *, dry_run: bool = False) -> ChallengeResult:
    """Makes ``challenge`` the current version of itself; writes nothing when it is that already.

    Killed at any moment, it leaves the former version as the current one, and the next call completes the work.
    Raises ``ChallengeError`` when the challenge is being removed, and ``AwsError`` when S3 refuses.
    """
    seen = bucket.look(challenge.name)
    if seen.manifest and seen.manifest.retired_at:
        raise ChallengeError(
            f"{seen.manifest.retirement}; finish it with `prequel challenge remove {challenge.name}`, "
            "then publish again"
        )
    content = pack(challenge.tree)
    archive = Archive.of(content)
    versions = bucket.etags(version_prefix(challenge.name, challenge.digest))
    key = archive_key(challenge.name, challenge.digest)
    current = seen.manifest
    if current and current.archive and (current.digest, current.archive.md5) == (challenge.digest, versions.get(key)):
        archive = current.archive  # packed from the same content by another implementation of gzip
    plain = {plain_prefix(challenge.name) + path: file for path, file in challenge.tree.plain_files.items()}
    # The version before the plain copy: the manifest must never point at less than the whole.
    differences = [
        _difference(versions, {key: archive.md5}, {key: lambda: content}),
        _difference(
            bucket.etags(plain_prefix(challenge.name)),
            {key: file.md5 for key, file in plain.items()},
            {key: file.read for key, file in plain.items()},
        ),
    ]
    result = _result(challenge, seen, differences)
    if dry_run or result.status == "unchanged":
        return result
    for missing, surplus in differences:
        bucket.in_parallel(lambda item: bucket.write(item[0], item[1]()), missing.items())
        bucket.in_parallel(bucket.delete, surplus)
    manifest = ChallengeManifest.of(challenge, archive, by=bucket.aws.caller_arn, at=datetime.now(UTC))
    bucket.put_manifest(manifest, seen)
    return result


def _difference(
    stored: Mapping[str, str], wanted: Mapping[str, str], contents: Mapping[str, Callable[[], bytes]]
) -> _Difference:
    """Compares ETags by key."""
    missing = {key: contents[key] for key, md5 in wanted.items() if stored.get(key) != md5}
    return missing, stored.keys() - wanted.keys()


def _result(challenge: Challenge, seen: ManifestSnapshot, differences: list[_Difference]) -> ChallengeResult:
    written = sum(len(missing) for missing, _ in differences)
    deleted = sum(len(surplus) for _, surplus in differences)
    status: Status
    if seen.etag is None:
        status = "new"
    elif seen.manifest is not None and seen.manifest.digest != challenge.digest:
        status = "changed"
    elif seen.altered or written or deleted:
        status = "repaired"
    else:
        return ChallengeResult(challenge.name, challenge.digest, "unchanged")
    return ChallengeResult(challenge.name, challenge.digest, status, written + 1, deleted)
