"""Publishing: whole versions first, then the plain copy, then the manifest that makes the version the current one."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from scripts.aws.retries import retry_lost_races
from scripts.challenges.bucket import ChallengeBucket, ManifestSnapshot
from scripts.challenges.manifest import ChallengeManifest
from scripts.challenges.names import plain_prefix, version_prefix
from scripts.challenges.source import Challenge, SourceFile
from scripts.errors import ChallengeError, InterruptedRunError, PrequelError

_AT_ONCE = 4
"""Challenges at one time; each has ``scripts.aws.bucket.WORKERS`` requests under way."""

Status = Literal["new", "changed", "repaired", "unchanged"]


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


@dataclass(frozen=True)
class _Difference:
    """What turns the objects below a prefix into the challenge."""

    missing: Mapping[str, SourceFile]
    surplus: tuple[str, ...]


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
            f"{challenge.name} is being removed since {seen.manifest.retired_at:%Y-%m-%dT%H:%M:%SZ}; "
            f"finish it with `prequel challenge remove {challenge.name}`, then publish again"
        )
    # The version before the plain copy: the manifest must never point at less than the whole.
    differences = {
        prefix: _difference(bucket, challenge, prefix)
        for prefix in (version_prefix(challenge.name, challenge.digest), plain_prefix(challenge.name))
    }
    result = _result(challenge, seen, differences)
    if dry_run or result.status == "unchanged":
        return result
    for difference in differences.values():
        bucket.in_parallel(lambda item: bucket.write(item[0], item[1].read()), difference.missing.items())
        bucket.in_parallel(bucket.delete, difference.surplus)
    bucket.put_manifest(ChallengeManifest.of(challenge, by=bucket.aws.caller_arn, at=datetime.now(UTC)), seen)
    return result


def _difference(bucket: ChallengeBucket, challenge: Challenge, prefix: str) -> _Difference:
    stored = bucket.etags(prefix)
    wanted = {prefix + path: file for path, file in challenge.files.items()}
    return _Difference(
        {key: file for key, file in wanted.items() if stored.get(key) != file.md5}, tuple(stored.keys() - wanted.keys())
    )


def _result(challenge: Challenge, seen: ManifestSnapshot, differences: Mapping[str, _Difference]) -> ChallengeResult:
    written = sum(len(difference.missing) for difference in differences.values())
    deleted = sum(len(difference.surplus) for difference in differences.values())
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
