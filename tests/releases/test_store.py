"""Storing, switching and reading releases."""

import json
from pathlib import Path

import pytest
from botocore.awsrequest import AWSPreparedRequest

from scripts.errors import AlteredReleaseError, ReleaseError
from scripts.releases.archive import file_key, manifest_key
from scripts.releases.release import RELEASE_FILES, Release
from scripts.releases.store import POINTER_KEY, ReleaseStore, SupersededError, plain_key
from tests.releases.conftest import Cloud
from tests.releases.interleaving import Counter, before_each_call
from tests.releases.samples import assert_settled, manifest, objects, published, release, stored


def test_nothing_is_current_before_the_first_publish(store: ReleaseStore) -> None:
    assert store.current() is None


def test_the_pointer_holds_digest_versions_hashes_origin_and_ranges(store: ReleaseStore) -> None:
    sample = published(store, "one")
    pointer = store.current()
    assert pointer is not None
    assert pointer.digest == sample.digest
    assert pointer.schema_version == 1
    assert pointer.generation == 1
    assert pointer.provider_versions == ">= 5.100.0, < 7.0.0"
    assert pointer.switched_by == "arn:aws:sts::123456789012:user/moto"
    assert assert_settled(store) == sample.digest


def test_a_client_that_copies_the_prefix_gets_the_five_files(store: ReleaseStore) -> None:
    published(store, "one")
    sample = published(store, "two")
    copied = {
        key: found.body for key, found in store.bucket.read_all(store.bucket.listing("instance/")).items() if found
    }
    assert copied.pop(POINTER_KEY)
    assert copied == {plain_key(name): sample.files[name] for name in RELEASE_FILES}


def test_a_release_is_downloaded_byte_for_byte(store: ReleaseStore, tmp_path: Path) -> None:
    sample = stored(store, "one")
    assert store.download(sample.digest, tmp_path).limits.max_instances == 10
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == sample.files


def test_an_earlier_release_can_still_be_downloaded(store: ReleaseStore, tmp_path: Path) -> None:
    first = published(store, "one")
    published(store, "two")
    store.download(first.digest, tmp_path)
    assert (tmp_path / "main.tf").read_bytes() == first.files["main.tf"]


@pytest.mark.parametrize("name", [*RELEASE_FILES, "manifest.json"])
def test_downloading_an_altered_release_is_refused_with_the_file_named(
    store: ReleaseStore, tmp_path: Path, name: str
) -> None:
    sample = stored(store, "one")
    store.bucket.write(file_key(sample.digest, name), b"{}")
    with pytest.raises(AlteredReleaseError, match=f"releases/{sample.digest}/{name} was altered"):
        store.download(sample.digest, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [*RELEASE_FILES, "manifest.json"])
def test_downloading_an_incomplete_release_is_refused_with_the_file_named(
    store: ReleaseStore, tmp_path: Path, name: str
) -> None:
    sample = stored(store, "one")
    store.aws.s3.delete_object(Bucket=store.bucket.name, Key=file_key(sample.digest, name))
    with pytest.raises(AlteredReleaseError, match=f"releases/{sample.digest}/{name} is missing"):
        store.download(sample.digest, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_limits_changed_in_the_manifest_are_seen(store: ReleaseStore) -> None:
    sample = stored(store, "one")
    document = json.loads(manifest(sample).to_json())
    document["limits"]["max_instances"] = 99
    store.bucket.write(manifest_key(sample.digest), json.dumps(document).encode())
    with pytest.raises(AlteredReleaseError, match="do not add up to its digest"):
        store.manifest(sample.digest)


def test_a_document_of_a_later_schema_asks_for_an_update(store: ReleaseStore) -> None:
    published(store, "one")
    store.bucket.write(POINTER_KEY, json.dumps({"schema_version": 2}).encode())
    with pytest.raises(ReleaseError, match=r"schema version 2, expected at most 1; update prequel"):
        store.current()


def test_storing_again_writes_nothing(cloud: Cloud, store: ReleaseStore) -> None:
    sample = stored(store, "one")
    before = objects(store.aws, cloud.bucket)
    assert store.store(sample, manifest(sample)) == []
    assert objects(store.aws, cloud.bucket) == before


def test_only_what_is_missing_is_stored(store: ReleaseStore) -> None:
    sample = release("one")
    store.bucket.write(file_key(sample.digest, "main.tf"), sample.files["main.tf"])
    names = store.store(sample, manifest(sample))
    assert sorted(names) == sorted({*RELEASE_FILES, "manifest.json"} - {"main.tf"})


def test_storing_again_restores_an_altered_file(store: ReleaseStore) -> None:
    sample = stored(store, "one")
    store.bucket.write(file_key(sample.digest, "main.tf"), b"altered")
    assert store.store(sample, manifest(sample)) == ["main.tf"]
    assert store.read(sample.digest)[1].files == sample.files


def test_a_later_rehearsal_is_recorded(store: ReleaseStore) -> None:
    sample = published(store, "one", rehearsed=False)
    assert store.store(sample, manifest(sample, rehearsed=True)) == ["manifest.json"]
    assert store.manifest(sample.digest).rehearsal.status == "passed"


def test_only_the_plain_copies_that_differ_are_written(store: ReleaseStore) -> None:
    first = published(store, "one")
    second = Release({**first.files, "service.tf": b"# changed\n"}, first.limits)
    store.store(second, manifest(second))
    seen = store.look()
    counter = Counter(store.aws)
    store.switch(second, manifest(second), seen)
    assert counter.writes == 2  # service.tf and the pointer


def test_a_publisher_that_saw_an_older_release_is_shown_who_was_first(store: ReleaseStore) -> None:
    published(store, "one")
    seen = store.look()
    winner = published(store, "two")
    loser = release("three")
    store.store(loser, manifest(loser))
    with pytest.raises(SupersededError, match=f"user/moto made {winner.digest[:12]} the current release"):
        store.switch(loser, manifest(loser), seen)
    assert assert_settled(store) == winner.digest


def test_an_abbreviated_digest_is_resolved(store: ReleaseStore) -> None:
    digest = stored(store, "one").digest
    assert store.resolve(digest[:7]) == digest
    for given, reason in (
        (digest[:6], "is no digest"),
        ("HEAD", "is no digest"),
        ("0" * 7, "there is no release 0000000"),
    ):
        with pytest.raises(ReleaseError, match=reason):
            store.resolve(given)


def test_an_ambiguous_digest_is_refused(store: ReleaseStore) -> None:
    for last in "ab":
        store.bucket.write(f"releases/{'0' * 63}{last}/main.tf", b"")
    with pytest.raises(ReleaseError, match="give more of it"):
        store.resolve("0" * 10)


def test_every_request_names_the_expected_owner_and_the_account_is_asked_for_once(
    store: ReleaseStore, tmp_path: Path
) -> None:
    owners: set[str] = set()
    asked: list[str] = []

    def note(request: AWSPreparedRequest) -> None:
        owners.add(str(request.headers.get("x-amz-expected-bucket-owner")))

    before_each_call(store.aws, note)
    store.aws.sts.meta.events.register("before-send.sts", lambda request, **_: asked.append(request.url))
    store.bucket.check_usable()
    digest = published(store, "one").digest
    store.download(digest, tmp_path)
    store.catalogue()
    assert {owner.strip("b'") for owner in owners} == {"123456789012"}
    assert len(asked) == 1
