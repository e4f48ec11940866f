"""What the code-server repository holds, and which image interviews run."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from scripts.aws import Aws, error_code, explained
from scripts.errors import ImageError
from scripts.image_index import NOTHING, SUFFIX, Repository
from stacks.names import code_server_repository, image_parameter


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
        self.repository = Repository(aws, code_server_repository(project_prefix))
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
        with explained(f"read the parameter {self._parameter}"):
            try:
                value = str(self._aws.ssm.get_parameter(Name=self._parameter)["Parameter"]["Value"])
            except ClientError as error:
                if error_code(error) == "ParameterNotFound":
                    return ""
                raise
        return "" if value == NOTHING else value

    def images(self) -> list[Image]:
        """Every tag but those of indexed images, the newest first."""
        url, current = self.url(), self.current()
        with explained(f"list the images of {self.repository.name}"):
            described = list(self.repository.tagged())
        indexes = {tag: str(image["imageDigest"]) for image in described for tag in _indexed_tags(image["imageTags"])}
        found = [
            _image(tag, image, indexes, url=url, current=current)
            for image in described
            for tag in image["imageTags"]
            if not tag.endswith(SUFFIX)
        ]
        return sorted(found, key=lambda image: (image.pushed_at, image.tag), reverse=True)

    def index_of(self, tag: str) -> str:
        """The digest of the indexed image of ``tag``, which may itself be that of one; empty without one.

        Raises ``ImageError`` when there is no image at all.
        """
        with explained(f"find the image {tag}"):
            described = self.repository.describe(imageTag=tag)
            if described is None:
                raise ImageError(f"{self.repository.name} has no image {tag}; see `prequel image status`")
            siblings = dict.fromkeys([tag, *described.get("imageTags", [])])
            index = described if tag.endswith(SUFFIX) else self.repository.index_of(siblings)
        return str(index["imageDigest"]) if index else ""

    def has(self, digest: str) -> bool:
        """Whether the repository holds ``digest``."""
        with explained(f"find the image {digest}"):
            return self.repository.describe(imageDigest=digest) is not None

    def promote(self, tag: str, *, dry_run: bool) -> str:
        """Makes the indexed image of ``tag`` the current one, and returns it; raises ``ImageError`` if it has none."""
        index = self.index_of(tag)
        if not index:
            raise ImageError(
                f"{tag} is not indexed, expected an image with {tag}{SUFFIX} beside it; see `prequel image status`, and"
                " docs/operations.md, Images"
            )
        image = f"{self.url()}@{index}"
        if not dry_run and image != self.current():
            with explained(f"write the parameter {self._parameter}"):
                self._aws.ssm.put_parameter(Name=self._parameter, Value=image, Overwrite=True)
        return image


def _indexed_tags(tags: Iterable[str]) -> list[str]:
    return [tag for tag in tags if tag.endswith(SUFFIX)]


def _image(tag: str, described: dict[str, Any], indexes: dict[str, str], *, url: str, current: str) -> Image:
    siblings = (other + SUFFIX for other in (tag, *described["imageTags"]))
    index = next((indexes[sibling] for sibling in siblings if sibling in indexes), "")
    return Image(
        tag=tag,
        digest=described["imageDigest"],
        index=index,
        size=described.get("imageSizeInBytes", 0),
        pushed_at=described["imagePushedAt"],
        current=bool(index) and current == f"{url}@{index}",
    )
