"""Which interviews use a release."""

import json

import pytest

from scripts.errors import ReleaseError
from scripts.releases.store import ReleaseStore


def record(store: ReleaseStore, interview: str, digest: str, status: str = "active") -> None:
    document = {"release_digest": digest, "status": status}
    store.bucket.write(f"workspaces/{interview}/interview.json", json.dumps(document).encode())


def test_interviews_are_listed_by_release(store: ReleaseStore) -> None:
    record(store, "ada", "a" * 64)
    record(store, "bob", "a" * 64, "failed")
    record(store, "eve", "a" * 64, "destroyed")
    store.bucket.write("workspaces/ada/main.tf", b"")
    assert store.users() == {"a" * 64: ["ada", "bob"]}


@pytest.mark.parametrize("body", [b"", b"{}", b"[]"])
def test_an_unreadable_record_is_named(store: ReleaseStore, body: bytes) -> None:
    store.bucket.write("workspaces/ada/interview.json", body)
    with pytest.raises(ReleaseError, match=r"workspaces/ada/interview\.json does not say which release"):
        store.users()
