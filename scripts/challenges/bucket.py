"""The instance bucket, as challenges need it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from botocore.exceptions import ClientError

from scripts.aws import Aws, error_code
from scripts.challenges.manifest import AlteredManifestError, Manifest
from scripts.challenges.names import MANIFESTS, is_name, manifest_key
from scripts.errors import AwsError
from scripts.releases.bucket import Bucket, LostRaceError

T = TypeVar("T")


@dataclass(frozen=True)
class Seen:
    """A manifest as it was read, for a later write over exactly this one.

    ``etag`` is None when there is none; ``manifest`` also when it is ``altered``, of which that is the description.
    """

    manifest: Manifest | None = None
    etag: str | None = None
    altered: str = ""


class ChallengeBucket(Bucket):
    """The bucket ``name``; every method raises ``AwsError`` with one line when S3 refuses."""

    def __init__(self, aws: Aws, name: str) -> None:
        super().__init__(aws, name)
        _ = self._s3, self._place  # made once, before any thread uses them

    def look(self, name: str) -> Seen:
        """The manifest of a challenge; an altered one is told, not raised, so that it can be replaced."""
        stored = self.read(manifest_key(name))
        if stored is None:
            return Seen()
        try:
            return Seen(Manifest.parse(stored.body, manifest_key(name)), stored.etag)
        except AlteredManifestError as error:
            return Seen(None, stored.etag, str(error))

    def put_manifest(self, manifest: Manifest, seen: Seen) -> None:
        """Writes ``manifest`` over the one that was ``seen``; raises ``LostRaceError`` when that is no longer there."""
        self.write(manifest_key(manifest.name), manifest.to_json(), if_match=seen.etag, if_absent=seen.etag is None)

    def names(self) -> list[str]:
        """Every challenge that has a manifest."""
        found = (key.removeprefix(MANIFESTS).removesuffix(".json") for key in self.etags(MANIFESTS))
        return sorted(name for name in found if is_name(name))

    def etags(self, prefix: str) -> dict[str, str]:
        """The ETag of every object below ``prefix`` by key, without its quotes.

        It is the content's MD5 where the object was uploaded in one part and encrypted with S3's own keys, as this
        bucket is (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html). Any other ETag differs from every
        MD5, so that such an object counts as changed.
        """
        with self._explained("s3:ListBucket"):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Prefix=prefix, **self._place)
            return {entry["Key"]: entry["ETag"].strip('"') for page in pages for entry in page.get("Contents", [])}

    def delete(self, key: str) -> None:
        """Deletes an object; one that is already gone is no error, and the bucket's versioning can bring it back."""
        with self._explained("s3:DeleteObject", key):
            self._s3.delete_object(Key=key, **self._place)

    def delete_manifest(self, name: str, etag: str) -> None:
        """Deletes a manifest if it still has ``etag``; raises ``LostRaceError`` otherwise."""
        key = manifest_key(name)
        try:
            with self._explained("s3:DeleteObject", key):
                self._s3.delete_object(Key=key, IfMatch=etag, **self._place)
        except AwsError as error:
            code = error_code(error.__cause__) if isinstance(error.__cause__, ClientError) else ""
            if code not in {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}:
                raise
            raise LostRaceError(f"{key} was just written by somebody else; try again") from error

    def each(self, work: Callable[[T], object], items: Iterable[T]) -> None:
        """Does ``work`` for all ``items``, several at a time; raises the first failure."""
        self._in_parallel(work, list(items))
