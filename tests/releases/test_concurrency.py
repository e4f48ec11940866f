"""Several publishers, dying publishers, and readers in between: never a mixed set, never a dangling pointer.

What is sampled here is run whole by ``make soak`` (``pytest -m soak``). Seeds are fixed and printed on failure.
"""

import multiprocessing
import os
import random
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from scripts.aws.retries import BACK_OFF
from scripts.errors import PrequelError
from scripts.releases.store import POINTER_KEY, ReleaseStore, SupersededError
from tests.releases.conftest import Cloud
from tests.releases.interleaving import Counter, before_each_call, interleave, is_write, refusal
from tests.releases.samples import assert_readers_are_safe, assert_settled, manifest, published, release

pytestmark = pytest.mark.slow
SEED = 20261123
one_at_a_time = pytest.mark.usefixtures("one_request_at_a_time")
PUBLISH_CALLS = 32
"""S3 calls of storing and switching to a new release, one at a time; a test below counts them."""
PUBLISH_WRITES = 12
"""Five files and their manifest, five plain copies and the pointer."""


def publishing(store: ReleaseStore, label: str) -> Callable[[], None]:
    """A publisher that gives way when another was first."""

    def publish() -> None:
        with suppress(SupersededError):
            published(store, label)

    return publish


@one_at_a_time
def test_a_publish_makes_the_calls_that_these_tests_count_on(cloud: Cloud, store: ReleaseStore) -> None:
    published(cloud.observer(), "before")
    counter = Counter(store.aws)
    published(store, "one")
    assert (counter.calls, counter.writes) == (PUBLISH_CALLS, PUBLISH_WRITES)


# Two publishers.


def both_publish(cloud: Cloud, first_stops_at: int, second_stops_at: int | None) -> tuple[bool, bool]:
    first, second = cloud.store(), cloud.store()
    stopped = interleave(
        publishing(first, f"first {first_stops_at} {second_stops_at}"),
        first.aws,
        publishing(second, f"second {first_stops_at} {second_stops_at}"),
        second.aws,
        first_stops_at=first_stops_at,
        second_stops_at=second_stops_at,
    )
    assert_settled(cloud.observer())
    return stopped


@pytest.mark.parametrize("call", range(1, PUBLISH_CALLS + 1, 5))
@one_at_a_time
def test_a_whole_publish_may_happen_between_any_two_calls_of_another(cloud: Cloud, call: int) -> None:
    assert both_publish(cloud, call, None)[0]


@pytest.mark.parametrize("seed", range(SEED, SEED + 5))
@one_at_a_time
def test_two_publishers_that_interrupt_each_other_leave_one_whole_release(cloud: Cloud, seed: int) -> None:
    chance = random.Random(seed)
    published(cloud.observer(), "before")
    both_publish(cloud, chance.randint(1, PUBLISH_CALLS), chance.randint(1, PUBLISH_CALLS))


@pytest.mark.soak(amount=f"{PUBLISH_CALLS**2} pairs of calls")
@one_at_a_time
def test_two_publishers_interrupt_each_other_at_every_pair_of_calls(cloud: Cloud) -> None:
    for first in range(1, PUBLISH_CALLS + 1):
        fresh = cloud.another(f"pair-{first}")
        published(fresh.observer(), "before")
        for second in range(1, PUBLISH_CALLS + 1):
            both_publish(fresh, first, second)


def test_publishers_all_at_once_leave_one_whole_release(cloud: Cloud) -> None:
    published(cloud.observer(), "before")
    threads = [threading.Thread(target=publishing(cloud.store(), f"racer {n}")) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_settled(cloud.observer())


def test_a_publisher_that_lost_can_publish_again(cloud: Cloud) -> None:
    store = cloud.store()
    seen = store.look()
    published(cloud.observer(), "winner")
    sample = release("loser")
    store.store(sample, manifest(sample))
    with pytest.raises(SupersededError):
        store.switch(sample, manifest(sample), seen)
    assert published(store, "loser").digest == assert_settled(store)


@one_at_a_time
def test_two_publishers_of_the_same_release_both_succeed(cloud: Cloud) -> None:
    first, second = cloud.store(), cloud.store()
    interleave(
        publishing(first, "same"),
        first.aws,
        publishing(second, "same"),
        second.aws,
        first_stops_at=PUBLISH_CALLS - 10,
        second_stops_at=None,
    )
    assert assert_settled(first) == release("same").digest


# A publisher that is killed.


def die_at(cloud: Cloud, label: str, number: int, *, writes_only: bool) -> int | None:
    """A publisher in a process of its own that is killed by SIGKILL just before a call; its exit code."""

    def run() -> None:
        store = cloud.store()
        Counter(store.aws, number, lambda: os.kill(os.getpid(), signal.SIGKILL), writes_only=writes_only)
        published(store, label)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join(60)
    return process.exitcode


def killed_and_retried(cloud: Cloud, number: int, *, writes_only: bool) -> None:
    before = assert_settled(cloud.observer())
    label = f"killed at {number}"
    assert die_at(cloud, label, number, writes_only=writes_only) == -signal.SIGKILL
    reader = cloud.observer()
    assert assert_readers_are_safe(reader) in {before, release(label).digest}
    assert published(reader, label).digest == assert_settled(reader)


def test_a_publisher_killed_before_any_write_harms_no_reader_and_its_retry_completes(served_cloud: Cloud) -> None:
    published(served_cloud.observer(), "before")
    for write in range(1, PUBLISH_WRITES + 1):
        killed_and_retried(served_cloud, write, writes_only=True)


def test_the_first_publisher_ever_may_be_killed(served_cloud: Cloud) -> None:
    killed_and_retried(served_cloud, PUBLISH_WRITES, writes_only=True)


@pytest.mark.soak(amount=f"{PUBLISH_CALLS} kills")
@one_at_a_time
def test_a_publisher_killed_between_any_two_calls_harms_no_reader_and_its_retry_completes(served_cloud: Cloud) -> None:
    published(served_cloud.observer(), "before")
    for call in range(1, PUBLISH_CALLS + 1):
        killed_and_retried(served_cloud, call, writes_only=False)


def test_settling_repairs_the_plain_copies_that_a_killed_publisher_left(served_cloud: Cloud) -> None:
    sample = published(served_cloud.observer(), "before")
    assert die_at(served_cloud, "killed", PUBLISH_WRITES, writes_only=True) == -signal.SIGKILL
    store = served_cloud.store()
    assert len(store.settle(dry_run=True)) == 5
    assert len(store.settle()) == 5
    assert assert_settled(store) == sample.digest


# What S3 may answer.


def answering(store: ReleaseStore, key: str, answers: list[AWSResponse]) -> list[AWSResponse]:
    """Gives these answers to the first writes of ``key``; what is left of them."""

    def answer(request: AWSPreparedRequest) -> AWSResponse | None:
        return answers.pop(0) if answers and is_write(request) and str(request.url).endswith(key) else None

    before_each_call(store.aws, answer)
    return answers


@pytest.mark.parametrize("key", [POINTER_KEY, "instance/main.tf", "/manifest.json"])
def test_a_conflict_answer_is_tried_again(served_cloud: Cloud, key: str) -> None:
    published(served_cloud.observer(), "before")
    store = served_cloud.store()
    left = answering(store, key, [refusal(409, "ConditionalRequestConflict") for _ in range(3)])
    assert published(store, "one").digest == assert_settled(store)
    assert left == []


@pytest.mark.parametrize("key", [POINTER_KEY, "instance/main.tf"])
def test_conflicts_without_end_are_reported_and_leave_the_old_release(
    served_cloud: Cloud, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BACK_OFF, "multiplier", 0)
    monkeypatch.setattr("scripts.aws.bucket._CONFLICT_PAUSES", (0,) * 5)
    before = published(served_cloud.observer(), "before")
    store = served_cloud.store()
    answering(store, key, [refusal(409, "ConditionalRequestConflict") for _ in range(500)])
    with pytest.raises(PrequelError, match="try again"):
        published(store, "one")
    assert assert_readers_are_safe(served_cloud.observer()) == before.digest
    served_cloud.observer().settle()
    assert assert_settled(served_cloud.observer()) == before.digest


@pytest.mark.parametrize("key", [POINTER_KEY, "instance/service.tf", "/manifest.json"])
def test_a_failed_precondition_without_another_writer_is_tried_again(served_cloud: Cloud, key: str) -> None:
    published(served_cloud.observer(), "before")
    store = served_cloud.store()
    left = answering(store, key, [refusal(412, "PreconditionFailed")])
    assert published(store, "one").digest == assert_settled(store)
    assert left == []


def test_a_switch_whose_answer_was_lost_counts_as_made(cloud: Cloud) -> None:
    published(cloud.observer(), "before")
    store = cloud.store()
    repeated: list[str] = []

    def repeat(request_dict: dict[str, str], **_: object) -> int | None:
        """Sends the request once more although it was answered: what botocore does when an answer gets lost."""
        if request_dict["method"] == "PUT" and request_dict["url"].endswith(POINTER_KEY) and not repeated:
            repeated.append(request_dict["url"])
            return 0
        return None

    events: Any = store.aws.s3.meta.events
    events.register("needs-retry.s3.PutObject", repeat)
    assert published(store, "one").digest == assert_settled(store)
    assert len(repeated) == 1


# Readers.


def switches_with_a_reader(cloud: Cloud, switches: int) -> int:
    """Switches between three releases at random while a reader follows the pointer; the reader's readings."""
    writer, reader = cloud.store(), cloud.store()
    chance = random.Random(SEED)
    for label in "abc":
        published(writer, label)
    finished = threading.Event()
    errors: list[BaseException] = []
    readings = 0

    def read() -> None:
        nonlocal readings
        try:
            while not finished.is_set():
                assert_readers_are_safe(reader)
                readings += 1
        except BaseException as error:  # noqa: BLE001  (raised again below)
            errors.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for _ in range(switches):
            published(writer, chance.choice("abc"))
    finally:
        finished.set()
        thread.join()
    if errors:
        raise errors[0]
    assert_settled(writer)
    return readings


def test_a_reader_that_follows_the_pointer_never_gets_a_mixed_set(cloud: Cloud) -> None:
    assert switches_with_a_reader(cloud, 20) > 5


@pytest.mark.soak(amount="1000 switches", seed=SEED)
def test_a_reader_that_follows_the_pointer_never_gets_a_mixed_set_during_1000_switches(cloud: Cloud) -> None:
    assert sum(switches_with_a_reader(cloud.another(f"reader-{n}"), 50) for n in range(20)) > 100
