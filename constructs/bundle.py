"""Code of this project as an archive that is the same, byte for byte, wherever it is packed."""

import hashlib
import zipfile
from collections.abc import Iterable
from pathlib import Path

from cdktf import App, AssetType, TerraformAsset

from constructs import Construct

PROJECT = Path(__file__).resolve().parent.parent

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first moment that a zip archive can write down."""

_MODE = 0o100644 << 16
_UNIX = 3


class Bundle(Construct):
    """The files at ``paths``, which are relative to the project, as a zip archive beside the synthesized stack.

    Only content and names enter it: no times, owners or modes, and no compression, whose bytes depend on the machine's
    zlib. Outputs: ``path`` (relative, for Terraform) and ``sha256`` of the archive in hexadecimal.
    """

    def __init__(self, scope: Construct, id: str, *, paths: Iterable[str]) -> None:
        super().__init__(scope, id)
        # Written where the app writes all else; the asset copies it beside the stack.
        directory = Path(App.of(self).outdir) / "bundles"
        directory.mkdir(parents=True, exist_ok=True)
        draft = directory / f"{id}.zip"
        pack(draft, sorted(set(paths)))
        self.sha256 = hashlib.sha256(draft.read_bytes()).hexdigest()
        archive = draft.rename(directory / f"{self.sha256}.zip")
        asset = TerraformAsset(
            self, "archive", path=str(archive.resolve()), type=AssetType.FILE, asset_hash=self.sha256
        )
        self.path = asset.path


def pack(archive: Path, paths: Iterable[str]) -> None:
    """Writes the project's files at ``paths`` into a new zip ``archive``."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as bundle:
        for path in paths:
            entry = zipfile.ZipInfo(path, _EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = _MODE
            bundle.writestr(entry, (PROJECT / path).read_bytes())


def sources(*packages: str) -> list[str]:
    """Every Python file of the project's ``packages``, as ``Bundle`` takes them."""
    found = (path.relative_to(PROJECT) for package in packages for path in (PROJECT / package).rglob("*.py"))
    return sorted(path.as_posix() for path in found)
