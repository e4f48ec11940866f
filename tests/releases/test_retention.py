"""Which releases `prune` keeps, and what `verify` finds."""

import io
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from scripts.console import Console
from scripts.errors import AlteredReleaseError, AwsError, ReleaseError
from scripts.releases import retention
from scripts.releases.release import RELEASE_FILES
from scripts.releases.retention import pinned_interviews, prune
from scripts.releases.store import POINTER_KEY, Entry, ReleaseStore, file_key, manifest_key, plain_key
from scripts.releases.verification import verify
from tests.releases.conftest import Cloud
from tests.releases.samples import assert_settled, objects, published, stored
from tests.releases.steering import Counter, before_each_call, refusal


def pin(store: ReleaseStore, interview: str, digest: str, status: str = "active") -> None:
    record = {"release_digest": digest, "status": status}
    store.bucket.write(f"workspaces/{interview}/interview.json", json.dumps(record).encode())


def pruned(store: ReleaseStore, *, keep: int = 1, dry_run: bool = False) -> list[str]:
    return prune(store, keep=keep, dry_run=dry_run, console=Console(err=io.StringIO()))


def remaining(store: ReleaseStore) -> set[str]:
    return {key.split("/")[1] for key in store.bucket.listing("releases/")}


@pytest.fixture
def digests(store: ReleaseStore) -> list[str]:
    """Five releases, the oldest first; the last is the current one."""
    return history(store, 5)


def history(store: ReleaseStore, releases: int) -> list[str]:
    """So many releases, of which the last but one and then the last were switched to."""
    old = [stored(store, str(n), age=timedelta(days=9 - n)).digest for n in range(releases - 2)]
    return [*old, published(store, "last but one").digest, published(store, "last").digest]


def test_prune_keeps_the_current_the_previous_and_the_newest(store: ReleaseStore, digests: list[str]) -> None:
    assert set(pruned(store, keep=3)) == set(digests[:2])
    assert remaining(store) == set(digests[2:])
    assert set(pruned(store, keep=1)) == {digests[2]}
    assert assert_settled(store) == digests[4]


def test_prune_keeps_what_a_workspace_pins_until_it_is_destroyed(store: ReleaseStore, digests: list[str]) -> None:
    pin(store, "ada", digests[0], "leaking")
    pin(store, "bob", digests[1], "destroyed")
    assert set(pruned(store)) == {digests[1], digests[2]}
    assert digests[0] in remaining(store)


def test_prune_keeps_the_current_release_however_old(store: ReleaseStore, digests: list[str]) -> None:
    published(store, "0")
    pruned(store)
    assert assert_settled(store) == digests[0]


@pytest.mark.usefixtures("digests")
def test_a_dry_prune_removes_nothing(cloud: Cloud, store: ReleaseStore) -> None:
    before = objects(cloud.operator, cloud.bucket)
    assert len(pruned(store, dry_run=True)) == 3
    assert objects(cloud.operator, cloud.bucket) == before


def test_a_removed_release_is_gone_with_all_its_versions(cloud: Cloud, store: ReleaseStore, digests: list[str]) -> None:
    pruned(store)
    assert not any(digests[0] in key for key in objects(cloud.operator, cloud.bucket))


def deny(path: str) -> Callable[[AWSPreparedRequest], AWSResponse | None]:
    return lambda request: refusal(403, "AccessDenied") if path in str(request.url) else None


@pytest.mark.parametrize("path", ["prefix=workspaces", "workspaces/ada/interview.json", POINTER_KEY, "prefix=releases"])
def test_prune_removes_nothing_when_use_cannot_be_known(cloud: Cloud, store: ReleaseStore, path: str) -> None:
    history(cloud.observer(), 4)
    pin(cloud.observer(), "ada", "0" * 64)
    before = objects(cloud.operator, cloud.bucket)
    before_each_call(store.aws, deny(path))
    with pytest.raises(AwsError, match="may not use"):
        pruned(store)
    assert objects(cloud.operator, cloud.bucket) == before


def test_prune_takes_its_marks_back_when_use_becomes_unknown(
    store: ReleaseStore, digests: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = iter([{"0" * 64: ["ada"]}])
    monkeypatch.setattr(retention, "pinned_interviews", lambda _: next(known, None) or _unknown())
    with pytest.raises(ReleaseError):
        pruned(store)
    assert [store.manifest(digest).retired_at for digest in digests] == [None] * 5


def _unknown() -> dict[str, list[str]]:
    raise ReleaseError("unknown")


@pytest.mark.parametrize("record", [b"", b"{}", b"[]"])
def test_an_unreadable_interview_is_unknown_use(store: ReleaseStore, digests: list[str], record: bytes) -> None:
    store.bucket.write("workspaces/ada/interview.json", record)
    with pytest.raises(ReleaseError, match=r"cannot tell which release workspaces/ada/interview\.json uses"):
        pruned(store)
    assert remaining(store) == set(digests)


def test_interviews_are_listed_by_release(store: ReleaseStore) -> None:
    pin(store, "ada", "a" * 64)
    pin(store, "bob", "a" * 64, "failed")
    pin(store, "eve", "a" * 64, "destroyed")
    store.bucket.write("workspaces/ada/main.tf", b"")
    assert pinned_interviews(store.bucket) == {"a" * 64: ["ada", "bob"]}


def test_an_interview_that_pins_a_release_while_it_is_pruned_keeps_it(
    cloud: Cloud, store: ReleaseStore, digests: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    retire = retention._retire

    def pin_and_retire(pruner: ReleaseStore, entry: Entry) -> bytes | None:
        pin(cloud.observer(), "late", digests[0])
        return retire(pruner, entry)

    monkeypatch.setattr(retention, "_retire", pin_and_retire)
    assert digests[0] not in pruned(store)
    assert store.read(digests[0])[0].retired_at is None


def test_a_release_that_is_being_pruned_cannot_be_begun_with(store: ReleaseStore, digests: list[str]) -> None:
    entry = next(entry for entry in store.catalogue() if entry.digest == digests[0])
    assert retention._retire(store, entry)
    with pytest.raises(AlteredReleaseError, match="is being pruned"):
        store.read(digests[0])


@pytest.mark.slow
def test_a_prune_that_was_cut_off_anywhere_is_completed_by_the_next(cloud: Cloud) -> None:
    def cut() -> None:
        raise KeyboardInterrupt

    history(cloud.observer(), 2)
    # The mark, the fence, and the removal of files and manifest.
    for write in (1, 2, 3, 5, 8, 9):
        stored(cloud.observer(), f"{write}", age=timedelta(days=9))
        pruner = cloud.store()
        Counter(pruner.aws, write, cut, writes_only=True)
        with suppress(KeyboardInterrupt):
            pruned(pruner)
        pruned(cloud.observer())
        assert len(remaining(cloud.observer())) == 2
        assert_settled(cloud.observer())


def test_an_unfinished_publish_is_pruned_only_when_nobody_can_be_at_it(
    store: ReleaseStore, digests: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    unfinished = "f" * 64
    store.bucket.write(file_key(unfinished, "main.tf"), b"")
    assert unfinished not in pruned(store)

    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz: object = None) -> "Tomorrow":  # noqa: ARG003
            return cls.fromtimestamp(datetime.now(UTC).timestamp() + 90_000, UTC)

    monkeypatch.setattr(retention, "datetime", Tomorrow)
    assert pruned(store) == [unfinished]
    assert unfinished not in remaining(store)
    assert digests[4] in remaining(store)


def test_an_altered_release_is_kept_as_evidence(store: ReleaseStore, digests: list[str]) -> None:
    store.bucket.write(manifest_key(digests[0]), b"altered")
    assert digests[0] not in pruned(store)


# Verifying.


def test_everything_right_is_said_so(store: ReleaseStore, digests: list[str]) -> None:
    findings = verify(store)
    assert (findings.checked, findings.problems, findings.mended) == (len(digests) * 6 + 6, [], [])


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
    assert (findings.problems, findings.mended) == ([], ["instance/service.tf"])
    assert assert_settled(store) == sample.digest


@pytest.mark.parametrize("name", ["evil.tf", "zz.auto.tfvars", "sub/evil.tf"])
def test_verify_names_what_a_client_that_copies_the_prefix_would_run_though_no_release_holds_it(
    store: ReleaseStore, name: str
) -> None:
    published(store, "one")
    store.bucket.write(f"instance/{name}", b"")
    (problem,) = verify(store).problems
    assert problem.startswith(f"instance/{name} is of no release")


def test_verify_tells_of_an_altered_pointer(store: ReleaseStore) -> None:
    published(store, "one")
    store.bucket.write(POINTER_KEY, b"{}")
    (problem,) = verify(store).problems
    assert problem.startswith("instance/manifest.json was altered")


def test_verify_tells_when_the_current_release_is_not_whole(store: ReleaseStore) -> None:
    sample = published(store, "one")
    store.bucket.write(plain_key("main.tf"), b"altered")
    store.bucket.write(file_key(sample.digest, "main.tf"), b"altered")
    problems = verify(store).problems
    assert len(problems) == 2
    assert "names a release that is not whole" in problems[1]


def test_a_catalogue_tells_what_cannot_be_used(store: ReleaseStore, digests: list[str]) -> None:
    store.bucket.write(manifest_key(digests[0]), b"altered")
    store.aws.s3.delete_object(Bucket=store.bucket.name, Key=manifest_key(digests[1]))
    problems = {entry.digest: entry.problem for entry in store.catalogue()}
    assert "was altered" in problems[digests[0]]
    assert [problems[digest] for digest in digests[1:]] == ["incomplete", "", "", ""]
