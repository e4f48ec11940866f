"""mkdocs hook: the repository's own pages join those of docs/, and links to source files lead to the repository."""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

PROJECT = Path(__file__).parents[2]
ROOT_PAGES = {"README.md": "index.md"} | {name: name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")}
"""Pages beside docs/, with their names on the site."""

_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<target>(?![a-z]+:|#)[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")
_PICTURE = re.compile(r'(?P<begin>(?:src|srcset)="|!\[[^\]]*\]\()docs/')


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the repository's own pages."""
    for source, page in ROOT_PAGES.items():
        files.append(File.generated(config, page, content=(PROJECT / source).read_text()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Leads every relative link to where its target is on the site, or in the repository."""
    own = page.file.src_uri
    source = next((path for path, name in ROOT_PAGES.items() if name == own), f"docs/{own}")

    def link(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), found["target"]))
        anchor = found["anchor"] or ""
        here = ROOT_PAGES.get(target) or (target.removeprefix("docs/") if target.startswith("docs/") else "")
        if here and (PROJECT / target).is_file():
            return f"[{found['text']}]({posixpath.relpath(here, posixpath.dirname(own) or '.')}{anchor})"
        if not (PROJECT / target).exists():
            return found[0]  # mkdocs names it as broken
        repository = config.extra["repository"].rstrip("/")
        return f"[{found['text']}]({repository}/blob/main/{target}{anchor})" if repository else found["text"]

    markdown = _LINK.sub(link, markdown)
    return _PICTURE.sub(r"\g<begin>", markdown) if source == "README.md" else markdown
