"""Files of interviews as spreadsheets and people write them."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.errors import RefusedError
from scripts.interviews.bulk import read_requests
from scripts.interviews.csv_rows import read_rows

HEADINGS = "challenge,candidate,id,duration\r\n"


def a_file(directory: Path, content: str | bytes) -> Path:
    path = directory / "interviews.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(directory: Path, content: str | bytes) -> list[str]:
    path = a_file(directory, content)
    with pytest.raises(RefusedError) as refused:
        read_requests(path)
    return [line.removeprefix(str(path)) for line in str(refused.value).splitlines()]


TABLE = [["challenge", "candidate", "id"], ["python", "Zoë, Ångström", "a"], ["sql", 'O\'Neil "Bo"; Jr', "b"]]


def written(delimiter: str, line_end: str = "\r\n") -> str:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if set(text) & set('",;\t') else text

    return "".join(delimiter.join(map(cell, row)) + line_end for row in TABLE)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_every_usual_delimiter_encoding_and_line_end_means_the_same_interviews(
    tmp_path: Path, delimiter: str, encoding: str, line_end: str
) -> None:
    found = read_requests(a_file(tmp_path, written(delimiter, line_end).encode(encoding)))
    assert [[r.challenge, r.candidate_name, r.id] for r in found] == TABLE[1:]
    assert [request.line for request in found] == [2, 3]


def test_the_line_that_excel_writes_to_name_the_delimiter_is_read(tmp_path: Path) -> None:
    found = read_requests(a_file(tmp_path, "sep=;\r\n" + written(";")))
    assert [(request.candidate_name, request.line) for request in found] == [(TABLE[1][1], 3), (TABLE[2][1], 4)]


def test_empty_rows_trailing_delimiters_and_spaces_of_a_spreadsheet_are_no_problem(tmp_path: Path) -> None:
    text = '\r\n Challenge , CANDIDATE,id,,\r\npython, "Ada, Countess",a,,\r\n,,,,\r\n  \r\nsql,Bob,b,,\r\n,,,,\r\n'
    found = read_requests(a_file(tmp_path, text))
    assert [(request.candidate_name, request.id, request.line) for request in found] == [
        ("Ada, Countess", "a", 3),
        ("Bob", "b", 6),
    ]


def test_a_name_with_a_comma_is_never_cut_but_refused_with_its_line_and_column(tmp_path: Path) -> None:
    rows = "challenge,candidate\npython,Grace Hopper\n\npython,Lovelace, Ada\n"
    assert refusal(tmp_path, rows) == [
        ':4: column 3: "Ada" is below no heading; put a text that has a delimiter in it between "quotes"'
    ]


def test_each_problem_of_a_file_is_reported_at_once_with_its_true_line_and_column(tmp_path: Path) -> None:
    rows = (
        "challenge,candidate,id,duration\n"  # 1
        "\n"
        'python,"Ada\nLovelace",a,90m\n'  # 3 and 4
        ",,,\n"
        "../x,,B_C,soon\n"  # 6
        'python,"Eve"!,c,\n'  # 7
        "python,Dan,c,\n"  # 8
        "python,Fay,c,,90m\n"  # 9
        'python,"Gil,d,\n'  # 10, to the end
    )
    assert refusal(tmp_path, rows) == [
        ':6: column 1 (challenge): "../x" cannot name a challenge, expected a path of letters, digits, hyphens and '
        "underscores such as python/rate-limiter",
        ":6: column 2 (candidate): is empty",
        ':6: column 3 (id): "B_C" cannot name an interview, expected 1 to 32 lower-case letters, digits and inner '
        "hyphens, not beginning with internal-",
        ':6: column 4 (duration): "soon" is not a duration, expected minutes or a text such as 90m or 1h30m',
        ':7: text follows the closing " of a cell; write a " inside of a quoted cell twice',
        ':9: column 5: "90m" is below no heading; put a text that has a delimiter in it between "quotes"',
        ':10: a " is opened and never closed',
        ": the id c is given more than once, in the lines 8, 9",
    ]


def test_headings_that_are_given_twice_unknown_or_missing_are_refused_together_with_the_rows(tmp_path: Path) -> None:
    assert refusal(tmp_path, "challenge,Duration,duratoin,duration\npython,soon,1,2\n") == [
        ":1: has the columns challenge, duration, duratoin, duration, expected challenge, candidate, "
        "and if wanted id, duration, at, image_tag",
        ':1: column 3: "duratoin" is no heading, expected challenge, candidate, id, duration, at, image_tag',
        ":1: column 4: duration is a heading twice, first of column 2",
        ':2: column 2 (duration): "soon" is not a duration, expected minutes or a text such as 90m or 1h30m',
    ]
    assert refusal(tmp_path, "challenge,canddate\n")[1].endswith("did you mean candidate?")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"challenge,candidate\npython,Zo\xc3\xab\npython,Zo\xeb\n", 3),  # UTF-8 and Windows-1252 in one file
        (b"challenge,candidate\npython,\x81\n", 2),
        ("challenge,candidate\npython,Ada\n".encode("utf-16") + b"\n", 3),
    ],
)
def test_bytes_that_are_no_text_are_refused_with_their_line(tmp_path: Path, content: bytes, line: int) -> None:
    (problem,) = refusal(tmp_path, content)
    assert problem.startswith(f":{line}: holds bytes that are no text in ")
    assert problem.endswith("; save the file as CSV UTF-8")


def test_a_file_that_cannot_be_read_is_refused_in_plain_words(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.csv", "no such file or directory"), (tmp_path, "is a directory")):
        with pytest.raises(RefusedError) as refused:
            read_requests(path)
        assert str(refused.value) == f"cannot read {path}: {reason}"


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=8)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=120) | TEXT.map(str.encode))
def test_no_file_at_all_ends_in_a_traceback(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = a_file(tmp_path_factory.getbasetemp(), b"challenge,candidate\n" + content)
    with suppress(RefusedError):
        for request in read_requests(path):
            request.check()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT), max_size=5), st.sampled_from(",;\t"))
def test_what_a_spreadsheet_writes_is_read_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], delimiter: str
) -> None:
    quoted = "".join(
        delimiter.join('"' + cell.replace('"', '""') + '"' for cell in row) + "\r\n" for row in [("a", "b"), *rows]
    )
    path = a_file(tmp_path_factory.getbasetemp(), quoted)
    read = read_rows(path, columns=("a", "b"), needed=("a", "b"))
    assert read.problems == []
    wanted = [(a.strip(), b.strip()) for a, b in rows if a.strip() or b.strip()]
    assert [(row.cells["a"], row.cells["b"]) for row in read.rows] == wanted
