"""A real registry with real images in it, and an ECR repository of the embedded AWS that describes them."""

import gzip
import hashlib
import io
import json
import socket
import subprocess
import tarfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest

from contract.names import NO_IMAGE, code_server_repository, image_parameter
from scripts.embedded.launcher import EmbeddedAws
from tests.images import install

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

_numbers = count()


@pytest.fixture(scope="package")
def tools() -> install.Tools:
    return install.tools()


@pytest.fixture(scope="package")
def embedded() -> Iterator[EmbeddedAws]:
    with EmbeddedAws.start() as running:
        yield running


@dataclass(frozen=True)
class Registry:
    """A running registry at ``host``; ``environment`` makes the tools speak plain HTTP with it."""

    host: str
    environment: dict[str, str]
    tools: install.Tools

    def skopeo(self, *arguments: str) -> str:
        """What skopeo says; its failure is the test's."""
        done = subprocess.run(
            [self.tools.bin / "skopeo", *arguments], env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def raw(self, image: str) -> bytes:
        """An image's manifest, byte for byte."""
        return self.skopeo("inspect", "--raw", f"docker://{self.host}/{image}").encode()


@pytest.fixture(scope="package")
def registry(tools: install.Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    directory = tmp_path_factory.mktemp("registry")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    configuration = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(directory / "data")}},
        "http": {"addr": host},
    }
    (directory / "registry.json").write_text(json.dumps(configuration))
    settings = directory / ".config" / "containers"
    settings.mkdir(parents=True)
    (settings / "registries.conf").write_text(f'[[registry]]\nlocation = "{host}"\ninsecure = true\n')
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(
            [tools.bin / "docker-registry", "serve", directory / "registry.json"],
            stdout=log,
            stderr=log,
            env={"PATH": "/usr/bin:/bin", "OTEL_TRACES_EXPORTER": "none"},
        )
    try:
        _await(f"http://{host}/v2/", process)
        yield Registry(host, {"PATH": f"{tools.bin}:/usr/bin:/bin", "HOME": str(directory)}, tools)
    finally:
        process.kill()
        process.wait()


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(100):
        try:
            with urllib.request.urlopen(url):  # noqa: S310  (a loopback address of ours)
                return
        except OSError:
            assert process.poll() is None, "the registry ended"
            time.sleep(0.1)
    pytest.fail("the registry does not answer")


def make_image(layout: Path, *, architecture: str = "amd64", size: int = 11 << 20, seed: int = 1) -> str:
    """Writes an OCI image layout with one layer that hardly compresses, tagged v1; returns its digest."""
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def add(content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"digest": f"sha256:{digest}", "size": len(content)}

    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        content = Random(seed).randbytes(size)
        entry = tarfile.TarInfo("home/data")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    layer = add(gzip.compress(archive.getvalue(), 1, mtime=0))
    uncompressed = hashlib.sha256(archive.getvalue()).hexdigest()
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{uncompressed}"]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, **add(json.dumps(config).encode())},
        "layers": [{"mediaType": LAYER, **layer}],
    }
    added = add(json.dumps(manifest).encode())
    entry_of_index = {"mediaType": MANIFEST, **added, "annotations": {"org.opencontainers.image.ref.name": "v1"}}
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry_of_index]}))
    return str(added["digest"])


@dataclass
class Ecr:
    """A code-server repository of the embedded AWS and the parameter beside it, as a stack of ``prefix`` has them."""

    embedded: EmbeddedAws
    prefix: str
    url: str
    layers: int = field(default=0)

    @property
    def repository(self) -> str:
        return code_server_repository(self.prefix)

    def image(self, *, media_type: str = LAYER, size: int = 300 << 20) -> dict[str, Any]:
        """An image's manifest like no other before."""
        self.layers += 1
        digest = hashlib.sha256(f"{self.prefix}{self.layers}".encode()).hexdigest()
        return {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": f"sha256:{digest}", "size": 2},
            "layers": [{"mediaType": media_type, "digest": f"sha256:{digest}", "size": size}],
        }

    def push(self, manifest: dict[str, Any], tag: str | None) -> str:
        """Puts a manifest into the repository and returns its digest."""
        body = json.dumps(manifest)
        digest = f"sha256:{hashlib.sha256(body.encode()).hexdigest()}"
        given = {"imageTag": tag} if tag else {}
        self.embedded.aws.client("ecr").put_image(
            repositoryName=self.repository,
            imageManifest=body,
            imageManifestMediaType=manifest["mediaType"],
            imageDigest=digest,
            **given,
        )
        return digest

    def push_index(self, of: str, tag: str) -> str:
        """Puts an indexed image into the repository, as the build does, and returns its digest."""
        soci = {"mediaType": MANIFEST, "digest": of.replace("sha256:0", "sha256:1"), "size": 2}
        index = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [
                {"mediaType": MANIFEST, "digest": of, "size": 2, "platform": {"os": "linux", "architecture": "amd64"}},
                soci | {"artifactType": "application/vnd.amazon.soci.index.v2+json"},
            ],
        }
        return self.push(index, tag)

    @property
    def current(self) -> str:
        parameter = self.embedded.aws.ssm.get_parameter(Name=image_parameter(self.prefix))["Parameter"]
        return str(parameter["Value"])

    @property
    def environment(self) -> dict[str, str]:
        return self.embedded.environment


@pytest.fixture
def ecr(embedded: EmbeddedAws) -> Ecr:
    prefix = f"img{next(_numbers)}"
    made = embedded.aws.client("ecr").create_repository(
        repositoryName=code_server_repository(prefix), imageTagMutability="IMMUTABLE"
    )
    embedded.aws.ssm.put_parameter(Name=image_parameter(prefix), Value=NO_IMAGE, Type="String")
    return Ecr(embedded, prefix, made["repository"]["repositoryUri"])


def event_of(repository: str, tag: str | None, digest: str) -> dict[str, Any]:
    """A push, in the shape that AWS's documentation shows
    (https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html).
    """
    detail = {
        "result": "SUCCESS",
        "repository-name": repository,
        "image-digest": digest,
        "action-type": "PUSH",
    }
    return {
        "version": "0",
        "id": "13cde686-328b-6117-af20-0e5566167482",
        "detail-type": "ECR Image Action",
        "source": "aws.ecr",
        "account": "123456789012",
        "time": "2019-11-16T01:54:34Z",
        "region": "us-west-2",
        "resources": [],
        "detail": detail | ({"image-tag": tag} if tag is not None else {}),
    }
