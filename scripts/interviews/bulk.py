"""Many interviews from one file: as many at once as asked for, none of them twice."""

import csv
import hashlib
import re
import unicodedata
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from scripts.challenges.names import name_of
from scripts.errors import InterruptedRunError, PrequelError, RefusedError
from scripts.interviews.context import Context
from scripts.interviews.create import create
from scripts.interviews.rate import Rate
from scripts.interviews.records import Intent, Status
from scripts.interviews.recover import recover
from scripts.interviews.remote import Remote
from scripts.interviews.request import Request, parsed_duration, parsed_time
from scripts.interviews.workspace import current_workspace
from scripts.terraform.interrupts import forward_interrupts

COLUMNS = ("challenge", "candidate", "id", "duration", "at", "image_tag")
_NEEDED = ("challenge", "candidate")


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


def read_requests(path: Path, *, keep: bool = False, wait_seconds: float = 600) -> list[Request]:
    """The file's rows as requests; raises ``RefusedError`` with every problem, each naming its row.

    A row without an id gets one that follows from its content, so that the same file, run again, means the same
    interviews.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            headings = [heading.strip() for heading in reader.fieldnames or ()]
            rows = [{k.strip(): (v or "").strip() for k, v in row.items() if k is not None} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RefusedError(f"cannot read {path}: {error}") from error
    unknown = [heading for heading in headings if heading not in COLUMNS]
    missing = [column for column in _NEEDED if column not in headings]
    if unknown or missing:
        got = ", ".join(headings) or "nothing"
        raise RefusedError(f"{path} has the columns {got}, expected {', '.join(_NEEDED)} and any of {COLUMNS[2:]}")
    requests: list[Request] = []
    problems: list[str] = []
    seen: Counter[tuple[str, ...]] = Counter()
    for number, row in enumerate(rows, start=2):
        content = tuple(row.get(column, "") for column in COLUMNS)
        try:
            request = Request(
                challenge=row["challenge"],
                candidate_name=row["candidate"],
                id=row.get("id") or derived_id(row, seen[content]),
                duration=parsed_duration(row["duration"]) if row.get("duration") else None,
                # Run again later, a row's time may have passed: what exists is found, and what does not is refused.
                starts_at=parsed_time(row["at"]) if row.get("at") else None,
                image_tag=row.get("image_tag", ""),
                keep=keep,
                wait_seconds=wait_seconds,
            )
            request.check()
            requests.append(request)
        except RefusedError as error:
            problems.append(f"{path}:{number}: {error}")
        seen[content] += 1
    twice = [name for name, count in Counter(request.id for request in requests).items() if count > 1]
    problems += [f"{path}: the id {name} is given more than once" for name in twice]
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


def preview(context: Context, requests: list[Request]) -> None:
    """Says what each row would create and cost, if it is not there yet; raises ``RefusedError`` without a release."""
    with current_workspace(context) as workspace:
        rate = Rate.of(workspace.values)
        usual = timedelta(minutes=workspace.manifest.limits.interview_default_minutes)
    for request in requests:
        cost = rate.text(request.duration or usual)
        context.console.say(f"would create {request.id} ({request.challenge}) unless it is there, {cost}")
    total = sum(rate.total(request.duration or usual) for request in requests)
    context.console.say(f"{len(requests)} interviews, together about ${total:.2f}")


def create_all(
    context: Context, requests: list[Request], *, parallel: int, remote: Remote | None = None
) -> list[RowResult]:
    """Creates what is not there yet and completes what was begun, here or through ``remote``; each row ends on its own.

    Each row is printed at once, because a later row may end the command, and the passwords are printed only here.
    """

    def one(item: tuple[int, Request]) -> RowResult:
        number, request = item
        try:
            result = _one(context, number, request, remote, interrupted=interrupted())
        except PrequelError as error:
            result = RowResult(number, request.id, "failed", error=str(error), exit_code=error.exit_code)
        except Exception as error:  # noqa: BLE001  (one row's surprise must not cost the others their passwords)
            reason = f"{type(error).__name__}: {error}"
            result = RowResult(number, request.id, "failed", error=reason, exit_code=1)
        text = result.error or f"{result.access_url}  {result.password or '(password in SSM)'}"
        context.console.part("row", f"{result.id}  {result.outcome}  {text}", **result.document())
        return result

    with forward_interrupts() as interrupted, ThreadPoolExecutor(parallel) as pool:
        return list(pool.map(one, enumerate(requests, start=2)))


def _one(context: Context, number: int, request: Request, remote: Remote | None, *, interrupted: bool) -> RowResult:
    if interrupted:
        raise InterruptedRunError("interrupted before it began")
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
            done = (
                remote.complete(request) if remote else recover(context, request.id, wait_seconds=request.wait_seconds)
            )
            if done.outcome == "active":
                return RowResult(number, request.id, "completed", done.access_url, done.password)
            # Its time ran out before it began: it was never held.
        else:
            raise RefusedError(f"interview {request.id} is {intent.status}; run the file again when it is gone")
    tombstone = context.intents.tombstone(request.id)
    if tombstone is not None and tombstone.intent.was_held and _same(tombstone.intent, request):
        return RowResult(number, request.id, "already over")
    if request.starts_at is not None and request.starts_at <= context.now():
        raise RefusedError(f"the start {request.starts_at:%Y-%m-%dT%H:%M%z} of row {number} is in the past")
    created = remote.create(request) if remote else create(context, request)
    return RowResult(
        number,
        request.id,
        "created" if created.intent.status is Status.ACTIVE else "scheduled",
        created.intent.access_url,
        created.password,
        cost=created.cost,
    )


def _same(intent: Intent, request: Request) -> bool:
    """Whether the interview is the one that the row asks for, and not another that has its id."""
    asked = (request.candidate_name, request.challenge)
    return (intent.inputs.candidate_name, name_of(intent.inputs.challenge)) == asked
