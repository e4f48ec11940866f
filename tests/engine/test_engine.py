"""The container engine: found or started, closed without a trace, and each bad case one clear line."""

import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from scripts.engine.engine import Engine
from scripts.errors import EngineError

pytestmark = pytest.mark.slow


def nowhere(tmp_path: Path, **variables: str) -> dict[str, str]:
    """An environment in which no engine is found."""
    return {"PATH": str(tmp_path), "HOME": str(tmp_path), **variables}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine.find() as found:
        yield found


def service_directory(environment: Mapping[str, str]) -> str:
    """Where podman's service, if it was started, has its files; other engines leave nothing to look for."""
    directory = environment.get("CONTAINERS_CONF", "").rpartition("/")[0]
    return directory if "/prequel-engine-" in directory else ""


def services(directory: str) -> list[psutil.Process]:
    """The processes of the service in ``directory``; other tests may have theirs."""
    processes = psutil.process_iter(["cmdline"]) if directory else []
    return [p for p in processes if directory in " ".join(p.info["cmdline"] or [])]


def test_the_engine_that_is_found_answers_as_docker_does(engine: Engine) -> None:
    assert engine.client.ping()
    assert shutil.which(engine.program)


def test_its_program_uses_the_same_engine(engine: Engine) -> None:
    listed = subprocess.run(
        [engine.program, "images", "--quiet", "--no-trunc"],
        env=engine.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.returncode == 0, listed.stderr
    assert {image.id for image in engine.client.images.list()} >= {
        line if ":" in line else f"sha256:{line}" for line in listed.stdout.split()
    }


def test_a_closed_engine_leaves_no_process_and_no_file() -> None:
    engine = Engine.find()
    directory = service_directory(engine.environment)
    engine.close()
    engine.close()
    assert services(directory) == []
    assert not directory or not Path(directory).exists()


def test_a_killed_user_of_the_engine_leaves_no_process() -> None:
    code = (
        "import os\nfrom scripts.engine.engine import Engine\n"
        "print(Engine.find().environment.get('CONTAINERS_CONF', ''), flush=True)\nos.kill(os.getpid(), 9)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stdout.strip()
    directory = service_directory({"CONTAINERS_CONF": said})
    psutil.wait_procs(services(directory), timeout=60)
    assert services(directory) == []


def test_without_an_engine_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.engine.engine._sockets", lambda _: ())
    with pytest.raises(EngineError) as raised:
        Engine.find(nowhere(tmp_path))
    assert str(raised.value) == (
        "no container engine: none runs and podman is missing; "
        "install podman or Docker, start it, or set DOCKER_HOST to its socket"
    )


def test_a_socket_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"unix:///no/such.sock does not answer: no such file or directory; install"):
        Engine.find(nowhere(tmp_path, DOCKER_HOST="unix:///no/such.sock"))


def test_a_socket_that_does_not_answer_is_named(tmp_path: Path) -> None:
    path = tmp_path / "silent.sock"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        with pytest.raises(EngineError) as raised:
            Engine.find(nowhere(tmp_path, DOCKER_HOST=f"unix://{path}"), seconds=1)
    assert f"unix://{path} does not answer: timed out" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_user_without_rights_is_told_so(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as closed:
        Path(directory).chmod(0o755)
        path = Path(directory) / "closed.sock"
        closed.bind(str(path))
        path.chmod(0)
        code = (
            "import os, docker, tenacity\nfrom scripts.engine.engine import Engine\n"
            "if os.geteuid() == 0: os.setuid(65534)\n"
            f"try: Engine.find({nowhere(tmp_path, DOCKER_HOST=f'unix://{path}')!r})\n"
            "except Exception as error: print(type(error).__name__, error)"
        )
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert said.stdout.startswith(f"EngineError no container engine: unix://{path} does not answer: permission denied")


def test_a_podman_that_fails_is_quoted(tmp_path: Path) -> None:
    podman = tmp_path / "podman"
    podman.write_text("#!/bin/sh\necho 'Error: no subuid ranges' >&2; exit 125\n")
    podman.chmod(0o755)
    with pytest.raises(EngineError, match="does not answer: Error: no subuid ranges; install"):
        Engine.find(nowhere(tmp_path, PATH=f"{tmp_path}:/usr/bin:/bin"), seconds=2)
