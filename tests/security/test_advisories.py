"""No locked package has a known vulnerability that has not been reviewed.

Every locked version is always compared with advisories.toml. PyPI and npm are queried as well. Their findings fail for
packages that the project runs, and are warnings for tools that process only the project's files. If they do not
respond, the warning is NOT AUDITED. With `make audit`, each of these warnings fails.
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

RUN_BY_US = [
    *("requirements.txt", "requirements-runner.txt"),
    *("image/loader/requirements.txt", "image/editor/requirements.txt"),
]
RUN_ON_OUR_FILES = ["requirements-security.txt", "requirements-second.txt"]
HASHED = {
    "requirements-runner.txt": "runner",
    "image/loader/requirements.txt": "loader",
    "image/editor/requirements.txt": "editor",
    "requirements-security.txt": "security",
    "requirements-second.txt": "second",
}
"""Installed with `pip install --require-hashes`, with the dependency group in pyproject.toml of each."""

INSISTING = bool(os.environ.get("PREQUEL_REQUIRE_ADVISORIES"))

SOURCE = "https://pypi.org/pypi/pip/20.0/json"
"""A release with known vulnerabilities, to verify that an index reports them."""

ON_FILE = tomllib.loads((Path(__file__).parent / "advisories.toml").read_text())
EXCUSED = {advisory["id"] for advisory in ON_FILE["advisory"] if "excuse" in advisory}


@dataclass(frozen=True)
class Pin:
    """One version of one package in a lock file."""

    ecosystem: str
    package: str
    version: str


def requirements(lock: str) -> list[Requirement]:
    lines = (PROJECT / lock).read_text().splitlines()
    return [Requirement(line.rstrip("\\ ")) for line in lines if line and line[0].isalnum()]


NODE_PROJECTS = [PROJECT, PROJECT / "image" / "editor"]


def node_packages(project: Path = PROJECT) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads((project / "package-lock.json").read_text())["packages"]
    return {path: package for path, package in found.items() if path}


def pins() -> Iterator[Pin]:
    for lock in (*RUN_BY_US, *RUN_ON_OUR_FILES):
        for requirement in requirements(lock):
            (version,) = (specifier.version for specifier in requirement.specifier)
            yield Pin("PyPI", requirement.name.lower(), version)
    for path, package in (item for project in NODE_PROJECTS for item in node_packages(project).items()):
        yield Pin("npm", path.rpartition("node_modules/")[2], package["version"])


def vulnerable(pinned: Iterable[Pin]) -> set[tuple[str, Pin]]:
    """Each advisory in advisories.toml with each vulnerable pin."""
    known = [(advisory, (advisory["ecosystem"], advisory["package"])) for advisory in ON_FILE["advisory"]]
    return {
        (advisory["id"], pin)
        for pin in pinned
        for advisory, of in known
        if (pin.ecosystem, pin.package) == of
        and ("fixed" not in advisory or Version(pin.version) < Version(advisory["fixed"]))
    }


def test_no_locked_version_has_a_known_advisory_that_is_not_accepted() -> None:
    found = vulnerable(pins())
    assert not {(name, pin) for name, pin in found if name not in EXCUSED}, (
        "lock a later version, or add an excuse with the reason"
    )
    assert not EXCUSED - {name for name, _ in found}, "remove these excuses"


def test_every_known_advisory_is_for_a_locked_package() -> None:
    pinned = {(pin.ecosystem, pin.package) for pin in pins()}
    assert {(advisory["ecosystem"], advisory["package"]) for advisory in ON_FILE["advisory"]} <= pinned


def test_a_vulnerable_version_is_detected() -> None:
    old, fixed, other = Pin("PyPI", "flask", "3.1.2"), Pin("PyPI", "flask", "3.1.3"), Pin("npm", "flask", "1.0.0")
    assert vulnerable([old, fixed, other]) == {("CVE-2026-27205", old)}


def test_every_package_that_is_installed_by_hash_has_a_hash() -> None:
    groups = tomllib.loads((PROJECT / "pyproject.toml").read_text())["dependency-groups"]
    for lock, group in HASHED.items():
        lines = [line for line in (PROJECT / lock).read_text().splitlines() if line[:1].isalnum()]
        requested = {Requirement(text).name for text in groups[group]}
        assert requested <= {requirement.name for requirement in requirements(lock)}
        assert all(line.endswith("\\") for line in lines), f"{lock}: a pin has no hash on the next line"
    packages = [item for project in NODE_PROJECTS for item in node_packages(project).items()]
    unchecked = [path for path, package in packages if not package.keys() & {"integrity", "inBundle"}]
    assert len(packages) > 100
    assert not unchecked, "a package that is not bundled with another one needs a checksum"


def test_no_locked_version_is_a_pre_release() -> None:
    assert not [pin for pin in pins() if pin.ecosystem == "PyPI" and Version(pin.version).is_prerelease]


def report(text: str, *, fails: bool) -> None:
    """Fails with ``text``, or warns if neither ``fails`` nor `make audit` requires a failure."""
    if fails or INSISTING:
        pytest.fail(text)
    warnings.warn(text, stacklevel=2)


def unavailable() -> str:
    """Why PyPI does not report vulnerabilities; empty if it does."""
    try:
        with urllib.request.urlopen(SOURCE, timeout=5) as answer:
            document = json.loads(answer.read())
    except (OSError, ValueError) as error:
        return f"{SOURCE}: {error}"
    return "" if document.get("vulnerabilities") else f"{SOURCE} reports no vulnerability, expected some"


def audit(lock: Path) -> list[dict[str, Any]]:
    """The packages of a lock file, each with its ``vulns``; raises ``AssertionError`` if pip-audit failed."""
    command = [security_tool("pip-audit"), "--requirement", str(lock), "--disable-pip", "--no-deps", "--format", "json"]
    done = subprocess.run([*command, "--progress-spinner", "off"], capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    return packages


def test_pypi_reports_no_vulnerability_that_is_not_accepted_if_it_responds(tmp_path: Path) -> None:
    reason = unavailable()
    if reason:
        report(f"NOT AUDITED: {reason}", fails=False)
        return
    (tmp_path / "requirements.txt").write_text("pip==20.0\n")
    assert audit(tmp_path / "requirements.txt")[0]["vulns"], "pip-audit did not report a known vulnerability"
    for lock in (*RUN_BY_US, *RUN_ON_OUR_FILES):
        packages = audit(PROJECT / lock)
        assert len(packages) == sum(r.marker is None or r.marker.evaluate() for r in requirements(lock))
        assert not [p.get("skip_reason") for p in packages if "skip_reason" in p]
        found = {(p["name"], v["id"]) for p in packages for v in p["vulns"] if not EXCUSED & {v["id"], *v["aliases"]}}
        if found:
            report(
                f"{lock}: lock later versions, or add them to advisories.toml with an excuse: {found}",
                fails=lock in RUN_BY_US,
            )


@pytest.mark.parametrize("project", NODE_PROJECTS, ids=["tools", "image"])
def test_npm_reports_no_vulnerability_that_is_not_accepted_if_it_responds(project: Path) -> None:
    done = subprocess.run(
        ["npm", "audit", "--package-lock-only", "--json"], cwd=project, capture_output=True, text=True, check=False
    )
    answer = json.loads(done.stdout)
    if "vulnerabilities" not in answer:
        report(f"NOT AUDITED: npm: {answer.get('message', done.stderr)}", fails=False)
        return
    advisories = [via for found in answer["vulnerabilities"].values() for via in found["via"] if isinstance(via, dict)]
    found = {(via["name"], via["url"]) for via in advisories if via["url"].rpartition("/")[2] not in EXCUSED}
    if found:
        report(
            f"{project.relative_to(PROJECT) / 'package-lock.json'}: update, or add them to advisories.toml with an"
            f" excuse: {found}",
            fails=project != PROJECT,
        )
