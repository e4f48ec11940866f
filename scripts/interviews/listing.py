"""Interviews for people and machines to read."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from contract.names import RELEASES, SHARED_VALUES_FILE, workspace_key
from scripts.aws.clients import explained
from scripts.challenges.names import name_of
from scripts.errors import AwsError, PrequelError
from scripts.interviews.activity import Activities, Activity
from scripts.interviews.context import Context
from scripts.interviews.documents import plain
from scripts.interviews.lookup import last_record
from scripts.interviews.records import ENDING, Intent, Status, timestamp
from scripts.interviews.request import shown_duration
from scripts.interviews.services import stopped_services
from scripts.interviews.store import LOG_FILE


def row(
    intent: Intent,
    now: datetime,
    *,
    stopped: bool = False,
    url: str = "",
    ended: datetime | None = None,
    activity: Activity | None = None,
) -> dict[str, Any]:
    """One interview for machines: times in RFC 3339, ``cost_usd`` so far, ``remaining_seconds`` below 0 if overdue.

    ``stopped`` means that it should run, and that somebody has set its service to 0 tasks. ``url`` is where it will be
    as long as it is nowhere yet; ``ended`` is when it was proven gone. ``activity`` is null where it is not known.
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
        "activity": activity.document() if activity else None,
    } | ({"ended_at": timestamp(ended)} if ended else {})


def all_rows(
    context: Context, *, present: bool = True, ended: bool = False, activities: Activities | None = None
) -> tuple[list[dict[str, Any]], list[str]]:
    """The interviews that are not proven gone, by deadline, then those that are, the latest first.

    With a sentence for each that cannot be read. When ECS cannot be asked which are stopped, none is, and one more
    sentence says so; CloudWatch likewise for requests. ``activities`` are those of before, where a list is repeated.
    """
    now = context.now()
    rows: list[dict[str, Any]] = []
    unreadable: list[str] = []
    if present:
        listing = context.intents.all()
        intents = sorted((stored.intent for stored in listing.intents.values()), key=lambda intent: intent.deadline)
        urls = PlannedUrls(context)
        stopped, problem = _stopped(context, intents)
        active = [intent for intent in intents if intent.status is Status.ACTIVE]
        known, unknown = (activities or Activities(context)).of(active)
        rows += [
            row(intent, now, stopped=intent.id in stopped, url=urls.of(intent), activity=known.get(intent.id))
            for intent in intents
        ]
        unreadable += [*listing.unreadable.values(), *problem, *unknown]
    if ended:
        tombstones, problems = context.intents.tombstones()
        tombstones.sort(key=lambda tombstone: tombstone.destroyed_at, reverse=True)
        rows += [row(each.intent, now, ended=each.destroyed_at) for each in tombstones]
        unreadable += problems
    return rows, unreadable


def _stopped(context: Context, intents: Sequence[Intent]) -> tuple[frozenset[str], list[str]]:
    """Those of ``intents`` that should run and whose service is set to 0 tasks, and why ECS cannot be asked, if so."""
    running = [intent for intent in intents if intent.status is Status.ACTIVE and not intent.overdue(context.now())]
    # Every release is of the same cluster.
    values = context.objects.read(_shared_values_key(running[0])) if running else None
    if values is None:
        return frozenset(), []
    names = [intent.id for intent in running]
    try:
        with explained("find out which interviews are stopped"):
            return stopped_services(context.aws, json.loads(values.body)["ecs_cluster_arn"], names), []
    except AwsError as error:
        return frozenset(), [str(error)]


def _shared_values_key(intent: Intent) -> str:
    return f"{RELEASES}{intent.release_digest}/{SHARED_VALUES_FILE}"


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
            found = self._context.objects.read(_shared_values_key(intent))
            with suppress(ValueError):
                self._values[digest] = json.loads(found.body) if found else {}
        return planned_url(self._values.get(digest, {}), intent.id)


def planned_url(values: Mapping[str, Any], interview_id: str) -> str:
    """Where the interview's editor will be; empty if ``values``, the shared ones of a release, do not say."""
    if not values.keys() >= {"url_scheme", "domain_name"}:
        return ""
    return f"{values['url_scheme']}://{interview_id}.{values['domain_name']}"


def details(context: Context, interview_id: str) -> dict[str, Any]:
    """One interview for machines, with its outputs, its history and, once it is gone, the proof.

    ``changes`` is how much the candidate has changed, null where nothing is saved or it cannot be read.
    """
    from scripts.interviews.saved_work import changes  # imported late: a list needs no cryptography

    intent, tombstone = last_record(context, interview_id)
    stopped, problems = _stopped(context, [intent])
    activities, unknown = Activities(context).of([intent])
    changed = None
    try:
        changed = changes(context, intent)
    except PrequelError as error:
        unknown.append(str(error))
    for reason in (*problems, *unknown):
        context.console.warn(reason)
    url = "" if tombstone else PlannedUrls(context).of(intent)
    ended = tombstone.destroyed_at if tombstone else None
    shown = row(intent, context.now(), stopped=bool(stopped), url=url, ended=ended, activity=activities.get(intent.id))
    return shown | {
        "changes": plain(changed),
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
