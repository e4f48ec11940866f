"""The build spec of images, executed as CodeBuild's shell would, with programs that record how they are called."""

import subprocess
from pathlib import Path

import pytest

from constructs.image_build import BUILD_SPEC
from scripts.images.source import ImageSource

REPOSITORY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/prequel-code-server"

AWS = """#!/bin/sh
case "$1 $2" in
  "s3 cp") cp "$STORE/$(basename "$4")" "$5" ;;
  "ecr get-login-password") echo token ;;
esac
"""
DOCKER = """#!/bin/sh
echo "$@" >> "$STORE/docker.log"
if [ "$1" = login ]; then read -r token; echo "token $token" >> "$STORE/docker.log"; fi
if [ "$1" = build ] && [ -n "$BROKEN" ]; then exit 1; fi
"""


class BuildMachine:
    """Runs builds on archives in a directory that stands for the bucket."""

    def __init__(self, directory: Path) -> None:
        self.store = directory
        (directory / "bin").mkdir()
        for name, text in {"aws": AWS, "docker": DOCKER}.items():
            (directory / "bin" / name).write_text(text)
            (directory / "bin" / name).chmod(0o755)

    def run(self, source: str, **variables: str) -> tuple[int, list[str]]:
        """The exit code, and how Docker was called."""
        script = "".join(
            f"{command}\nif [ $? -ne 0 ]; then exit 1; fi\n"
            for phase in BUILD_SPEC["phases"].values()
            for command in phase["commands"]
        )
        place = self.store / "build"
        place.mkdir()
        given = {"PREQUEL_BUCKET": "prequel-instance", "PREQUEL_REPOSITORY_URL": REPOSITORY, "PREQUEL_IMAGE_TAG": "v1"}
        path = {"PATH": f"{self.store / 'bin'}:/usr/bin:/bin", "STORE": str(self.store)}
        done = subprocess.run(
            ["sh", "-c", script],
            cwd=place,
            env=path | given | {"PREQUEL_IMAGE_SOURCE": source} | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "token" not in done.stdout + done.stderr
        log = self.store / "docker.log"
        return done.returncode, log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> BuildMachine:
    return BuildMachine(tmp_path)


@pytest.fixture
def source(machine: BuildMachine) -> ImageSource:
    folder = machine.store / "image"
    (folder / "variants").mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (folder / "variants" / "go.Dockerfile").write_text("ARG EDITOR\nFROM ${EDITOR}\n")
    packed = ImageSource.of(folder)
    (machine.store / f"{packed.digest}.zip").write_bytes(packed.archive)
    return packed


SIGN_IN = [f"login --username AWS --password-stdin {REPOSITORY.partition('/')[0]}", "token token"]
PUSH = [f"tag editor {REPOSITORY}:v1", f"push {REPOSITORY}:v1"]


def test_a_build_pushes_the_image_of_the_archive(machine: BuildMachine, source: ImageSource) -> None:
    code, calls = machine.run(source.digest)
    assert (code, calls) == (0, [*SIGN_IN, "build --tag editor source", *PUSH])
    assert (machine.store / "build" / "source" / "Dockerfile").read_text() == "FROM scratch\n"


def test_a_variant_is_built_on_top_of_the_image(machine: BuildMachine, source: ImageSource) -> None:
    code, calls = machine.run(source.digest, PREQUEL_IMAGE_VARIANT="go")
    variant = "build --build-arg EDITOR=editor --tag editor --file source/variants/go.Dockerfile source"
    assert (code, calls) == (0, [*SIGN_IN, "build --tag editor source", variant, *PUSH])


def test_an_archive_of_another_hash_is_never_built(machine: BuildMachine, source: ImageSource) -> None:
    (machine.store / f"{source.digest}.zip").write_bytes(source.archive + b"x")
    assert machine.run(source.digest) == (1, [])


def test_nothing_is_pushed_when_a_build_fails(machine: BuildMachine, source: ImageSource) -> None:
    code, calls = machine.run(source.digest, BROKEN="yes")
    assert code == 1
    assert not [call for call in calls if call.startswith("push")]
