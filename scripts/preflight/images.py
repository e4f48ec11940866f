"""Whether the configured images exist, where they can be pulled without credentials or from this account's ECR."""

import re
from collections.abc import Iterator

from botocore.exceptions import ClientError

from contract.names import code_server_repository
from scripts.aws.clients import error_code
from scripts.preflight.findings import Finding, Subject, UnansweredError, error, unanswered, warning

_ECR = re.compile(r"^(?P<account>[0-9]{12})\.dkr[.-]ecr\.[a-z0-9-]+\.[a-z0-9.-]+/(?P<repository>[^:@]+)(?P<which>.+)$")
"""https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html"""

_GONE = frozenset({"ImageNotFoundException", "RepositoryNotFoundException"})

IMAGE_SETTINGS = ("code_server_image", "challenge_loader_image", "portal_image")


def look_at_images(subject: Subject) -> Iterator[Finding]:
    """Each image is there for whoever starts a container of it."""
    for setting in IMAGE_SETTINGS:
        image = str(getattr(subject.settings, setting))
        if image:
            private = _ECR.match(image)
            look = _private(subject, setting, image, private) if private else _public(subject, setting, image)
            yield from look
        elif setting == "code_server_image":
            yield from _own(subject)


def _private(subject: Subject, setting: str, image: str, parts: re.Match[str]) -> Iterator[Finding]:
    if parts["account"] != subject.home.account_id:
        yield error(
            f"{setting} is {image}, an image of account {parts['account']}; tasks may pull from the repositories of"
            f" {subject.home.account_id} alone",
            "copy it into this account, such as with `prequel image mirror`",
        )
        return
    key = "imageDigest" if parts["which"].startswith("@") else "imageTag"
    try:
        subject.aws.client("ecr").describe_images(
            repositoryName=parts["repository"], imageIds=[{key: parts["which"][1:]}]
        )
    except ClientError as problem:
        if error_code(problem) not in _GONE:
            raise
        yield error(f"{setting} is {image}, which does not exist", "push it, or correct the setting")


def _own(subject: Subject) -> Iterator[Finding]:
    """An empty repository is filled after the first deployment, which makes it."""
    name = code_server_repository(subject.settings.project_prefix)
    try:
        images = subject.aws.client("ecr").list_images(repositoryName=name, maxResults=1)["imageIds"]
    except ClientError as problem:
        if error_code(problem) not in _GONE:
            raise
        images = []
    if not images:
        yield warning(
            f'code_server_image is "", and the repository {name} has no image: no interview can start',
            "after the deployment, run `prequel image build`",
        )


def _public(subject: Subject, setting: str, image: str) -> Iterator[Finding]:
    try:
        status = subject.manifest(image)
    except UnansweredError as problem:
        yield unanswered(
            f"the registry of {image} ({setting}) could not be asked: {problem}",
            f"look for it with `docker manifest inspect {image}`",
        )
        return
    if status in {401, 403, 404}:
        yield error(
            f"{setting} is {image}, which does not exist or cannot be pulled without credentials (HTTP {status})",
            "correct the setting, or copy the image with `prequel image mirror`",
        )
    elif status != 200:
        yield warning(
            f"the registry of {image} ({setting}) answered HTTP {status}",
            f"look for it with `docker manifest inspect {image}`",
        )
