"""What a user may ask for: ids, names, durations and times, checked before anything is touched."""

import re
import secrets
import string
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from contract.limits import (
    CHALLENGE_PATTERN,
    IMAGE_TAG_PATTERN,
    INTERVIEW_ID_PATTERN,
    PASSWORD_LENGTH,
    RESERVED_ID_PREFIX,
)
from contract.names import JOIN_LABEL, portal_service, task_family
from scripts.errors import RefusedError

LONGEST_CANDIDATE_NAME = 200
LONGEST_CHALLENGE = 128

LONGEST_WAIT_SECONDS = 600.0
"""A third of what one run may take (``run_lock``); the rest is for creating and, if need be, for destroying."""

DEFAULT_WAIT_SECONDS = LONGEST_WAIT_SECONDS
"""ECS itself ends a start that fails, with its circuit breaker after three failed tasks
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html)."""

_ID_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without the letters that people mistake for one another."""

_PASSWORD_LETTERS = string.ascii_letters + string.digits
_DURATION = re.compile(r"(?:(?P<days>\d+)d)?(?:(?P<hours>\d+)h)?(?:(?P<minutes>\d+)m(?:in)?)?")


def generated_id() -> str:
    """An id that nobody guesses and everybody can read out: about 49 bits."""
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(10))


def generated_password() -> str:
    """A password of about 119 bits that survives being copied and spoken."""
    return "".join(secrets.choice(_PASSWORD_LETTERS) for _ in range(20))


def checked_id(value: str) -> str:
    """``value`` if it can name an interview; raises ``RefusedError``."""
    if not re.fullmatch(INTERVIEW_ID_PATTERN, value) or value.startswith(RESERVED_ID_PREFIX):
        raise RefusedError(
            f'"{value}" cannot name an interview, expected 1 to 32 lower-case letters, digits and inner hyphens, '
            f"not beginning with {RESERVED_ID_PREFIX}"
        )
    return value


def refuse_reserved(interview_id: str, project_prefix: str) -> None:
    """Raises ``RefusedError`` for an id that is a host of ours, or whose service would be called as the portal's."""
    if interview_id == JOIN_LABEL:
        raise RefusedError(f'"{interview_id}" cannot name an interview: candidates\' links lead there; choose another')
    reserved = portal_service(project_prefix)
    if reserved in {interview_id, task_family(project_prefix, interview_id)}:
        raise RefusedError(
            f'"{interview_id}" cannot name an interview: the portal is called {reserved}; choose another'
        )


def checked_challenge(value: str) -> str:
    """``value`` if it can name a challenge; raises ``RefusedError``."""
    if len(value) > LONGEST_CHALLENGE or not re.fullmatch(CHALLENGE_PATTERN, value):
        raise RefusedError(
            f'"{value}" cannot name a challenge, expected a path of letters, digits, hyphens and underscores '
            "such as python/rate-limiter"
        )
    return value


def checked_candidate(value: str) -> str:
    """``value`` if it can be a candidate's name; raises ``RefusedError``."""
    if not 1 <= len(value) <= LONGEST_CANDIDATE_NAME:
        raise RefusedError(f"the candidate's name has {len(value)} characters, expected 1 to {LONGEST_CANDIDATE_NAME}")
    if re.search(r"[\0\ud800-\udfff]", value):
        raise RefusedError("the candidate's name holds a NUL or a lone surrogate, expected text that UTF-8 can hold")
    return value


def checked_image_tag(value: str) -> str:
    """``value`` if it can be an image's tag; raises ``RefusedError``."""
    if not re.fullmatch(IMAGE_TAG_PATTERN, value):
        raise RefusedError(f'"{value}" is not an image tag, expected letters, digits, ".", "_" and "-"')
    return value


def checked_password(value: str) -> str:
    """``value`` if it can open the editor; raises ``RefusedError``, which never repeats it."""
    shortest, longest = PASSWORD_LENGTH
    if not shortest <= len(value) <= longest:
        raise RefusedError(f"the password has {len(value)} characters, expected {shortest} to {longest}")
    if not value.isprintable() or not value.isascii():
        raise RefusedError("the password holds characters other than printable ASCII")
    if value != value.strip():
        # code-server trims what is typed, and then it is another password (its routes/login.ts, sanitizeString).
        raise RefusedError("the password begins or ends with a space, with which nobody can log in")
    return value


def parsed_duration(value: str) -> timedelta:
    """``90``, ``90m``, ``1h30m``, ``2h`` or ``1d`` as a duration; a bare number is minutes. Raises ``RefusedError``."""
    text = value.strip().lower()
    if text.isascii() and text.isdigit():
        text += "m"
    found = _DURATION.fullmatch(text)
    parts = {name: int(number) for name, number in (found.groupdict() if found else {}).items() if number}
    try:
        duration = timedelta(**parts)
    except OverflowError:
        duration = timedelta()
    if not duration:
        raise RefusedError(f'"{value}" is not a duration, expected minutes or a text such as 90m or 1h30m')
    return duration


def checked_duration(duration: timedelta, maximum_minutes: int) -> timedelta:
    """``duration`` if it is not over the maximum; raises ``RefusedError``."""
    maximum = timedelta(minutes=maximum_minutes)
    if duration > maximum:
        raise RefusedError(
            f"a duration of {shown_duration(duration)} is over the maximum of {shown_duration(maximum)}; "
            "ask for less, or raise interview_maximum_minutes, deploy and publish"
        )
    return duration


def shown_duration(duration: timedelta) -> str:
    """``1h30m``, ``5m``, ``40s``; negative ones with a minus sign."""
    seconds = int(abs(duration).total_seconds())
    sign = "-" if duration < timedelta() else ""
    if seconds < 60:
        return f"{sign}{seconds}s"
    hours, minutes = divmod(seconds // 60, 60)
    return sign + (f"{hours}h" if hours else "") + (f"{minutes}m" if minutes or not hours else "")


@dataclass(frozen=True)
class Request:
    """What is asked for. ``duration`` None is the release's default; ``starts_at`` None is now.

    ``password`` never enters a document, a log or an argument. ``keep`` leaves a failed create as it is. ``line`` is
    the one of the file that asks for it, 0 without a file.
    """

    challenge: str
    candidate_name: str
    id: str = field(default_factory=generated_id)
    duration: timedelta | None = None
    starts_at: datetime | None = None
    password: str = field(default_factory=generated_password, repr=False)
    image_tag: str = ""
    keep: bool = False
    wait_seconds: float = DEFAULT_WAIT_SECONDS
    line: int = 0

    def check(self) -> None:
        """Raises ``RefusedError`` for the first thing that can be refused without asking anybody."""
        checked_id(self.id)
        checked_challenge(self.challenge)
        checked_candidate(self.candidate_name)
        checked_password(self.password)
        if self.image_tag:
            checked_image_tag(self.image_tag)
        if not 0 <= self.wait_seconds <= LONGEST_WAIT_SECONDS:
            raise RefusedError(f"cannot wait {self.wait_seconds:g} s, expected 0 to {LONGEST_WAIT_SECONDS:g}")
