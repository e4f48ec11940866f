"""What is not saved because it can be made again: built-in patterns, and the challenge's ``.prequelignore``."""

import os

from pathspec import GitIgnoreSpec

IGNORE_FILE = ".prequelignore"
LONGEST_IGNORE_FILE = 16_384
"""Bytes; what is longer is not read."""

BUILT_IN = (
    *("node_modules/", ".venv/", "venv/", "__pycache__/", ".pytest_cache/", ".mypy_cache/", ".ruff_cache/", ".tox/"),
    *(".cache/", "target/", ".gradle/", ".m2/", ".npm/", ".next/", "*.pyc", "*.class", "*.o"),
)
"""In the syntax of gitignore, as the file's own (https://git-scm.com/docs/gitignore): ``!target/`` undoes one."""


class Ignore:
    """Patterns that say which paths are left out."""

    def __init__(self, lines: list[str] | None = None) -> None:
        self._spec = GitIgnoreSpec.from_lines([*BUILT_IN, *(lines or [])])

    @classmethod
    def of(cls, folder: int) -> "Ignore":
        """Those of the open ``folder``; raises ``ValueError`` for a file that cannot be used."""
        try:
            file = os.open(IGNORE_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        except FileNotFoundError:
            return cls()
        except OSError as error:
            raise ValueError(f"cannot be read: {error.strerror}") from error
        with os.fdopen(file, "rb") as content:
            text = content.read(LONGEST_IGNORE_FILE + 1)
        if len(text) > LONGEST_IGNORE_FILE:
            raise ValueError(f"is longer than {LONGEST_IGNORE_FILE} bytes")
        return cls(text.decode(errors="replace").splitlines())

    def matches(self, path: str, *, folder: bool) -> bool:
        """Whether ``path``, relative to the challenge, is left out."""
        return self._spec.match_file(f"{path}/" if folder else path)
