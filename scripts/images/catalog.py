"""What the code-server repository holds, and which image interviews run."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from contract.limits import IMAGE_TAG_PATTERN
from contract.names import NO_IMAGE, SOCI_SUFFIX, VARIANT_PREFIX, code_server_repository, image_parameter
from scripts.aws.clients import Aws, error_code, explained
from scripts.errors import ImageError
from scripts.images.repository import LONGEST_TAG, EcrRepository, is_indexed


@dataclass(frozen=True)
class Image:
    """A tag of the repository; ``index`` is the digest of its indexed image, empty without one.

    ``size`` is in bytes, compressed, as ECR counts it; ``current`` says whether interviews get it.
    """

    tag: str
    digest: str
    index: str
    size: int
    pushed_at: datetime
    current: bool


class Catalog:
    """The code-server repository of one project."""

    def __init__(self, aws: Aws, project_prefix: str) -> None:
        self._aws = aws
        self.repository = EcrRepository(aws, code_server_repository(project_prefix))
        self._parameter = image_parameter(project_prefix)

    def url(self) -> str:
        """The repository as container engines name it; raises ``ImageError`` when there is none."""
        with explained(f"find the repository {self.repository.name}"):
            try:
                found = self._aws.client("ecr").describe_repositories(repositoryNames=[self.repository.name])
            except ClientError as error:
                if error_code(error) == "RepositoryNotFoundException":
                    raise ImageError(
                        f"the repository {self.repository.name} is not there; "
                        "deploy the shared stack with `make deploy`"
                    ) from error
                raise
        return str(found["repositories"][0]["repositoryUri"])

    def current(self) -> str:
        """The newest indexed image, or the one promoted since, by digest; empty while there is none."""
        value = self._recorded()
        return "" if value in {None, NO_IMAGE} else str(value)

    def _recorded(self) -> str | None:
        """What the parameter says; None when the stack has none, because it is deployed without indexing."""
        with explained(f"read the parameter {self._parameter}"):
            try:
                return str(self._aws.ssm.get_parameter(Name=self._parameter)["Parameter"]["Value"])
            except ClientError as error:
                if error_code(error) == "ParameterNotFound":
                    return None
                raise

    def images(self) -> list[Image]:
        """Every tag but those of indexed images, the newest first."""
        url, current = self.url(), self.current()
        with explained(f"list the images of {self.repository.name}"):
            described = list(self.repository.tagged())
            indexed = self._indexed(image for image in described if _suffixed(image))
        indexes = {tag: str(image["imageDigest"]) for image in indexed for tag in _suffixed(image)}
        found: list[Image] = []
        for image in described:
            for tag in (tag for tag in image["imageTags"] if not tag.endswith(SOCI_SUFFIX)):
                siblings = (other + SOCI_SUFFIX for other in (tag, *image["imageTags"]))
                index = next((indexes[sibling] for sibling in siblings if sibling in indexes), "")
                size, is_current = image.get("imageSizeInBytes", 0), bool(index) and current == f"{url}@{index}"
                found.append(Image(tag, image["imageDigest"], index, size, image["imagePushedAt"], is_current))
        return sorted(found, key=lambda image: (image.pushed_at, image.tag), reverse=True)

    def findings(self, image: Image) -> dict[str, int] | None:
        """How many vulnerabilities ECR found in ``image`` by severity; None if it was not scanned (yet)."""
        with explained(f"read the scan of {image.tag}"):
            return self.repository.findings(image.digest)

    def architectures(self, digest: str) -> set[str]:
        """The architectures that the image with ``digest`` is built for, as images name them; empty if unknown."""
        with explained(f"read the manifest {digest}"):
            manifest = self.repository.manifest(digest) or {}
            if "manifests" not in manifest:
                return {name for name in [self.repository.config(manifest).get("architecture")] if name}
        platforms = [child.get("platform", {}) for child in manifest["manifests"]]
        return {p["architecture"] for p in platforms if p.get("os") == "linux" and "architecture" in p}

    def digest_of(self, image: str) -> str:
        """The digest of ``image``, a tag or digest; raises ``ImageError`` for no such image."""
        with explained(f"find the image {image}"):
            return str(self._existing(image)["imageDigest"])

    def index_of(self, image: str) -> str:
        """The digest of the indexed image of ``image``, a tag or digest, or empty; ``ImageError`` for no such image."""
        index = self._index(image)
        return str(index["imageDigest"]) if index else ""

    def index_tag(self, tag: str) -> str:
        """Like ``index_of`` its tag, for what takes a tag and no digest, such as one interview."""
        index = self._index(tag)
        return str((_suffixed(index) or index["imageTags"])[0]) if index else ""

    def _index(self, image: str) -> dict[str, Any] | None:
        with explained(f"find the image {image}"):
            described = self._existing(image)
            return next(self._indexed([described, *self.repository.beside(described.get("imageTags", []))]), None)

    def _indexed(self, described: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        images = list(described)
        manifests = self.repository.manifests(image["imageDigest"] for image in images)
        return (image for image in images if is_indexed(manifests.get(image["imageDigest"], {})))

    def check_free(self, tag: str) -> None:
        """Raises ``ImageError`` if ``tag`` cannot be indexed, or names an image already: tags never move."""
        if not re.fullmatch(IMAGE_TAG_PATTERN, tag + SOCI_SUFFIX) or tag.endswith(SOCI_SUFFIX):
            raise ImageError(
                f"the tag {tag} will not do, expected at most {LONGEST_TAG - len(SOCI_SUFFIX)} characters that do not"
                f" end in {SOCI_SUFFIX}; give another with --tag"
            )
        if self.has(tag):
            raise ImageError(f"{self.repository.name} has an image {tag}, and tags never move; give --tag")

    def named(self, tag: str) -> str:
        """The tag that ``tag`` stands for: itself, or the newest build of the variant with that name."""
        if self.has(tag):
            return tag
        builds = [image.tag for image in self.images() if image.tag.startswith(f"{VARIANT_PREFIX}{tag}-")]
        if not builds:
            raise ImageError(
                f"{self.repository.name} has no image {tag}; see `prequel image status`, or build it with"
                f" `prequel image build --variant {tag}`"
            )
        return builds[0]

    def has(self, image: str) -> bool:
        """Whether the repository holds ``image``, a tag or a digest."""
        with explained(f"find the image {image}"):
            return self._described(image) is not None

    def _existing(self, image: str) -> dict[str, Any]:
        described = self._described(image)
        if described is None:
            raise ImageError(f"{self.repository.name} has no image {image}; see `prequel image status`")
        return described

    def _described(self, image: str) -> dict[str, Any] | None:
        return self.repository.describe(**{"imageDigest" if ":" in image else "imageTag": image})

    def promote(self, tag: str, *, dry_run: bool) -> str:
        """Makes the indexed image of ``tag`` the current one, and returns it; raises ``ImageError`` if it cannot be."""
        index = self.index_of(tag)
        if not index:
            raise ImageError(
                f"{tag} is not indexed, expected an image with {tag}{SOCI_SUFFIX} beside it; see `prequel image"
                " status`, and docs/operations.md, Images"
            )
        image, recorded = f"{self.url()}@{index}", self._recorded()
        if recorded is None:
            raise ImageError(
                f"the parameter {self._parameter} is not there, because the stack was deployed while soci_indexing is"
                " false; set it to true and deploy, or name the image in code_server_image"
            )
        if not dry_run and image != recorded:
            with explained(f"write the parameter {self._parameter}"):
                self._aws.ssm.put_parameter(Name=self._parameter, Value=image, Overwrite=True)
        return image


def _suffixed(described: dict[str, Any]) -> list[str]:
    return [tag for tag in described["imageTags"] if tag.endswith(SOCI_SUFFIX)]
