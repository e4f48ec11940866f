"""Which image of the container engine stands for an image reference of a task definition."""

from docker.errors import ImageNotFound

from scripts.embedded.checks.backends import ACCOUNT, backend
from scripts.engine.engine import Engine


class PullError(Exception):
    """An image cannot be pulled; the message is what ECS says."""


class LocalImages:
    """An image that the engine has under the reference's own name is that image; any other is ``default``.

    A reference to this account's own registry must be in the embedded AWS's ECR.
    """

    def __init__(self, engine: Engine, default: str) -> None:
        self._engine = engine
        self.default = default

    def find(self, reference: str) -> str:
        """A name that the engine knows; raises ``PullError``."""
        for name in (reference, *self._tags_in_ecr(reference)):
            try:
                self._engine.client.images.get(name)
            except ImageNotFound:
                continue
            return name
        return self.default

    def _tags_in_ecr(self, reference: str) -> list[str]:
        registry, _, rest = reference.partition("/")
        if not registry.startswith(f"{ACCOUNT}.dkr.ecr."):
            return []
        name, at, digest = rest.partition("@")
        name, _, tag = name.partition(":")
        repository = backend("ecr", registry.split(".")[3]).repositories.get(name)
        wanted = digest if at else (tag or "latest")
        for image in list(repository.images) if repository else []:
            tags = list(image.image_tags)
            if wanted in tags or wanted == image.get_image_digest():
                return [f"{registry}/{name}:{one}" for one in tags]
        raise PullError(
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref"
            f" {reference}: {reference}: not found"
        )
