"""Runs one query on the data: `python3 run.py queries/1_station_traffic.sql`."""

import sqlite3
import sys
from pathlib import Path

HERE = Path(__file__).parent

Row = tuple[str, ...]


def run(query: Path) -> list[Row]:
    """What ``query`` returns, as text: the column names, then the rows. NULL is the text NULL."""
    with sqlite3.connect(":memory:") as database:
        database.executescript((HERE / "schema.sql").read_text())
        database.executescript((HERE / "data.sql").read_text())
        cursor = database.execute(query.read_text())
        names = tuple(column[0] for column in cursor.description)
        return [names, *(tuple("NULL" if value is None else str(value) for value in row) for row in cursor)]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    rows = run(Path(sys.argv[1]))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip())
