"""Building the candidate's image on AWS: an archive in the bucket, a CodeBuild build, and the index of its result."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from contract.names import SOCI_SUFFIX, VARIANT_PREFIX, bucket_name, image_builder, image_indexer
from scripts.aws.bucket import Bucket
from scripts.aws.builds import IN_PROGRESS, SUCCEEDED, Build, ProjectBuilds, failed_phase
from scripts.aws.clients import Aws
from scripts.console import Console
from scripts.errors import ImageError, InterruptedRunError
from scripts.images.catalog import Catalog, Image
from scripts.images.source import ImageSource

INDEX_SECONDS = 900.0
"""How long an index may take: its build takes about two minutes, and events may be late."""

_MEANWHILE = "until then, build it with Docker: docs/operations.md, Images"


@dataclass(frozen=True)
class WantedImage:
    """The image that a build makes: its ``tag``, its ``variant`` (empty for the image itself), and if it is built."""

    tag: str
    variant: str
    is_built: bool


@dataclass(frozen=True)
class BuiltImage:
    """An ``image`` of the repository ``url``, and the id of its ``build``, empty if it was there already."""

    image: Image
    url: str
    build: str

    def document(self) -> dict[str, Any]:
        """The image for machines: by digest, that of the indexed image if there is one."""
        return {
            "status": "built" if self.build else "already built",
            "tag": self.image.tag,
            "image": f"{self.url}@{self.image.index or self.image.digest}",
            "indexed": bool(self.image.index),
            "current": self.image.current,
            "build": self.build,
        }


class ImageBuilder:
    """Builds ``source`` with the CodeBuild project of the stack with ``project_prefix``.

    ``indexing`` says whether the stack indexes images. Progress goes to ``console``, and AWS is asked every ``pause``
    seconds. Methods raise ``AwsError`` if AWS refuses.
    """

    def __init__(
        self,
        aws: Aws,
        source: ImageSource,
        console: Console,
        *,
        project_prefix: str,
        indexing: bool,
        pause: float = 5.0,
    ) -> None:
        self._source = source
        self._console = console
        self._catalog = Catalog(aws, project_prefix)
        self._bucket = Bucket(aws, bucket_name(project_prefix))
        self._builds = ProjectBuilds(aws, image_builder(project_prefix))
        self._indexer = ProjectBuilds(aws, image_indexer(project_prefix)) if indexing else None
        self._pause = pause

    def wanted(self, *, variant: str, tag: str, rebuild: bool) -> WantedImage:
        """What to build; raises ``ImageError`` for a variant that the source has not, and a ``tag`` that is taken.

        Without ``tag`` the source names the image, so that the same content is built once. ``rebuild`` takes the next
        free tag, because tags never move.
        """
        self._catalog.url()  # so that a missing stack is what an error names first
        if variant:
            self._source.check_variant(variant)
        prefix = f"{VARIANT_PREFIX}{variant}-" if variant else ""
        name = prefix + (tag or self._source.digest[:12])
        if tag:
            self._catalog.check_free(name)
        elif rebuild:
            names = (name if number == 1 else f"{name}-{number}" for number in count(1))
            name = next(name for name in names if not self._catalog.has(name))
        return WantedImage(name, variant, self._catalog.has(name))

    def build(self, wanted: WantedImage) -> BuiltImage:
        """Builds and pushes an image unless it is built, and waits until it is indexed, and current unless a variant.

        Goes on with a build of the same image that is running. Raises ``ImageError`` if a build fails, after the end
        of its log was printed, and ``InterruptedRunError`` on ctrl-C.
        """
        url, build_id = self._catalog.url(), ""
        try:
            if not wanted.is_built:
                build_id = self._started(wanted)
                self._follow(build_id)
                if not self._catalog.has(wanted.tag):
                    raise ImageError(f"the build {build_id} succeeded, but {url} has no image {wanted.tag}")
            image = self._indexed(wanted)
        except KeyboardInterrupt:
            stop = f", or stop it with `aws codebuild stop-build --id {build_id}`" if build_id else ""
            raise InterruptedRunError(
                f"interrupted; the work on {wanted.tag} goes on at AWS: run the same command again to follow it{stop}"
            ) from None
        return BuiltImage(image, url, build_id)

    def _started(self, wanted: WantedImage) -> str:
        """The id of the build, new or running."""
        self._bucket.write(self._source.key, self._source.archive, if_absent=True)
        variables = {"PREQUEL_IMAGE_SOURCE": self._source.digest, "PREQUEL_IMAGE_TAG": wanted.tag}
        if wanted.variant:
            variables["PREQUEL_IMAGE_VARIANT"] = wanted.variant
        build = self._builds.newest(variables)
        if build is not None and build["buildStatus"] == IN_PROGRESS:
            build_id, is_new = str(build["id"]), False
        else:
            purpose = "start a build of the image"
            build_id, is_new = self._builds.start(variables, purpose=purpose, meanwhile=_MEANWHILE), True
        self._console.progress(
            "build",
            f"{'Started' if is_new else 'Following'} the build {build_id} of {wanted.tag}, which takes some minutes …",
            build=build_id,
            tag=wanted.tag,
        )
        return build_id

    def _follow(self, build_id: str) -> None:
        reported = 0
        for build in self._builds.followed(build_id, pause=self._pause):
            phases = [phase for phase in build.get("phases", []) if phase.get("phaseStatus") == SUCCEEDED]
            for phase in phases[reported:]:
                name = phase["phaseType"].lower().replace("_", " ")
                self._console.done(name, phase.get("durationInSeconds", 0), phase=phase["phaseType"])
            reported = len(phases)
            if build["buildStatus"] not in {IN_PROGRESS, SUCCEEDED}:
                raise self._failure(build)

    def _failure(self, build: Build) -> ImageError:
        for line in self._builds.log(build):
            self._console.progress("log", f"  {line}", message=line)
        group = build.get("logs", {}).get("groupName", "")
        whole = f"; its whole log is in the log group {group}" if group else ""
        return ImageError(f"the build {build['id']} failed: {failed_phase(build)}{whole}")

    def _image(self, tag: str) -> Image:
        return next(image for image in self._catalog.images() if image.tag == tag)

    def _indexed(self, wanted: WantedImage) -> Image:
        """The image once the stack has indexed it, which begins with its push."""
        image = self._image(wanted.tag)
        if wanted.is_built and (image.index or datetime.now(UTC) - image.pushed_at > timedelta(seconds=INDEX_SECONDS)):
            return image
        if self._indexer is None:
            self._console.say("soci_indexing is false: no index is made, and releases name the newest image")
            return image
        with self._console.step(f"Indexing {wanted.tag}"):
            end = time.monotonic() + INDEX_SECONDS
            while True:
                if image.index and (image.current or wanted.variant or self._is_superseded(image)):
                    return image
                failure = self._index_failure(self._indexer, image)
                if not failure and time.monotonic() > end:
                    failure = f"{'not current' if image.index else 'not indexed'} after {INDEX_SECONDS:.0f} s"
                if failure:
                    raise ImageError(
                        f"{wanted.tag} is in the repository, but {failure}; see Image build failures in"
                        " docs/operations.md"
                    )
                time.sleep(self._pause)
                image = self._image(wanted.tag)

    def _is_superseded(self, image: Image) -> bool:
        """Whether somebody pushed another image since, which is current now or will be."""
        others = (other for other in self._catalog.images() if not other.tag.startswith(VARIANT_PREFIX))
        return any(other.pushed_at > image.pushed_at for other in others)

    def _index_failure(self, indexer: ProjectBuilds, image: Image) -> str:
        build = None if image.index else indexer.newest({"PREQUEL_IMAGE_DIGEST": image.digest})
        if build is None or build["buildStatus"] in {IN_PROGRESS, SUCCEEDED}:
            return ""
        return f"the build {build['id']} of {image.tag}{SOCI_SUFFIX} failed: {failed_phase(build)}"
