"""The candidate's image, built from ``image/`` by this machine's container engine."""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from docker.errors import DockerException, ImageNotFound

from scripts.engine.engine import Engine
from scripts.errors import EngineError
from scripts.project import PROJECT

IMAGE = PROJECT / "image"
VARIANTS = IMAGE / "variants"
DOCKERFILE = IMAGE / "Dockerfile"
REPOSITORY = "localhost/prequel-editor"

_CERTIFICATES = "/run/certificates.pem"
"""Where a build finds this machine's certificate authorities."""

Report = Callable[[str], None]


def image_name() -> str:
    """The reference of the image that ``image/`` describes, whether it is built or not."""
    return f"{REPOSITORY}:{_digest([path for path in IMAGE.rglob('*') if VARIANTS not in path.parents])}"


def editor_image(engine: Engine, variant: str = "", *, report: Report = lambda _: None) -> str:
    """The reference of the image that ``image/`` describes, or of its ``variant``, such as ``go``.

    It is built when the engine does not have it yet, which takes minutes; ``report`` gets each step. Raises
    ``EngineError``.
    """
    reference = image_name()
    _build(engine, reference, DOCKERFILE, lambda: _base_options(engine, report), report)
    if not variant:
        return reference
    dockerfile = VARIANTS / f"{variant}.Dockerfile"
    if not dockerfile.is_file():
        known = sorted(path.name.removesuffix(".Dockerfile") for path in VARIANTS.glob("*.Dockerfile"))
        raise EngineError(f'"{variant}" is no variant of the image, expected one of: {", ".join(known)}')
    special = f"{reference}-{variant}-{_digest([dockerfile])}"
    _build(engine, special, dockerfile, lambda: [f"--build-arg=EDITOR={reference}", *_machine_options(engine)], report)
    return special


def has_image(engine: Engine, reference: str) -> bool:
    """Whether the engine has the image."""
    try:
        engine.client.images.get(reference)
    except ImageNotFound:
        return False
    return True


def _digest(paths: list[Path]) -> str:
    """Changes with the content of the files and with the architecture."""
    digest = hashlib.sha256(platform.machine().encode())
    for path in sorted(path for path in paths if path.is_file() and "__pycache__" not in path.parts):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(IMAGE)} {path.stat().st_mode & 0o111:o} {content}\n".encode())
    return digest.hexdigest()[:12]


def _build(engine: Engine, reference: str, dockerfile: Path, options: Callable[[], list[str]], report: Report) -> None:
    if has_image(engine, reference):
        return
    with _only_one("image"):
        if not has_image(engine, reference):
            command = [engine.program, "build", "--network", "host", "--file", str(dockerfile), "--tag", reference]
            _run(engine, [*command, *options(), str(IMAGE)], report)


def _base_options(engine: Engine, report: Report) -> list[str]:
    [base] = re.findall(r"^ARG BASE=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    try:
        engine.client.images.pull(base)
    except DockerException as error:
        if not has_image(engine, base):
            base = _own_base(engine, base, str(error), report)
    return [f"--build-arg=BASE={base}", *_machine_options(engine)]


def _own_base(engine: Engine, base: str, reason: str, report: Report) -> str:
    """A base of the same Debian release, made from Debian's packages, for a machine that no registry can be had on."""
    if os.geteuid() != 0 or shutil.which("mmdebstrap") is None:
        cause = " ".join(reason.split())
        raise EngineError(f"{base} cannot be pulled, and root with mmdebstrap is needed to make a base here: {cause}")
    [release] = re.findall(r"debian:(\w+)", base)
    reference = f"localhost/prequel-debian:{release}-{_digest([IMAGE / 'dpkg.cfg'])}"
    if not has_image(engine, reference):
        report(f"Making {reference} from Debian's packages")
        with tempfile.NamedTemporaryFile(suffix=".tar") as tar:
            bootstrap = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates"]
            _run(engine, [*bootstrap, f"--dpkgopt={IMAGE / 'dpkg.cfg'}", release, tar.name], report)
            _run(engine, [engine.program, "import", tar.name, reference], report)
    return reference


def _machine_options(engine: Engine) -> list[str]:
    """This machine's certificate authorities, for a network whose proxy has one of its own."""
    certificates = os.environ.get("SSL_CERT_FILE")
    if engine.program != "podman":
        return []
    if not certificates:
        return ["--layers"]
    variables = [f"--build-arg={name}={_CERTIFICATES}" for name in ("PIP_CERT", "NODE_EXTRA_CA_CERTS")]
    return ["--layers", "--volume", f"{certificates}:{_CERTIFICATES}:ro", *variables]


def _run(engine: Engine, command: list[str], report: Report) -> None:
    """Raises ``EngineError`` with the end of the output."""
    lines: list[str] = []
    with subprocess.Popen(
        command, env=dict(engine.environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            lines.append(line.rstrip())
            if re.match(r"(\[\d+/\d+\] )?STEP |#\d+ \[", line):  # podman's words, and Docker's
                report(lines[-1])
    if process.returncode:
        end = " | ".join(line for line in lines[-5:] if line)
        raise EngineError(f"`{' '.join(command[:2])}` ended with exit code {process.returncode}: {end}")


@contextmanager
def _only_one(name: str) -> Iterator[None]:
    """While open, no other process of this user builds."""
    directory = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "prequel"
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
