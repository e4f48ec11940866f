"""Interviews as people see them: tables, cards and summaries."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from scripts.challenges.definition import Size
from scripts.cli.tables import Cell, Column, Grid, card
from scripts.console import counted
from scripts.interviews.listing import when
from scripts.interviews.rate import Rate
from scripts.interviews.times import read_timestamp, shown_time
from scripts.interviews.work_difference import Changes

if TYPE_CHECKING:
    from datetime import datetime

    from scripts.interviews.create import Created

_COLOURS = {
    "active": "green",
    "leaking": "red",
    "failed": "red",
    "stopped": "red",
    "destroying": "yellow",
    "creating": "cyan",
}

COLUMNS = (
    *(Column("id"), Column("status"), Column("ends", 1), Column("candidate", 2, folds=True), Column("active", 3)),
    *(Column("saves", 4, right=True), Column("cost", 5, right=True), Column("challenge", 6), Column("starts", 7)),
    *(Column("url", 8), Column("slot", 9, right=True), Column("release", 10), Column("working", 11)),
)
"""Of the list of interviews."""


def created_card(created: "Created", region: str, seconds: float) -> Callable[[int], str]:
    """A new interview, with its password."""
    intent = created.intent
    return card(
        {
            "interview": f"{intent.id} ({intent.status})",
            "url": created.access_url + ("" if intent.access_url else f" (not before {shown_time(intent.starts_at)})"),
            "password": created.password,
            "link": f"{created.link}   (opens it without the password)" if created.link else "",
            "starts": "" if intent.access_url else shown_time(intent.starts_at),
            "ends": shown_time(intent.deadline),
            "costs": f"about ${created.cost:.2f} until then{Rate(intent.hourly_price, region).whose}",
            "took": f"{seconds:.1f} s",
        }
    )


def interviews_grid(rows: list[dict[str, Any]], now: "datetime") -> Grid:
    """The rows of ``listing.all_rows``."""
    return Grid(COLUMNS, [_cells(row, now) for row in rows])


def _status(row: dict[str, Any]) -> str:
    return "stopped" if row["stopped"] else str(row["status"])


def _cells(row: dict[str, Any], now: "datetime") -> dict[str, Cell]:
    ends = when(row["remaining_seconds"])
    if row.get("ended_at"):
        ends = f"ended {when(int((read_timestamp(row['ended_at']) - now).total_seconds()))}"
    starts = int((read_timestamp(row["starts_at"]) - now).total_seconds())
    return {
        "id": row["id"],
        "status": (status := _status(row), _COLOURS.get(status, "")),
        "ends": (ends, "red" if row["remaining_seconds"] < 0 and not row.get("ended_at") else ""),
        "candidate": row["candidate_name"],
        "active": _active(row["activity"], now),
        "saves": str(row["activity"]["saves"]) if row["activity"] else "",
        "cost": f"${row['cost_usd']:.2f}",
        "challenge": row["challenge"],
        "starts": when(starts) if starts > 0 else f"{row['starts_at'][:16]}Z",
        "url": row["access_url"],
        "slot": "" if row["slot"] is None else str(row["slot"]),
        "release": row["release_digest"][:12],
        "working": row["working"],
    }


def _ago(moment: str, now: "datetime") -> str:
    return when(min(int((read_timestamp(moment) - now).total_seconds()), -1))


def _active(activity: dict[str, Any] | None, now: "datetime") -> str:
    """When the candidate was last active, in a few words."""
    if activity is None:
        return ""
    if activity["last_active_at"]:
        return _ago(activity["last_active_at"], now)
    return "unknown" if activity["requests"] is None else "not opened"


def _session(value: dict[str, Any], now: "datetime") -> dict[str, str]:
    """What the candidate has done so far."""
    activity, changes = value["activity"], value["changes"]
    if activity is None:
        return {}
    opened, last_save = activity["opened_at"], activity["last_save_at"]
    unseen = "unknown" if activity["requests"] is None else "not yet"
    return {
        "opened": f"{shown_time(read_timestamp(opened))} ({_ago(opened, now)})" if opened else unseen,
        "active": _active(activity, now) if activity["last_active_at"] else "",
        "saved": f"{counted(activity['saves'], 'time')}, the last {_ago(last_save, now)}" if last_save else "not yet",
        "changed": str(Changes(**changes)) if changes else "",
    }


def sheet(value: dict[str, Any], now: "datetime") -> Callable[[int], str]:
    """What ``listing.details`` knows of one interview."""
    ended = value["status"] == "destroyed"
    starts, deadline = read_timestamp(value["starts_at"]), read_timestamp(value["deadline"])
    fields = {
        "interview": f"{value['id']} ({_status(value)})",
        "url": "" if ended else value["access_url"],
        "password": "" if ended else f"printed by `prequel interview password {value['id']}`",
        "candidate": " ".join(value["candidate_name"].split()),
        "challenge": value["challenge"],
        "size": str(Size(**value["size"])),
        "image": value["image_tag"],
        "slot": "" if value["slot"] is None else value["slot"],
        "starts": shown_time(starts),
        "ends": "" if ended else f"{shown_time(deadline)} ({when(value['remaining_seconds'])})",
        "ended": shown_time(read_timestamp(value["ended_at"])) if value.get("ended_at") else "",
        **_session(value, now),
        "cost": f"${value['cost_usd']:.2f} so far, ${value['hourly_price_usd']:.4f} an hour",
        "release": value["release_digest"][:12],
        "working": value["working"],
        "error": value["error"],
        "stopped": ""
        if not value["stopped"]
        else f"its service is set to 0 tasks; run `prequel interview recover {value['id']}`",
        "proof": ", ".join(value["proof"]),
    }
    steps = [
        f"  {step['at'][:19]}Z  {step['status']:<10} {step['actor']}  {step['note']}".rstrip()
        for step in value["history"]
    ]
    return card(fields, "history", *steps)


def reap_summary(value: dict[str, Any]) -> str:
    """What one pass of `reap` did."""
    parts = [
        f"{name.replace('_', ' ')}: {', '.join(map(str, found))}"
        for name, found in value.items()
        if found and isinstance(found, list | dict)
    ]
    return "; ".join(parts) or "Nothing to do."
