"""The registry and skopeo that the tests run: Debian's packages by checksum, unpacked in a cache, installed nowhere."""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from constructs.image_build_spec import DEBIAN_MIRROR, SKOPEO_PACKAGES

REGISTRY_PACKAGE = (
    "f0577a2581fbf090716d8bd57f14d0b25a25eba6c87c3a8c252ddbf1a6bd0470",
    "d/docker-registry/docker-registry_2.8.3+ds1-2+b8_amd64.deb",
)
"""SHA-256 as in Debian's signed package list, and path."""

AWS_CLI = "awscli==1.46.3"
"""Version 2, which CodeBuild's image holds, is not on PyPI; the commands of the build spec are the same in both."""


@dataclass(frozen=True)
class Tools:
    """``mirror`` holds the packages as Debian's mirror does; ``bin`` the commands skopeo, docker-registry and aws."""

    mirror: Path
    bin: Path


def tools() -> Tools:
    """Downloads what is not in the cache yet; fails the test when something cannot be had."""
    if platform.machine() != "x86_64" or shutil.which("dpkg-deb") is None:
        pytest.fail("the build spec is for x86-64 with dpkg-deb; run these tests there")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "prequel" / "images"
    cache.mkdir(parents=True, exist_ok=True)
    packages = [REGISTRY_PACKAGE, *((sha256, path) for sha256, _, path in SKOPEO_PACKAGES)]
    key = hashlib.sha256(repr([AWS_CLI, *packages]).encode()).hexdigest()[:12]
    root = cache / f"root-{key}"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for sha256, path in packages:
            _fetch(cache / "mirror" / path, sha256, path)
        if not root.exists():
            fresh = cache / "fresh"
            shutil.rmtree(fresh, ignore_errors=True)
            for _, path in packages:
                subprocess.run(["dpkg-deb", "--extract", cache / "mirror" / path, fresh], check=True)
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
            subprocess.run([*pip, "--target", fresh / "aws-cli", AWS_CLI], check=True)
            fresh.rename(root)
        return Tools(cache / "mirror", _commands(root))


def _fetch(package: Path, sha256: str, path: str) -> None:
    if not package.exists():
        package.parent.mkdir(parents=True, exist_ok=True)
        part = package.with_suffix(".part")
        command = ["curl", "--fail", "--silent", "--show-error", "--location", "--retry", "3"]
        done = subprocess.run(
            [*command, "--output", part, f"{DEBIAN_MIRROR}/{path}"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.fail(f"cannot fetch {path} from Debian's mirror: {done.stderr}")
        part.rename(package)
    assert hashlib.sha256(package.read_bytes()).hexdigest() == sha256, f"{package} is not the pinned one"


def _commands(root: Path) -> Path:
    """The programs with the C library that they were built with, whatever this machine has."""
    commands = root / "commands"
    commands.mkdir(exist_ok=True)
    libraries = root / "usr" / "lib" / "x86_64-linux-gnu"
    run = f"exec {libraries}/ld-linux-x86-64.so.2 --library-path {libraries} {root}/usr/bin"
    # Without root there is no /etc/containers/policy.json, which would say who must have signed an image.
    _write(commands / "skopeo", f"{run}/skopeo --insecure-policy")
    _write(commands / "docker-registry", f"{run}/docker-registry")
    _write(commands / "aws", f"PYTHONPATH={root / 'aws-cli'} exec /usr/bin/env python3 -m awscli")
    return commands


def _write(path: Path, command: str) -> None:
    path.write_text(f'#!/bin/sh\n{command} "$@"\n')
    path.chmod(0o755)
