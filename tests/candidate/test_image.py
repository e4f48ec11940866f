"""Our image, as far as it can be tried without an engine that builds it: its files, and its entry point for real."""

import io
import json
import re
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts.project import PROJECT
from tests.candidate import install
from tests.candidate.container import Container, check_possible, wait_for
from tests.candidate.editor import our_image, wait_until_healthy
from tests.candidate.task import Interview

DOCKERFILE = PROJECT / "image" / "Dockerfile"
FOLDER = "/home/coder/challenge"

Entry = Callable[..., Container]


@pytest.mark.parametrize(
    "command",
    [("hadolint", "--no-color", "image/Dockerfile"), ("shellcheck", "image/entrypoint.sh")],
    ids=lambda command: command[0],
)
def test_the_linters_have_nothing_to_say(command: tuple[str, ...]) -> None:
    linter = Path(sys.executable).with_name(command[0])
    done = subprocess.run([linter, *command[1:]], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_base_is_pinned_and_the_candidate_is_an_ordinary_user() -> None:
    text = DOCKERFILE.read_text()
    versions = dict(re.findall(r"^ARG (\w+)=(\S+)$", text, re.MULTILINE))
    bases = [base.format(**versions) for base in re.findall(r"^FROM (\S+)", text.replace("${", "{"), re.MULTILINE)]
    assert len(bases) == 2
    assert all(re.search(r":\d+\.\d+\.\d+", base) for base in bases)
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE)[-1] == "1000:1000"
    assert versions["CODE_SERVER"] == install.CODE_SERVER


@pytest.mark.e2e
def test_it_starts_by_itself_what_the_task_definition_starts(interview: Interview) -> None:
    entry_point = json.loads(re.findall(r"^ENTRYPOINT (.*)$", DOCKERFILE.read_text(), re.MULTILINE)[0])
    editor = interview.described("code-server")
    assert entry_point == ["dumb-init", "--", "code-server"]
    assert 'dumb-init -- "$@"' in editor["entryPoint"][2]
    assert editor["command"][0] == "code-server"
    volumes = set(json.loads(re.findall(r"^VOLUME (.*)$", DOCKERFILE.read_text(), re.MULTILINE)[0]))
    assert {mount["containerPath"] for mount in editor["mountPoints"]} == volumes


@pytest.mark.e2e
@pytest.mark.parametrize("image", ["public", "ours"])
def test_either_image_serves_and_ends_within_ten_seconds_of_sigterm(
    interview: Interview, delivered: Path, tmp_path: Path, image: str
) -> None:
    layers = [our_image(tmp_path)] if image == "ours" else []
    container = interview.container("code-server", delivered, *layers)
    container.start()
    try:
        assert wait_until_healthy(container) == 200
    finally:
        seconds = container.stop()
    assert seconds < 10
    assert container.process is not None
    assert container.process.returncode != -9, "it had to be killed"


@pytest.fixture
def entry(tmp_path: Path) -> Entry:
    """Starts our image with an editor that says what it was started with, on a home that ``deliver`` may fill."""
    check_possible()
    layer = our_image(tmp_path / "image")
    editor = layer / "usr" / "lib" / "code-server" / "bin" / "code-server"
    editor.parent.mkdir(parents=True)
    editor.write_text('#!/bin/sh\necho "started: $*"\necho "path: $PATH"\nexec sleep 60\n')
    editor.chmod(0o755)
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir()
    subprocess.run(["chown", "1000:1000", tmp_path / "home", tmp_path / "tmp"], check=True)

    def start(*arguments: str, wait_seconds: int = 60) -> Container:
        definition: dict[str, Any] = {
            "name": "code-server",
            "entryPoint": ["dumb-init", "--", "code-server"],
            "command": [*arguments],
            "user": "1000:1000",
            "readonlyRootFilesystem": True,
            "linuxParameters": {"capabilities": {"drop": ["ALL"]}},
            "mountPoints": [
                {"sourceVolume": "home", "containerPath": "/home/coder"},
                {"sourceVolume": "tmp", "containerPath": "/tmp"},  # noqa: S108  (the container's)
            ],
            "stopTimeout": 10,
        }
        environment = {"HOME": "/home/coder", "PASSWORD": "the password", "CHALLENGE_WAIT_SECONDS": str(wait_seconds)}
        container = Container(
            definition,
            (layer, install.code_server()),
            {name: tmp_path / name for name in ("home", "tmp")},
            environment,
            tmp_path / "log",
        )
        container.start()
        return container

    return start


def deliver(home: Path, files: dict[str, bytes]) -> None:
    """What the challenge container does: everything, and then its owner."""
    for name, content in files.items():
        path = home / "challenge" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    subprocess.run(["chown", "-R", "1000:1000", home], check=True)


def started(container: Container) -> str:
    """The output, once the editor was started; raises ``TimeoutError`` when it is not."""
    return wait_for(lambda: container.output if "path: " in container.output else None, "the editor")


@pytest.mark.e2e
def test_the_entry_point_waits_until_the_challenge_is_handed_over(entry: Entry, tmp_path: Path) -> None:
    (tmp_path / "home" / "challenge").mkdir()  # still the loader's
    container = entry("--auth", "password", FOLDER)
    time.sleep(2)
    assert "started" not in container.output
    deliver(tmp_path / "home", {"README.md": b"# Task"})
    expected = f"started: --extensions-dir /usr/share/prequel/extensions --auth password {FOLDER}"
    assert expected in started(container)
    container.stop()


@pytest.mark.e2e
def test_it_gives_up_on_a_challenge_that_never_comes_and_says_so(entry: Entry) -> None:
    container = entry(FOLDER, wait_seconds=1)
    assert container.process is not None
    assert container.process.wait(20) == 1
    assert container.output.strip() == f"{FOLDER} was not delivered"


@pytest.mark.e2e
def test_it_ends_at_once_when_it_is_stopped_while_it_waits(entry: Entry) -> None:
    container = entry(FOLDER)
    time.sleep(1)
    assert container.stop() < 5


@pytest.mark.e2e
def test_vendored_wheels_are_installed_without_a_network(entry: Entry, tmp_path: Path) -> None:
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("greeting.py", "WORD = 'hello'\n")
        archive.writestr("greeting-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
        archive.writestr(
            "greeting-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("greeting-1.0.dist-info/RECORD", "")
    files = {"requirements.txt": b"greeting==1.0\n", "vendor/greeting-1.0-py3-none-any.whl": wheel.getvalue()}
    deliver(tmp_path / "home", files)
    container = entry(FOLDER)
    assert "path: /home/coder/.venv/bin:" in started(container)
    container.stop()
    assert list((tmp_path / "home" / ".venv").rglob("site-packages/greeting.py"))


@pytest.mark.e2e
def test_vendored_npm_packages_are_installed_without_a_network_and_without_their_scripts(
    entry: Entry, tmp_path: Path
) -> None:
    package = {"name": "greeting", "version": "1.0.0", "scripts": {"install": "touch /tmp/ran"}}
    tarball = io.BytesIO()
    with tarfile.open(fileobj=tarball, mode="w:gz") as archive:
        for name, content in {"package.json": json.dumps(package), "index.js": "module.exports = 'hello'"}.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content.encode()))
    root = {"name": "task", "private": True, "dependencies": {"greeting": "file:vendor/greeting-1.0.0.tgz"}}
    files = {"package.json": json.dumps(root).encode(), "vendor/greeting-1.0.0.tgz": tarball.getvalue()}
    deliver(tmp_path / "home", files)
    container = entry(FOLDER)
    started(container)
    container.stop()
    assert (tmp_path / "home/challenge/node_modules/greeting/index.js").exists()
    assert not (tmp_path / "tmp" / "ran").exists()


@pytest.mark.e2e
def test_a_challenge_whose_dependencies_are_not_all_vendored_stops_with_the_reason(
    entry: Entry, tmp_path: Path
) -> None:
    deliver(tmp_path / "home", {"requirements.txt": b"absent==1.0\n", "vendor/README": b""})
    container = entry(FOLDER)
    assert container.process is not None
    assert container.process.wait(60) == 1
    assert "No matching distribution found for absent==1.0" in container.output


@pytest.mark.e2e
def test_what_the_candidate_changed_in_the_settings_survives_a_restart(entry: Entry, tmp_path: Path) -> None:
    deliver(tmp_path / "home", {"README.md": b"# Task"})
    settings = tmp_path / "home/.local/share/code-server/User/settings.json"
    for expected in ('"readme"', "mine"):
        container = entry(FOLDER)
        started(container)
        container.stop()
        assert expected in settings.read_text()
        settings.write_text("mine")


@pytest.mark.e2e
def test_without_a_folder_it_is_code_server_itself(entry: Entry) -> None:
    container = entry("--version")
    assert "started: --version\n" in started(container)
    container.stop()


@pytest.mark.e2e
def test_the_entry_point_never_prints_the_password(entry: Entry, tmp_path: Path) -> None:
    deliver(tmp_path / "home", {"README.md": b"# Task"})
    container = entry(FOLDER)
    output = started(container)
    container.stop()
    assert "the password" not in output
    assert "the password" not in Path(DOCKERFILE.parent / "entrypoint.sh").read_text()
