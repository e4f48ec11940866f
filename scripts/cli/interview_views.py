"""Interviews as people see them: tables, cards and summaries."""

from typing import TYPE_CHECKING, Any

from scripts.interviews.listing import when
from scripts.interviews.rate import Rate
from scripts.interviews.records import timestamp

if TYPE_CHECKING:
    from rich.table import Table

    from scripts.interviews.create import Created

_COLOURS = {
    "active": "green",
    "leaking": "red",
    "failed": "red",
    "stopped": "red",
    "destroying": "yellow",
    "creating": "cyan",
}


def card(created: "Created", region: str, seconds: float) -> str:
    """A new interview, with its password."""
    intent = created.intent
    lines = {
        "interview": f"{intent.id} ({intent.status})",
        "url": intent.access_url or f"not before {timestamp(intent.starts_at)}",
        "password": f"{created.password}   (shown once)",
        "ends": timestamp(intent.deadline),
        "costs": f"about ${created.cost:.2f} until then{Rate(intent.hourly_price, region).whose}",
        "took": f"{seconds:.1f} s",
    }
    return "\n".join(f"{name:<10} {value}" for name, value in lines.items())


def interviews_table(rows: list[dict[str, Any]]) -> "Table | str":
    """The rows of ``listing.all_rows``."""
    if not rows:
        return "No interviews."
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("id", "status", "slot", "ends", "candidate", "challenge"):
        table.add_column(heading, overflow="ellipsis", no_wrap=True)
    table.add_column("cost", justify="right")
    for row in rows:
        status = _status(row)
        colour = _COLOURS.get(status, "")
        ends = when(row["remaining_seconds"])
        table.add_row(
            row["id"],
            f"[{colour}]{status}[/]" if colour else status,
            "" if row["slot"] is None else str(row["slot"]),
            f"[red]{ends}[/]" if row["remaining_seconds"] < 0 else ends,
            escape(" ".join(row["candidate_name"].split())),
            row["challenge"],
            f"${row['cost_usd']:.2f}",
        )
    return table


def _status(row: dict[str, Any]) -> str:
    return "stopped" if row["stopped"] else str(row["status"])


def sheet(value: dict[str, Any]) -> str:
    """What ``listing.details`` knows of one interview."""
    ended = value["status"] == "destroyed"
    fields = {
        "interview": f"{value['id']} ({_status(value)})",
        "url": "" if ended else value["access_url"],
        "candidate": " ".join(value["candidate_name"].split()),
        "challenge": value["challenge"],
        "slot": value["slot"],
        "ends": "" if ended else f"{value['deadline']} ({when(value['remaining_seconds'])})",
        "cost": f"${value['cost_usd']:.2f} so far, ${value['hourly_price_usd']:.4f} an hour",
        "release": value["release_digest"][:12],
        "working": value["working"],
        "error": value["error"],
        "stopped": value["stopped"] and f"its service is set to 0 tasks; run `prequel interview recover {value['id']}`",
        "proof": ", ".join(value["proof"]),
    }
    lines = [f"{name:<10} {text}" for name, text in fields.items() if text not in ("", None, False)]
    steps = [
        f"  {step['at'][:19]}Z  {step['status']:<10} {step['actor']}  {step['note']}".rstrip()
        for step in value["history"]
    ]
    return "\n".join([*lines, "history", *steps])


def reap_summary(value: dict[str, Any]) -> str:
    """What one pass of `reap` did."""
    parts = [
        f"{name.replace('_', ' ')}: {', '.join(map(str, found))}"
        for name, found in value.items()
        if found and isinstance(found, list | dict)
    ]
    return "; ".join(parts) or "Nothing to do."
