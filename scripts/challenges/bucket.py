"""The instance bucket, as challenges need it."""

from dataclasses import dataclass

from contract.names import CHALLENGE_MANIFESTS
from scripts.aws.bucket import Bucket
from scripts.challenges.manifest import AlteredManifestError, ChallengeManifest
from scripts.challenges.names import is_name, manifest_key


@dataclass(frozen=True)
class ManifestSnapshot:
    """A manifest as it was read, for a later write over exactly this one.

    ``etag`` is None when there is none; ``manifest`` also when it is ``altered``, of which that is the description.
    """

    manifest: ChallengeManifest | None = None
    etag: str | None = None
    altered: str = ""


class ChallengeBucket(Bucket):
    """The bucket ``name``; every method raises ``AwsError`` with one line when S3 refuses."""

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
        self.write(manifest_key(manifest.name), manifest.to_json(), if_match=seen.etag, if_absent=seen.etag is None)

    def names(self) -> list[str]:
        """Every challenge that has a manifest."""
        found = (key.removeprefix(CHALLENGE_MANIFESTS).removesuffix(".json") for key in self.etags(CHALLENGE_MANIFESTS))
        return sorted(name for name in found if is_name(name))

    def delete_manifest(self, name: str, etag: str) -> None:
        """Deletes a manifest if it still has ``etag``; raises ``LostRaceError`` otherwise."""
        self.delete(manifest_key(name), if_match=etag)
