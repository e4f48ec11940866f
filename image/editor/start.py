#!/usr/bin/python3 -I
"""Stands before code-server on the image's PATH: prepares the challenge's folder, and becomes code-server."""

import os
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import NoReturn

ROOT = Path("/opt/editor")
EDITOR = (
    "/opt/node/bin/node",
    "--require",
    f"{ROOT}/priority.js",
    f"{ROOT}/node_modules/code-server/out/node/entry.js",
)
SHELL = str(ROOT / "bash")
"""Of terminals and tasks; its name is what the editor knows a shell by."""
SETUP_SECONDS = 60
"""The load balancer's checks begin to count after 120 s (health_check_grace_period_seconds)."""


def main() -> NoReturn:
    """Runs code-server with the arguments; the last one is the folder to open, if it is an absolute path."""
    arguments = sys.argv[1:]
    # What pip and npm install for a user.
    os.environ["PATH"] = f"{Path.home()}/.local/bin:{os.environ['PATH']}"
    os.environ["SHELL"] = SHELL
    if arguments and arguments[-1].startswith("/"):
        prepare(Path(arguments[-1]))
        arguments = ["--extensions-dir", f"{ROOT}/extensions", *arguments]
    os.execv(EDITOR[0], [*EDITOR, *arguments])  # noqa: S606  (no shell on purpose)


def prepare(folder: Path) -> None:
    """Waits for the challenge, runs its ``setup``, and writes the settings unless the candidate has any."""
    wait(folder, float(os.environ.get("CHALLENGE_WAIT_SECONDS", "60")))
    if command := setup_command(folder / "challenge.toml"):
        set_up(folder, command)
    settings = Path.home() / ".local/share/code-server/User/settings.json"
    if not settings.exists():
        settings.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / "settings.json", settings)


def wait(folder: Path, seconds: float) -> None:
    """The loader makes the candidate the folder's owner when everything is there, and not before."""
    deadline = time.monotonic() + seconds
    while not os.access(folder, os.W_OK):
        if time.monotonic() > deadline:
            sys.exit(f"{folder} was not delivered")
        time.sleep(0.5)


def setup_command(manifest: Path) -> str:
    """``setup`` of challenge.toml; a challenge need not have one."""
    try:
        return str(tomllib.loads(manifest.read_text()).get("setup", ""))
    except FileNotFoundError:
        return ""
    except ValueError as error:
        sys.exit(f"{manifest.name} is not valid: {error}")


def set_up(folder: Path, command: str) -> None:
    """A challenge that cannot be set up ends here: its author sees it at once, and no candidate does."""
    # As the candidate would, who has no password in the environment either.
    environment = {name: value for name, value in os.environ.items() if name != "PASSWORD"}
    try:
        code = subprocess.run(
            [SHELL, "-c", command], cwd=folder, env=environment, timeout=SETUP_SECONDS, check=False
        ).returncode
    except subprocess.TimeoutExpired:
        sys.exit(f"setup did not end within {SETUP_SECONDS} s: {command}")
    if code:
        sys.exit(f"setup failed with exit code {code}: {command}")


if __name__ == "__main__":
    main()
