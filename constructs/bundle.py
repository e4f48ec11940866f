"""A program of this project as an archive that is the same, byte for byte, wherever it is packed."""

import ast
import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator
from importlib.util import resolve_name
from pathlib import Path

from cdktf import App, AssetType, TerraformAsset

from constructs import Construct

PROJECT = Path(__file__).resolve().parent.parent

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip archive can hold."""

_MODE = 0o100644 << 16
_UNIX = 3


class Bundle(Construct):
    """A zip archive, beside the synthesized stack, of ``module`` and everything of this project that it imports.

    ``files`` are added; their paths are relative to the project. Outputs: ``path`` (relative, for Terraform) and
    ``sha256`` of the archive in hexadecimal.
    """

    def __init__(self, scope: Construct, id: str, *, module: str, files: Iterable[str] = ()) -> None:
        super().__init__(scope, id)
        content = archive(module, files)
        self.sha256 = hashlib.sha256(content).hexdigest()
        # Written where the app writes all else; the asset copies it beside the stack.
        file = Path(App.of(self).outdir).resolve() / "bundles" / f"{self.sha256}.zip"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        self.path = TerraformAsset(self, "archive", path=str(file), type=AssetType.FILE, asset_hash=self.sha256).path


def archive(module: str, files: Iterable[str] = ()) -> bytes:
    """The zip archive of ``module``, what it imports, and ``files``.

    Only content and names enter it: no times, owners or modes, and no compression, whose bytes depend on the machine's
    zlib.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as bundle:
        for path in sorted({*sources(module), *files}):
            entry = zipfile.ZipInfo(path, _EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = _MODE
            bundle.writestr(entry, (PROJECT / path).read_bytes())
    return content.getvalue()


def sources(module: str) -> set[str]:
    """The paths, relative to the project, of all its files that importing ``module`` can load, at once or later.

    Imports for the type checker alone do not count. Raises ``ValueError`` for a module that is not the project's.
    """
    return {path.relative_to(PROJECT).as_posix() for path in files(module)}


def files(module: str) -> dict[Path, set[str]]:
    """The names that each file imports, for all files of the project that importing ``module`` can load."""
    if _file(module) is None:
        raise ValueError(f'no module "{module}" in {PROJECT}')
    found: dict[Path, set[str]] = {}
    waiting = {module}
    while waiting:
        name = waiting.pop()
        path = _file(name)
        if path is not None and path not in found:
            parent = name.rpartition(".")[0]
            package = name if path.name == "__init__.py" else parent
            found[path] = set(_imports([ast.parse(path.read_bytes())], package))
            waiting |= {parent, *found[path]}
    return found


def _file(module: str) -> Path | None:
    """The file of ``module`` in the project; None for any other module."""
    path = PROJECT.joinpath(*module.split("."))
    candidates = (path / "__init__.py", path.with_suffix(".py")) if module else ()
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _imports(nodes: Iterable[ast.AST], package: str) -> Iterator[str]:
    """The names of everything that ``nodes``, of ``package``, import; some of them may not be modules."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = resolve_name("." * node.level + (node.module or ""), package)
            yield from (origin, *(f"{origin}.{alias.name}" for alias in node.names))
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            yield from _imports(node.orelse, package)
        else:
            yield from _imports(ast.iter_child_nodes(node), package)
