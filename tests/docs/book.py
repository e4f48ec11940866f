"""The documentation's pages: their links, headings and commands."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.project import PROJECT

PAGES = [
    *(PROJECT / name for name in ("README.md", "CHANGELOG.md")),
    *sorted((PROJECT / "docs").glob("*.md")),
    *sorted((PROJECT / "docs" / "decisions").glob("*.md")),
]

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+(?:\n[^`\n]+)?)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Command:
    """A command line and its page; ``shown`` if it is in a code block and not in a sentence."""

    page: Path
    line: str
    shown: bool = True

    def __str__(self) -> str:
        return f"{self.page.relative_to(PROJECT)}: {self.line}"


def prose(page: Path) -> str:
    """The page without its code blocks."""
    return _FENCE.sub("", page.read_text())


def links(page: Path) -> set[str]:
    """The targets of the page's links and images."""
    return {target for found in _LINK.findall(prose(page)) for target in found if target}


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub creates for the headings."""
    titles = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(prose(page)))
    return {title.strip().replace(" ", "-") for title in titles}


def shown_commands(page: Path) -> Iterator[Command]:
    """The commands in the page's code blocks; in ``console`` blocks they follow a prompt, above their output."""
    for _, language, body in _FENCE.findall(page.read_text()):
        for raw in body.splitlines():
            line = raw.strip()
            if language == "console" and line.startswith("$ "):
                yield Command(page, line.removeprefix("$ "))
            elif language == "bash" and line and not line.startswith("#"):
                yield Command(page, re.sub(r"\s+# .*", "", line))


def shown_scripts(page: Path) -> list[str]:
    """The page's ``sh`` blocks, each of which is one script."""
    return [body for _, language, body in _FENCE.findall(page.read_text()) if language == "sh"]


def mentioned_commands(page: Path) -> Iterator[Command]:
    """The commands in the page's sentences."""
    for code in _CODE.findall(prose(page)):
        line = " ".join(code.split())
        if re.match(r"(prequel|make|aws|cdktf|terraform) [a-z]", line):
            yield Command(page, line, shown=False)
