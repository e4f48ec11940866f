"""What the template is given for an interview: from the request, and from the challenge's manifest."""

from dataclasses import replace

from scripts.challenges.catalog import ChallengeBucket
from scripts.challenges.definition import Definition
from scripts.challenges.manifest import ChallengeManifest
from scripts.challenges.names import is_name, name_of
from scripts.errors import ImageError, RefusedError
from scripts.images.catalog import Catalog
from scripts.images.choice import lazy_tag
from scripts.interviews.context import Context
from scripts.interviews.records import Inputs, Intent
from scripts.interviews.request import Request
from scripts.interviews.workspace import Workspace


def with_image_tags(context: Context, requests: list[Request], *, project_prefix: str, indexing: bool) -> list[Request]:
    """``requests`` with the image tags that their challenges ask for, and tags that load lazily where they can.

    A tag of the request's own wins. Raises ``ImageError`` for an unknown tag.
    """
    bucket = ChallengeBucket(context.aws, context.bucket)
    names = sorted({request.challenge for request in requests if not request.image_tag and is_name(request.challenge)})
    found = dict(zip(names, bucket.in_parallel(bucket.look, names), strict=True))
    asked = {name: seen.manifest.definition.image for name, seen in found.items() if seen.manifest}
    requests = [replace(one, image_tag=one.image_tag or asked.get(one.challenge, "")) for one in requests]
    catalog = Catalog(context.aws, project_prefix)
    lazy: dict[str, str] = {}
    for tag in sorted({request.image_tag for request in requests} - {""}):
        try:
            lazy[tag] = lazy_tag(tag, catalog, context.console.warn, indexing=indexing)
        except ImageError as error:
            needing = [name for name, image in asked.items() if image == tag]
            if not needing:
                raise
            raise ImageError(
                f"{error}; {', '.join(needing)} needs it (image in challenge.toml): "
                f"build it with `prequel image build --variant {tag}`, or push an image with that tag"
            ) from error
    return [replace(request, image_tag=lazy.get(request.image_tag, "")) for request in requests]


def asked_inputs(request: Request, manifest: ChallengeManifest) -> Inputs:
    """What ``request`` asks for, in the size that its challenge needs."""
    inputs = Inputs(candidate_name=request.candidate_name, challenge=request.challenge, image_tag=request.image_tag)
    return _sized(inputs, manifest.definition)


def pinned(context: Context, intent: Intent, workspace: Workspace) -> Inputs:
    """The inputs with the challenge's present version, so that every task of the interview gets that one, whole.

    Asked after the intent is written: `challenge remove` either sees the interview, or has been seen here. A release
    of an older prequel can neither extract an archive, so that it gets the plain copy, nor give an interview a size of
    its own. Raises ``RefusedError`` for that, and ``ChallengeError`` when the challenge is gone.
    """
    manifest = ChallengeBucket(context.aws, context.bucket).find(name_of(intent.inputs.challenge))
    inputs = _sized(intent.inputs, manifest.definition)
    if workspace.extracts_archives or manifest.archive is None:
        return replace(inputs, challenge=manifest.path)
    if str(manifest.definition.size):
        raise RefusedError(
            f"{manifest.name} needs {manifest.definition.size}, which the release {intent.release_digest[:12]} cannot "
            "give it; publish a new release with `prequel templates publish`"
        )
    return replace(intent.inputs, challenge=manifest.name)


def _sized(inputs: Inputs, definition: Definition) -> Inputs:
    size = definition.size
    return replace(inputs, task_cpu=size.cpu, task_memory=size.memory, task_storage=size.storage)
