"""Where releases are in the instance bucket.

releases/{digest}/              the five files, never changed, and manifest.json, written last
instance/                       plain copies of the current release's five files, for clients that copy the prefix
instance/manifest.json          the pointer to the current release, written after the plain copies
"""

from contract.names import CURRENT_RELEASE, RELEASES

POINTER_KEY = f"{CURRENT_RELEASE}manifest.json"


def file_key(digest: str, name: str) -> str:
    """Where a release's file is stored."""
    return f"{RELEASES}{digest}/{name}"


def manifest_key(digest: str) -> str:
    """Where a release's manifest is stored."""
    return file_key(digest, "manifest.json")


def plain_key(name: str) -> str:
    """Where the current release's plain copy of a file is."""
    return f"{CURRENT_RELEASE}{name}"
