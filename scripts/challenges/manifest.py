"""The document that says which version of a challenge is the current one."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from scripts.challenges.names import version_path
from scripts.challenges.source import Challenge
from scripts.errors import ChallengeError

SCHEMA_VERSION = 1
"""Raised when an older `prequel` could no longer read the document rightly."""

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class AlteredManifestError(ChallengeError):
    """What is stored is no manifest; publishing the challenge again repairs it."""


class _Versioned(BaseModel, frozen=True):
    schema_version: int = SCHEMA_VERSION


class File(BaseModel, frozen=True):
    """One file: its SHA-256 in hexadecimal and its size in bytes."""

    sha256: Sha256
    size: int


class ChallengeManifest(_Versioned, frozen=True):
    """``challenge-manifests/{kind}/{name}.json``: the current version, complete in the bucket before this was written.

    ``files`` are by their path within the challenge. ``retired_at`` is set while the challenge is being removed:
    no new interview may use it.
    """

    name: str
    title: str
    digest: Sha256
    files: dict[str, File]
    published_by: str
    published_at: AwareDatetime
    retired_at: AwareDatetime | None = None

    @classmethod
    def of(cls, challenge: Challenge, *, by: str, at: datetime) -> Self:
        """The manifest of ``challenge``."""
        return cls(
            name=challenge.name,
            title=challenge.title,
            digest=challenge.digest,
            files={path: File(sha256=file.sha256, size=file.size) for path, file in sorted(challenge.files.items())},
            published_by=by,
            published_at=at,
        )

    @classmethod
    def parse(cls, content: bytes, key: str) -> Self:
        """The manifest stored at ``key``; raises ``AlteredManifestError``, or ``ChallengeError`` when it is too new."""
        try:
            version = _Versioned.model_validate_json(content).schema_version
            if version > SCHEMA_VERSION:
                raise ChallengeError(
                    f"{key} has schema version {version}, expected at most {SCHEMA_VERSION}; update prequel"
                )
            return cls.model_validate_json(content)
        except ValidationError as error:
            where = ".".join(map(str, error.errors()[0]["loc"])) or "it"
            raise AlteredManifestError(
                f"{key} was altered: {where}: {error.errors()[0]['msg']}; publish the challenge again"
            ) from error

    def to_json(self) -> bytes:
        """The document as it is stored."""
        return (self.model_dump_json(indent=2) + "\n").encode()

    @property
    def path(self) -> str:
        """The template's ``challenge`` for this version, such as ``versions/python/rate-limiter/0123456789abcdef``."""
        return version_path(self.name, self.digest)

    @property
    def retirement(self) -> str:
        """That it is being removed, and since when."""
        return f"{self.name} is being removed since {self.retired_at:%Y-%m-%dT%H:%M:%SZ}"

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(file.size for file in self.files.values())
