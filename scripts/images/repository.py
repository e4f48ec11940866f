"""One ECR repository, and which of its images carry a SOCI index (docs/decisions/0050-soci.md).

Nothing but the standard library and boto3 is imported here (docs/decisions/0040-a-reaper-without-packages.md).
"""

import json
import urllib.request
from collections.abc import Iterable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from contract.names import SOCI_SUFFIX
from scripts.aws.clients import Aws, error_code

LONGEST_TAG = 128
"""https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests"""

SOCI_INDEX = "application/vnd.amazon.soci.index.v2+json"
_INDEXED_IMAGE = "com.amazon.soci.image-manifest-digest"
"""Annotates a SOCI index; older tools lose the artifact type when they copy."""

IMAGES = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)
LISTS = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)

Json = dict[str, Any]


class EcrRepository:
    """One ECR repository; boto3's own errors pass through."""

    def __init__(self, aws: Aws, name: str) -> None:
        self._ecr = aws.client("ecr")
        self.name = name

    def manifests(self, digests: Iterable[str]) -> dict[str, Json]:
        """The manifests with ``digests``, by digest; what is gone is missing."""
        wanted = [{"imageDigest": digest} for digest in dict.fromkeys(digests)]
        found: dict[str, Json] = {}
        for start in range(0, len(wanted), 100):  # as many as ECR takes at once
            answer = self._ecr.batch_get_image(
                repositoryName=self.name,
                imageIds=wanted[start : start + 100],
                acceptedMediaTypes=[*IMAGES, *LISTS],
            )
            found |= {image["imageId"]["imageDigest"]: json.loads(image["imageManifest"]) for image in answer["images"]}
        return found

    def manifest(self, digest: str) -> Json | None:
        """The manifest with ``digest``, or None when it is gone."""
        return self.manifests([digest]).get(digest)

    def config(self, manifest: Json) -> Json:
        """The configuration of the image with ``manifest``; empty if it cannot be downloaded.

        https://github.com/opencontainers/image-spec/blob/main/config.md
        """
        try:
            answer = self._ecr.get_download_url_for_layer(
                repositoryName=self.name, layerDigest=manifest["config"]["digest"]
            )
            with urllib.request.urlopen(answer["downloadUrl"], timeout=10) as body:  # noqa: S310  (ECR's own address)
                found: Json = json.load(body)
        except (ClientError, KeyError, OSError, ValueError):
            return {}
        return found

    def describe(self, **image: str) -> Json | None:
        """ECR's description of the image with an ``imageDigest`` or ``imageTag``, or None when it is gone."""
        try:
            details = self._ecr.describe_images(repositoryName=self.name, imageIds=[image])["imageDetails"]
        except ClientError as error:
            if error_code(error) != "ImageNotFoundException":
                raise
            return None
        return dict(details[0]) if details else None

    def findings(self, digest: str) -> dict[str, int] | None:
        """How many vulnerabilities ECR's last scan found in an image by severity; None if there was no scan."""
        try:
            answer = self._ecr.describe_image_scan_findings(
                repositoryName=self.name, imageId={"imageDigest": digest}, maxResults=1
            )
        except ClientError as error:
            if error_code(error) != "ScanNotFoundException":
                raise
            return None
        return dict(answer.get("imageScanFindings", {}).get("findingSeverityCounts", {}))

    def tagged(self) -> Iterator[Json]:
        """ECR's description of each image that has a tag."""
        pages = self._ecr.get_paginator("describe_images").paginate(
            repositoryName=self.name, filter={"tagStatus": "TAGGED"}
        )
        for page in pages:
            yield from page["imageDetails"]

    def beside(self, tags: Iterable[str]) -> Iterator[Json]:
        """What is tagged as the indexed image of one of ``tags``, which all belong to one image."""
        for tag in tags:
            image = None if tag.endswith(SOCI_SUFFIX) else self.describe(imageTag=tag + SOCI_SUFFIX)
            if image is not None:
                yield image


def is_indexed(manifest: Json) -> bool:
    """Whether a manifest is an image index that holds a SOCI index of version 2."""
    return any(
        child.get("artifactType") == SOCI_INDEX or _INDEXED_IMAGE in child.get("annotations", {})
        for child in manifest.get("manifests", [])
    )
