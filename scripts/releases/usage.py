"""Which interviews use a release."""

import json
from collections import defaultdict

from contract.names import INTENT_FILE, WORKSPACES
from scripts.aws.bucket import Bucket
from scripts.errors import ReleaseError


def interviews_by_release(bucket: Bucket) -> dict[str, list[str]]:
    """The ids of the interviews that exist, by the digest of their release.

    Raises ``AwsError`` or ``ReleaseError`` when an interview's record cannot be read.
    """
    records = [key for key in bucket.listing(WORKSPACES) if key.endswith(f"/{INTENT_FILE}")]
    found: dict[str, list[str]] = defaultdict(list)
    for key, stored in bucket.read_all(records).items():
        if stored is None:
            continue  # moved to history/ since it was listed
        try:
            record = json.loads(stored.body)
            digest, status = record["release_digest"], record["status"]
        except (ValueError, KeyError, TypeError) as error:
            raise ReleaseError(f"{key} does not say which release the interview uses; see `prequel doctor`") from error
        if status != "destroyed":
            found[digest].append(key.split("/")[1])
    return dict(found)
