"""An AWS for each release test: moto within this process, or its server where processes have to share it."""

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from scripts.aws.clients import Aws
from scripts.embedded.launcher import EmbeddedAws
from scripts.releases.store import ReleaseStore

if TYPE_CHECKING:
    from mypy_boto3_sts import STSClient

REGION = "us-east-1"
BUCKET = "prequel-instance"
_numbers = itertools.count()


@dataclass(frozen=True)
class Cloud:
    """One versioned bucket; ``operator`` is somebody else's clients, to set things up with and to look at them."""

    bucket: str
    operator: Aws
    new_clients: Callable[[], Aws]

    @classmethod
    def with_bucket(cls, bucket: str, new_clients: Callable[[], Aws]) -> "Cloud":
        operator = new_clients()
        operator.s3.create_bucket(Bucket=bucket)
        operator.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        return cls(bucket, operator, new_clients)

    def another(self, name: str) -> "Cloud":
        """A fresh bucket beside this one, for long runs: listings grow with every version."""
        return self.with_bucket(f"{name}-instance", self.new_clients)

    def observer(self) -> ReleaseStore:
        """The operator's store."""
        return ReleaseStore(self.operator, self.bucket)

    def store(self) -> ReleaseStore:
        """A store with clients of its own, as another process has them."""
        return ReleaseStore(self.new_clients(), self.bucket)


@pytest.fixture(scope="session")
def boto_session() -> boto3.Session:
    """One for all tests: it reads AWS's service descriptions once."""
    return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)


@pytest.fixture(scope="session")
def sts(boto_session: boto3.Session) -> "STSClient":
    return boto_session.client("sts")


@pytest.fixture
def cloud(boto_session: boto3.Session, sts: "STSClient", monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """An empty AWS within this process."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)

    def new_clients() -> Aws:
        aws = Aws(REGION, session=boto_session)
        aws.sts = sts  # nobody here asks for more than an account, and a client takes as long to make as ten requests
        return aws

    with mock_aws():
        yield Cloud.with_bucket(BUCKET, new_clients)


@pytest.fixture
def store(cloud: Cloud) -> ReleaseStore:
    return cloud.store()


@pytest.fixture(scope="session")
def embedded() -> Iterator[EmbeddedAws]:
    with EmbeddedAws.start() as running:
        yield running


@pytest.fixture
def served_cloud(embedded: EmbeddedAws) -> Cloud:
    """A fresh bucket on an AWS that other processes reach."""
    return Cloud.with_bucket(f"prequel-{next(_numbers)}-instance", lambda: embedded.aws)


@pytest.fixture
def one_request_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the order of S3 calls the same in every run."""
    monkeypatch.setattr("scripts.aws.bucket.WORKERS", 1)
