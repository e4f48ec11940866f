"""An embedded AWS for all release tests, and a fresh bucket for each."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from scripts.aws import Aws
from scripts.embedded import EmbeddedAws
from scripts.releases.store import ReleaseStore

_numbers = itertools.count()


@pytest.fixture(scope="session")
def embedded() -> Iterator[EmbeddedAws]:
    with EmbeddedAws.start() as running:
        yield running


@dataclass(frozen=True)
class Cloud:
    """One versioned bucket on the embedded AWS."""

    embedded: EmbeddedAws
    bucket: str

    @property
    def prefix(self) -> str:
        return self.bucket.removesuffix("-instance")

    def store(self) -> ReleaseStore:
        """A store with clients of its own, as another process has them."""
        return ReleaseStore(self.embedded.aws, self.bucket)


@pytest.fixture(scope="session")
def operator(embedded: EmbeddedAws) -> Aws:
    """Somebody else's clients, to set things up with and to look at them."""
    return embedded.aws


@pytest.fixture
def cloud(embedded: EmbeddedAws, operator: Aws) -> Cloud:
    bucket = f"prequel-{next(_numbers)}-instance"
    operator.s3.create_bucket(Bucket=bucket)
    operator.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return Cloud(embedded, bucket)


@pytest.fixture
def store(cloud: Cloud) -> ReleaseStore:
    return cloud.store()


@pytest.fixture
def one_request_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the order of S3 calls the same in every run."""
    monkeypatch.setattr("scripts.releases.bucket.WORKERS", 1)
