"""Ctrl-C is heard at any moment, and a second one too."""

import signal
import subprocess
import sys
import time

import pytest

from scripts.interviews.reap import reap
from scripts.project import PROJECT
from tests.interviews.conftest import CHALLENGE, Place, PlaceFactory
from tests.interviews.test_crashes import command_name, descendants, leaks

pytestmark = pytest.mark.e2e


def a_create_with_its_provider_running(place: Place) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [
            sys.executable, "-m", "scripts", "interview", "create",
            "--id", "stopped", "--challenge", CHALLENGE, "--candidate", "Ada",
        ],
        cwd=PROJECT,
        env=place.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    while process.poll() is None:
        if any(command_name(pid).startswith("terraform-provi") for pid in descendants(process.pid)):
            return process
        time.sleep(0.02)
    raise AssertionError(process.communicate())


def test_one_ctrl_c_stops_a_create_and_removes_what_it_had_created(new_place: PlaceFactory) -> None:
    place = new_place()
    process = a_create_with_its_provider_running(place)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert "error: interrupted; interview stopped is proven gone" in err
    assert "Traceback" not in err
    assert place.live("stopped") == {}
    assert leaks(place, ["stopped"]) == []


def test_a_second_ctrl_c_ends_it_at_once_and_a_pass_finds_the_rest(new_place: PlaceFactory) -> None:
    place = new_place()
    process = a_create_with_its_provider_running(place)
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
    start = time.monotonic()
    _, err = process.communicate()
    assert time.monotonic() - start < 15
    assert process.returncode == 130
    assert "Traceback" not in err
    assert reap(place.context()).failed == {}
    assert leaks(place, ["stopped"]) == []
