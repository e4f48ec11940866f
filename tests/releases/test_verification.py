"""What `verify` and the catalogue find in the bucket."""

from datetime import timedelta

import pytest

from scripts.releases.archive import file_key, manifest_key
from scripts.releases.release import RELEASE_FILES
from scripts.releases.store import POINTER_KEY, ReleaseStore, plain_key
from scripts.releases.verification import verify
from tests.releases.samples import assert_settled, published, stored


@pytest.fixture
def digests(store: ReleaseStore) -> list[str]:
    """Five releases, the oldest first; the last is the current one."""
    old = [stored(store, str(n), age=timedelta(days=9 - n)).digest for n in range(3)]
    return [*old, published(store, "last but one").digest, published(store, "last").digest]


def test_everything_right_is_said_so(store: ReleaseStore, digests: list[str]) -> None:
    findings = verify(store)
    assert (findings.checked, findings.problems, findings.repaired) == (len(digests) * 6 + 6, [], [])


@pytest.mark.parametrize("name", [*RELEASE_FILES, "manifest.json"])
def test_verify_names_the_file_that_was_altered(store: ReleaseStore, name: str) -> None:
    first = stored(store, "one")
    store.bucket.write(file_key(first.digest, name), b"altered")
    (problem,) = verify(store).problems
    assert problem.startswith(f"releases/{first.digest}/{name} was altered")


@pytest.mark.parametrize("name", [*RELEASE_FILES, "manifest.json"])
def test_verify_names_the_file_that_is_missing(store: ReleaseStore, name: str) -> None:
    first = stored(store, "one")
    store.aws.s3.delete_object(Bucket=store.bucket.name, Key=file_key(first.digest, name))
    (problem,) = verify(store).problems
    assert problem.startswith(f"releases/{first.digest}/{name} is missing")


def test_verify_repairs_a_plain_copy_and_says_which(store: ReleaseStore) -> None:
    sample = published(store, "one")
    store.bucket.write(plain_key("service.tf"), b"altered")
    assert verify(store, dry_run=True).problems == ["instance/service.tf is not that of the current release"]
    findings = verify(store)
    assert (findings.problems, findings.repaired) == ([], ["instance/service.tf"])
    assert assert_settled(store) == sample.digest


@pytest.mark.parametrize("name", ["evil.tf", "zz.auto.tfvars", "sub/evil.tf"])
def test_verify_names_what_a_client_that_copies_the_prefix_would_run_though_no_release_holds_it(
    store: ReleaseStore, name: str
) -> None:
    published(store, "one")
    store.bucket.write(f"instance/{name}", b"")
    (problem,) = verify(store).problems
    assert problem.startswith(f"instance/{name} belongs to no release")


def test_verify_reports_an_altered_pointer(store: ReleaseStore) -> None:
    published(store, "one")
    store.bucket.write(POINTER_KEY, b"{}")
    (problem,) = verify(store).problems
    assert problem.startswith("instance/manifest.json was altered")


def test_verify_reports_when_the_current_release_is_not_whole(store: ReleaseStore) -> None:
    sample = published(store, "one")
    store.bucket.write(plain_key("main.tf"), b"altered")
    store.bucket.write(file_key(sample.digest, "main.tf"), b"altered")
    problems = verify(store).problems
    assert len(problems) == 2
    assert "names a release that is not whole" in problems[1]


def test_the_catalogue_says_what_cannot_be_used(store: ReleaseStore, digests: list[str]) -> None:
    store.bucket.write(manifest_key(digests[0]), b"altered")
    store.aws.s3.delete_object(Bucket=store.bucket.name, Key=manifest_key(digests[1]))
    problems = {entry.digest: entry.problem for entry in store.catalogue()}
    assert "was altered" in problems[digests[0]]
    assert [problems[digest] for digest in digests[1:]] == ["incomplete", "", "", ""]
