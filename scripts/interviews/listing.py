"""Interviews for people and machines to read."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from contract.names import SHARED_VALUES_FILE, workspace_key
from scripts.aws.clients import explained
from scripts.challenges.names import name_of
from scripts.errors import AwsError
from scripts.interviews.context import Context
from scripts.interviews.documents import plain
from scripts.interviews.records import Intent, Status, Tombstone, timestamp
from scripts.interviews.request import checked_id, shown_duration
from scripts.interviews.services import stopped_services
from scripts.interviews.store import LOG_FILE
from scripts.releases.store import plain_key


def row(intent: Intent, now: datetime, *, stopped: bool) -> dict[str, Any]:
    """One interview for machines: times in RFC 3339, ``cost_usd`` so far, ``remaining_seconds`` below 0 if overdue.

    ``stopped`` means that it should run, and that somebody has set its service to 0 tasks.
    """
    return {
        "id": intent.id,
        "status": intent.status,
        "stopped": stopped,
        "slot": intent.slot,
        "candidate_name": intent.inputs.candidate_name,
        "challenge": name_of(intent.inputs.challenge),
        "access_url": intent.access_url,
        "starts_at": timestamp(intent.starts_at),
        "deadline": timestamp(intent.deadline),
        "remaining_seconds": int((intent.deadline - now).total_seconds()),
        "cost_usd": round(intent.cost(now), 4),
        "hourly_price_usd": round(intent.hourly_price, 4),
        "release_digest": intent.release_digest,
        "working": intent.run.purpose if intent.run else "",
        "error": intent.error,
    }


def all_rows(context: Context) -> tuple[list[dict[str, Any]], list[str]]:
    """Every interview that is not proven gone, by deadline, and a sentence for each that cannot be read.

    When ECS cannot be asked which are stopped, none is, and one more sentence says so.
    """
    listing = context.intents.all()
    now = context.now()
    intents = sorted((stored.intent for stored in listing.intents.values()), key=lambda intent: intent.deadline)
    stopped, problem = _stopped(context, intents)
    rows = [row(intent, now, stopped=intent.id in stopped) for intent in intents]
    return rows, [*listing.unreadable.values(), *problem]


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
    return row(intent, context.now(), stopped=bool(stopped)) | {
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
    distance = shown_duration(timedelta(seconds=abs(remaining_seconds)))
    return f"in {distance}" if remaining_seconds >= 0 else f"{distance} ago"
