"""Which image a release names, so that tasks run the one that loads lazily."""

from collections.abc import Callable

from scripts.images.catalog import Catalog
from scripts.shared_values import Outputs

SLOWER = "interviews will start more slowly"


def with_indexed_image(values: Outputs, catalog: Catalog, warn: Callable[[str], None]) -> Outputs:
    """``values`` with ``code_server_image`` by the digest of its indexed image, or as it was after a warning.

    ``latest`` of our own repository, which is what an empty setting means, is the newest indexed image.
    """
    image, repository = str(values["code_server_image"]), str(values["code_server_repository_url"])
    if not image.startswith((f"{repository}:", f"{repository}@")):
        warn(
            f"{image} is not in the stack's own repository, so {SLOWER}; copy it with `prequel image mirror {image}`"
            ' and set code_server_image = ""'
        )
        return values
    if "@" in image:
        return values
    tag = image.removeprefix(f"{repository}:")
    if tag == "latest":
        found = catalog.current()
        if found and not catalog.has(found.rpartition("@")[2]):
            warn(f"{found} is gone from the repository; choose another with `prequel image promote`")
            found = ""
    else:
        index = catalog.index_of(tag)
        found = f"{repository}@{index}" if index else ""
    if not found:
        warn(f"{image} has no SOCI index, so {SLOWER}; see `prequel image status`")
    return values | {"code_server_image": found or image}
