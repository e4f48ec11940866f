"""Copying a public image into our repository with skopeo: no Docker, no root."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from contract.names import IMAGE_ARCHITECTURES
from scripts.aws.clients import Aws, explained
from scripts.errors import ImageError, MissingToolError
from scripts.images.catalog import Catalog


def destination(catalog: Catalog, source: str, *, tag: str) -> str:
    """Where ``source`` is copied, under its own tag by default; raises ``ImageError`` if that is none or taken."""
    name, _, own = source.partition("@")[0].rpartition("/")[2].partition(":")
    tag = tag or own
    if not name or not tag:
        raise ImageError(f"{source} names no tag, expected an image such as docker.io/codercom/code-server:4.99.4")
    catalog.check_free(tag)
    return f"{catalog.url()}:{tag}"


def mirror(aws: Aws, source: str, target: str, *, architecture: str) -> None:
    """Copies an image for one of Fargate's architectures; raises ``ImageError`` with what skopeo said."""
    skopeo = shutil.which("skopeo")
    if skopeo is None:
        raise MissingToolError(
            "skopeo is not on PATH; install it (apt-get install skopeo, brew install skopeo, or see"
            " https://github.com/containers/skopeo/blob/main/install.md)"
        )
    with explained("sign in to ECR"):
        token = aws.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
    with tempfile.TemporaryDirectory() as directory:
        authorization = Path(directory) / "auth.json"
        authorization.touch(mode=0o600)
        registry = target.partition("/")[0]
        authorization.write_text(json.dumps({"auths": {registry: {"auth": token}}}))
        done = subprocess.run(
            [
                *(skopeo, "--override-os", "linux", "--override-arch", IMAGE_ARCHITECTURES[architecture]),
                *("copy", "--quiet", "--retry-times", "3", "--dest-authfile", str(authorization)),
                *(f"docker://{source}", f"docker://{target}"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise ImageError(f"cannot copy {source} to {target}: {said}")
