"""One embedded AWS for all tests here, and a bucket for each."""

import io
import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from image.loader.prequel_load import extract
from scripts.aws.clients import Aws
from scripts.challenges.catalog import ChallengeBucket
from scripts.embedded.launcher import EmbeddedAws
from scripts.errors import ChallengeError

Tree = Callable[[Mapping[str, str | bytes]], Path]

_numbers = itertools.count()


class Tampered(Aws):
    """Clients of one's own, which a test may tamper with, from one session, which makes them cheap."""

    def __init__(self, endpoint: str, session: boto3.Session) -> None:
        super().__init__("us-east-1", session=session, endpoint=endpoint)

    def again(self) -> "Tampered":
        """The same AWS, seen by somebody else."""
        return Tampered(self._endpoint or "", self._session)


@pytest.fixture(scope="session")
def embedded() -> Iterator[EmbeddedAws]:
    with EmbeddedAws.start() as running:
        yield running


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    return boto3.Session(aws_access_key_id="embedded", aws_secret_access_key="embedded")


@pytest.fixture
def bucket(embedded: EmbeddedAws, session: boto3.Session) -> ChallengeBucket:
    """A new versioned bucket."""
    aws, name = Tampered(embedded.endpoint, session), f"prequel-{next(_numbers)}-instance"
    aws.s3.create_bucket(Bucket=name)
    aws.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return ChallengeBucket(aws, name)


def beside(bucket: ChallengeBucket) -> ChallengeBucket:
    """The same bucket, seen by somebody else."""
    assert isinstance(bucket.aws, Tampered)
    return ChallengeBucket(bucket.aws.again(), bucket.name)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Writes files below one directory, and gives that directory."""
    directory = tmp_path / "challenge"
    directory.mkdir()

    def write(files: Mapping[str, str | bytes]) -> Path:
        for path, content in files.items():
            location = directory / path
            location.parent.mkdir(parents=True, exist_ok=True)
            location.write_bytes(content if isinstance(content, bytes) else content.encode())
        return directory

    return write


def is_usable(bucket: ChallengeBucket, name: str) -> bool:
    """Whether an interview could be created with the challenge."""
    try:
        return bool(bucket.find(name))
    except ChallengeError:
        return False


class Killed(BaseException):
    """Stands for kill -9: nobody may catch it."""


class Calls:
    """Every S3 call of a client by operation and key; kills the caller before its write number ``kill_before``."""

    WRITES = ("PutObject", "DeleteObject", "DeleteObjects", "CopyObject")

    def __init__(self, bucket: ChallengeBucket, *, kill_before: int | None = None) -> None:
        self.made: list[tuple[str, str]] = []
        self._kill_before = kill_before
        self._events = bucket.aws.s3.meta.events
        self._events.register("before-parameter-build.s3", self._record)

    def _record(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        if model.name in self.WRITES and self._kill_before is not None and len(self.writes) >= self._kill_before:
            raise Killed
        self.made.append((model.name, str(params.get("Key", ""))))

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [call for call in self.made if call[0] in self.WRITES]

    def stop(self) -> None:
        self._events.unregister("before-parameter-build.s3", self._record)


def delivered(bucket: ChallengeBucket, name: str, target: Path) -> Path:
    """``target`` with what an interview that is created now gives its candidate."""
    target.mkdir(parents=True)
    archive = bucket.read(f"challenge/{bucket.find(name).path}/challenge.tar.gz")
    assert archive
    extract(io.BytesIO(archive.body), target)
    return target


def stored(bucket: ChallengeBucket, prefix: str) -> dict[str, bytes]:
    """The objects below ``prefix``, which is what a client copies: content by path."""
    s3 = bucket.aws.s3
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket.name, Prefix=prefix)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    return {key.removeprefix(prefix): s3.get_object(Bucket=bucket.name, Key=key)["Body"].read() for key in keys}
