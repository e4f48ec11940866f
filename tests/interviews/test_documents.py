"""The documents in the bucket: written to the byte as pydantic wrote them, and read strictly."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from contract.names import dispatch_key
from scripts.interviews.builds import Dispatcher
from scripts.interviews.documents import UnreadableDocumentError, from_json, to_json
from scripts.interviews.records import Dispatch, Inputs, Intent, Lease, RunMark, Status, Tombstone, Transition
from tests.interviews.conftest import Place
from tests.lifecycle.builds import Builds

WRITTEN = Path(__file__).parent / "documents"
"""By the release before this code: every field, other time zones, other alphabets, empty and nested values."""

NOW = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
RUN = RunMark(
    id="r1",
    purpose="create",
    actor="ada@host",
    host="host",
    pid=7,
    started_at=NOW,
    build="prequel-runner:1",
    ended=True,
)
INTENT = Intent(
    id="demo",
    incarnation="a1",
    release_digest="0" * 64,
    inputs=Inputs(candidate_name='Zoë "O\'Neil"\n\u2028🎉', challenge="python/rate-limiter/1", image_tag="1-soci"),
    created_at=NOW,
    starts_at=NOW.replace(microsecond=0),
    deadline=datetime(2026, 1, 31, 15, tzinfo=timezone(timedelta(hours=1))),
    expires_at=NOW,
    status=Status.CREATING,
    slot=3,
    hourly_price=0.05972,
    outputs={"access_url": "https://demo.example.com", "nested": {"empty": [], "none": None, "flag": True}},
    failures=2,
    retry_at=NOW,
    run=RUN,
    history=(
        Transition(status=Status.SCHEDULED, at=NOW, actor="ada@host", note="asked for"),
        Transition(status=Status.CREATING, at=NOW, actor="ada@host"),
    ),
)
BARE = Intent(
    id="bare",
    incarnation="a2",
    release_digest="0" * 64,
    inputs=Inputs(candidate_name="Ada", challenge="python"),
    created_at=NOW,
    starts_at=NOW,
    deadline=NOW,
    expires_at=NOW,
    status=Status.CREATING,
)
PROOF = ("service: none", "tasks: none")
TOMBSTONE = Tombstone(intent=replace(INTENT, run=None), destroyed_at=NOW, proof=PROOF, log="line\n\x1b[0m\t")
LEASE = Lease(
    interview_id="demo", incarnation="a1", deadline=NOW, claimed_at=NOW.replace(microsecond=0), actor="ada@host"
)


@pytest.mark.parametrize(
    ("name", "record"), [("intent", INTENT), ("bare", BARE), ("tombstone", TOMBSTONE), ("lease", LEASE)]
)
def test_a_record_is_written_to_the_byte_as_before_and_read_back(name: str, record: Any) -> None:
    written = (WRITTEN / f"{name}.json").read_bytes()
    assert to_json(record) == written
    assert from_json(type(record), written) == record


def test_a_dispatch_is_written_to_the_byte_as_before_and_read_back(bucket: Place) -> None:
    context, builds = bucket.breakable_context(), Builds()
    context.aws.__dict__["codebuild"] = builds
    written = (WRITTEN / "dispatch.json").read_bytes()
    dispatch = from_json(Dispatch, written)
    key = dispatch_key(dispatch.interview_id)
    context.aws.s3.put_object(Bucket=context.bucket, Key=key, Body=to_json(replace(dispatch, attempt=1, build_id="")))
    later = NOW + timedelta(minutes=6)
    Dispatcher(context.aws, bucket=context.bucket, project="prequel-runner").dispatch("demo", "a1", "recover", later)
    found = context.objects.read(key)
    assert found is not None
    expected = written.replace(b"12:00:00.123456", b"12:06:00.123456").replace(b"runner:1", b"runner:0")
    assert found.body == expected


DOCUMENT = json.loads((WRITTEN / "intent.json").read_bytes())


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"schema_version": 2}, "schema_version: got 2, expected 1"),
        ({"schema_version": True}, "schema_version: got true, expected 1"),
        ({"colour": "red"}, 'colour: got "red", expected no such field'),
        ({"id": 7}, "id: got 7, expected a string"),
        ({"slot": "3"}, 'slot: got "3", expected an integer'),
        ({"slot": True}, "slot: got true, expected an integer"),
        ({"hourly_price": None}, "hourly_price: got null, expected a number"),
        ({"status": "sleeping"}, 'status: got "sleeping", expected one of scheduled, creating'),
        ({"deadline": "2026-01-31T12:00:00"}, "deadline: got .*, expected a time with a zone"),
        ({"deadline": 1769860800}, "deadline: got 1769860800, expected a time with a zone"),
        ({"inputs": []}, r"inputs: got \[\], expected an object"),
        ({"inputs": {"candidate_name": "Ada"}}, "inputs.challenge: missing"),
        ({"run": {**DOCUMENT["run"], "ended": "yes"}}, 'run.ended: got "yes", expected true or false'),
        ({"history": [{}]}, "history.0.status: missing"),
        ({"history": {}}, "history: got {}, expected a list"),
    ],
)
def test_a_document_with_anything_unknown_missing_or_of_another_type_is_refused(
    changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(UnreadableDocumentError, match=problem):
        from_json(Intent, json.dumps(DOCUMENT | changes).encode())


@pytest.mark.parametrize("content", [b"", b"not json", b"\xff", b"[]"])
def test_what_is_no_json_object_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableDocumentError, match="the document: "):
        from_json(Intent, content)


def test_a_whole_number_is_a_price_too() -> None:
    assert from_json(Intent, json.dumps(DOCUMENT | {"hourly_price": 1}).encode()).hourly_price == 1.0
