"""A candidate's way through an interview: the real code-server, started as the task definition says, in Chromium."""

import re
from pathlib import Path

import pytest

from tests.candidate.container import Container, wait_for
from tests.candidate.editor import TERMINAL, Session, log_in, wait_until_healthy
from tests.candidate.task import Interview

pytestmark = pytest.mark.e2e


def test_the_load_balancers_check_is_answered_before_anybody_logs_in(running: Container, interview: Interview) -> None:
    [group] = interview.embedded.aws.elbv2.describe_target_groups()["TargetGroups"]
    assert (group["HealthCheckPath"], group["Matcher"]["HttpCode"]) == ("/healthz", "200")
    assert wait_until_healthy(running) == 200


def test_a_wrong_password_is_refused_and_the_one_from_ssm_is_not(running: Container, interview: Interview) -> None:
    wait_until_healthy(running)
    assert log_in("not the password") == "/login"
    assert log_in(interview.password) == "/"


def test_the_candidate_sees_the_challenge_and_its_instructions_first(session: Session) -> None:
    session.browser.wait_for_text(".tab", "README.md")


def test_what_the_candidate_types_is_saved_without_asking(session: Session) -> None:
    session.browser.open_file("rate_limiter.py")
    session.browser.write_line("# by the candidate")
    file = session.home / "challenge" / "rate_limiter.py"
    wait_for(lambda: "# by the candidate\n" in file.read_text() or None, "the typed line")


def test_the_challenges_own_tests_run_in_the_terminal(session: Session, tmp_path: Path) -> None:
    session.browser.open_file("rate_limiter.py")
    session.browser.run_in_terminal("python3 -m unittest")
    for line in ("Ran 13 tests", "FAILED (failures="):
        session.browser.wait_for_text(TERMINAL, line)
    picture = tmp_path / "editor.png"
    session.browser.screenshot(picture)
    assert picture.stat().st_size > 20_000


def test_a_terminal_in_the_editor_finds_no_way_to_credentials(session: Session, interview: Interview) -> None:
    session.browser.run_in_terminal("(env; cat /proc/[0-9]*/environ) > ~/found 2>/dev/null; touch ~/searched")
    wait_for((session.home / "searched").stat, "the search")
    found = (session.home / "found").read_bytes()
    assert b"HOME=/home/coder" in found
    assert interview.credentials_path.encode() not in found
    assert re.search(rb"(^|\0|\n)(AWS|ECS)_", found) is None


def test_the_password_is_never_logged(session: Session, interview: Interview) -> None:
    assert "HTTP server listening" in session.container.output
    assert interview.password not in session.container.output


def test_nothing_in_the_log_says_that_the_read_only_root_is_in_the_way(session: Session) -> None:
    assert "EROFS" not in session.container.output
    assert "EACCES" not in session.container.output
