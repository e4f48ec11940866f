"""How challenges are called, and where each of their parts lies in the instance bucket.

challenge/{kind}/{name}/                           the current version's plain copy, for clients that copy a prefix
challenge/versions/{kind}/{name}/{digest}/         every published version, as an archive, never changed
challenge-manifests/{kind}/{name}.json             which version is the current one; no candidate can read it
"""

import re

from contract.limits import CHALLENGE_PATTERN
from contract.names import CHALLENGE_MANIFESTS, CHALLENGES
from scripts.errors import ChallengeError

ARCHIVE = "challenge.tar.gz"
"""What `prequel-load` looks for in a challenge's folder (image/loader/prequel_load.py)."""

VERSIONS = "versions"
"""The kind that no challenge may have, because it holds the versions of all others."""

LONGEST_NAME = 96
"""Characters of ``kind/name``: with ``versions/`` and a digest it fits the template's 128 characters."""

DIGEST_LENGTH = 16
"""Hexadecimal characters of a digest in a key: 64 bits, far more than the versions of one challenge need."""


def is_name(value: str) -> bool:
    """Whether ``value`` is ``kind/name`` and may be published."""
    return (
        len(value) <= LONGEST_NAME
        and value.count("/") == 1
        and re.fullmatch(CHALLENGE_PATTERN.removeprefix("^").removesuffix("$"), value) is not None
        and not value.startswith(f"{VERSIONS}/")
    )


def checked_name(value: str) -> str:
    """``value`` if it can name a challenge; raises ``ChallengeError``."""
    if not is_name(value):
        raise ChallengeError(
            f'"{value}" cannot name a challenge, expected kind/name such as python/rate-limiter: letters, digits, '
            f'hyphens and underscores, {LONGEST_NAME} characters at most, and a kind other than "{VERSIONS}"'
        )
    return value


def version_path(name: str, digest: str) -> str:
    """A version's folder below ``challenge/``: given as the template's ``challenge``, it means this version."""
    return f"{VERSIONS}/{name}/{digest[:DIGEST_LENGTH]}"


def name_of(path: str) -> str:
    """The challenge that ``path`` delivers, a plain name or a ``version_path``."""
    parts = path.split("/")
    return "/".join(parts[1:3]) if parts[0] == VERSIONS and len(parts) == 4 else path


def plain_prefix(name: str) -> str:
    """Where the current version's plain copy lies."""
    return f"{CHALLENGES}{name}/"


def version_prefix(name: str, digest: str) -> str:
    """Where one version lies."""
    return f"{CHALLENGES}{version_path(name, digest)}/"


def archive_key(name: str, digest: str) -> str:
    """Where one version's archive lies."""
    return f"{version_prefix(name, digest)}{ARCHIVE}"


def manifest_key(name: str) -> str:
    """Where the manifest lies."""
    return f"{CHALLENGE_MANIFESTS}{name}.json"
