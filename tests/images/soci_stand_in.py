"""Stands in for the `soci` program, which no registry that tests can reach has; run as ``soci convert ...``.

It takes the documented command line (https://github.com/awslabs/soci-snapshotter, `soci convert` of 0.14) of a
standalone conversion and nothing else, and writes what the real one writes (soci/soci_convert.go there): the image's
manifest again with an annotation that names its SOCI index, the index as an artifact of version 2, and an image index
that holds both. Its tables of contents are no real ones. It knows this project's mistakes, not the program's.
"""

import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
SOCI_INDEX = "application/vnd.amazon.soci.index.v2+json"
SMALLEST_LAYER = 10 << 20

Json = dict[str, Any]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="soci")
    convert = parser.add_subparsers(required=True).add_parser("convert")
    convert.add_argument("--standalone", action="store_true", required=True)
    convert.add_argument("--format", choices=["oci-archive", "oci-dir"], default="oci-archive")
    convert.add_argument("--platform", "-p", required=True)
    convert.add_argument("source", type=Path)
    convert.add_argument("destination", type=Path)
    given = parser.parse_args(arguments)
    if given.format != "oci-dir":
        sys.exit("soci: this stand-in writes directories only")
    Conversion(given.source, given.destination, given.platform).run()


class Conversion:
    """One OCI image layout, from ``source`` to ``destination``."""

    def __init__(self, source: Path, destination: Path, platform: str) -> None:
        if destination.exists():
            shutil.rmtree(destination)
        shutil.copytree(source, destination)
        self._layout = destination
        system, architecture = platform.split("/")
        self._platform = {"architecture": architecture, "os": system}

    def run(self) -> None:
        (root,) = self._read(self._layout / "index.json")["manifests"]
        manifest = self._blob(root["digest"])
        config = self._blob(manifest["config"]["digest"])
        if {key: config[key] for key in self._platform} != self._platform:
            sys.exit(f"soci: no image for {self._platform}")
        tables = [self._table(layer) for layer in manifest["layers"] if layer["size"] >= SMALLEST_LAYER]
        if not tables:
            sys.exit("soci: no ztocs created, all layers either skipped or produced errors")
        soci_index = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": SOCI_INDEX, **self._write(b"{}")},
            "layers": tables,
            "annotations": {"com.amazon.soci.build-tool-identifier": "stand-in"},
        }
        indexed = self._add(soci_index)
        manifest["annotations"] = {"com.amazon.soci.index-digest": indexed["digest"]}
        image = self._add(manifest)
        document = {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [
                {"mediaType": MANIFEST, **image, "annotations": manifest["annotations"], "platform": self._platform},
                {
                    "mediaType": MANIFEST,
                    **indexed,
                    "annotations": {"com.amazon.soci.image-manifest-digest": image["digest"]},
                    "platform": self._platform,
                    "artifactType": SOCI_INDEX,
                },
            ],
        }
        top = {"mediaType": INDEX, **self._add(document)}
        (self._layout / "index.json").write_text(
            json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [top]})
        )

    def _table(self, layer: Json) -> Json:
        if not layer["mediaType"].endswith("gzip"):
            sys.exit(f"soci: unsupported layer {layer['mediaType']}")
        annotations = {
            "com.amazon.soci.image-layer-digest": layer["digest"],
            "com.amazon.soci.image-layer-mediaType": layer["mediaType"],
        }
        table = self._write(f"contents of {layer['digest']}".encode())
        return {"mediaType": "application/octet-stream", **table, "annotations": annotations}

    def _add(self, document: Json) -> Json:
        return self._write(json.dumps(document, separators=(",", ":")).encode())

    def _write(self, content: bytes) -> Json:
        digest = hashlib.sha256(content).hexdigest()
        (self._layout / "blobs" / "sha256" / digest).write_bytes(content)
        return {"digest": f"sha256:{digest}", "size": len(content)}

    def _blob(self, digest: str) -> Json:
        return self._read(self._layout / "blobs" / digest.replace(":", "/"))

    @staticmethod
    def _read(path: Path) -> Json:
        document: Json = json.loads(path.read_text())
        return document


if __name__ == "__main__":
    main(sys.argv[1:])
