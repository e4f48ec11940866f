"""Measures the candidate's image: its compressed size, and how long its two programs take to start.

`python -m scripts.dev.bench.image` prints the figures that docs/performance.md has as facts.
"""

import statistics
import tempfile
import time
import urllib.request
import zlib
from pathlib import Path
from typing import Any

from scripts.challenges.archive import pack
from scripts.challenges.source import read_challenge
from scripts.console import Console
from scripts.embedded.live.container_options import container_options
from scripts.engine.engine import Engine
from scripts.engine.image import editor_image
from scripts.errors import EngineError
from scripts.project import PROJECT

RUNS = 5
PORT = 8443
SAMPLE = PROJECT / "challenge" / "python" / "rate-limiter"


def compressed_mb(engine: Engine, reference: str, *, level: int = 6) -> float:
    """Millions of bytes that a task pulls: the image's layers, compressed by gzip's method."""
    compressor, size = zlib.compressobj(level), 0
    for chunk in engine.client.images.get(reference).save():
        size += len(compressor.compress(chunk))
    return (size + len(compressor.flush())) / 1e6


def start_seconds(engine: Engine, reference: str) -> tuple[float, float]:
    """From a container's start to its end for the loader, and to the first answer of /healthz for the editor.

    With an interview's default size, its read-only root and its two volumes.
    """
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "challenge.tar.gz").write_bytes(pack(read_challenge(SAMPLE).tree))
        volumes = {name: str(Path(directory, name)) for name in ("home", "tmp")}
        for path in volumes.values():
            Path(path).mkdir()
        start = time.monotonic()
        loader = _start(engine, reference, ["prequel-load"], volumes, user="0:0")
        try:
            code = loader.wait()["StatusCode"]
            loaded = time.monotonic() - start
            if code:
                raise EngineError(f"prequel-load ended with exit code {code}: {loader.logs().decode().strip()}")
        finally:
            loader.remove(force=True)
        start = time.monotonic()
        editor = _start(engine, reference, ["dumb-init", "--", "code-server"], volumes, user="1000:1000")
        try:
            editor.reload()
            [network] = editor.attrs["NetworkSettings"]["Networks"].values()
            _wait(f"http://{network['IPAddress']}:{PORT}/healthz")
            return loaded, time.monotonic() - start
        finally:
            editor.remove(force=True)


def _start(engine: Engine, reference: str, entry_point: list[str], volumes: dict[str, str], *, user: str) -> Any:
    definition = {
        "entryPoint": entry_point,
        "command": ["--bind-addr", f"0.0.0.0:{PORT}", "--auth", "password", "/home/coder/challenge"],
        "user": user,
        "readonlyRootFilesystem": True,
        "cpu": 1024,
        "memory": 2048,
        "mountPoints": [
            {"sourceVolume": "home", "containerPath": "/home/coder"},
            {"sourceVolume": "tmp", "containerPath": "/tmp"},  # noqa: S108  (the container's)
        ],
    }
    options = container_options(definition, None, volumes=volumes)
    archive = str(Path(volumes["home"]).with_name("challenge.tar.gz"))
    options["volumes"][archive] = {"bind": "/challenge.tar.gz", "mode": "ro"}
    return engine.client.containers.run(
        reference,
        environment={"CHALLENGE": "/challenge.tar.gz", "HOME": "/home/coder", "PASSWORD": "measured"},
        ulimits=engine.ulimits(),
        detach=True,
        **options,
    )


def _wait(url: str, *, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  (a container's address)
                answer.read()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def main() -> None:
    """Prints the size, and the least and the median time of ``RUNS`` starts."""
    console = Console()
    with Engine.find() as engine:
        reference = editor_image(engine)
        console.say(f"{reference}: {compressed_mb(engine, reference):.0f} MB compressed")
        loads, starts = zip(*(start_seconds(engine, reference) for _ in range(RUNS)), strict=True)
        for what, seconds in (("loader", loads), ("editor", starts)):
            console.say(f"{what}: {min(seconds):.1f} s at least, median {statistics.median(seconds):.1f} s")


if __name__ == "__main__":
    main()
