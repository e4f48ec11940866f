"""The candidate's view of the interview, in Chromium: who and what, the time, the saved work, the end.

Time passes by what the saver's files say, which the test writes instead of it.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.candidate.editor import Session

pytestmark = pytest.mark.e2e

STATUS_BAR = ".statusbar"
NOTIFICATIONS = ".notifications-toasts"


@pytest.fixture(scope="module")
def delivered(delivered: Path) -> Path:
    """With half an hour left, before anybody opens the editor."""
    ends_in(delivered, minutes=30)
    write(delivered, "status.json", {"saved_at": ago(seconds=40), "left_out": [], "error": ""})
    return delivered


def write(task: Path, name: str, document: dict[str, Any]) -> None:
    """As the saver does: at once, and readable for everybody."""
    new = task / "session" / f".{name}"
    new.write_text(json.dumps(document))
    new.chmod(0o644)
    new.replace(task / "session" / name)


def ends_in(task: Path, *, minutes: float) -> None:
    """What the saver writes after an interview's deadline was moved."""
    deadline = (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()
    session = {"candidate": "Ada Lovelace", "title": "Rate limiter", "instructions": "README.md", "deadline": deadline}
    write(task, "session.json", session)


def ago(*, seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


def test_the_status_bar_shows_who_what_the_time_left_and_the_age_of_the_saved_work(session: Session) -> None:
    session.browser.wait_for_text(STATUS_BAR, "Ada Lovelace · Rate limiter")
    session.browser.wait_for_text(STATUS_BAR, " min left")
    session.browser.wait_for_text(STATUS_BAR, "saved ")
    assert "ago" in session.browser.text_of(STATUS_BAR)


def test_the_instructions_are_what_is_open_at_first(session: Session) -> None:
    session.browser.wait_for_text(".tab", "README.md")


def test_a_save_that_fails_is_shown(session: Session, delivered: Path) -> None:
    write(delivered, "status.json", {"saved_at": ago(seconds=300), "left_out": [], "error": "S3 answers 503"})
    session.browser.wait_for_text(STATUS_BAR, "last saved 5 min ago")


def test_warnings_come_before_the_end_and_an_extension_takes_the_end_back(session: Session, delivered: Path) -> None:
    ends_in(delivered, minutes=9.9)
    session.browser.wait_for_text(NOTIFICATIONS, "the interview ends at")
    ends_in(delivered, minutes=1.9)
    session.browser.wait_for_text(NOTIFICATIONS, "1 min left: the interview ends at")
    write(delivered, "status.json", {"saved_at": ago(seconds=5), "left_out": [], "error": ""})
    ends_in(delivered, minutes=-0.1)
    session.browser.wait_for_text(".tab", "The interview is over")
    session.browser.wait_for_text(STATUS_BAR, "the interview is over")
    ends_in(delivered, minutes=90.5)
    session.browser.wait_for_text(STATUS_BAR, "1 h 30 min left")
    session.browser.wait_until_gone(".tab", "The interview is over")
