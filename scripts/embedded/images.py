"""Images in the embedded AWS: manifests as ECR keeps them, of layers that do not exist."""

import hashlib
import json
from typing import Any

from contract.names import IMAGE_ARCHITECTURES, SOCI_SUFFIX, VARIANT_PREFIX, code_server_repository, image_parameter
from scripts.embedded.checks.backends import backend

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_SOCI = "application/vnd.amazon.soci.index.v2+json"
_LAYER_BYTES = 300 << 20


def manifests(name: str, architecture: str = "X86_64") -> tuple[dict[str, Any], dict[str, Any]]:
    """The manifest of an image that is like no other of another ``name``, and of the same image with a SOCI index."""
    digest = _digest(name.encode())
    image = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": _CONFIG, "digest": digest, "size": 2},
        "layers": [{"mediaType": _LAYER, "digest": digest, "size": _LAYER_BYTES}],
    }
    platform = {"os": "linux", "architecture": IMAGE_ARCHITECTURES[architecture]}
    body = json.dumps(image).encode()
    index = {
        "schemaVersion": 2,
        "mediaType": _INDEX,
        "manifests": [
            {"mediaType": MANIFEST, "digest": _digest(body), "size": len(body), "platform": platform},
            {"mediaType": MANIFEST, "digest": digest, "size": 2, "artifactType": _SOCI},
        ],
    }
    return image, index


def _digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def push(ecr: Any, repository: str, manifest: dict[str, Any], tag: str) -> str:
    """Puts ``manifest`` into ``repository`` as ``tag``, with boto3's client ``ecr``, and returns its digest."""
    body = json.dumps(manifest)
    ecr.put_image(
        repositoryName=repository,
        imageManifest=body,
        imageManifestMediaType=manifest["mediaType"],
        imageDigest=_digest(body.encode()),
        imageTag=tag,
    )
    return _digest(body.encode())


def build_images() -> None:
    """Makes a build of the project that builds images push and index one; moto's own builds do nothing.

    The image becomes current as on AWS, unless it is a variant.
    """
    from moto.codebuild.responses import CodeBuildResponse

    responses: Any = CodeBuildResponse
    start_build = responses.start_build

    def start_and_push(response: Any) -> Any:
        answer = start_build(response)
        given = {v["name"]: v["value"] for v in response._get_param("environmentVariablesOverride") or []}
        if "PREQUEL_IMAGE_SOURCE" in given:
            _make(response._get_param("projectName"), given["PREQUEL_IMAGE_TAG"], response.region)
        return answer

    responses.start_build = start_and_push


def _make(project: str, tag: str, region: str) -> None:
    environment = backend("codebuild", region).codebuild_projects[project].project_metadata["environment"]
    image, index = manifests(tag, "ARM64" if environment["type"].startswith("ARM") else "X86_64")
    variables = {v["name"]: v["value"] for v in environment["environmentVariables"]}
    registry, _, repository = variables["PREQUEL_REPOSITORY_URL"].partition("/")
    for manifest, name in ((image, tag), (index, tag + SOCI_SUFFIX)):
        body = json.dumps(manifest)
        backend("ecr", region).put_image(repository, body, name, manifest["mediaType"], _digest(body.encode()))
    parameter = image_parameter(repository.removesuffix(code_server_repository("")))
    ssm = backend("ssm", region)
    if ssm.get_parameter(parameter) is not None and not tag.startswith(VARIANT_PREFIX):
        value = f"{registry}/{repository}@{_digest(json.dumps(index).encode())}"
        ssm.put_parameter(parameter, "", value, "String", "", "", True, [], "text", None, None)
