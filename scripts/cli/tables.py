"""Tables and ages, as people read them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> "Table":
    """Aligned columns under bold ``headings``; the text of a cell is shown as it is."""
    from rich.table import Table
    from rich.text import Text

    found = Table(*headings, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        found.add_row(*map(Text, row))
    return found


def age(since: datetime) -> str:
    """The time since then in its largest unit, such as ``3 d``."""
    seconds = max(int((datetime.now(UTC) - since).total_seconds()), 0)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
