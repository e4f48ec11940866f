"""The folder ``image/`` as an archive that is the same, byte for byte, wherever it is packed."""

import hashlib
import io
import re
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from contract.names import image_source_key
from scripts.errors import ImageError

VARIANTS = "variants"
"""The folder of the variants' Dockerfiles, in the folder of the image."""

_VARIANT = re.compile(r"[a-z][a-z0-9]{0,19}")
_NOT_PACKED = {"__pycache__", "node_modules"}
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip archive can hold."""

_UNIX = 3
_MODES = {False: 0o100644 << 16, True: 0o100755 << 16}
"""Of a file in the archive, by whether its owner may execute it."""


@dataclass(frozen=True)
class ImageSource:
    """What an image is built from: the ``archive``, of so many ``files``, and the names of the ``variants`` in it."""

    archive: bytes
    files: int
    variants: tuple[str, ...]

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Packs ``folder``; raises ``ImageError`` if it holds no Dockerfile, or what an archive would change."""
        if not (folder / "Dockerfile").is_file():
            raise ImageError(f"{folder} has no Dockerfile, expected the folder of an image")
        paths = sorted(path for path in folder.rglob("*") if not _NOT_PACKED & set(path.relative_to(folder).parts))
        links = [str(path.relative_to(folder)) for path in paths if path.is_symlink()]
        if links:
            raise ImageError(f"{folder} holds symbolic links, expected files: {', '.join(links)}")
        files = [path for path in paths if path.is_file()]
        content = io.BytesIO()
        # Without compression, whose bytes depend on the machine's zlib.
        with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
            for path in files:
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH)
                entry.create_system = _UNIX
                entry.external_attr = _MODES[bool(path.stat().st_mode & 0o100)]
                archive.writestr(entry, path.read_bytes())
        names = (path.name.removesuffix(".Dockerfile") for path in sorted(folder.glob(f"{VARIANTS}/*.Dockerfile")))
        return cls(content.getvalue(), len(files), tuple(names))

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the archive."""
        return hashlib.sha256(self.archive).hexdigest()

    @property
    def key(self) -> str:
        """Where the archive is in the instance bucket."""
        return image_source_key(self.digest)

    def check_variant(self, name: str) -> None:
        """Raises ``ImageError`` unless the folder has a variant ``name``."""
        if name not in self.variants or not _VARIANT.fullmatch(name):
            raise ImageError(
                f"there is no variant {name}, expected one of: {', '.join(self.variants) or 'none'}; a variant is a"
                f" file image/{VARIANTS}/NAME.Dockerfile, whose NAME is lower-case letters and digits"
            )
