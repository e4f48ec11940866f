"""Times as a user writes and reads them: ISO 8601, in this machine's zone where none is given."""

from datetime import UTC, datetime

from scripts.errors import RefusedError
from scripts.interviews.records import timestamp


def parsed_time(value: str, after: datetime | None = None) -> datetime:
    """An ISO 8601 time; without a zone it is this machine's own.

    Raises ``RefusedError`` for a local time that the clocks skip or show twice, and unless it is ``after``.
    """
    try:
        given = datetime.fromisoformat(value)
        moment = given.astimezone(UTC)
        if given.tzinfo is None:
            _refuse_unclear(value, given)
    except (ValueError, OverflowError):
        raise RefusedError(f'"{value}" is not a time, expected ISO 8601 such as 2026-01-31T14:00+01:00') from None
    if after is not None and moment <= after:
        raise RefusedError(f'"{value}" is in the past, expected a time after {shown_time(after)}')
    return moment


def _refuse_unclear(value: str, naive: datetime) -> None:
    """Raises ``RefusedError`` if this machine's clocks never show ``naive``, or show it twice (PEP 495)."""
    sides = sorted(naive.replace(fold=fold).astimezone(UTC).astimezone() for fold in (0, 1))
    if sides[0] == sides[1]:
        return
    skipped = sides[0].replace(tzinfo=None) != naive.replace(fold=0)
    happens = "does not exist: the clocks are put forward over it" if skipped else "happens twice"
    # The platform's name of a zone is short and ambiguous, so the offset alone says which is meant.
    raise RefusedError(
        f'"{value}" {happens} in this machine\'s time zone; '
        f"write {' or '.join(side.isoformat(timespec='minutes') for side in sides)}"
    )


def shown_time(moment: datetime) -> str:
    """``moment`` in this machine's zone and in UTC, in RFC 3339 to the second; once where they are the same."""
    local = moment.astimezone()
    if not local.utcoffset():
        return timestamp(moment.astimezone(UTC))
    return f"{local.isoformat(timespec='seconds')} ({timestamp(moment.astimezone(UTC))})"


def read_timestamp(text: str) -> datetime:
    """The moment of a ``timestamp``."""
    return datetime.fromisoformat(text)
