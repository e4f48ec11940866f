"""Tables as spreadsheets write them: any usual delimiter and encoding, and each cell with its line and column."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from scripts.errors import RefusedError

_DELIMITERS = (",", ";", "\t")
_DECLARED_DELIMITER = re.compile(r"sep=(?P<delimiter>[,;\t|])[ ,;\t|]*(\r|\n|$)", re.IGNORECASE)
"""The line that Excel reads and writes before the headings."""

_BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_UTF_8_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
"""A character outside ASCII in UTF-8 (RFC 3629); text in Windows-1252 practically never looks so."""


@dataclass(frozen=True)
class Row:
    """``cells`` by heading, without outer spaces; ``line`` is the one at which the row begins, from 1."""

    line: int
    cells: dict[str, str]


@dataclass(frozen=True)
class Spreadsheet:
    """The rows of ``path`` that are not empty, and the place of each heading from 1."""

    path: Path
    rows: list[Row] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    _problems: list[tuple[int, int, str]] = field(default_factory=list)

    def add_problem(self, line: int, place: int, reason: object) -> None:
        """Notes what is wrong with a cell, or with a whole line if ``place`` is 0."""
        name = next((f" ({heading})" for heading, found in self.places.items() if found == place), "")
        cell = f" column {place}{name}:" if place else ""
        self._problems.append((line, place, f"{self.path}:{line}:{cell} {reason}"))

    @property
    def problems(self) -> list[str]:
        """A line for each problem, in the order of the file."""
        return [text for _, _, text in sorted(self._problems)]


def read_rows(path: Path, *, columns: Sequence[str], needed: Sequence[str]) -> Spreadsheet:
    """The table in ``path``, whose headings are ``columns``, in any order and case; the ``needed`` ones must be there.

    Raises ``RefusedError`` when the file cannot be read as text; everything else that is wrong is in ``problems``.
    """
    text = _text(path)
    declared = _DECLARED_DELIMITER.match(text)
    delimiter = declared["delimiter"] if declared else _delimiter(text, columns)
    headings: list[str] | None = None
    table = Spreadsheet(path)
    for line, cells in _records(text, delimiter, table):
        if not any(cells) or (declared and line == 1):
            continue
        if headings is None:
            headings = [cell.lower() for cell in cells]
            _check_headings(headings, line, columns, needed, table)
        else:
            table.rows.append(_row(line, cells, headings, table))
    if headings is None:
        table.add_problem(1, 0, f"is empty, expected {', '.join(needed)} as headings, and a row for each interview")
    return table


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RefusedError(f"cannot read {path}: {(error.strerror or 'it failed').lower()}") from error
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS.items() if content.startswith(mark)), "")
    if not encoding and content[1:2] == b"\0":
        encoding = "utf-16-le"
    elif not encoding and content[:1] == b"\0":
        encoding = "utf-16-be"
    try:
        return content.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        broken = error
    if not encoding and not _UTF_8_SEQUENCE.search(content):
        try:
            return content.decode("cp1252")
        except UnicodeDecodeError as error:
            broken = error
    before = content[: broken.start].decode(encoding or "latin-1", errors="ignore")
    raise RefusedError(
        f"{path}:{before.count(chr(10)) + 1}: holds bytes that are no text in "
        f"{encoding or 'UTF-8, UTF-16 or Windows-1252'}; save the file as CSV UTF-8"
    )


def _delimiter(text: str, columns: Sequence[str]) -> str:
    """The one that finds most of ``columns`` in the first line that has text."""
    first = next((line for line in text.splitlines() if line.strip(" ,;\t")), "")

    def found(delimiter: str) -> int:
        return sum(cell.strip().strip('"').lower() in columns for cell in first.split(delimiter))

    return max(_DELIMITERS, key=found)


def _records(text: str, delimiter: str, table: Spreadsheet) -> list[tuple[int, list[str]]]:
    """The cells of each record, and its line; what is no CSV is added to the problems, and reading goes on."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    found: list[tuple[int, list[str]]] = []
    while True:
        line = reader.line_num + 1
        try:
            found.append((line, [cell.strip() for cell in next(reader)]))
        except StopIteration:
            return found
        except csv.Error as error:
            table.add_problem(line, 0, _plain(error))


def _plain(error: csv.Error) -> str:
    reason = str(error)
    if "unexpected end" in reason:
        return 'a " is opened and never closed'
    if "field larger" in reason:
        return f'a cell has more than {csv.field_size_limit()} characters; is a " opened and not closed?'
    return 'text follows the closing " of a cell; write a " inside of a quoted cell twice'


def _check_headings(
    headings: list[str], line: int, columns: Sequence[str], needed: Sequence[str], table: Spreadsheet
) -> None:
    """Fills in the places; a heading that is unknown or repeated, or missing, is a problem."""
    counted = Counter(headings)
    for place, heading in enumerate(headings, start=1):
        if heading in table.places:
            table.add_problem(line, place, f"{heading} is a heading twice, first of column {table.places[heading]}")
        elif heading in columns:
            table.places[heading] = place
        elif heading:
            near = [name for name in get_close_matches(heading, columns, n=1) if not counted[name]]
            hint = f"did you mean {near[0]}?" if near else f"expected {', '.join(columns)}"
            table.add_problem(line, place, f'"{heading}" is no heading, {hint}')
    missing = [name for name in needed if name not in table.places]
    if missing:
        got = ", ".join(filter(None, headings))
        table.add_problem(
            line,
            0,
            f"has the columns {got}, expected {', '.join(needed)}, "
            f"and if wanted {', '.join(name for name in columns if name not in needed)}",
        )


def _row(line: int, cells: list[str], headings: list[str], table: Spreadsheet) -> Row:
    """The cells below known headings; one below none is a problem, because a comma may have cut a name in two."""
    row: dict[str, str] = {}
    for place, cell in enumerate(cells, start=1):
        heading = headings[place - 1] if place <= len(headings) else ""
        if table.places.get(heading) == place:
            row[heading] = cell
        elif cell and not heading:
            reason = f'"{cell}" is below no heading; put a text that has a delimiter in it between "quotes"'
            table.add_problem(line, place, reason)
    return Row(line, row)
