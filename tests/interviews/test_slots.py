"""The cap on concurrent interviews holds, whatever races for it."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from scripts.errors import NoFreeSlotError
from scripts.interviews.records import Intent, Status
from scripts.interviews.slots import Slots
from tests.interviews.conftest import Place
from tests.interviews.test_records import intent

CAP = 10


def a_racer(number: int, bucket: Place) -> Intent:
    return intent(
        Status.CREATING,
        id=f"racer-{number}",
        incarnation=uuid.uuid4().hex,
        deadline=bucket.clock() + timedelta(minutes=10 + number),
    )


def test_of_fifty_racing_creators_exactly_ten_are_admitted_and_the_others_get_the_names_of_the_holders(
    bucket: Place,
) -> None:
    context = bucket.context()
    racers = [a_racer(number, bucket) for number in range(50)]

    def race(racer: Intent) -> int | NoFreeSlotError:
        try:
            return context.slots.claim(racer, CAP, now=bucket.clock(), actor="a@b").slot
        except NoFreeSlotError as refusal:
            return refusal

    with ThreadPoolExecutor(50) as pool:
        ends = list(pool.map(race, racers))
    admitted = {racer.id: end for racer, end in zip(racers, ends, strict=True) if isinstance(end, int)}
    refused = [end for end in ends if not isinstance(end, int)]
    assert sorted(admitted.values()) == list(range(CAP))
    assert len(refused) == 40
    last = str(context.slots.refusal(CAP, bucket.clock()))
    assert all(f"{name} until " in last for name in admitted)
    first = min(int(name.split("-")[1]) for name in admitted)
    assert f"the next frees in {10 + first + 1} minutes" in last
    assert all("are taken by racer-" in str(end) for end in refused)


def test_a_freed_slot_is_the_next_to_be_given(bucket: Place) -> None:
    leases = bucket.context().slots
    held = [leases.claim(a_racer(n, bucket), CAP, now=bucket.clock(), actor="a@b") for n in range(3)]
    assert leases.release(held[1])
    assert leases.claim(a_racer(9, bucket), CAP, now=bucket.clock(), actor="a@b").slot == 1


def test_a_slot_is_never_freed_for_its_previous_holder(bucket: Place) -> None:
    leases = bucket.context().slots
    old = leases.claim(a_racer(1, bucket), CAP, now=bucket.clock(), actor="a@b")
    leases.release(old)
    new = leases.claim(a_racer(2, bucket), CAP, now=bucket.clock(), actor="a@b")
    assert new.slot == old.slot
    assert not leases.release(old)
    assert leases.taken() == [new.slot]


def test_slots_above_a_lowered_maximum_still_count(bucket: Place) -> None:
    leases = bucket.context().slots
    held = [leases.claim(a_racer(n, bucket), 4, now=bucket.clock(), actor="a@b") for n in range(4)]
    leases.release(held[0])
    with pytest.raises(NoFreeSlotError):
        leases.claim(a_racer(9, bucket), 2, now=bucket.clock(), actor="a@b")
    assert leases.taken() == [1, 2, 3]


def test_a_claim_whose_answer_was_lost_is_still_one_slot(bucket: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore retries a request whose answer it did not get; the retry meets the first one's object."""
    context = bucket.context()
    leases = Slots(context.aws, context.bucket)
    put = context.aws.s3.put_object
    calls = []

    def put_twice(**arguments: object) -> object:
        calls.append(arguments)
        put(**arguments)  # type: ignore[arg-type]
        return put(**arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(context.aws.s3, "put_object", put_twice)
    held = leases.claim(a_racer(1, bucket), CAP, now=bucket.clock(), actor="a@b")
    assert (held.slot, leases.taken(), len(calls)) == (0, [0], 1)


def test_a_conflict_that_only_real_s3_answers_is_tried_again(bucket: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    context = bucket.context()
    put = context.aws.s3.put_object
    answers = iter([ClientError({"Error": {"Code": "ConditionalRequestConflict"}}, "PutObject")])

    def conflict_once(**arguments: object) -> object:
        for error in answers:
            raise error
        return put(**arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(context.aws.s3, "put_object", conflict_once)
    assert context.slots.claim(a_racer(1, bucket), CAP, now=bucket.clock(), actor="a@b").slot == 0


def test_an_extension_whose_answer_was_lost_counts_as_done(bucket: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    context = bucket.context()
    held = context.slots.claim(a_racer(1, bucket), CAP, now=bucket.clock(), actor="a@b")
    put = context.aws.s3.put_object

    def put_twice(**arguments: object) -> object:
        put(**arguments)  # type: ignore[arg-type]
        return put(**arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(context.aws.s3, "put_object", put_twice)
    later = bucket.clock() + timedelta(hours=2)
    context.slots.extend(held, later)
    assert [kept.lease.deadline for kept in context.slots.all()] == [later]


def test_a_lease_that_cannot_be_read_still_holds_its_slot(bucket: Place) -> None:
    context = bucket.context()
    context.aws.s3.put_object(Bucket=context.bucket, Key="slots/0.json", Body=b"not json")
    assert context.slots.claim(a_racer(1, bucket), CAP, now=bucket.clock(), actor="a@b").slot == 1
