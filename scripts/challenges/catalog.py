"""What other operations ask of the published challenges."""

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from scripts.aws.clients import Aws
from scripts.challenges.names import is_name, manifest_key
from scripts.errors import ChallengeError

if TYPE_CHECKING:
    from scripts.challenges.bucket import ChallengeBucket
    from scripts.challenges.manifest import ChallengeManifest


def exists(aws: Aws, bucket: str, name: str) -> bool:
    """Whether the challenge ``name`` is completely published; one that is being removed is not."""
    if not is_name(name):
        return False
    manifest = _bucket(aws, bucket).look(name).manifest
    return manifest is not None and manifest.retired_at is None


def names(aws: Aws, bucket: str) -> list[str]:
    """Every published challenge, sorted."""
    return _bucket(aws, bucket).names()


def pin(aws: Aws, bucket: str, name: str) -> str:
    """The current version's folder below ``challenge/``, such as ``versions/python/rate-limiter/0123456789abcdef``.

    Given to the template as its variable ``challenge``, it delivers that very version, whole, whenever the interview's
    task starts, and however often. Call it **after** the interview's intent is written: then `challenge remove` either
    sees the interview, or has been seen here. Raises ``ChallengeError``, with similar names, when there is none.
    """
    return find(_bucket(aws, bucket), name).path


def find(bucket: "ChallengeBucket", name: str) -> "ChallengeManifest":
    """The manifest of a challenge; raises ``ChallengeError`` when there is none to be used."""
    seen = bucket.look(name) if is_name(name) else None
    if seen is None or seen.etag is None:
        raise not_published(name, bucket.names())
    if seen.manifest is None:
        raise ChallengeError(seen.altered)
    if seen.manifest.retired_at:
        raise ChallengeError(
            f"{name} is being removed since {seen.manifest.retired_at:%Y-%m-%dT%H:%M:%SZ}; choose another challenge"
        )
    return seen.manifest


def manifests(bucket: "ChallengeBucket") -> "list[ChallengeManifest]":
    """Every manifest, by name; raises ``ChallengeError`` naming one that cannot be read."""
    from scripts.challenges.manifest import ChallengeManifest

    stored = bucket.read_all(manifest_key(name) for name in bucket.names())
    return [ChallengeManifest.parse(found.body, key) for key, found in stored.items() if found is not None]


def not_published(name: str, published: Iterable[str]) -> ChallengeError:
    """The error for a challenge that is not there, with the ``published`` names that are like it."""
    known = sorted(published)
    if not known:
        return ChallengeError(
            f'there is no challenge "{name}", nor any other; publish with `prequel challenge publish`'
        )
    near = difflib.get_close_matches(name, known, n=3)
    # "rate-limiter" alone is what people type.
    near += [other for other in known if other not in near and other.partition("/")[2] == name]
    if near:
        return ChallengeError(f'there is no challenge "{name}"; did you mean {" or ".join(near)}?')
    return ChallengeError(f'there is no challenge "{name}", expected one of `prequel challenge list`')


def _bucket(aws: Aws, name: str) -> "ChallengeBucket":
    from scripts.challenges.bucket import ChallengeBucket

    return ChallengeBucket(aws, name)
