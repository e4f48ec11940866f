"""A machine whose clock is wrong, whose disk is full, whose terminal is gone, or whose commands were killed."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scripts.aws import clients
from scripts.interviews import context as contexts
from scripts.interviews.reap import reap
from scripts.interviews.records import Status
from scripts.project import PROJECT
from tests.interviews.conftest import CHALLENGE, Place, PlaceFactory
from tests.interviews.test_crashes import leaks

pytestmark = pytest.mark.e2e

CREATE = ("interview", "create", "--challenge", CHALLENGE, "--candidate", "Ada Lovelace", "--id")


def shell(place: Place, text: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs ``text``, in which $P is `prequel`."""
    return subprocess.run(
        ["bash", "-c", text],
        cwd=PROJECT,
        env=place.environment | {"P": f"{sys.executable} -m scripts"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("days", [1, -1])
def test_no_reap_acts_on_this_machines_clock_alone(place: Place, monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    place.stored("running", Status.ACTIVE)
    place.stored("overdue", Status.ACTIVE, deadline=place.clock() - timedelta(hours=1))

    class WrongClock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(days=days)

    monkeypatch.setattr(clients, "datetime", WrongClock)
    said: list[str] = []
    context = place.breakable_context(now=contexts._local_time)
    context.aws.now._report = said.append
    assert reap(context).destroyed == ["overdue"]
    side = "ahead of" if days > 0 else "behind"
    assert len(said) == 1
    assert f"{side} AWS's, whose time is used; set the clock" in said[0]
    assert abs(context.now() - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_pipe_without_a_reader_does_not_end_a_create_half_way(new_place: PlaceFactory) -> None:
    place = new_place()
    done = shell(place, f"set -o pipefail; $P {' '.join(CREATE[:5])} Ada --id piped 2>&1 | head -1")
    assert done.returncode == 1
    assert leaks(place, ["piped"]) == []
    stored = place.context().intents.load("piped")
    assert stored is not None
    assert stored.intent.status is Status.ACTIVE


def test_streams_that_are_full_closed_or_not_unicode_end_with_at_most_one_line(new_place: PlaceFactory) -> None:
    place = new_place()
    place.stored("a", Status.ACTIVE)
    full = shell(place, "$P interview list >/dev/full")
    assert (full.returncode, full.stderr.count("\n")) == (1, 1)
    assert "error: the result could not be written: No space left on device" in full.stderr
    for text, encoding in (("$P interview list", "ascii"), ("$P interview list >&- 2>&-", "utf-8")):
        done = shell(place, text, PYTHONIOENCODING=encoding)
        assert (done.returncode, done.stderr) == (0, "")
    for text in ("<&-", "< <(printf '\\xff\\xfe12345678\\n')"):
        done = shell(place, f"$P {' '.join(CREATE[:5])} Ada --id b --password-stdin {text}")
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert done.stderr.startswith("error: ")
    assert place.context().intents.load("b") is None


def test_a_home_that_cannot_be_written_is_no_hindrance_and_a_full_disk_is_one_line(
    new_place: PlaceFactory, tmp_path: Path
) -> None:
    place = new_place()
    (tmp_path / "tmp").mkdir()
    homeless = {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null/cache", "TMPDIR": str(tmp_path / "tmp")}
    created = shell(place, f"$P {' '.join(CREATE[:5])} Ada --id homeless", **homeless)
    assert created.returncode == 0, created.stderr
    destroyed = shell(place, "$P interview destroy homeless --yes")
    assert destroyed.returncode == 0, destroyed.stderr
    full = shell(place, f"ulimit -f 0; $P {' '.join(CREATE[:5])} Ada --id full", **homeless)
    assert full.returncode == 1
    assert full.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in full.stderr
    assert leaks(place, ["full"]) == []


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_no_terraform_runs_withdraws_the_create(new_place: PlaceFactory, number: signal.Signals) -> None:
    place = new_place()
    name = place.request().id
    process = place.start_prequel(*CREATE, name, "--json")
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "status":
            process.send_signal(number)
            break
    out, err = process.communicate()
    assert process.returncode == 130
    assert err == ""
    errors = [event for event in map(json.loads, out.splitlines()) if event["event"] == "error"]
    assert len(errors) == 1
    assert "interrupted" in errors[0]["message"]
    assert place.context().intents.load(name) is None
    assert leaks(place, [name]) == []


def test_the_next_command_removes_the_directories_of_killed_runs_and_no_others(
    new_place: PlaceFactory, tmp_path: Path
) -> None:
    place, temporary = new_place(), tmp_path / "tmp"
    temporary.mkdir()
    environment = place.environment | {"TMPDIR": str(temporary)}

    def begun(name: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "scripts", *CREATE, name],
            cwd=PROJECT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        while not any(name in path.read_text() for path in temporary.glob("prequel-*/terraform.tfvars")):
            assert process.poll() is None
        return process

    killed = begun("killed")
    os.kill(killed.pid, signal.SIGSTOP)
    (directory,) = temporary.glob("prequel-*")
    assert shell(place, "$P interview list", TMPDIR=str(temporary)).returncode == 0
    assert directory.exists()  # it is alive
    killed.kill()
    killed.wait()
    while directory.exists():  # its terraform may live a little longer
        assert shell(place, "$P interview list", TMPDIR=str(temporary)).returncode == 0
    assert list(temporary.glob("prequel-*")) == []
