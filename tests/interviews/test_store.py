"""Intents change by compare-and-swap, and an answer that is missing is never taken for nothing."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from scripts.errors import AwsError, UnreadableIntentError
from scripts.interviews.records import Status
from scripts.interviews.store import ChangedMeanwhileError
from tests.interviews.conftest import Place
from tests.interviews.test_records import NOW, intent


def test_two_creators_of_one_id_cannot_both_win(bucket: Place) -> None:
    store = bucket.context().intents
    store.create(intent())
    with pytest.raises(ChangedMeanwhileError):
        store.create(intent(incarnation="2"))
    found = store.load("demo")
    assert found is not None
    assert found.intent.incarnation == "1"


def test_a_change_based_on_an_old_version_is_refused(bucket: Place) -> None:
    store = bucket.context().intents
    first = store.create(intent())
    store.replace(first, first.intent.moved(Status.ACTIVE, at=NOW, actor="a@b"))
    with pytest.raises(ChangedMeanwhileError):
        store.replace(first, first.intent.moved(Status.FAILED, at=NOW, actor="b@c"))
    with pytest.raises(ChangedMeanwhileError):
        store.remove(first)


def test_a_write_whose_answer_was_lost_counts_as_done(bucket: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    context = bucket.context()
    put = context.aws.s3.put_object

    def put_twice(**arguments: object) -> object:
        put(**arguments)  # type: ignore[arg-type]
        return put(**arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(context.aws.s3, "put_object", put_twice)
    stored = context.intents.create(intent())
    assert context.intents.replace(stored, intent(error="x")).intent.error == "x"


def test_an_unreadable_intent_hides_no_other_and_is_named(bucket: Place) -> None:
    context = bucket.context()
    context.intents.create(intent(id="good"))
    context.aws.s3.put_object(Bucket=context.bucket, Key="workspaces/bad/interview.json", Body=b'{"schema_version": 9}')
    listing = context.intents.all()
    assert list(listing.intents) == ["good"]
    assert "workspaces/bad/interview.json cannot be read" in listing.unreadable["bad"]
    with pytest.raises(UnreadableIntentError):
        context.intents.load("bad")


def test_a_workspace_of_another_client_is_no_interview_of_ours(bucket: Place) -> None:
    context = bucket.context()
    context.aws.s3.put_object(Bucket=context.bucket, Key="workspaces/portal/terraform.tfvars", Body=b"")
    listing = context.intents.all()
    assert (listing.intents, listing.unreadable) == ({}, {})


def test_a_listing_that_fails_is_an_error_and_not_an_empty_list(bucket: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    context = bucket.context()
    context.intents.create(intent())

    def denied(*_: object, **__: object) -> object:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListObjectsV2")

    monkeypatch.setattr(context.aws.s3, "get_paginator", denied)
    with pytest.raises(AwsError, match=r"may not use .*: the caller lacks s3:ListBucket"):
        context.intents.all()


def test_every_request_names_the_account_that_must_own_the_bucket(bucket: Place) -> None:
    """The bucket's name can be guessed, and be somebody else's once ours is deleted; moto itself does not compare."""
    context = bucket.breakable_context()
    asked: dict[str, object] = {}

    def note(params: dict[str, object], model: Any, **_: object) -> None:
        asked[model.name] = params.get("ExpectedBucketOwner")

    context.aws.s3.meta.events.register("before-parameter-build.s3", note)
    held = context.slots.claim(intent(), 1, now=NOW, actor="a@b")
    stored = context.intents.create(intent())
    context.objects.write_all({"workspaces/demo/main.tf": b""})
    assert list(context.intents.all().intents) == ["demo"]
    assert [lease.lease for lease in context.slots.all()] == [held.lease]
    context.objects.delete_all(context.objects.listing("workspaces/demo/main.tf"))
    context.slots.release(held)
    context.intents.remove(stored)
    calls = {"PutObject", "GetObject", "ListObjectsV2", "DeleteObject", "DeleteObjects"}
    assert asked == dict.fromkeys(calls, context.aws.account_id)


def test_removing_what_is_already_gone_is_reported_as_a_change(bucket: Place) -> None:
    store = bucket.context().intents
    stored = store.create(intent())
    store.remove(stored)
    with pytest.raises(ChangedMeanwhileError):
        store.remove(stored)
