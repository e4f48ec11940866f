"""`prequel interview` and `prequel doctor`, as a person and as a machine use them."""

import json
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scripts.interviews.rate import Rate
from scripts.interviews.records import Status
from scripts.project import PROJECT
from tests.interviews.conftest import CHALLENGE, Place, PlaceFactory


@pytest.fixture
def stocked(new_place: PlaceFactory) -> Place:
    """A stack with two slots, both taken."""
    place = new_place(max_instances=2)
    place.stored("ada", Status.ACTIVE)
    place.stored("bob", Status.ACTIVE, deadline=place.clock() + timedelta(minutes=10))
    return place


def test_help_documents_the_exit_codes(new_place: PlaceFactory) -> None:
    said = new_place().prequel("interview", "create", "--help").stdout
    for code in (
        "0 done",
        "1 refused or failed",
        "2 wrong usage",
        "3 not proven gone",
        "4 no free slot",
        "130 interrupted",
    ):
        assert code in " ".join(said.split())


def test_list_shows_who_ends_next_first_to_people_and_machines(stocked: Place) -> None:
    table = stocked.prequel("interview", "list").stdout
    assert table.index("bob") < table.index("ada")
    assert "python/rate-limiter" in table
    line = stocked.prequel("interview", "list", "--json").stdout.splitlines()[-1]
    rows = json.loads(line)["result"]
    assert [row["id"] for row in rows] == ["bob", "ada"]
    assert rows[0]["status"] == "active"
    assert rows[0]["cost_usd"] > 0


def result(place: Place, *arguments: str) -> Any:
    done = place.prequel("interview", *arguments, "--json")
    assert done.returncode == 0, done.stdout
    return json.loads(done.stdout.splitlines()[-1])["result"]


def test_several_ids_and_beginnings_of_ids_are_given_to_one_command(stocked: Place) -> None:
    one, two = (result(stocked, "show", *ids) for ids in (["a"], ["bo", "ada"]))
    assert one["id"] == "ada"
    assert [each["id"] for each in two] == ["bob", "ada"]
    extended = result(stocked, "extend", "a", "b", "--by", "5m")
    assert [each["id"] for each in extended] == ["ada", "bob"]
    done = stocked.prequel("interview", "extend", "ada", "nobody", "bob", "--by", "5m")
    assert (done.returncode, done.stderr) == (1, "error: there is no interview nobody; see `prequel interview list`\n")
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["ada", "bob"]
    gone = result(stocked, "destroy", "a", "b", "--yes")
    assert [(each["id"], each["existed"]) for each in gone] == [("ada", True), ("bob", True)]
    assert result(stocked, "list") == []
    assert [row["id"] for row in result(stocked, "list", "--ended")] == ["bob", "ada"]
    ended = stocked.prequel("interview", "list", "--all", "--columns", "id,status,ends,candidate").stdout.splitlines()
    assert ended[0].split() == ["id", "status", "ends", "candidate"]
    assert "destroyed" in ended[1]
    assert "ended " in ended[1]


def test_a_scheduled_interview_shows_its_url_and_its_start(new_place: PlaceFactory) -> None:
    place = new_place()
    start = (place.clock() + timedelta(hours=3)).replace(microsecond=0)
    asked = ("create", "--challenge", CHALLENGE, "--candidate", "Eve", "--id", "eve", "--at", start.isoformat())
    url = f"{place.values['url_scheme']}://eve.{place.values['domain_name']}"
    planned = place.prequel("interview", *asked, "--dry-run").stderr
    assert f"would create interview eve at {start:%Y-%m-%dT%H:%M:%SZ}" in planned
    assert result(place, *asked)["access_url"] == url
    assert result(place, "list")[0]["access_url"] == url
    shown = place.prequel("interview", "show", "eve").stdout
    assert url in shown
    assert f"starts     {start:%Y-%m-%dT%H:%M:%SZ}" in shown
    secret = place.prequel("interview", "password", "e").stdout.strip()
    assert len(secret) == 20
    assert "`prequel interview password eve`" in shown


def test_a_watched_list_goes_on_until_ctrl_c_which_is_no_failure(stocked: Place) -> None:
    process = stocked.start_prequel("interview", "list", "--watch", "--json")
    assert process.stdout is not None
    for _ in range(2):
        assert len(json.loads(process.stdout.readline())["result"]) == 2
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")


def test_destroy_ends_a_running_interview_only_when_confirmed(stocked: Place) -> None:
    refused = stocked.prequel("interview", "destroy", "bob", "ada")
    assert refused.returncode == 1
    assert "not interactive: pass --yes" in refused.stderr
    assert "bob of Ada is running; it ends in " in refused.stderr
    assert "ada of Ada is running; it ends in " in refused.stderr
    assert [each["status"] for each in result(stocked, "list")] == ["active", "active"]


def test_show_prints_the_history_and_a_gone_interview_its_proof(stocked: Place) -> None:
    assert stocked.prequel("interview", "destroy", "bob", "--yes").returncode == 0
    shown = json.loads(stocked.prequel("interview", "show", "bob", "--json").stdout.splitlines()[-1])["result"]
    assert shown["status"] == "destroyed"
    assert "service: none" in shown["proof"]
    assert [step["status"] for step in shown["history"]] == ["creating", "active", "destroying", "destroyed"]
    assert "proven gone" in stocked.prequel("interview", "show", "bob").stdout


def refusal(place: Place, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = place.prequel("interview", *arguments, "--json")
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def test_each_failure_has_its_exit_code_and_one_line_as_the_last_event(stocked: Place) -> None:
    asked = ("create", "--candidate", "Eve", "--challenge")
    code, error = refusal(stocked, *asked, "python/nope")
    assert (code, error["event"]) == (1, "error")
    assert error["message"].startswith('there is no challenge "python/nope"')
    code, error = refusal(stocked, *asked, CHALLENGE)
    assert (code, error["event"]) == (4, "error")
    assert "all 2 are taken by bob until" in error["message"]
    assert stocked.prequel("interview", "create", "--candidate", "Eve").returncode == 2
    assert stocked.prequel("interview", "show", "nobody").returncode == 1
    assert stocked.prequel("interview", "show", "No_Id").stderr.startswith('error: "No_Id" cannot name an interview')


@pytest.mark.parametrize(
    "arguments",
    [
        ["create", "--candidate", "Eve", "--challenge", CHALLENGE, "--id", "eve"],
        ["destroy", "ada"],
        ["recover", "ada"],
        ["extend", "ada", "--by", "10m"],
        ["reap"],
    ],
)
def test_a_dry_run_changes_nothing_and_ends_with_a_result(new_place: PlaceFactory, arguments: list[str]) -> None:
    place = new_place()
    place.stored("ada", Status.ACTIVE)
    context = place.context()

    def documents() -> dict[str, bytes]:
        found = context.objects.read_all(place.objects())
        return {key: document.body for key, document in found.items() if document}

    before = documents()
    done = place.prequel("interview", *arguments, "--dry-run", "--json")
    assert (done.returncode, json.loads(done.stdout.splitlines()[-1])["event"]) == (0, "result")
    assert documents() == before


def test_what_an_interview_costs_is_said_before_it_is_created(new_place: PlaceFactory, tmp_path: Path) -> None:
    place = new_place()
    rate = Rate.of(place.values)
    asked = ("interview", "create", "--dry-run")
    one = place.prequel(*asked, "--challenge", CHALLENGE, "--candidate", "Eve", "--duration", "2h").stderr
    assert "Creating" not in one
    assert f"about ${2 * rate.per_hour:.2f} for 2h" in one
    rows = tmp_path / "interviews.csv"
    rows.write_text(f"challenge,candidate,duration\n{CHALLENGE},Ada,\n{CHALLENGE},Bob,2h\n")
    many = place.prequel(*asked, "--from", str(rows)).stderr.splitlines()
    assert f"about ${1.5 * rate.per_hour:.2f} for 1h30m" in many[0]
    assert many[-1] == f"2 interviews, together about ${3.5 * rate.per_hour:.2f}"


def test_prices_that_are_another_regions_are_called_so() -> None:
    assert Rate(0.06, "us-east-1").text(timedelta(minutes=90)) == "about $0.09 for 1h30m"
    assert Rate(0.06, "eu-central-1").text(timedelta(hours=2)) == (
        "about $0.12 for 2h, at us-east-1's prices: eu-central-1's are not known"
    )


def test_doctor_names_the_difference_and_the_command_and_fails(stocked: Place) -> None:
    done = stocked.prequel("doctor", "--json")
    findings = json.loads(done.stdout.splitlines()[-1])["result"]
    assert done.returncode == 1
    assert {(finding["kind"], finding["command"]) for finding in findings} == {
        ("ghost", "prequel interview recover ada"),
        ("ghost", "prequel interview recover bob"),
    }
    assert findings[0]["fixable"] is True
    assert "hourly_price_usd" in findings[0]


def test_the_shared_stack_is_not_destroyed_while_it_has_interviews(new_place: PlaceFactory, tmp_path: Path) -> None:
    place, tools = new_place(), tmp_path / "tools"
    tools.mkdir()
    for name, command in {
        "prequel": f'cd {PROJECT} && exec {sys.executable} -m scripts "$@"',
        "cdktf": f'echo "$@" >> {tmp_path}/destroyed',
    }.items():
        (tools / name).write_text(f"#!/bin/sh\n{command}\n")
        (tools / name).chmod(0o755)

    def destroy_stack() -> subprocess.CompletedProcess[str]:
        words = ["make", "destroy", "--old-file=setup", f"BIN={tools}"]
        return subprocess.run(words, cwd=PROJECT, env=place.environment, capture_output=True, text=True, check=False)

    place.stored("ada", Status.ACTIVE)
    refused = destroy_stack()
    assert refused.returncode != 0
    assert "ada" in refused.stdout
    assert "the shared stack has interviews; run `prequel interview destroy ID` for each" in refused.stderr
    assert not (tmp_path / "destroyed").exists()
    bucket = place.context().bucket
    place.aws.s3.delete_object(Bucket=bucket, Key="workspaces/ada/interview.json")
    assert destroy_stack().returncode == 0
    assert (tmp_path / "destroyed").read_text() == "destroy shared\n"
