"""Interviews for people and machines to read."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from contract.names import RELEASES, SHARED_VALUES_FILE, workspace_key
from scripts.aws.clients import explained
from scripts.challenges.names import name_of
from scripts.errors import AwsError
from scripts.interviews.context import Context
from scripts.interviews.documents import plain
from scripts.interviews.records import ENDING, Intent, Status, Tombstone, timestamp
from scripts.interviews.request import checked_id, shown_duration
from scripts.interviews.services import stopped_services
from scripts.interviews.store import LOG_FILE
from scripts.releases.store import plain_key


def row(
    intent: Intent, now: datetime, *, stopped: bool = False, url: str = "", ended: datetime | None = None
) -> dict[str, Any]:
    """One interview for machines: times in RFC 3339, ``cost_usd`` so far, ``remaining_seconds`` below 0 if overdue.

    ``stopped`` means that it should run, and that somebody has set its service to 0 tasks. ``url`` is where it will be
    as long as it is nowhere yet; ``ended`` is when it was proven gone.
    """
    return {
        "id": intent.id,
        "status": intent.status,
        "stopped": stopped,
        "slot": intent.slot,
        "candidate_name": intent.inputs.candidate_name,
        "challenge": name_of(intent.inputs.challenge),
        "access_url": intent.access_url or url,
        "starts_at": timestamp(intent.starts_at),
        "deadline": timestamp(intent.deadline),
        "remaining_seconds": int((intent.deadline - now).total_seconds()),
        "cost_usd": round(intent.cost(now), 4),
        "hourly_price_usd": round(intent.hourly_price, 4),
        "release_digest": intent.release_digest,
        "image_tag": intent.inputs.image_tag,
        "size": {name.removeprefix("task_"): size for name, size in intent.inputs.size.items()},
        "working": intent.run.purpose if intent.run else "",
        "error": intent.error,
    } | ({"ended_at": timestamp(ended)} if ended else {})


def all_rows(context: Context, *, present: bool = True, ended: bool = False) -> tuple[list[dict[str, Any]], list[str]]:
    """The interviews that are not proven gone, by deadline, then those that are, the latest first.

    With a sentence for each that cannot be read. When ECS cannot be asked which are stopped, none is, and one more
    sentence says so.
    """
    now = context.now()
    rows: list[dict[str, Any]] = []
    unreadable: list[str] = []
    if present:
        listing = context.intents.all()
        intents = sorted((stored.intent for stored in listing.intents.values()), key=lambda intent: intent.deadline)
        urls = PlannedUrls(context)
        stopped, problem = _stopped(context, intents)
        rows += [row(intent, now, stopped=intent.id in stopped, url=urls.of(intent)) for intent in intents]
        unreadable += [*listing.unreadable.values(), *problem]
    if ended:
        tombstones, problems = context.intents.tombstones()
        tombstones.sort(key=lambda tombstone: tombstone.destroyed_at, reverse=True)
        rows += [row(each.intent, now, ended=each.destroyed_at) for each in tombstones]
        unreadable += problems
    return rows, unreadable


def _stopped(context: Context, intents: Sequence[Intent]) -> tuple[frozenset[str], list[str]]:
    """Those of ``intents`` that should run and whose service is set to 0 tasks, and why ECS cannot be asked, if so."""
    names = [intent.id for intent in intents if intent.status is Status.ACTIVE and not intent.overdue(context.now())]
    values = context.objects.read(plain_key(SHARED_VALUES_FILE)) if names else None
    if values is None:
        return frozenset(), []
    try:
        with explained("find out which interviews are stopped"):
            return stopped_services(context.aws, json.loads(values.body)["ecs_cluster_arn"], names), []
    except AwsError as error:
        return frozenset(), [str(error)]


class PlannedUrls:
    """Where interviews will be that are nowhere yet, from the shared values of their releases."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._values: dict[str, dict[str, Any]] = {}

    def of(self, intent: Intent) -> str:
        """The URL; empty when it is over, or when the release cannot be read."""
        if intent.access_url or intent.status in ENDING:
            return ""
        digest = intent.release_digest
        if digest not in self._values:
            found = self._context.objects.read(f"{RELEASES}{digest}/{SHARED_VALUES_FILE}")
            with suppress(ValueError):
                self._values[digest] = json.loads(found.body) if found else {}
        return planned_url(self._values.get(digest, {}), intent.id)


def planned_url(values: Mapping[str, Any], interview_id: str) -> str:
    """Where the interview's editor will be; empty if ``values``, the shared ones of a release, do not say."""
    if not values.keys() >= {"url_scheme", "domain_name"}:
        return ""
    return f"{values['url_scheme']}://{interview_id}.{values['domain_name']}"


def last_record(context: Context, interview_id: str) -> tuple[Intent, Tombstone | None]:
    """An interview and, once it is gone, what remains of it; raises ``RefusedError`` when there never was one."""
    stored = context.intents.load(checked_id(interview_id))
    tombstone = context.intents.tombstone(interview_id) if stored is None else None
    return tombstone.intent if tombstone else context.intents.get(interview_id), tombstone


def details(context: Context, interview_id: str) -> dict[str, Any]:
    """One interview for machines, with its outputs, its history and, once it is gone, the proof."""
    intent, tombstone = last_record(context, interview_id)
    stopped, problem = _stopped(context, [intent])
    for reason in problem:
        context.console.warn(reason)
    url = "" if tombstone else PlannedUrls(context).of(intent)
    ended = tombstone.destroyed_at if tombstone else None
    return row(intent, context.now(), stopped=bool(stopped), url=url, ended=ended) | {
        "outputs": intent.outputs,
        "proof": tombstone.proof if tombstone else (),
        "history": plain(intent.history),
    }


def last_log(context: Context, interview_id: str) -> str:
    """What terraform last said about the interview; of one that is gone, what its tombstone kept."""
    _, tombstone = last_record(context, interview_id)
    if tombstone:
        return tombstone.log
    stored = context.objects.read(workspace_key(interview_id, LOG_FILE))
    return stored.body.decode(errors="replace") if stored else ""


def when(remaining_seconds: int) -> str:
    """A deadline as a distance: ``in 1h30m``, ``5m ago``."""
    days = abs(remaining_seconds) // 86400
    distance = f"{days}d" if days > 1 else shown_duration(timedelta(seconds=abs(remaining_seconds)))
    return f"in {distance}" if remaining_seconds >= 0 else f"{distance} ago"
