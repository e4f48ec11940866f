"""Tables and cards, as people read them: whole at any width, because columns are left out and not cut."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from scripts.console import NO_TERMINAL, folded, printable

if TYPE_CHECKING:
    from rich.table import Table

Cell = str | tuple[str, str]
"""A text, or a text and its style."""

_GAP = 2
_LABEL = 11
_SHORTEST_FOLD = 12


@dataclass(frozen=True)
class Column:
    """A column of a listing: where there is no room, the one with the highest ``rank`` is left out first.

    One of rank 0 always stays. A text that ``folds`` may be broken between its words; everything else is in one line.
    """

    name: str
    rank: int = 0
    folds: bool = False
    right: bool = False


@dataclass(frozen=True)
class Grid:
    """Rows of cells by the columns' names."""

    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Cell]]

    def select(self, names: Iterable[str]) -> "Grid":
        """These columns alone, in this order, of which none is left out."""
        known = {column.name: column for column in self.columns}
        return Grid([Column(name, 0, right=known[name].right) for name in names], self.rows)

    def whole(self, _: int) -> "Table":
        """The table with every column, each row in one line."""
        return self.fitted(NO_TERMINAL)

    def fitted(self, width: int) -> "Table":
        """The table at ``width`` columns; where even those of rank 0 have no room, it is wider."""
        from rich.cells import cell_len
        from rich.table import Table
        from rich.text import Text

        def widest(column: Column) -> int:
            return max(cell_len(part) for part in [column.name, *(_plain(row, column) for row in self.rows)])

        def needed(column: Column) -> int:
            return min(widest(column), _SHORTEST_FOLD) if column.folds else widest(column)

        shown = list(self.columns)
        while (room := width - sum(map(needed, shown)) - _GAP * (len(shown) - 1)) < 0:
            last = max(shown, key=lambda column: column.rank)
            if not last.rank:
                room = 0
                break
            shown.remove(last)
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
        for column in shown:
            more = min(room, widest(column) - needed(column)) if column.folds else 0
            room -= more
            table.add_column(
                Text(column.name),
                justify="right" if column.right else "left",
                width=needed(column) + more,
                overflow="fold",
                no_wrap=not column.folds,
            )
        for row in self.rows:
            styles = (cell[1] if isinstance(cell := row[column.name], tuple) else "" for column in shown)
            table.add_row(*(Text(_plain(row, column), style) for column, style in zip(shown, styles, strict=True)))
        return table


def _plain(row: Mapping[str, Cell], column: Column) -> str:
    cell = row[column.name]
    return printable(" ".join((cell[0] if isinstance(cell, tuple) else cell).split()))


def card(fields: Mapping[str, object], *paragraphs: str) -> Callable[[int], str]:
    """A line for each of the ``fields`` that has a value, and the ``paragraphs`` below; nothing is ever cut."""

    def fitted(width: int) -> str:
        lines = [
            folded(f"{name:<{_LABEL - 1}} {value}", width, _LABEL) for name, value in fields.items() if value != ""
        ]
        return "\n".join([*lines, *(folded(line, width, 4) for line in paragraphs)])

    return fitted


def age(since: datetime) -> str:
    """The time since then in its largest unit, such as ``3 d``."""
    seconds = max(int((datetime.now(UTC) - since).total_seconds()), 0)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
