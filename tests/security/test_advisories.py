"""No pinned package has a known vulnerability that nobody has looked at.

What is on file in advisories.toml is compared with every pin, always. PyPI and npm are asked, too: what they tell of
packages that we run fails; of tools that are only run on our own files, it is a warning, and so is NOT AUDITED where
they give no answer. `make audit` insists: there, each of these fails.
"""

import json
import os
import subprocess
import tomllib
import urllib.request
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from scripts.project import PROJECT
from tests.security.conftest import security_tool

pytestmark = pytest.mark.slow

RUN_BY_US = ["requirements.txt", "requirements-runner.txt"]
RUN_ON_OUR_FILES = ["requirements-security.txt"]
HASHED = ["requirements-runner.txt", "requirements-security.txt"]
"""What pip is told to install by hash (`--require-hashes`)."""

INSISTING = bool(os.environ.get("PREQUEL_REQUIRE_ADVISORIES"))

SOURCE = "https://pypi.org/pypi/pip/20.0/json"
"""A release with known vulnerabilities: whoever tells of none does not tell the truth."""

ON_FILE = tomllib.loads((Path(__file__).parent / "advisories.toml").read_text())
EXCUSED = {advisory["id"] for advisory in ON_FILE["advisory"] if "excuse" in advisory}


@dataclass(frozen=True)
class Pin:
    """One version of one package that a lock file holds."""

    ecosystem: str
    package: str
    version: str


def requirements(lock: str) -> list[Requirement]:
    lines = (PROJECT / lock).read_text().splitlines()
    return [Requirement(line.rstrip("\\ ")) for line in lines if line and line[0].isalnum()]


def node_packages() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads((PROJECT / "package-lock.json").read_text())["packages"]
    return {path: package for path, package in found.items() if path}


def pins() -> Iterator[Pin]:
    for lock in (*RUN_BY_US, *RUN_ON_OUR_FILES):
        for requirement in requirements(lock):
            (version,) = (specifier.version for specifier in requirement.specifier)
            yield Pin("PyPI", requirement.name.lower(), version)
    for path, package in node_packages().items():
        yield Pin("npm", path.rpartition("node_modules/")[2], package["version"])


def vulnerable(pinned: Iterable[Pin]) -> set[tuple[str, Pin]]:
    """Each advisory on file with each pin that it concerns."""
    known = [(advisory, (advisory["ecosystem"], advisory["package"])) for advisory in ON_FILE["advisory"]]
    return {
        (advisory["id"], pin)
        for pin in pinned
        for advisory, of in known
        if (pin.ecosystem, pin.package) == of
        and ("fixed" not in advisory or Version(pin.version) < Version(advisory["fixed"]))
    }


def test_no_pin_has_a_vulnerability_on_file_that_is_not_excused() -> None:
    found = vulnerable(pins())
    assert not {(name, pin) for name, pin in found if name not in EXCUSED}, (
        "pin a later version, or say why it may stay"
    )
    assert not EXCUSED - {name for name, _ in found}, "take these excuses out"


def test_every_advisory_on_file_is_of_a_package_that_is_pinned() -> None:
    pinned = {(pin.ecosystem, pin.package) for pin in pins()}
    assert {(advisory["ecosystem"], advisory["package"]) for advisory in ON_FILE["advisory"]} <= pinned


def test_an_old_version_would_be_noticed() -> None:
    old, mended, other = Pin("PyPI", "flask", "3.1.2"), Pin("PyPI", "flask", "3.1.3"), Pin("npm", "flask", "1.0.0")
    assert vulnerable([old, mended, other]) == {("CVE-2026-27205", old)}


def test_what_is_installed_by_hash_has_one_for_every_pin() -> None:
    for lock in HASHED:
        lines = [line for line in (PROJECT / lock).read_text().splitlines() if line[:1].isalnum()]
        assert len(lines) > 20
        assert all(line.endswith("\\") for line in lines), f"{lock}: the hashes follow on the next lines"
    packages = node_packages()
    unchecked = [path for path, package in packages.items() if not package.keys() & {"integrity", "inBundle"}]
    assert len(packages) > 100
    assert not unchecked, "whatever is no part of another package's archive needs a checksum of its own"


def test_no_pin_is_a_pre_release() -> None:
    assert not [pin for pin in pins() if pin.ecosystem == "PyPI" and Version(pin.version).is_prerelease]


def tell(text: str, *, fails: bool) -> None:
    """Fails with ``text``, or warns of it where nobody insists."""
    if fails or INSISTING:
        pytest.fail(text)
    warnings.warn(text, stacklevel=2)


def why_unknown() -> str:
    """Why PyPI tells nothing about vulnerabilities here; empty if it does."""
    try:
        with urllib.request.urlopen(SOURCE, timeout=5) as answer:
            document = json.loads(answer.read())
    except (OSError, ValueError) as error:
        return f"{SOURCE}: {error}"
    return "" if document.get("vulnerabilities") else f"{SOURCE} names no vulnerability, and has some"


def audit(lock: Path) -> list[dict[str, Any]]:
    """The packages of a lock file, each with its ``vulns``; raises ``AssertionError`` when the audit was not made."""
    command = [security_tool("pip-audit"), "--requirement", str(lock), "--disable-pip", "--no-deps", "--format", "json"]
    done = subprocess.run([*command, "--progress-spinner", "off"], capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    return packages


def test_pypi_names_no_vulnerability_that_is_not_excused_where_it_can_be_asked(tmp_path: Path) -> None:
    reason = why_unknown()
    if reason:
        tell(f"NOT AUDITED: {reason}", fails=False)
        return
    (tmp_path / "requirements.txt").write_text("pip==20.0\n")
    assert audit(tmp_path / "requirements.txt")[0]["vulns"], "pip-audit looks at nothing"
    for lock in (*RUN_BY_US, *RUN_ON_OUR_FILES):
        packages = audit(PROJECT / lock)
        assert len(packages) == sum(r.marker is None or r.marker.evaluate() for r in requirements(lock))
        assert not [p.get("skip_reason") for p in packages if "skip_reason" in p]
        found = {(p["name"], v["id"]) for p in packages for v in p["vulns"] if not EXCUSED & {v["id"], *v["aliases"]}}
        if found:
            tell(f"{lock}: pin later versions, or put them on file with an excuse: {found}", fails=lock in RUN_BY_US)


def test_npm_names_no_vulnerability_that_is_not_excused_where_it_can_be_asked() -> None:
    done = subprocess.run(
        ["npm", "audit", "--package-lock-only", "--json"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    told = json.loads(done.stdout)
    if "vulnerabilities" not in told:
        tell(f"NOT AUDITED: npm: {told.get('message', done.stderr)}", fails=False)
        return
    advisories = [via for found in told["vulnerabilities"].values() for via in found["via"] if isinstance(via, dict)]
    found = {(via["name"], via["url"]) for via in advisories if via["url"].rpartition("/")[2] not in EXCUSED}
    if found:
        tell(f"package-lock.json: update, or put them on file with an excuse: {found}", fails=False)
