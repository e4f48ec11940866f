"""Removing a challenge that no interview uses."""

from datetime import UTC, datetime

from contract.names import CHALLENGES
from scripts.aws.bucket import LostRaceError
from scripts.challenges.catalog import ChallengeBucket, not_published
from scripts.challenges.names import VERSIONS, checked_name, manifest_key, plain_prefix
from scripts.errors import ChallengeError, PrequelError


def removable(bucket: ChallengeBucket, name: str) -> None:
    """Raises ``ChallengeError`` when the challenge is not published, is in use, or may be for all that is known."""
    if bucket.look(checked_name(name)).etag is None:
        raise not_published(name, bucket.names())
    _refuse_if_used(bucket, name)


def remove(bucket: ChallengeBucket, name: str) -> int:
    """Removes a challenge with all its versions; returns how many objects that were.

    It is first retired, and only then looked for in interviews for the last time: an interview whose intent was
    written before is found there, and one that comes later finds the challenge retired. Killed at any moment, it leaves
    the challenge whole or retired, and the next call completes the work.
    Raises ``ChallengeError`` as ``removable`` does, ``LostRaceError`` when somebody else just published or removed it,
    and ``AwsError`` when S3 refuses.
    """
    removable(bucket, name)
    seen = bucket.look(name)
    if seen.manifest is None:
        raise ChallengeError(seen.altered or f"{name} was just removed by somebody else")
    retirement = seen.manifest.model_copy(update={"retired_at": datetime.now(UTC)})
    bucket.put_manifest(retirement, seen)
    retired = bucket.look(name)
    if retired.manifest != retirement:
        raise LostRaceError(f"{name} is being removed by somebody else; look again with `prequel challenge list`")
    try:
        _refuse_if_used(bucket, name)
    except PrequelError:
        bucket.put_manifest(seen.manifest.model_copy(update={"retired_at": None}), retired)
        raise
    keys = [*bucket.etags(plain_prefix(name)), *bucket.etags(f"{CHALLENGES}{VERSIONS}/{name}/")]
    bucket.in_parallel(bucket.delete, keys)
    bucket.delete(manifest_key(name), if_match=retired.etag or "")
    return len(keys) + 1


def _refuse_if_used(bucket: ChallengeBucket, name: str) -> None:
    using = bucket.users(name)
    if using:
        raise ChallengeError(
            f"{name} is in use by the interview{'s' if len(using) > 1 else ''} {', '.join(using)}; "
            "destroy them first with `prequel interview destroy`"
        )
