"""The packages of the candidate's image: Debian's have no known vulnerability that is fixed, and npm's are current.

As in test_advisories.py, a source that does not respond is the warning NOT AUDITED, which fails with `make audit`. On
AWS, `prequel image status` shows what ECR's scan found.
"""

import json
import re
import shutil
import subprocess
import urllib.request
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

REGISTRY = "https://registry.npmjs.org/"
CHOSEN = re.compile(r"node-linux-|npm$")
"""Packages whose major version is chosen: a long-term support release of Node.js, with the npm that belongs to it."""


def answer(url: str, accept: str) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=20) as response:  # noqa: S310
        content: bytes = response.read()
    return content


def newest(package: str, pinned: str) -> str:
    """The newest release of an npm package, of the same major version where that is chosen."""
    document = json.loads(answer(REGISTRY + package, "application/vnd.npm.install-v1+json"))
    found = [Version(text) for text in document["versions"] if "-" not in text]
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


def test_debian_reports_no_fixed_vulnerability_in_the_image_if_it_responds(tmp_path: Path) -> None:
    [release] = re.findall(r"^ARG BASE=\S+debian:(\w+)", (PROJECT / "image" / "Dockerfile").read_text(), re.MULTILINE)
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
