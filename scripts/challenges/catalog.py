"""What is published: each challenge's manifest in the instance bucket, and which interviews use it."""

import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from contract.names import CHALLENGE_MANIFESTS, INTENT_FILE, WORKSPACES
from scripts.aws.bucket import Bucket
from scripts.challenges.manifest import AlteredManifestError, ChallengeManifest
from scripts.challenges.names import is_name, manifest_key, name_of
from scripts.errors import ChallengeError

_ASSIGNED = re.compile(r'^\s*challenge\s*=\s*"([^"]*)"', re.MULTILINE)


@dataclass(frozen=True)
class ManifestSnapshot:
    """A manifest as it was read, for a later write over exactly this one.

    ``etag`` is None when there is none; ``manifest`` also when it is ``altered``, of which that is the description.
    """

    manifest: ChallengeManifest | None = None
    etag: str | None = None
    altered: str = ""


class ChallengeBucket(Bucket):
    """The instance bucket with its challenges; every method raises ``AwsError`` with one line when S3 refuses."""

    def names(self) -> list[str]:
        """Every challenge that has a manifest, sorted."""
        found = (key.removeprefix(CHALLENGE_MANIFESTS).removesuffix(".json") for key in self.etags(CHALLENGE_MANIFESTS))
        return sorted(name for name in found if is_name(name))

    def manifests(self) -> list[ChallengeManifest]:
        """Every manifest, by name; raises ``ChallengeError`` naming one that cannot be read."""
        stored = self.read_all(map(manifest_key, self.names()))
        return [ChallengeManifest.parse(found.body, key) for key, found in stored.items() if found is not None]

    def find(self, name: str) -> ChallengeManifest:
        """The manifest of a challenge; raises ``ChallengeError``, with similar names, when there is none to be used.

        Call it **after** the interview's intent is written: then `challenge remove` either sees the interview, or has
        been seen here.
        """
        seen = self.look(name) if is_name(name) else ManifestSnapshot()
        if seen.etag is None:
            raise not_published(name, self.names())
        if seen.manifest is None:
            raise ChallengeError(seen.altered)
        if seen.manifest.retired_at:
            raise ChallengeError(f"{seen.manifest.retirement}; choose another challenge")
        return seen.manifest

    def look(self, name: str) -> ManifestSnapshot:
        """The manifest of a challenge; an altered one is no error, so that it can be replaced."""
        stored = self.read(manifest_key(name))
        if stored is None:
            return ManifestSnapshot()
        try:
            return ManifestSnapshot(ChallengeManifest.parse(stored.body, manifest_key(name)), stored.etag)
        except AlteredManifestError as error:
            return ManifestSnapshot(None, stored.etag, str(error))

    def put_manifest(self, manifest: ChallengeManifest, seen: ManifestSnapshot) -> None:
        """Writes ``manifest`` over the one that was ``seen``; raises ``LostRaceError`` when that is no longer there."""
        self.replace(manifest_key(manifest.name), manifest.to_json(), seen.etag)

    def users(self, name: str) -> list[str]:
        """The ids of the interviews that use the challenge ``name``, in any version.

        An interview counts until it is destroyed, whatever its status; so does one of a client that keeps only
        terraform.tfvars. Raises ``ChallengeError`` when a workspace does not say what it uses: unknown is not unused.
        """
        keys = self.etags(WORKSPACES)
        sources: dict[str, str] = {}
        for file in ("terraform.tfvars", INTENT_FILE):  # the latter knows better, where there are both
            sources |= {key.split("/")[1]: key for key in keys if key.count("/") == 2 and key.endswith(f"/{file}")}
        documents = self.read_all(sources.values())
        return sorted(
            interview
            for interview, key in sources.items()
            if (stored := documents[key]) is not None and name_of(_challenge(key, stored.body)) == name
        )


def not_published(name: str, published: Iterable[str]) -> ChallengeError:
    """The error for a challenge that is not there, with the ``published`` names that are like it."""
    known = sorted(published)
    if not known:
        return ChallengeError(
            f'there is no challenge "{name}", nor any other; publish with `prequel challenge publish`'
        )
    near = difflib.get_close_matches(name, known, n=3)
    # "rate-limiter" alone is what people type.
    near += [other for other in known if other not in near and other.partition("/")[2] == name]
    if near:
        return ChallengeError(f'there is no challenge "{name}"; did you mean {" or ".join(near)}?')
    return ChallengeError(f'there is no challenge "{name}", expected one of `prequel challenge list`')


def _challenge(key: str, content: bytes) -> str:
    """What the workspace file at ``key`` names; empty for an interview that is gone."""
    try:
        if key.endswith(".tfvars"):
            return str(_ASSIGNED.findall(content.decode())[0])
        document = json.loads(content)
        return "" if document["status"] == "destroyed" else str(document["inputs"]["challenge"])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ChallengeError(
            f"{key} does not say which challenge the interview uses; "
            "destroy that interview with `prequel interview destroy`, or repair the file"
        ) from error
