"""Files of values, read beside the real Terraform: one accepts what the other accepts, and the values are equal."""

import base64
import json
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from stacks.hcl_literals import Unusable
from stacks.tfvars import UnreadableFileError, read_assignments

REFUSED = object()
STRICTER = re.compile("is the expression|holds the template|has the expression|holds the number")
"""Terraform takes the value of a constant expression and rounds a number of very many digits; this project refuses."""

VALUES = [
    "-3043421683746719448436532326812352512",
    "{3043421683746719448436532326812352512 = 1}",
    '"x"',
    "1",
    "1.50",
    "1e3",
    "-5",
    "- 5",
    "0x10",
    "007",
    "1_000",
    ".5",
    "5.",
    "1E-2",
    "1e400",
    "1e3000",
    "0.0001e3000",
    "-1.5e+04299",
    "1e-3000",
    "0e99999",
    "1" * 153 + "e7",
    "12345678901234567890123",
    "true",
    "null",
    '"null"',
    "TRUE",
    "[1,2,]",
    "[1\n,2]",
    "[\n1,\n2\n]",
    "[,]",
    "[]",
    "{}",
    "{x=1}",
    "{x=1,y=2}",
    "{x=1\ny=2}",
    "{x=1 y=2}",
    "{x:1}",
    '{"x y"=1}',
    "{1=2}",
    "{1.50=2, 1e-7=3, 1e3=4, 12345678901234567890.5=5, 1e300=6}",
    "{(x)=1}",
    "{true=1}",
    "{x=1,}",
    "{x=1,,}",
    "{null=1}",
    "{x-y=1}",
    "{x.y=1}",
    '"x"\n"b" = 1',
    "1;",
    "",
    '"x" # c',
    '"x" // c',
    '"x" /* c */',
    "/* c */ 1",
    "1 /* unfinished",
    "<<EOT\nx\nEOT\n",
    "<<EOT\nx\nEOT",
    "<<-EOT\n  x\n   y\n  EOT\n",
    "<<-EOT\n  x\n\n   y\n  EOT\n",
    "<<EOT\n  x\n  EOT\n",
    "<<EOT\nx\n EOT\nEOT\n",
    "<<EOT\nEOT\n",
    '<<"EOT"\nx\nEOT\n',
    "<< EOT\nx\nEOT\n",
    "<<EOT\nx\nEOT b\nEOT\n",
    "<<EOT\nx\nEOT # c\nEOT\n",
    "<<EOT\nx\n",
    '<<EOT\n\\n \\" $${x} %%{y}\nEOT\n',
    "<<EOT\n${x}\nEOT\n",
    "[<<EOT\nx\nEOT\n]",
    "[<<EOT\nx\nEOT\n, 1]",
    "{x = <<EOT\ny\nEOT\n}",
    "<<E-T\nx\nE-T\n",
    "<<1\nx\n1\n",
    "<<É\nx\nÉ\n",
    "<<-EOT\n\tx\n\t y\nEOT\n",
    "<<-EOT\n  x\n y\nEOT\n",
    "<<EOT\r\nx\r\nEOT\r\n",
    "<<EOT\nx\nEOT\r\n",
    "<<-EOT\n    \n  x\nEOT\n",
    *("<<E\n$${a} $$${a} $$$${a} %%%{a} $%%{a}\nE\n", "<<E\n$$${a} ${a}\nE\n", "<<E\n%$${a} $$ % %% {a}\nE\n"),
    *("<<E\nx\ry\nE\n", "<<-E\n  \rE\n", "<<E\nx\r\r\nE\n", "<<E\nE\r\r\n", "<<E\n\r\n x\r\nE\r\n", '"a\rb"'),
    *("<<E\n\x1cE\n", "<<-E\n\x1c\n  b\nE\n", "<<E\n\u2003E\x85\n", "<<-E\n\u2003a\n \u2003b\nE\n"),
    '"\\n\\r\\t\\"\\\\"',
    '"\\x41"',
    '"\\a"',
    '"\\u00e9"',
    '"\\U0001F600"',
    '"\\U00110000"',
    '"\\uD800"',
    '"\\uD83D\\uDE00"',
    '"\\u12"',
    '"\\0"',
    '"\\\'"',
    '"\\/"',
    '"$${x}"',
    '"%%{x}"',
    '"$"',
    '"$$"',
    '"$$$${x}"',
    '"$$${x}"',
    '"%"',
    '"${x}"',
    '"%{if true}x%{endif}"',
    '"${"x"}"',
    '"${1}"',
    '"x\ny"',
    '"x',
    '"x\\',
    "'x'",
    '"a\tb"',
    '"\x01"',
    '"\x00"',
    '"é"',
    '"é"',
    '"\ufeff"',
    '"\u2028"',
    "\xa01",
    "1\x0c",
    "1\rb = 2",
    "(1)",
    "1 + 1",
    "!true",
    "true ? 1 : 2",
    "foo",
    'upper("x")',
    '["x"][0]',
    "{x=1}.x",
    "[for x in [1] : x]",
    '"x" == "x"',
    '-"5"',
    "--5",
    "- -5",
    '"a" "b"',
    "[1 2]",
    "[1\n2]",
    "(\n1\n)",
    "[ # c\n1 ]",
    "{# c\nx=1}",
    "{\n\nx=1\n\n\ny=2\n}",
    "[1,\n\n2]",
    "{x={y=[1,{z=null}]}}",
    "[null]",
    '[true,"x",1.0]',
    "1.0",
    "100000000000000000000",
    "0.1",
    "1.10",
    "-0",
    "00",
    "1e",
    '"${""}"',
    '"%{"',
    '"$\\{x}"',
    '"\\${x}"',
    '"$${"',
    '"x$"',
    '"${}"',
    '"~}"',
    '"#x"',
    '"//"',
    '"/*"',
    "\n1",
    "1\\\n",
    "for",
    "if",
    "{for=1}",
    "{if=1,in=2}",
    "{x=1, x=2}",
    '{"x"=1, x=2}',
    '{"${"x"}"=1}',
    "{x=1\n,y=2}",
    "{x\n=1}",
    "{x=\n1}",
    "[\n]",
    "{\n}",
    "[1,,2]",
    '{"x"=1 , }',
    "<<EOT\n$\nEOT\n",
    "<<EOT\n\"q\" 's'\nEOT\n",
    "<<-EOT\n  $${x}\n  EOT\n",
    '"%%"',
    '"%%%{x}"',
    '"\\\\${x}"',
    '"\\u0000"',
    '"\\uFEFF"',
    '"\\uFFFF"',
    '"\\UFFFFFFFF"',
    "provider::x::y()",
    "1 ...",
    "[1...]",
    "<<EOT\nx EOT\nEOT\n",
    "<<EOT\n\n\nEOT\n",
    "9007199254740993",
    "3.141592653589793238",
    "1e2",
    "1e-7",
    "123456789.123456789",
]
"""The right side of assignments, legal and illegal."""

FILES = [
    *("", " ", "\n\n", "# only", "/* c\n*/ {0} = 1", "{0} = 1 b{0} = 2", "{0} = 1, b{0} = 2", "{0} = 1\rb{0} = 2"),
    *("{0} = 1\r\nb{0} = 2\r\n", '"{0}" = 1', "{0} : 1", "{0} {{\n}}", '{0} "x" {{\n}}', '{0} = "x"\n{0} = "y"'),
    *("\ufeff{0} = 1", "\ufeff\ufeff{0} = 1", "{0}\t=\t1", "{0}\u00a0= 1", "{0} = \u00a01", "{0}\n= 1", "{0} =\n1"),
    *("{0} = <<E\nx\nE\n# c", "  {0} = 1  ", "{0} = 1 # c\n# d", "{0} = /* c */ 1 /* d */", "{0} = 1 // c", "{0}"),
]
"""Whole files, in which ``{0}`` is the name of a variable."""


def of_terraform(directory: Path, files: list[str]) -> list[Any]:
    """The value that Terraform reads from each of ``files``, whose variables are called v0, v1 …"""
    environment = os.environ | {"CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": str(directory / "none")}
    names = [f"v{number}" for number in range(len(files))]
    declared = "".join(f'variable "{name}" {{\n  type    = any\n  default = null\n}}\n' for name in names)
    (directory / "main.tf").write_text(declared)
    for name, text in zip(names, files, strict=True):
        (directory / f"{name}.tfvars").write_bytes(text.encode())

    def console(given: list[str]) -> subprocess.CompletedProcess[str]:
        asked = "base64encode(jsonencode({" + ", ".join(f"{name} = var.{name}" for name in names) + "}))\n"
        arguments = ["terraform", "console", *(f"-var-file={name}.tfvars" for name in given)]
        return subprocess.run(
            arguments,
            cwd=directory,
            env=environment,
            input=asked,
            capture_output=True,
            text=True,
            errors="replace",  # Terraform quotes a line as far as it likes
            check=False,
        )

    refused: set[str] = set()
    while (said := console([name for name in names if name not in refused])).returncode:
        # Terraform stops at the syntax first, then at what it cannot evaluate.
        parts = re.sub("\033\\[[0-9;]*m", "", said.stderr).split("╷")
        more = [re.search(r"on (v[0-9]+)\.tfvars line", part) for part in parts if "Error: " in part]
        assert more, said.stderr
        assert all(more), said.stderr
        refused |= {found[1] for found in more if found}
    values = json.loads(base64.b64decode(said.stdout.splitlines()[-1]), parse_int=whole)
    return [REFUSED if name in refused else values[name] for name in names]


def whole(digits: str) -> Any:
    """The number, or its text if it is longer than Python converts."""
    return int(digits) if len(digits.lstrip("-")) <= sys.int_info.default_max_str_digits else digits


def ours(path: Path) -> Any:
    """The value that we read, ``REFUSED``, or what is stricter than Terraform."""
    try:
        value = read_assignments(path).get(path.stem)
    except UnreadableFileError:
        return REFUSED
    if not isinstance(value, Unusable):
        return value
    return value if STRICTER.search(value.reason) else REFUSED


def compare(directory: Path, files: list[str]) -> None:
    theirs = of_terraform(directory, files)
    differences = []
    for number, (text, wanted) in enumerate(zip(files, theirs, strict=True)):
        found = ours(directory / f"v{number}.tfvars")
        if isinstance(found, Unusable):
            continue
        same = found is wanted if REFUSED in (found, wanted) else as_json(found) == as_json(wanted)
        if not same:
            differences.append((text, wanted, found))
    assert differences == []


def as_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def test_what_people_write_is_read_as_terraform_reads_it(tmp_path: Path) -> None:
    files = [f"v{number} = {value}" for number, value in enumerate(VALUES)]
    files += [text.format(f"v{number}") for number, text in enumerate(FILES, start=len(files))]
    compare(tmp_path, files)


def test_only_expressions_are_refused_that_terraform_would_compute(tmp_path: Path) -> None:
    path = tmp_path / "v.tfvars"
    stricter = []
    for value in VALUES:
        path.write_text(f"v = {value}")
        if isinstance(ours(path), Unusable):
            stricter.append(value)
    assert len(stricter) > 10
    literal = re.compile(r"""-?\w+|"[^"$%\\]*"|<<-?\w+\n[^$%]*""")
    assert [value for value in stricter if literal.fullmatch(value) and value not in ("foo", "for", "if", "TRUE")] == []


@pytest.mark.parametrize("number", ["1" * 154, "0." + "1" * 154, "1e4300", f"1e{'9' * 20}", f"1e-{'9' * 20}"])
def test_a_number_that_terraform_would_round_or_never_print_is_refused(tmp_path: Path, number: str) -> None:
    path = tmp_path / "v.tfvars"
    path.write_text(f"v = {number}")
    assert "expected at most 153 digits and an exponent of 4299" in ours(path).reason


NASTY = [
    "\\",
    '"',
    "$",
    "%",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ",",
    "=",
    ":",
    "\n",
    "\r\n",
    "\r",
    " ",
    "\t",
    "#",
    "//",
    "/*",
]
NASTY += [
    "*/",
    "<<E\n",
    "<<-E\n",
    "\nE\n",
    "${",
    "$${",
    "%{",
    "%%{",
    "\\n",
    "\\u00e9",
    "\\uD800",
    "\\U0001F600",
    "\\x",
    "é",
]
NASTY += ["e\u0301", "\u00a0", "\u2028", "\ufeff", "null", "true", "for", "1", "-", ".5", "1e3", "x", "_", "..."]

TEXT = st.text(st.characters(codec="utf-8"), max_size=3)

SCALARS = st.one_of(
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e9).map(lambda x: f"{x:.6f}"),
    st.sampled_from(["true", "false", "null", "1e3", "1.50", "(2)", "-7", "- 7"]),
    st.lists(st.sampled_from(NASTY) | TEXT, max_size=4).map(lambda parts: '"' + "".join(parts) + '"'),
    st.lists(st.sampled_from(["x", " y", "\tz", "", "$${a}", "  ", "\\n", '"', "%%{b}"]), max_size=4).map(
        lambda lines: "<<-E\n" + "".join(f"{line}\n" for line in lines) + "  E\n"
    ),
)
LITERALS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[" + ", ".join(items) + "]"),
        st.lists(st.tuples(st.sampled_from(["a", "b-c", '"d e"', "1", "é"]), inner), max_size=3).map(
            lambda pairs: "{" + "\n".join(f"{key} = {value}" for key, value in pairs) + "}"
        ),
    ),
    max_leaves=5,
)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A literal into which something was typed by mistake."""
    text = draw(LITERALS)
    at = draw(st.integers(0, len(text)))
    return text[:at] + draw(st.sampled_from(NASTY)) + text[at:]


def can_be_asked(text: str) -> bool:
    """Whether Terraform itself can print the value.

    For a number of millions of digits it takes all of this machine's memory, and its ``jsonencode`` joins the letter of
    an escape with an accent behind it.
    """
    accents = (found[1] for found in re.finditer(r"(?:\\[nrt]|[\n\r\t])(.)", text))
    return not re.search(r"\de\d{5}", text) and not any(map(unicodedata.combining, accents))


TYPED = (LITERALS | damaged()).filter(can_be_asked)


@settings(
    max_examples=3, derandomize=True, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(st.lists(TYPED, min_size=150, max_size=150))
def test_generated_files_are_read_as_terraform_reads_them(
    tmp_path_factory: pytest.TempPathFactory, values: list[str]
) -> None:
    text = [f"v{number} = {value}\n" for number, value in enumerate(values)]
    compare(tmp_path_factory.mktemp("files"), text)
