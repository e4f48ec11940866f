"""The document that says which version of a challenge is the current one."""

import hashlib
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from scripts.challenges.definition import Definition
from scripts.challenges.names import version_path
from scripts.challenges.source import Challenge
from scripts.errors import ChallengeError

SCHEMA_VERSION = 2
"""Raised when an older `prequel` could no longer read the document rightly. 1 had plain files and no definition."""

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class AlteredManifestError(ChallengeError):
    """What is stored is no manifest; publishing the challenge again repairs it."""


class _Versioned(BaseModel, frozen=True):
    schema_version: int = SCHEMA_VERSION


class File(BaseModel, frozen=True):
    """One file: its SHA-256 in hexadecimal, its size in bytes, and what it may be used for."""

    sha256: Sha256
    size: int
    mode: Literal["644", "755"] = "644"


class Archive(BaseModel, frozen=True):
    """The archive: both hashes in hexadecimal, its size in bytes; ``md5`` is its ETag."""

    sha256: Sha256
    md5: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    size: int

    @classmethod
    def of(cls, content: bytes) -> Self:
        """The record of ``content``."""
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return cls(sha256=hashlib.sha256(content).hexdigest(), md5=md5, size=len(content))


class ChallengeManifest(_Versioned, frozen=True):
    """``challenge-manifests/{kind}/{name}.json``: the current version, complete in the bucket before this was written.

    ``files``, ``links`` (with their targets) and ``directories`` (the empty ones) are by their path within the
    challenge. ``archive`` is None in a document of schema version 1, whose version is stored as plain files.
    ``retired_at`` is set while the challenge is being removed: no new interview may use it.
    """

    name: str
    title: str
    digest: Sha256
    files: dict[str, File]
    links: dict[str, str] = {}
    directories: list[str] = []
    archive: Archive | None = None
    definition: Definition = Definition()
    published_by: str
    published_at: AwareDatetime
    retired_at: AwareDatetime | None = None

    @classmethod
    def of(cls, challenge: Challenge, archive: Archive, *, by: str, at: datetime) -> Self:
        """The manifest of ``challenge``, stored as ``archive``."""
        tree = challenge.tree
        return cls(
            name=challenge.name,
            title=challenge.title,
            digest=challenge.digest,
            files={
                path: File(sha256=file.sha256, size=file.size, mode="755" if file.executable else "644")
                for path, file in sorted(tree.files.items())
            },
            links=dict(sorted(tree.links.items())),
            directories=sorted(tree.directories),
            archive=archive,
            definition=challenge.definition,
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
