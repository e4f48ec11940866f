"""The build spec, executed as CodeBuild's shell would, with Debian's skopeo, the AWS CLI and a real registry."""

import hashlib
import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from constructs.image_build_spec import SOCI_SHA256, SOCI_URL, SOCI_VERSION
from scripts.embedded.launcher import EmbeddedAws
from scripts.images.repository import SOCI_INDEX, is_indexed
from tests.conftest import SynthesizedStack
from tests.images.conftest import Registry, make_image

STAND_IN = Path(__file__).parent / "soci_stand_in.py"

pytestmark = pytest.mark.e2e


class Shell:
    """Runs the project's build spec on a registry, with a stand-in for the one program that cannot be had here."""

    def __init__(self, stack: SynthesizedStack, registry: Registry, embedded: EmbeddedAws, directory: Path) -> None:
        self._project = stack.one("aws_codebuild_project", "image_indexing_project")
        self._registry = registry
        self._embedded = embedded
        self._directory = directory
        program = directory / "soci"
        program.write_text(f'#!/bin/sh\necho "$@" >> {directory}/soci.log\nexec {sys.executable} {STAND_IN} "$@"\n')
        program.chmod(0o755)
        self._archive = directory / "soci.tar.gz"
        with tarfile.open(self._archive, "w:gz") as archive:
            archive.add(program, "./soci")
        self.builds = 0

    @property
    def conversions(self) -> list[str]:
        """The arguments of each run of soci."""
        log = self._directory / "soci.log"
        return log.read_text().splitlines() if log.exists() else []

    def run(self, **overrides: str) -> subprocess.CompletedProcess[str]:
        """One build in a new container, with ``overrides`` of the project's variables and StartBuild's."""
        self.builds += 1
        place = self._directory / f"build{self.builds}"
        place.mkdir()
        given = {v["name"]: v["value"] for v in self._project["environment"]["environment_variable"]}
        given |= {
            "PREQUEL_REPOSITORY_URL": f"{self._registry.host}/code-server",
            "DEBIAN_MIRROR": self._registry.tools.mirror.as_uri(),
            "DEBIAN_SNAPSHOT": "file:///nowhere",
            "SOCI_URL": self._archive.as_uri(),
            "SOCI_SHA256": hashlib.sha256(self._archive.read_bytes()).hexdigest(),
        }
        # One shell; the exit code of each command as a whole decides whether there is a next one.
        phases = json.loads(self._project["source"]["buildspec"])["phases"].values()
        script = "".join(f"{command}\nif [ $? -ne 0 ]; then exit 1; fi\n" for p in phases for command in p["commands"])
        aws = {name: value for name, value in self._embedded.environment.items() if name.startswith("AWS_")}
        return subprocess.run(
            ["sh", "-c", script],
            cwd=place,
            env=self._registry.environment | aws | given | overrides,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def shell(default_stack: SynthesizedStack, registry: Registry, embedded: EmbeddedAws, tmp_path: Path) -> Shell:
    return Shell(default_stack, registry, embedded, tmp_path)


def pushed(registry: Registry, layout: Path, tag: str, **image: Any) -> str:
    digest = make_image(layout, **image)
    registry.skopeo("copy", "--quiet", f"oci:{layout}:v1", f"docker://{registry.host}/code-server:{tag}")
    return digest


def digest_of(manifest: bytes) -> str:
    return f"sha256:{hashlib.sha256(manifest).hexdigest()}"


def test_a_build_with_a_stand_in_for_soci_pushes_the_image_with_its_index_once(
    shell: Shell, registry: Registry, tmp_path: Path
) -> None:
    digest = pushed(registry, tmp_path / "image", "v1")
    wanted = {"PREQUEL_IMAGE_TAG": "v1", "PREQUEL_IMAGE_DIGEST": digest}
    done = shell.run(**wanted)
    assert done.returncode == 0, done.stdout + done.stderr
    assert shell.conversions == ["convert --standalone --format oci-dir --platform linux/amd64 in out"]

    index = registry.raw("code-server:v1-soci")
    # No byte was changed on the way, so the digests in it are those of what was pushed.
    converted = json.loads((tmp_path / "build1" / "out" / "index.json").read_text())["manifests"][0]["digest"]
    assert digest_of(index) == converted
    document = json.loads(index)
    assert is_indexed(document)
    image, soci = document["manifests"]
    assert soci["artifactType"] == SOCI_INDEX
    assert image["annotations"]["com.amazon.soci.index-digest"] == soci["digest"]
    for child in (image, soci):
        assert digest_of(registry.raw(f"code-server@{child['digest']}")) == child["digest"]
    layers = [layer["digest"] for layer in json.loads(registry.raw("code-server:v1"))["layers"]]
    assert [layer["digest"] for layer in json.loads(registry.raw(f"code-server@{image['digest']}"))["layers"]] == layers

    again = shell.run(**wanted)
    assert again.returncode == 0, again.stdout + again.stderr
    assert len(shell.conversions) == 1
    assert registry.raw("code-server:v1-soci") == index


def test_a_build_with_a_stand_in_for_soci_follows_the_architecture(
    shell: Shell, registry: Registry, tmp_path: Path
) -> None:
    digest = pushed(registry, tmp_path / "image", "arm", architecture="arm64", seed=2)
    done = shell.run(PREQUEL_IMAGE_TAG="arm", PREQUEL_IMAGE_DIGEST=digest, PREQUEL_ARCHITECTURE="arm64")
    assert done.returncode == 0, done.stdout + done.stderr
    image, _ = json.loads(registry.raw("code-server:arm-soci"))["manifests"]
    assert image["platform"] == {"architecture": "arm64", "os": "linux"}


def test_a_build_with_a_stand_in_for_soci_fails_and_pushes_nothing_when_that_fails(
    shell: Shell, registry: Registry, tmp_path: Path
) -> None:
    digest = pushed(registry, tmp_path / "image", "small", size=1000)
    done = shell.run(PREQUEL_IMAGE_TAG="small", PREQUEL_IMAGE_DIGEST=digest)
    assert done.returncode != 0
    assert "no ztocs created" in done.stderr
    tags = json.loads(registry.skopeo("list-tags", f"docker://{registry.host}/code-server"))["Tags"]
    assert "small" in tags
    assert "small-soci" not in tags


def test_soci_of_another_checksum_is_never_run(shell: Shell) -> None:
    done = shell.run(SOCI_SHA256="0" * 64, PREQUEL_IMAGE_TAG="v1", PREQUEL_IMAGE_DIGEST="sha256:0")
    assert done.returncode != 0
    assert "FAILED" in done.stdout
    assert not shell.conversions


def test_skopeo_of_another_checksum_is_never_run(shell: Shell, registry: Registry, tmp_path: Path) -> None:
    for package in registry.tools.mirror.rglob("*.deb"):
        forged = tmp_path / "mirror" / package.relative_to(registry.tools.mirror)
        forged.parent.mkdir(parents=True)
        forged.write_bytes(package.read_bytes() + b"x")
    done = shell.run(
        DEBIAN_MIRROR=(tmp_path / "mirror").as_uri(), PREQUEL_IMAGE_TAG="v1", PREQUEL_IMAGE_DIGEST="sha256:0"
    )
    assert done.returncode != 0
    assert "FAILED" in done.stdout
    assert not (tmp_path / "build1" / "skopeo").exists()


def test_the_token_for_ecr_stays_out_of_the_log(shell: Shell) -> None:
    done = shell.run(PREQUEL_IMAGE_TAG="gone", PREQUEL_IMAGE_DIGEST=f"sha256:{'0' * 64}")
    assert done.returncode != 0
    assert "Login Succeeded" in done.stdout
    assert "auth-token" not in done.stdout + done.stderr


def test_the_downloads_are_pinned(default_stack: SynthesizedStack) -> None:
    project = default_stack.one("aws_codebuild_project", "image_indexing_project")
    given = {v["name"]: v["value"] for v in project["environment"]["environment_variable"]}
    assert (given["SOCI_URL"], given["SOCI_SHA256"]) == (SOCI_URL, SOCI_SHA256)
    assert SOCI_URL.endswith(f"/v{SOCI_VERSION}/soci-snapshotter-{SOCI_VERSION}-linux-amd64.tar.gz")
    assert re.fullmatch("[0-9a-f]{64}", SOCI_SHA256)
    assert not re.search("[$%][{]", project["source"]["buildspec"]), "Terraform would take it for its own"
