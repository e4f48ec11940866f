"""Which interviews use a challenge."""

import json
import re

from contract.names import INTENT_FILE, WORKSPACES
from scripts.challenges.bucket import ChallengeBucket
from scripts.challenges.names import name_of
from scripts.errors import ChallengeError

_FINISHED = "destroyed"
_ASSIGNED = re.compile(r'^\s*challenge\s*=\s*"([^"]*)"', re.MULTILINE)


def users(bucket: ChallengeBucket, name: str) -> list[str]:
    """The ids of the interviews that use the challenge ``name``, in any version.

    An interview counts until it is destroyed, whatever its status; so does one of a client that keeps only
    terraform.tfvars. Raises ``ChallengeError`` when a workspace does not say what it uses: unknown is not unused.
    """
    keys = bucket.etags(WORKSPACES)
    sources: dict[str, str] = {}
    for file in ("terraform.tfvars", INTENT_FILE):  # the latter knows better, where there are both
        sources |= {key.split("/")[1]: key for key in keys if key.count("/") == 2 and key.endswith(f"/{file}")}
    documents = bucket.read_all(sources.values())
    return sorted(
        interview
        for interview, key in sources.items()
        if (stored := documents[key]) is not None and name_of(_challenge(key, stored.body)) == name
    )


def _challenge(key: str, content: bytes) -> str:
    """What the workspace file at ``key`` names; empty for an interview that is gone."""
    try:
        if key.endswith(".tfvars"):
            return str(_ASSIGNED.findall(content.decode())[0])
        document = json.loads(content)
        return "" if document["status"] == _FINISHED else str(document["inputs"]["challenge"])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ChallengeError(
            f"{key} does not say which challenge the interview uses; "
            "destroy that interview with `prequel interview destroy`, or repair the file"
        ) from error
