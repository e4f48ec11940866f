"""Debian's packages that tests need on this machine: installed when they are missing, by root on Debian only."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

ENGINE = {"podman": "podman", "runc": "runc", "buildah": "buildah", "mmdebstrap": "mmdebstrap", "iptables": "iptables"}
"""Commands by Debian package."""

PLUGINS = Path("/usr/lib/cni")
"""Of containernetworking-plugins, which has no command."""

BROWSER = {"chromium": "chromium", "chromedriver": "chromium-driver"}
PROXY = {"haproxy": "haproxy"}


def require(commands: dict[str, str]) -> dict[str, str]:
    """The path of each command, after installing the packages of those that are missing; fails the test otherwise."""
    with (Path(tempfile.gettempdir()) / "prequel-packages.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [package for command, package in commands.items() if shutil.which(command) is None]
        if "podman" in commands and not PLUGINS.is_dir():
            missing.append("containernetworking-plugins")
        if missing:
            _install(missing)
    found = {command: shutil.which(command) for command in commands}
    absent = [command for command, path in found.items() if path is None]
    if absent:
        pytest.fail(f"still missing after the installation: {', '.join(absent)}")
    return {command: path for command, path in found.items() if path is not None}


def _install(packages: list[str]) -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        pytest.fail(f"install {', '.join(packages)}: only root on Debian can do it from here")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run(
            ["apt-get", *command], env=environment, capture_output=True, text=True, timeout=600, check=False
        )
        if done.returncode:
            pytest.fail(f"apt-get {command[0]} ended with exit code {done.returncode}: {done.stderr[-2000:]}")
