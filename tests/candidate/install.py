"""Installs what the candidate's containers are made of, because there is no container engine where tests run.

Each part becomes a layer: a directory that ``tests.candidate.container`` lays over this machine's ``/usr`` and
``/etc``. Layers are kept in ``$XDG_CACHE_HOME/prequel`` and named after their versions; from nothing they take a
minute or two, a third of it compiling. `python -m tests.candidate.install` prints where they are.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from scripts.project import PROJECT

CODE_SERVER = "4.99.4"
"""The version that settings.py names by default."""

NODE = "20.20.2"
"""code-server 4.99 runs on Node.js 20 only; this comes from npm as well, whatever node the machine has."""

NODE_GYP = "11.5.0"
RIPGREP = "1.18.0"
DUMB_INIT = "1.2.5.post1"
AWS_CLI = "1.46.3"
"""Version 2, which the public image holds, is not on PyPI; `s3 cp` is the same in both."""

NATIVE_MODULES = (
    "node_modules/argon2",
    "node_modules/code-server/lib/vscode/node_modules/@vscode/spdlog",
    "node_modules/code-server/lib/vscode/node_modules/native-watchdog",
    "node_modules/code-server/lib/vscode/node_modules/node-pty",
)
"""Those that code-server cannot do without; the rest has prebuilt forms on npm or is never loaded on Linux."""

LOADER = PROJECT / "image" / "loader" / "prequel_load.py"

BUILD_TOOLS = {"c++": "g++", "make": "make", "python3": "python3"}
BROWSER = {"chromium": "chromium", "chromedriver": "chromium-driver"}
"""Commands by Debian package."""


class InstallError(Exception):
    """Something cannot be installed here; the message says what and why."""


def code_server() -> Path:
    """The layer with ``code-server`` and ``dumb-init`` where the public image has them; raises ``InstallError``."""
    return _layer(f"code-server-{CODE_SERVER}-node-{NODE}", _make_code_server)


def aws_cli() -> Path:
    """The layer with ``aws``; raises ``InstallError``."""
    return _layer(f"aws-cli-{AWS_CLI}", _make_aws_cli)


def loader() -> Path:
    """The layer with ``prequel-load``; raises ``InstallError``."""
    digest = hashlib.sha256(LOADER.read_bytes()).hexdigest()[:12]
    return _layer(f"loader-{digest}", _make_loader)


def browser() -> dict[str, str]:
    """Paths of ``chromium`` and ``chromedriver``; raises ``InstallError``."""
    return _commands(BROWSER)


def _layer(name: str, make: Callable[[Path], None]) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "prequel" / "candidate"
    cache.mkdir(parents=True, exist_ok=True)
    layer = cache / f"{name}-{platform.machine()}"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not layer.exists():
            with tempfile.TemporaryDirectory(dir=cache) as scratch:
                fresh = Path(scratch) / "layer"
                (fresh / "usr" / "bin").mkdir(parents=True)
                (fresh / "etc").mkdir()
                make(fresh)
                fresh.rename(layer)
    return layer


def _make_code_server(layer: Path) -> None:
    _commands(BUILD_TOOLS)
    architecture = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine())
    if architecture is None:
        raise InstallError(f"npm has no Node.js {NODE} for {platform.machine()}")
    home = layer / "usr" / "lib" / "code-server"
    home.mkdir(parents=True)
    node, ripgrep = f"node-linux-{architecture}", f"@vscode/ripgrep-linux-{architecture}"
    # Nothing is run on installation: some scripts download from places that a test machine may not reach.
    install = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--omit=dev"]
    packages = [f"code-server@{CODE_SERVER}", f"{node}@{NODE}", f"node-gyp@{NODE_GYP}", f"{ripgrep}@{RIPGREP}"]
    _run([*install, *packages], home)
    editor = home / "node_modules" / "code-server" / "lib" / "vscode"
    _run(install, editor)
    _run(install, editor / "extensions")
    prefix = home / "node_modules" / node
    build = [str(prefix / "bin" / "node"), str(home / "node_modules" / "node-gyp" / "bin" / "node-gyp.js"), "rebuild"]
    for module in NATIVE_MODULES:
        # What argon2's own installer says; the others take no notice.
        place = home / module / "lib" / "binding" / "napi-v3"
        variables = ["--module_name=argon2", f"--module_path={place}", "--napi_build_version=3"]
        _run([*build, f"--nodedir={prefix}", *variables], home / module)
    # As code-server's own installer does it.
    (editor / "node_modules.asar").symlink_to("node_modules")
    found = editor / "node_modules" / "@vscode" / "ripgrep" / "bin"
    found.mkdir()
    shutil.copy2(home / "node_modules" / ripgrep / "bin" / "rg", found / "rg")
    entry = "node_modules/code-server/out/node/entry.js"
    # Loads the native modules: what cannot start is not kept.
    _run([str(prefix / "bin" / "node"), entry, "--version"], home)
    root = "/usr/lib/code-server"
    _write_command(
        home / "bin" / "code-server",
        f"exec {root}/node_modules/{node}/bin/node {root}/{entry}",
    )
    (layer / "usr" / "bin" / "code-server").symlink_to(f"{root}/bin/code-server")
    (layer / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\ncoder:x:1000:1000::/home/coder:/bin/bash\n")
    pip = layer / "pip"
    _pip_install(f"dumb-init=={DUMB_INIT}", pip)
    shutil.move(pip / "bin" / "dumb-init", layer / "usr" / "bin" / "dumb-init")
    shutil.rmtree(pip)


def _make_aws_cli(layer: Path) -> None:
    _commands({"python3": "python3"})
    _pip_install(f"awscli=={AWS_CLI}", layer / "usr" / "lib" / "aws-cli")
    _write_command(layer / "usr" / "bin" / "aws", "PYTHONPATH=/usr/lib/aws-cli exec /usr/bin/python3 -m awscli")


def _make_loader(layer: Path) -> None:
    home = layer / "usr" / "lib" / "prequel"
    _pip_install("boto3", home)
    shutil.copy(LOADER, home)
    _write_command(
        layer / "usr" / "bin" / "prequel-load",
        f"PYTHONPATH=/usr/lib/prequel exec /usr/bin/python3 /usr/lib/prequel/{LOADER.name}",
    )


def _pip_install(package: str, target: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    _run([*pip, "--target", str(target), package], target.parent.parent)


def _write_command(path: Path, command: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'#!/bin/sh\n{command} "$@"\n')
    path.chmod(0o755)


def _commands(packages: dict[str, str]) -> dict[str, str]:
    """Each command's path, after installing the Debian packages of those that are missing."""
    missing = [package for command, package in packages.items() if shutil.which(command) is None]
    if missing:
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise InstallError(f"install {', '.join(missing)}: only root on Debian can do it from here")
        quietly = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        _run(["apt-get", "update", "-q"], Path("/"), quietly)
        _run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing], Path("/"), quietly)
    found = {command: shutil.which(command) for command in packages}
    absent = [command for command, path in found.items() if path is None]
    if absent:
        raise InstallError(f"{', '.join(absent)} still missing after installing {', '.join(missing)}")
    return {command: path for command, path in found.items() if path is not None}


def _run(command: list[str], directory: Path, environment: dict[str, str] | None = None) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallError(f"{' '.join(command)}: {error}") from error
    if done.returncode:
        raise InstallError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout[-2000:]}")


if __name__ == "__main__":
    for part in (code_server(), loader(), browser()):
        print(part)  # noqa: T201  (its output is its purpose)
