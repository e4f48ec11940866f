"""Which image a release or an interview names: one that is there, and that loads lazily if one can."""

from collections.abc import Callable, Mapping
from typing import Any

from contract.names import IMAGE_ARCHITECTURES, VARIANT_PREFIX
from scripts.aws.clients import Aws
from scripts.errors import ImageError
from scripts.images.catalog import Catalog, Image
from scripts.shared_stack.values import Outputs

SLOWER = "interviews will start more slowly"


def with_existing_image(values: Outputs, catalog: Catalog, warn: Callable[[str], None], *, indexing: bool) -> Outputs:
    """``values`` with a ``code_server_image`` that is in the stack's own repository, indexed if it can be.

    What a setting leaves open, ``latest``, is the current indexed image, or the newest one of all, by digest. Warns of
    everything that makes interviews start more slowly than ``indexing`` promises. Images of other registries are taken
    on trust. Raises ``ImageError`` for an image that the repository has not, or that is built for another architecture,
    which no interview could start with.
    """
    image, repository = str(values["code_server_image"]), str(values["code_server_repository_url"])
    warn = warn if indexing else (lambda _: None)  # without indexing, there is nothing to be slower than
    if not _is_own(image, repository):
        warn(
            f"{image} is not in the stack's own repository, so {SLOWER}; copy it with `prequel image mirror {image}`,"
            ' or build one with `prequel image build`, and set code_server_image = ""'
        )
        return values
    named, pinned = image.removeprefix(repository)[1:], "@" in image
    if image == f"{repository}:latest":
        current = _current(catalog, warn) if indexing else ""
        if current:
            _check_architecture(values, current.rpartition("@")[2], catalog)
            return values | {"code_server_image": current}
        named = _newest(catalog).digest
        image = f"{repository}@{named}"
    index = catalog.index_of(named)
    _check_architecture(values, catalog.digest_of(named), catalog)
    if index and indexing and not pinned:
        image = f"{repository}@{index}"
    elif index != named:
        warn(f"{image} has no SOCI index, so {SLOWER}; see `prequel image status`")
    return values | {"code_server_image": image}


def lazy_tag(tag: str, catalog: Catalog, warn: Callable[[str], None], *, indexing: bool) -> str:
    """The tag that an interview runs when ``tag`` is asked for, or the newest build of the variant ``tag``.

    The warning and the error are the same as above.
    """
    tag = catalog.named(tag)
    index = catalog.index_tag(tag)
    if not indexing:
        return tag
    if not index:
        warn(f"{tag} has no SOCI index, so the interview will start more slowly; see `prequel image status`")
    return index or tag


def missing_image(values: Mapping[str, Any], aws: Aws) -> str:
    """The image of a release's shared ``values`` if it is gone from the stack's own repository; empty otherwise."""
    image, repository = str(values.get("code_server_image")), str(values.get("code_server_repository_url"))
    if not _is_own(image, repository):
        return ""
    catalog = Catalog(aws, str(values["project_prefix"]))
    return "" if catalog.has(image.removeprefix(repository)[1:]) else image


def _check_architecture(values: Outputs, digest: str, catalog: Catalog) -> None:
    wanted, found = IMAGE_ARCHITECTURES.get(str(values.get("cpu_architecture"))), catalog.architectures(digest)
    if wanted and found and wanted not in found:
        raise ImageError(
            f"{digest} of {catalog.repository.name} is built for {', '.join(sorted(found))}, expected {wanted}, because"
            " of cpu_architecture; build it again with `prequel image build --rebuild`, or change the setting"
        )


def _is_own(image: str, repository: str) -> bool:
    return image.startswith((f"{repository}:", f"{repository}@"))


def _current(catalog: Catalog, warn: Callable[[str], None]) -> str:
    found = catalog.current()
    if found and not catalog.has(found.rpartition("@")[2]):
        warn(f"{found} is gone from the repository; choose another with `prequel image promote`")
        return ""
    return found


def _newest(catalog: Catalog) -> Image:
    images = [image for image in catalog.images() if not image.tag.startswith(VARIANT_PREFIX)]
    if not images:
        raise ImageError(
            f"{catalog.repository.name} has no image, expected the one that interviews run; run `prequel image build`,"
            " or name another image in code_server_image and deploy"
        )
    return images[0]
