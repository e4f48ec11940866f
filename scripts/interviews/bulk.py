"""Many interviews from one file: as many at once as asked for, none of them twice."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from scripts.challenges.names import name_of
from scripts.console import counted
from scripts.errors import InterruptedRunError, NoFreeSlotError, PrequelError, RefusedError, reason
from scripts.interviews.bookings import Bookings, bookings
from scripts.interviews.context import Context
from scripts.interviews.create import CreatePlan, create, plan
from scripts.interviews.csv_rows import read_rows
from scripts.interviews.records import Intent, Status
from scripts.interviews.recover import recover
from scripts.interviews.remote import Remote
from scripts.interviews.request import (
    Request,
    checked_candidate,
    checked_challenge,
    checked_id,
    checked_image_tag,
    parsed_duration,
)
from scripts.interviews.times import parsed_time, shown_time
from scripts.terraform.interrupts import forward_interrupts


@dataclass(frozen=True)
class RowResult:
    """How one row ended; ``cost`` is in US dollars until the deadline, of what this run created."""

    row: int
    id: str
    outcome: Literal["created", "scheduled", "completed", "already there", "already over", "failed"]
    access_url: str = ""
    password: str = field(default="", repr=False)
    error: str = ""
    exit_code: int = 0
    cost: float = 0.0

    def document(self) -> dict[str, Any]:
        """The row for machines."""
        return {
            "row": self.row,
            "id": self.id,
            "outcome": self.outcome,
            "access_url": self.access_url,
            "password": self.password,
            "cost_usd": round(self.cost, 4),
        } | ({"error": self.error} if self.error else {})


_READERS: dict[str, Callable[[str], Any]] = {
    "challenge": checked_challenge,
    "candidate": checked_candidate,
    "id": checked_id,
    "duration": parsed_duration,
    # Run again later, a row's time may have passed: what exists is found, and what does not is refused.
    "at": parsed_time,
    "image_tag": checked_image_tag,
}
"""What reads the text of each column; each raises ``RefusedError``."""

COLUMNS = tuple(_READERS)
_NEEDED = ("challenge", "candidate")


def read_requests(path: Path, *, keep: bool = False, wait_seconds: float = 600) -> list[Request]:
    """The file's rows as requests; raises ``RefusedError`` with every problem, each naming its line and column.

    A row without an id gets one that follows from its content, so that the same file, run again, means the same
    interviews.
    """
    table = read_rows(path, columns=COLUMNS, needed=_NEEDED)
    requests: list[Request] = []
    seen: Counter[tuple[str, ...]] = Counter()
    for row in table.rows:
        content = tuple(row.cells.get(column, "") for column in COLUMNS)
        read: dict[str, Any] = {}
        for column in table.places:
            text = row.cells.get(column, "")
            try:
                if text or column in _NEEDED:
                    read[column] = _READERS[column](text)
            except RefusedError as error:
                table.add_problem(row.line, table.places[column], error if text else "is empty")
        if read.keys() >= set(_NEEDED):
            requests.append(
                Request(
                    challenge=read["challenge"],
                    candidate_name=read["candidate"],
                    id=read.get("id") or derived_id(row.cells, seen[content]),
                    duration=read.get("duration"),
                    starts_at=read.get("at"),
                    image_tag=read.get("image_tag", ""),
                    keep=keep,
                    wait_seconds=wait_seconds,
                    line=row.line,
                )
            )
        seen[content] += 1
    lines: dict[str, list[int]] = {}
    for request in requests:
        lines.setdefault(request.id, []).append(request.line)
    problems = [
        *table.problems,
        *(
            f"{path}: the id {name} is given more than once, in the lines {', '.join(map(str, found))}"
            for name, found in lines.items()
            if len(found) > 1
        ),
    ]
    if problems:
        raise RefusedError("\n".join(problems))
    return requests


def derived_id(row: dict[str, str], occurrence: int) -> str:
    """An id from a row's content: the candidate's name as far as it is ASCII, and ten digits of a hash."""
    content = "\0".join([*(row.get(column, "") for column in COLUMNS), str(occurrence)])
    digest = hashlib.sha256(content.encode(errors="surrogatepass")).hexdigest()[:10]
    plain = unicodedata.normalize("NFKD", row.get("candidate", "")).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:20].strip("-")
    return f"{slug}-{digest}" if slug and not slug.startswith("internal") else f"i-{digest}"


_Preview = RowResult | Intent | CreatePlan | PrequelError
"""What a run would do with a row, or why it would refuse it."""


def preview(context: Context, requests: list[Request], *, parallel: int) -> None:
    """Prints what the run would do with each row; raises ``PrequelError`` with a line for each that it would refuse."""

    def one(request: Request) -> _Preview:
        try:
            return _standing(context, request) or plan(context, request)
        except PrequelError as error:
            return error

    with ThreadPoolExecutor(parallel) as pool:
        found = list(zip(requests, _booked(context, list(pool.map(one, requests))), strict=True))
    plans = [each for _, each in found if isinstance(each, CreatePlan)]
    errors = [(request, each) for request, each in found if isinstance(each, PrequelError)]
    for request, each in found:
        if isinstance(each, RowResult):
            context.console.say(f"{request.id} is {each.outcome}")
        elif isinstance(each, Intent):
            context.console.say(f"would complete {request.id}, which is {each.status}")
        elif isinstance(each, CreatePlan):
            start = "" if request.starts_at is None else f" at {shown_time(request.starts_at)}"
            context.console.say(f"would create {request.id} ({request.challenge}){start}, {each.cost}")
    total = sum(each.rate.total(each.intent.deadline - each.intent.starts_at) for each in plans)
    context.console.say(f"{counted(len(requests), 'interview')}, together about ${total:.2f}")
    if errors:
        worst = max((error for _, error in errors), key=lambda error: error.exit_code)
        raise type(worst)("\n".join(f"line {request.line}: {error}" for request, error in errors))


def _booked(context: Context, rows: list[_Preview]) -> Iterator[_Preview]:
    """``rows``, in which a plan that those before it leave no slot for is the reason why not."""
    known: Bookings | None = None
    for row in rows:
        if not isinstance(row, CreatePlan):
            yield row
            continue
        known = known or bookings(context, row.slots)
        try:
            known.refuse_unless_free(row.intent)
        except NoFreeSlotError as error:
            yield error
        else:
            known.add(row.intent)
            yield row


def create_all(
    context: Context, requests: list[Request], *, parallel: int, remote: Remote | None = None
) -> list[RowResult]:
    """Creates what is not there yet and completes what was begun, here or through ``remote``; each row ends on its own.

    Each row is printed at once, because a later row may end the command, and the passwords are printed only here.
    """

    def one(item: tuple[int, Request]) -> RowResult:
        number, request = item
        number = request.line or number
        try:
            result = _one(context, number, request, remote, interrupted=interrupted())
        except PrequelError as error:
            result = RowResult(number, request.id, "failed", error=str(error), exit_code=error.exit_code)
        except Exception as error:  # noqa: BLE001  (one row's surprise must not cost the others their passwords)
            result = RowResult(number, request.id, "failed", error=reason(error), exit_code=1)
        text = result.error or f"{result.access_url}  {result.password or '(password in SSM)'}"
        context.console.part("row", f"{result.id}  {result.outcome}  {text}", **result.document())
        return result

    with forward_interrupts() as interrupted, ThreadPoolExecutor(parallel) as pool:
        return list(pool.map(one, enumerate(requests, start=2)))


def _one(context: Context, number: int, request: Request, remote: Remote | None, *, interrupted: bool) -> RowResult:
    if interrupted:
        raise InterruptedRunError("interrupted before it began")
    standing = _standing(context, request, number)
    if isinstance(standing, RowResult):
        return standing
    if standing is not None:
        done = remote.complete(request) if remote else recover(context, request.id, wait_seconds=request.wait_seconds)
        if done.outcome == "active":
            return RowResult(number, request.id, "completed", done.access_url, done.password)
        # Its time ran out before it began: it was never held.
        _standing(context, request, number)
    created = remote.create(request) if remote else create(context, request)
    return RowResult(
        number,
        request.id,
        "created" if created.intent.status is Status.ACTIVE else "scheduled",
        created.access_url,
        created.password,
        cost=created.cost,
    )


def _standing(context: Context, request: Request, number: int = 0) -> RowResult | Intent | None:
    """The result of a row that needs nothing, the interview that is to be completed, or None if there is none yet.

    Raises ``RefusedError`` for a row that cannot be created.
    """
    number = number or request.line
    stored = context.intents.load(request.id)
    if stored is not None:
        intent = stored.intent
        if not _same(intent, request):
            raise RefusedError(
                f"the id {request.id} belongs to {intent.inputs.candidate_name}'s interview on "
                f"{name_of(intent.inputs.challenge)}; give row {number} another id"
            )
        if intent.status in {Status.ACTIVE, Status.SCHEDULED}:
            return RowResult(number, request.id, "already there", intent.access_url)
        if intent.status in {Status.CREATING, Status.FAILED}:
            return intent
        raise RefusedError(f"interview {request.id} is {intent.status}; run the file again when it is gone")
    tombstone = context.intents.tombstone(request.id)
    if tombstone is not None and tombstone.intent.was_held and _same(tombstone.intent, request):
        return RowResult(number, request.id, "already over")
    if request.starts_at is not None and request.starts_at <= context.now():
        raise RefusedError(f"the start {shown_time(request.starts_at)} of row {number} is in the past")
    return None


def _same(intent: Intent, request: Request) -> bool:
    """Whether the interview is the one that the row asks for, and not another that has its id."""
    asked = (request.candidate_name, request.challenge)
    return (intent.inputs.candidate_name, name_of(intent.inputs.challenge)) == asked
