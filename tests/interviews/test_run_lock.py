"""Only one process works on an interview, and a dead one does not keep it."""

import fcntl
import json
import subprocess
import sys
import time
from datetime import timedelta

import pytest

from contract.names import lock_key
from scripts.errors import BusyInterviewError, TerraformError
from scripts.interviews.context import Context
from scripts.interviews.liveness import Liveness, liveness_of
from scripts.interviews.records import LONGEST_RUN, RunMark, Status
from scripts.interviews.run_lock import run_lock
from scripts.interviews.state import clear_stale_state_lock
from scripts.interviews.store import ChangedMeanwhileError
from scripts.project import PROJECT
from scripts.terraform.interrupts import INTERRUPT_GRACE_SECONDS
from tests.interviews.conftest import Place
from tests.interviews.test_records import intent


def an_interview(context: Context) -> None:
    with run_lock(context, intent(), "create"):
        pass


def test_a_second_run_is_refused_with_the_name_of_who_is_at_work(bucket: Place) -> None:
    context = bucket.context()
    an_interview(context)
    with (
        run_lock(context, "demo", "destroy"),
        pytest.raises(BusyInterviewError, match=r"being worked on \(destroy\) by .*@.*, process \d+, since"),
        run_lock(bucket.context(), "demo", "extend"),
    ):
        pass


def test_a_run_that_ends_badly_leaves_no_mark(bucket: Place) -> None:
    context = bucket.context()
    an_interview(context)
    with pytest.raises(RuntimeError), run_lock(context, "demo", "destroy"):
        raise RuntimeError
    stored = context.intents.load("demo")
    assert stored is not None
    assert stored.intent.run is None
    assert list(context.runs_directory.iterdir()) == []


def test_a_run_in_a_build_names_which_build_it_is_in(bucket: Place) -> None:
    an_interview(bucket.context())
    in_a_build = bucket.context(environment=bucket.environment | {"CODEBUILD_BUILD_ID": "prequel-runner:1"})
    with run_lock(in_a_build, "demo", "recover") as held:
        assert held.intent.run is not None
        assert held.intent.run.build == "prequel-runner:1"


DYING_RUN = """
import sys, time, subprocess, os
from tests.interviews.conftest import Place
from scripts.embedded.launcher import EmbeddedAws
from pathlib import Path
from scripts.interviews.run_lock import run_lock
endpoint, bucket, directory, child = sys.argv[1:]
place = Place(EmbeddedAws(endpoint, "us-east-1"), {"instance_bucket_name": bucket}, Path(directory))
with run_lock(place.context(), "demo", "create") as held:
    if child == "with-terraform":
        process = subprocess.Popen(["sleep", "60"], pass_fds=(held.files.terraform_lock,), start_new_session=True)
        held.files.note_terraform(process.pid)
    print("held", flush=True)
    time.sleep(60)
"""


def a_killed_run(place: Place, child: str) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            DYING_RUN,
            place.embedded.endpoint,
            place.values["instance_bucket_name"],
            str(place.directory),
            child,
        ],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_killed_run_is_taken_over_at_once_on_the_same_machine(bucket: Place) -> None:
    context = bucket.context()
    an_interview(context)
    a_killed_run(bucket, "alone")
    with run_lock(context, "demo", "recover") as held:
        assert held.before is not None


def test_terraform_that_outlived_its_client_is_ended_before_the_take_over(bucket: Place) -> None:
    context = bucket.context()
    an_interview(context)
    a_killed_run(bucket, "with-terraform")
    stored = context.intents.load("demo")
    assert stored is not None
    assert stored.intent.run is not None
    assert liveness_of(stored.intent.run, context.runs_directory, context.host) is Liveness.ORPHANED
    start = time.monotonic()
    with run_lock(context, "demo", "recover") as held:
        assert held.before is not None
    assert time.monotonic() - start < 5
    assert liveness_of(stored.intent.run, context.runs_directory, context.host) is not Liveness.ORPHANED


def test_a_run_on_a_lost_machine_is_taken_over_only_when_it_is_older_than_any_run_can_be(bucket: Place) -> None:
    context = bucket.context()
    elsewhere = RunMark(id="1", purpose="create", actor="ci@lost", host="lost", pid=7, started_at=bucket.clock())
    context.intents.create(intent(run=elsewhere))
    bucket.clock.forward(seconds=LONGEST_RUN.total_seconds() - 1)
    with (
        pytest.raises(BusyInterviewError, match="if that process is lost, it can be taken over after"),
        run_lock(context, "demo", "recover"),
    ):
        pass
    bucket.clock.forward(seconds=1)
    with run_lock(context, "demo", "recover") as held:
        assert held.before is not None
        assert held.move(Status.ACTIVE, "back").history[-1].at == bucket.clock()


def test_two_that_take_over_at_once_cannot_both_succeed(bucket: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    context, rival = bucket.context(), bucket.context()
    an_interview(context)
    load = context.intents.load
    rivals_lock = run_lock(rival, "demo", "reap")
    rivals = iter([rivals_lock])

    def load_and_lose(interview_id: str) -> object:
        found = load(interview_id)
        for rivals_turn in rivals:
            rivals_turn.__enter__()
        return found

    monkeypatch.setattr(context.intents, "load", load_and_lose)
    with pytest.raises(BusyInterviewError), run_lock(context, "demo", "recover"):
        pass
    rivals_lock.__exit__(None, None, None)


def test_every_terraform_is_ended_before_its_run_counts_as_dead(bucket: Place) -> None:
    context = bucket.context()
    an_interview(context)
    with run_lock(context, "demo", "destroy") as held:
        begun, dead_at = bucket.clock(), bucket.clock() + LONGEST_RUN
        while held.seconds_left > 0:
            longest = timedelta(seconds=held.seconds_for_terraform() + INTERRUPT_GRACE_SECONDS)
            assert bucket.clock() + longest < dead_at
            bucket.clock.forward(minutes=5)
        assert bucket.clock() > begun
        with pytest.raises(TerraformError, match=r"this run has used up its 0:27:00"):
            held.seconds_for_terraform()


def test_a_displaced_run_ends_with_the_reason(bucket: Place) -> None:
    context = bucket.context()
    an_interview(context)
    displaced = run_lock(context, "demo", "recover")
    held = displaced.__enter__()
    bucket.clock.forward(seconds=LONGEST_RUN.total_seconds())
    with run_lock(bucket.context(host="another"), "demo", "destroy"):
        with pytest.raises(ChangedMeanwhileError, match="demo was taken over by another run"):
            held.move(Status.ACTIVE)
        with pytest.raises(ChangedMeanwhileError):
            displaced.__exit__(None, None, None)


def test_two_that_ask_at_once_whether_a_dead_run_lives_both_hear_that_it_does_not(bucket: Place) -> None:
    context = bucket.context()
    an_interview(context)
    a_killed_run(bucket, "alone")
    stored = context.intents.load("demo")
    assert stored is not None
    assert stored.intent.run is not None
    with (context.runs_directory / f"{stored.intent.run.id}.client").open() as other_asker:
        fcntl.flock(other_asker, fcntl.LOCK_SH)
        assert liveness_of(stored.intent.run, context.runs_directory, context.host) is Liveness.DEAD


def test_the_state_lock_of_a_dead_run_is_cleared_though_it_died_before_its_first_step(bucket: Place) -> None:
    context = bucket.context()
    dead = RunMark(id="1", purpose="destroy", actor="ci@build-1", host="build-1", pid=7, started_at=bucket.clock())
    context.intents.create(intent(run=dead))
    lock = {"Who": "ci@build-1", "Created": f"{bucket.clock():%Y-%m-%dT%H:%M:%S}.123456789Z", "Operation": "apply"}
    context.aws.s3.put_object(Bucket=context.bucket, Key=lock_key("demo"), Body=json.dumps(lock).encode())
    bucket.clock.forward(seconds=LONGEST_RUN.total_seconds())
    with run_lock(bucket.context(host="build-2"), "demo", "destroy") as held:
        clear_stale_state_lock(context, held)
    assert context.objects.read(lock_key("demo")) is None
