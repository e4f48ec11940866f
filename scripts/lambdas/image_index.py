"""The two Lambda functions behind faster starts: one has pushed images indexed, one records what was indexed.

A task loads lazily only when it runs the image that carries its SOCI index, which is a tag of its own, ``TAG-soci``
(docs/decisions/0050-soci.md). EventBridge filters the events by tag; each function checks again,
so that no index starts a build.
Nothing but the standard library and boto3 is imported here (docs/decisions/0040-a-reaper-without-packages.md).
"""

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contract.names import SOCI_SUFFIX, VARIANT_PREFIX
from scripts.aws.clients import Aws
from scripts.errors import PrequelError
from scripts.images.repository import LONGEST_TAG, EcrRepository, Json, is_indexed

SMALLEST_LAYER = 10 * 1024 * 1024
"""In bytes; `soci convert` leaves smaller layers out and fails when none is left
(https://github.com/awslabs/soci-snapshotter, DefaultMinLayerSize)."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class SkippedError(PrequelError):
    """There is nothing to do for a push; the text says why."""


@dataclass(frozen=True)
class Push:
    """A tag that was pushed, the digest of its manifest, and when, as the event says it."""

    tag: str
    digest: str
    time: str

    @classmethod
    def of(cls, event: object, repository: str) -> "Push":
        """Reads EventBridge's "ECR Image Action" (https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html).

        Raises ``SkippedError`` for any other event, another repository, a failed push, and one without a tag, such as
        that of each image in an image index.
        """
        detail = event.get("detail") if isinstance(event, dict) else None
        if not isinstance(event, dict) or not isinstance(detail, dict):
            raise SkippedError("not an event of ECR's")
        wanted = {"repository-name": repository, "action-type": "PUSH", "result": "SUCCESS"}
        for key, value in wanted.items():
            if detail.get(key) != value:
                raise SkippedError(f"{key} is {detail.get(key)}, expected {value}")
        tag, digest = detail.get("image-tag"), detail.get("image-digest")
        if not tag:
            raise SkippedError("the image has no tag")
        if not isinstance(tag, str) or not _TAG.fullmatch(tag):
            raise SkippedError(f"{tag} is not a tag")
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise SkippedError(f"{digest} is not a digest")
        return cls(tag, digest, str(event.get("time")))


class Starter:
    """Starts a build of ``project`` for each image of ``repository`` that can be indexed and is not.

    ``architecture`` is amd64 or arm64; ``codebuild`` is a client for CodeBuild, by default one of ``aws``.
    """

    def __init__(self, aws: Aws, *, repository: str, project: str, architecture: str, codebuild: Any = None) -> None:
        self._repository = EcrRepository(aws, repository)
        self._codebuild = codebuild or aws.client("codebuild")
        self._project = project
        self._architecture = architecture

    def run(self, event: object) -> str:
        """The id of the build; raises ``SkippedError``, or another error, after which Lambda tries again."""
        push = Push.of(event, self._repository.name)
        if push.tag.endswith(SOCI_SUFFIX):
            raise SkippedError(f"{push.tag} is itself an indexed image")
        if len(push.tag + SOCI_SUFFIX) > LONGEST_TAG:
            raise SkippedError(f"{push.tag}{SOCI_SUFFIX} would be longer than {LONGEST_TAG} characters")
        described = self._repository.describe(imageDigest=push.digest)
        if described is None:
            raise SkippedError(f"{push.digest} is gone")
        self._check_siblings(push, described.get("imageTags", []))
        self._check_layers(self._image(push.digest))
        running = self._running(push.digest)
        if running:
            raise SkippedError(f"{running} is indexing {push.digest}")
        variables = {"PREQUEL_IMAGE_TAG": push.tag, "PREQUEL_IMAGE_DIGEST": push.digest}
        pushed = f"{push.digest} {push.tag} {push.time}"
        build = self._codebuild.start_build(
            projectName=self._project,
            # For 5 minutes CodeBuild finds the same build again, whatever became of it, and refuses the token for
            # another tag; after that, the list of those that run finds it.
            idempotencyToken=hashlib.sha256(pushed.encode()).hexdigest(),
            environmentVariablesOverride=[
                {"name": name, "value": value, "type": "PLAINTEXT"} for name, value in variables.items()
            ],
        )["build"]
        if build["buildStatus"] != "IN_PROGRESS":
            raise PrequelError(f"{build['id']} is {build['buildStatus']}; CodeBuild starts another after 5 minutes")
        return str(build["id"])

    def _check_siblings(self, push: Push, tags: Iterable[str]) -> None:
        siblings = list(self._repository.beside(dict.fromkeys([push.tag, *tags])))
        manifests = self._repository.manifests(sibling["imageDigest"] for sibling in siblings)
        for sibling in siblings:
            if is_indexed(manifests.get(sibling["imageDigest"], {})):
                raise SkippedError(f"{push.digest} is indexed as {', '.join(sibling['imageTags'])}")
        # The repository's tags cannot be moved, so the build could not push.
        if any(push.tag + SOCI_SUFFIX in sibling["imageTags"] for sibling in siblings):
            raise PrequelError(
                f"{push.tag} cannot be indexed: {push.tag}{SOCI_SUFFIX} is an image without a SOCI index; "
                "delete that, or push the image with another tag"
            )

    def _image(self, digest: str) -> Json:
        """The manifest of the one image that tasks would run."""
        manifest = self._repository.manifest(digest)
        if manifest is not None and is_indexed(manifest):
            raise SkippedError(f"{digest} holds a SOCI index already")
        if manifest is not None and "manifests" in manifest:
            platform = {"os": "linux", "architecture": self._architecture}
            fitting = (
                child["digest"]
                for child in manifest["manifests"]
                if {key: child.get("platform", {}).get(key) for key in platform} == platform
            )
            child = next(fitting, None)
            if child is None:
                raise SkippedError(f"{digest} has no image for linux/{self._architecture}")
            manifest = self._repository.manifest(child)
        if manifest is None:
            raise SkippedError(f"{digest} is gone")
        return manifest

    def _check_layers(self, manifest: Json) -> None:
        layers = manifest.get("layers", [])
        for layer in layers:
            if not str(layer.get("mediaType")).endswith("gzip"):
                raise SkippedError(f"a layer is {layer.get('mediaType')}, expected gzip")
        if not any(layer.get("size", 0) >= SMALLEST_LAYER for layer in layers):
            raise SkippedError(f"no layer has {SMALLEST_LAYER} bytes or more; there is nothing to gain")

    def _running(self, digest: str) -> str:
        """The id of a running build for ``digest``, or nothing; none runs for longer than the newest 100 builds."""
        ids = self._codebuild.list_builds_for_project(projectName=self._project, sortOrder="DESCENDING")["ids"]
        builds = self._codebuild.batch_get_builds(ids=ids[:100])["builds"] if ids else []
        wanted = {"name": "PREQUEL_IMAGE_DIGEST", "value": digest}
        for build in builds:
            variables = build.get("environment", {}).get("environmentVariables", [])
            if build["buildStatus"] == "IN_PROGRESS" and any(wanted.items() <= given.items() for given in variables):
                return str(build["id"])
        return ""


class Recorder:
    """Keeps the indexed image of the newest image of ``repository``, by digest, in the SSM ``parameter``.

    ``repository_url`` is the repository as container engines name it.
    """

    def __init__(self, aws: Aws, *, repository: str, repository_url: str, parameter: str) -> None:
        self._repository = EcrRepository(aws, repository)
        self._url = repository_url
        self._ssm = aws.ssm
        self._parameter = parameter

    def run(self, event: object) -> str:
        """The image that is current now; raises ``SkippedError``, or boto3's own error, which Lambda tries again."""
        push = Push.of(event, self._repository.name)
        if not push.tag.endswith(SOCI_SUFFIX):
            raise SkippedError(f"{push.tag} is no indexed image")
        if push.tag.startswith(VARIANT_PREFIX):
            raise SkippedError(f"{push.tag} is a variant, which only interviews that name it run")
        manifest = self._repository.manifest(push.digest)
        if manifest is None or not is_indexed(manifest):
            raise SkippedError(f"{push.digest} holds no SOCI index")
        image = f"{self._url}@{push.digest}"
        current = str(self._ssm.get_parameter(Name=self._parameter)["Parameter"]["Value"])
        # Two builds may end in another order than their images were pushed, one may be started anew much later, and an
        # event may come twice.
        if current != image and self._pushed_at(current) > self._pushed_at(image):
            raise SkippedError(f"{current} is newer")
        if current != image:
            self._ssm.put_parameter(Name=self._parameter, Value=image, Overwrite=True)
        return image

    def _pushed_at(self, image: str) -> float:
        """When somebody pushed what ``image`` is the index of, in seconds since 1970; 0 for an image that is gone.

        The time of the index's own push depends on how long its build took.
        """
        digest = image.rpartition("@")[2]
        index = self._repository.describe(imageDigest=digest) if _DIGEST.fullmatch(digest) else None
        if index is None:
            return 0
        plain = (tag.removesuffix(SOCI_SUFFIX) for tag in index.get("imageTags", []) if tag.endswith(SOCI_SUFFIX))
        described = next(filter(None, (self._repository.describe(imageTag=tag) for tag in plain)), index)
        pushed_at = described.get("imagePushedAt")
        return pushed_at.timestamp() if isinstance(pushed_at, datetime) else 0


def start(event: object, context: object) -> Json:  # noqa: ARG001  (Lambda gives both)
    """What Lambda calls for a pushed tag."""
    environment = os.environ
    starter = Starter(
        Aws(environment["AWS_REGION"]),
        repository=environment["PREQUEL_REPOSITORY"],
        project=environment["PREQUEL_INDEXER"],
        architecture=environment["PREQUEL_ARCHITECTURE"],
    )
    return _reported("started", starter, event)


def record(event: object, context: object) -> Json:  # noqa: ARG001  (Lambda gives both)
    """What Lambda calls for a pushed ``-soci`` tag."""
    environment = os.environ
    recorder = Recorder(
        Aws(environment["AWS_REGION"]),
        repository=environment["PREQUEL_REPOSITORY"],
        repository_url=environment["PREQUEL_REPOSITORY_URL"],
        parameter=environment["PREQUEL_IMAGE_PARAMETER"],
    )
    return _reported("current", recorder, event)


def _reported(what: str, work: Starter | Recorder, event: object) -> Json:
    try:
        outcome = {what: work.run(event)}
    except SkippedError as reason:
        outcome = {"skipped": str(reason)}
    sys.stdout.write(json.dumps(outcome) + "\n")
    sys.stdout.flush()
    return outcome
