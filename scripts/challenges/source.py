"""Challenges in a directory: what they are, and whether they may be given to a candidate."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.challenges.archive import packed_size
from scripts.challenges.definition import DEFINITION, README, Definition, parse
from scripts.challenges.names import checked_name
from scripts.challenges.tree import MIB, ChallengeTree, is_left_out, mib, read_tree
from scripts.errors import ChallengeError

CHALLENGE_LIMIT = 50 * MIB
"""Bytes: what the container that delivers it extracts in a second or two."""


@dataclass(frozen=True)
class Challenge:
    """One challenge. ``title`` is challenge.toml's, or else the first heading of its instructions."""

    name: str
    title: str
    tree: ChallengeTree
    definition: Definition

    @property
    def digest(self) -> str:
        """The SHA-256 over every path, what it is, and its content: what names this version."""
        tree = self.tree
        lines = [f"{'program' if f.executable else 'file'}\0{path}\0{f.sha256}" for path, f in tree.files.items()]
        lines += [f"link\0{path}\0{target}" for path, target in tree.links.items()]
        lines += [f"directory\0{path}" for path in tree.directories]
        return hashlib.sha256("\0\0".join(sorted(lines)).encode()).hexdigest()

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(file.size for file in self.tree.files.values())


def read_challenges(directory: Path) -> list[Challenge]:
    """Every challenge ``directory/{kind}/{name}/`` with instructions, by name.

    Caches are left out (see ``ChallengeTree.left_out``), and so are directories that hold nothing else. Raises
    ``ChallengeError`` with a line for every problem in any of them.
    """
    if not directory.is_dir():
        raise ChallengeError(f"{directory} is not a directory, expected one that holds {{kind}}/{{name}}/{README}")
    problems: list[str] = []
    challenges = [_read(home, home.relative_to(directory).as_posix(), problems) for home in _homes(directory)]
    if problems:
        raise ChallengeError("\n".join(problems))
    found = [challenge for challenge in challenges if challenge]
    if not found:
        raise ChallengeError(f"there is no challenge in {directory}, expected {directory}/{{kind}}/{{name}}/{README}")
    return found


def read_challenge(home: Path) -> Challenge:
    """The challenge in the directory ``home``, whatever its kind and name; raises ``ChallengeError`` like the above."""
    if not home.is_dir():
        raise ChallengeError(f"{home} is not a directory, expected one that holds {README}")
    problems: list[str] = []
    resolved = home.resolve()
    challenge = _read(home, f"{resolved.parent.name}/{resolved.name}", problems)
    if problems:
        raise ChallengeError("\n".join(problems))
    if challenge is None:
        raise ChallengeError(f"{home} is empty, expected {README} with the task")
    return challenge


def _homes(directory: Path) -> Iterator[Path]:
    for kind in sorted(directory.iterdir()):
        if kind.is_dir() and not _is_hidden(kind):
            yield from (home for home in sorted(kind.iterdir()) if home.is_dir() and not _is_hidden(home))


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".") or is_left_out(path.name)


def _read(home: Path, name: str, problems: list[str]) -> Challenge | None:
    """The challenge in ``home``; None without any file, and after adding to ``problems``."""
    found: list[str] = []
    tree = read_tree(home, found)
    if not tree.files and not tree.links and not found:
        return None
    try:
        checked_name(name)
    except ChallengeError as error:
        found.append(str(error))
    files = tree.plain_files
    definition = Definition()
    if DEFINITION in files:
        definition = parse(files[DEFINITION].read(), f"{home}/{DEFINITION}", found)
    instructions = files.get(tree.follow(definition.instructions) or "")
    if instructions is None and not found:
        found.append(
            f"{home} has no {README}, expected one with the task; write it, or move the directory away"
            if definition.instructions == README
            else f'{home}/{DEFINITION}: instructions is "{definition.instructions}", expected a file of the challenge'
        )
    size = max(packed_size(tree), sum(file.size for file in tree.files.values()))
    if size > CHALLENGE_LIMIT:
        found.append(f"{home} has {mib(size)}, expected at most {mib(CHALLENGE_LIMIT)}; make it smaller")
    problems += found
    if found or instructions is None:
        return None
    return Challenge(name, definition.title or _heading(instructions.read()) or name, tree, definition)


def _heading(text: bytes) -> str:
    lines = text.decode(errors="replace").splitlines()
    return next((line.lstrip("# ").strip() for line in lines if line.startswith("# ")), "")
