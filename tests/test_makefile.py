"""What `make` says to somebody whose tools are missing or too old."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.project import PROJECT

CURRENT = {"node": "v24.1.0", "npm": "11.0.0", "terraform": "Terraform v1.11.4"}


@pytest.mark.parametrize(
    ("tool", "says", "problem"),
    [
        ("node", "v18.20.4", "node is 18.20.4, expected 20 or later; install it from https://nodejs.org"),
        ("node", None, "node is not on PATH; install Node.js 20 or later from https://nodejs.org"),
        ("terraform", "Terraform v1.9.8", "terraform is 1.9.8, expected 1.11 or later; install it from "),
        ("terraform", "Terraform v1.11.4", ""),
    ],
)
def test_a_tool_that_is_missing_or_too_old_is_named_with_what_was_found_and_how_to_get_it(
    tmp_path: Path, tool: str, says: str | None, problem: str
) -> None:
    for name, version in (CURRENT | {tool: says}).items():
        if version is not None:
            (tmp_path / name).write_text(f"#!/bin/sh\necho {version}\n")
            (tmp_path / name).chmod(0o755)
    for name in ("sh", "sed", "sort", "tr"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    done = subprocess.run(
        [shutil.which("make") or "make", "tools", f"BIN={tmp_path}", f"PYTHON={sys.executable}"],
        cwd=PROJECT,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode != 0) == bool(problem), done.stderr
    assert problem in done.stderr


def test_the_list_of_targets_fits_a_terminal_of_80_columns() -> None:
    listed = subprocess.run(["make", "help"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    assert [line for line in listed.splitlines() if len(line) > 80] == []
    assert "make demo" in listed
