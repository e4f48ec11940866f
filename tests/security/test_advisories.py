"""The pinned packages have no known vulnerability, as far as anybody here can tell.

pip-audit asks PyPI for the advisories of each pinned package. Where PyPI cannot be asked, nothing is known, and the
test says so: it is skipped by name, or fails where ``PREQUEL_REQUIRE_ADVISORIES`` is set, as in a scheduled run.
"""

import json
import os
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from scripts.local import PROJECT
from tests.security.conftest import security_tool

pytestmark = pytest.mark.slow

LOCKS = ["requirements.txt", "requirements-runner.txt"]
"""What we run. requirements-security.txt is only ever run on our own files."""

SOURCE = "https://pypi.org/pypi/pip/20.0/json"
"""A release with known vulnerabilities: whoever tells of none does not tell the truth."""


def why_unknown() -> str:
    """Why PyPI tells nothing about vulnerabilities here; empty if it does."""
    try:
        with urllib.request.urlopen(SOURCE, timeout=5) as answer:
            document = json.loads(answer.read())
    except (OSError, ValueError) as error:
        return f"{SOURCE}: {error}"
    return "" if document.get("vulnerabilities") else f"{SOURCE} names no vulnerability, and has some"


@pytest.fixture(scope="module")
def source() -> None:
    reason = why_unknown()
    if not reason:
        return
    text = f"NOT AUDITED: no source of advisories answers ({reason})"
    if os.environ.get("PREQUEL_REQUIRE_ADVISORIES"):
        pytest.fail(text)
    pytest.skip(text)


def audit(lock: Path) -> list[dict[str, Any]]:
    """The packages of a lock file, each with its ``vulns``; raises ``AssertionError`` when the audit was not made."""
    command = [security_tool("pip-audit"), "--requirement", str(lock), "--disable-pip", "--no-deps", "--format", "json"]
    done = subprocess.run([*command, "--progress-spinner", "off"], capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    return packages


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize("lock", LOCKS)
def test_no_pinned_package_has_a_known_vulnerability(lock: str) -> None:
    packages = audit(PROJECT / lock)
    pinned = [line for line in (PROJECT / lock).read_text().splitlines() if "==" in line and line[0].isalnum()]
    assert len(packages) == len(pinned)
    assert not [p.get("skip_reason") for p in packages if "skip_reason" in p]
    assert not {p["name"]: [v["id"] for v in p["vulns"]] for p in packages if p["vulns"]}


@pytest.mark.usefixtures("source")
def test_a_known_vulnerability_is_found(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("pip==20.0\n")
    assert audit(tmp_path / "requirements.txt")[0]["vulns"]
