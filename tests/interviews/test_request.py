"""What a user may ask for."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scripts.errors import RefusedError, TerraformError
from scripts.interviews import request, times
from scripts.project import PROJECT
from scripts.terraform.process import Terraform

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("90", 90), ("90m", 90), ("1h30m", 90), ("2h", 120), ("1d", 1440), (" 45 MIN ", None), ("45min", 45)],
)
def test_durations_are_minutes_or_hours_and_minutes(text: str, minutes: int | None) -> None:
    if minutes is None:
        with pytest.raises(RefusedError):
            request.parsed_duration(text)
    else:
        assert request.parsed_duration(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["", "0", "-5", "1.5h", "soon", "9" * 20, "m", "٣"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(RefusedError, match="expected minutes or a text such as 90m"):
        request.parsed_duration(text)


@pytest.mark.parametrize("id", ["", "A", "-a", "a-", "a" * 33, "a_b", "a.b", "internal-a", "a\n", "ä"])
def test_an_id_that_cannot_be_a_host_name_is_refused(id: str) -> None:
    with pytest.raises(RefusedError, match="cannot name an interview"):
        request.checked_id(id)


def test_generated_ids_and_passwords_are_acceptable_and_never_the_same() -> None:
    ids = {request.checked_id(request.generated_id()) for _ in range(500)}
    passwords = {request.checked_password(request.generated_password()) for _ in range(500)}
    assert len(ids) == len(passwords) == 500


@pytest.mark.parametrize("challenge", ["../etc", "/python", "python/", "a//b", "a b", "x" * 129, "a.b", ""])
def test_a_challenge_that_could_leave_its_folder_is_refused(challenge: str) -> None:
    with pytest.raises(RefusedError, match="cannot name a challenge"):
        request.checked_challenge(challenge)


@pytest.mark.parametrize("name", ["", "x" * 201, "a\0b", "\ud800"])
def test_a_name_that_nothing_could_store_is_refused(name: str) -> None:
    with pytest.raises(RefusedError, match="candidate's name"):
        request.checked_candidate(name)


@pytest.mark.parametrize(
    "password",
    [
        *(
            "short",
            "x" * 129,
            "with\nnewline",
            "pässword12",
            "nul\0byte12",
            "a\ttab123",
            "😀😀😀😀😀😀😀😀",
            "pa\u0308sswort",
        ),
        *(" leading1", "trailing1 ", " " * 10, "nb\u00a0space1", "\ufeffmark123", "line1234\r", "\x7fdelete1"),
    ],
)
def test_a_bad_password_is_refused_without_being_repeated(password: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        request.checked_password(password)
    assert password not in str(refusal.value)


@pytest.mark.parametrize("password", ["seven77", " leading", "trailing "])
def test_a_password_with_which_nobody_can_log_in_is_refused_by_the_template_set_too(
    tmp_path: Path, password: str
) -> None:
    template = (PROJECT / "instance_templates" / "variables.tf").read_text()
    found = re.search(r'^variable "password" \{.*?^\}', template, re.DOTALL | re.MULTILINE)
    assert found is not None
    (tmp_path / "variables.tf").write_text(found[0])
    with pytest.raises(TerraformError, match="password must") as refusal:
        Terraform(tmp_path).changes(variables={"password": password})
    assert password not in str(refusal.value)
    assert Terraform(tmp_path).changes(variables={"password": "inner space"}) == []


def test_every_other_printable_character_may_be_in_a_password() -> None:
    everything = "".join(map(chr, range(33, 127)))
    for password in (everything, "inner space", everything[::-1], "-" * 8, "$HOME`id`%41+&"):
        assert request.checked_password(password) == password


def test_a_start_in_the_past_or_without_sense_is_refused() -> None:
    for text in ("2026-01-31T11:59:59Z", "tomorrow", ""):
        with pytest.raises(RefusedError):
            times.parsed_time(text, NOW)
    assert times.parsed_time("2026-01-31T15:00+02:00", NOW) == NOW + timedelta(hours=1)


def test_a_duration_over_the_maximum_is_refused_with_the_maximum() -> None:
    with pytest.raises(RefusedError, match="a duration of 5h is over the maximum of 4h"):
        request.checked_duration(timedelta(hours=5), 240)
