"""Code of this project as an archive that is the same, byte for byte, wherever it is packed."""

import ast
import hashlib
import zipfile
from collections.abc import Iterable, Iterator
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


def sources(module: str) -> list[str]:
    """The project's files that importing ``module`` can load, however deep or late; as ``Bundle`` takes them.

    Imports for the type checker alone do not count.
    """
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _file(name)
        if path is None or path in found:
            continue
        found.add(path)
        waiting += [name.rpartition(".")[0], *_imports(ast.parse(path.read_bytes()))]
    return sorted(path.relative_to(PROJECT).as_posix() for path in found)


def _file(module: str) -> Path | None:
    """Where ``module`` lies in the project; None for any other module."""
    path = PROJECT.joinpath(*module.split("."))
    candidates = (path / "__init__.py", path.with_suffix(".py")) if module else ()
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _imports(node: ast.AST) -> Iterator[str]:
    """The names of all that ``node`` imports, of which some may be no modules."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield child.module
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            yield from (name for branch in child.orelse for name in _imports(branch))
        else:
            yield from _imports(child)
