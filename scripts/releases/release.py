"""What a release is: five files and three limits, their digest, and the two documents that describe them in S3."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from contract.limits import INTERVIEWS
from contract.names import PLACEHOLDERS, SHARED_VALUES_FILE, TEMPLATE_FILES
from scripts.errors import AlteredReleaseError, ReleaseError, SharedValuesError

RELEASE_FILES = (*TEMPLATE_FILES, SHARED_VALUES_FILE)
"""What every release holds, no more and no less."""

IMAGES = frozenset({"code_server_image", "challenge_loader_image"})
"""The shared values that are a release's own choice; all others are the shared stack's."""

SCHEMA_VERSION = 1
"""Of both documents; raised when an older `prequel` could no longer read them rightly."""

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _ReleaseDocument(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    def to_json(self) -> bytes:
        """The document as it is stored: for people too, and the same bytes for the same content."""
        return (self.model_dump_json(indent=2) + "\n").encode()


class Limits(_ReleaseDocument):
    """What the shared stack's settings allow; for the operations, not for the template."""

    max_instances: int = Field(ge=INTERVIEWS[0], le=INTERVIEWS[1], strict=True)
    """Interviews at one time."""
    interview_default_minutes: int = Field(ge=1, strict=True)
    interview_maximum_minutes: int = Field(ge=1, strict=True)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """The limits among the shared ``values``; raises ``SharedValuesError`` with every one that is wrong."""
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            problems = [f"{e['loc'][0]} is {json.dumps(e['input'])}: {e['msg']}" for e in error.errors()]
            raise SharedValuesError(f"the shared stack's outputs are wrong: {'; '.join(problems)}") from error


class FileRecord(_ReleaseDocument):
    """One file: its SHA-256 in hexadecimal and its size in bytes."""

    sha256: Digest
    size: int

    @classmethod
    def of(cls, content: bytes) -> Self:
        """The record of ``content``."""
        return cls(sha256=hashlib.sha256(content).hexdigest(), size=len(content))

    def matches(self, content: bytes) -> bool:
        """Whether ``content`` is the very file."""
        return FileRecord.of(content) == FileRecord(sha256=self.sha256, size=self.size)


class PublishedFile(FileRecord):
    """One file of the current release, and the S3 version of its plain copy in ``instance/``."""

    version_id: str


class ReleaseTarget(_ReleaseDocument):
    """Where a release may be used: the account, region and environment of its shared values."""

    aws_account_id: str
    aws_region: str
    environment: str


class Rehearsal(_ReleaseDocument):
    """The trial run on an embedded AWS: create, empty second plan, destroy, nothing left.

    ``seconds`` is its duration; ``resources`` are the addresses that it created.
    """

    status: Literal["passed", "skipped"]
    at: datetime
    seconds: float = 0
    resources: tuple[str, ...] = ()
    terraform_version: str = ""
    provider_version: str = ""


class Origin(_ReleaseDocument):
    """Where a release came from; ``git_commit`` is None outside a git checkout."""

    published_by: str
    published_at: datetime
    git_commit: str | None = None
    git_dirty: bool = False


class _Described(_ReleaseDocument):
    """What the manifest and the pointer both say of a release."""

    schema_version: int = SCHEMA_VERSION
    digest: Digest
    target: ReleaseTarget
    limits: Limits
    terraform_versions: str
    """The compatible range, as Terraform writes it."""
    provider_versions: str
    """The compatible range of hashicorp/aws, as Terraform writes it."""
    checks: tuple[str, ...]
    """The checks of the validation that it passed."""
    rehearsal: Rehearsal
    origin: Origin
    files: Mapping[str, FileRecord]

    @model_validator(mode="after")
    def _digest_is_of_the_content(self) -> Self:
        if set(self.files) != set(RELEASE_FILES):
            raise ValueError(f"it lists {', '.join(sorted(self.files))}, expected {', '.join(RELEASE_FILES)}")
        if digest_of(self.files, self.limits) != self.digest:
            raise ValueError("its hashes and limits do not add up to its digest")
        return self

    @classmethod
    def parse(cls, content: bytes, key: str) -> Self:
        """The document stored at ``key``; raises ``AlteredReleaseError`` or, when it is too new, ``ReleaseError``."""
        try:
            document = json.loads(content)
            version = document["schema_version"]
            if isinstance(version, int) and version > SCHEMA_VERSION:
                raise ReleaseError(
                    f"{key} has schema version {version}, expected at most {SCHEMA_VERSION}; update prequel"
                )
            return cls.model_validate(document)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise AlteredReleaseError(f"{key} was altered: {where or 'it'}: {first['msg']}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise AlteredReleaseError(f"{key} was altered: it is not a release document") from error


class ReleaseManifest(_Described):
    """``releases/{digest}/manifest.json``: a release that is completely stored."""


class Pointer(_Described):
    """``instance/manifest.json``: the current release; ``generation`` makes the bytes of each write differ."""

    files: Mapping[str, PublishedFile]
    generation: int
    previous_digest: Digest | None = None
    switched_by: str
    switched_at: datetime


def digest_of(files: Mapping[str, FileRecord], limits: Limits) -> str:
    """The SHA-256 that names a release: over every file's name and hash, and the limits."""
    content = {
        "files": {name: files[name].sha256 for name in sorted(files)},
        "limits": limits.model_dump(),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True)
class Release:
    """The bytes themselves: ``files`` by name, all of ``RELEASE_FILES``."""

    files: Mapping[str, bytes]
    limits: Limits

    @classmethod
    def assemble(cls, templates: Path, values: Mapping[str, Any], limits: Limits) -> Self:
        """The template set in ``templates`` with the shared ``values``; raises ``ReleaseError`` for missing files."""
        missing = [name for name in TEMPLATE_FILES if not (templates / name).is_file()]
        if missing:
            raise ReleaseError(f"{templates} has no {', '.join(missing)}; render the template set with `make synth`")
        files = {name: (templates / name).read_bytes() for name in TEMPLATE_FILES}
        return cls(files | {SHARED_VALUES_FILE: _shared_values_file(values)}, limits)

    def with_values_of(self, other: "Release") -> "Release":
        """These templates and images with the limits and all other shared values of ``other`` that it has."""
        present = {name: value for name, value in other.shared_values.items() if name not in IMAGES}
        values = {name: present.get(name, value) for name, value in self.shared_values.items()}
        if values == self.shared_values:
            return Release(self.files, other.limits)
        return Release({**self.files, SHARED_VALUES_FILE: _shared_values_file(values)}, other.limits)

    @cached_property
    def records(self) -> dict[str, FileRecord]:
        """Each file's hash and size by name."""
        return {name: FileRecord.of(self.files[name]) for name in RELEASE_FILES}

    @cached_property
    def digest(self) -> str:
        """What names the release."""
        return digest_of(self.records, self.limits)

    @cached_property
    def shared_values(self) -> dict[str, Any]:
        """The shared stack's outputs that the template takes."""
        values: dict[str, Any] = json.loads(self.files[SHARED_VALUES_FILE])
        return values

    @property
    def target(self) -> ReleaseTarget:
        """Where it may be used."""
        return ReleaseTarget.model_validate(self.shared_values)

    def write(self, directory: Path) -> None:
        """Writes the five files into ``directory``."""
        for name, content in self.files.items():
            (directory / name).write_bytes(content)


def _shared_values_file(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def render_main(text: str, bucket: str, interview_id: str, region: str) -> str:
    """``main.tf`` with its three placeholders replaced; raises ``AlteredReleaseError`` when one is not there once."""
    for placeholder, value in zip(PLACEHOLDERS, (bucket, interview_id, region), strict=True):
        if text.count(placeholder) != 1:
            raise AlteredReleaseError(f"main.tf has {placeholder} {text.count(placeholder)} times, expected once")
        text = text.replace(placeholder, value)
    return text


def short(digest: str) -> str:
    """A digest as people read it; commands accept it back."""
    return digest[:12]
