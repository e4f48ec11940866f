"""`make site`: the documentation as a website."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.project import PROJECT

SITE = PROJECT / "docs" / "site"
MKDOCS = PROJECT / ".venv-site" / "bin" / "mkdocs"


class _Loader(yaml.SafeLoader):
    """Reads mkdocs.yml without its own tags."""


_LOADER: Any = _Loader
_LOADER.add_multi_constructor("", lambda *_: None)


def pages(nav: Any) -> Iterator[str]:
    """Every page that the navigation names."""
    if isinstance(nav, str):
        yield nav
    else:
        for part in nav.values() if isinstance(nav, dict) else nav:
            yield from pages(part)


def test_the_navigation_leads_to_every_page() -> None:
    nav = yaml.load((SITE / "mkdocs.yml").read_text(), _LOADER)["nav"]  # noqa: S506  (a loader without constructors)
    named = {page for page in pages(nav) if page not in {"index.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"}}
    assert named == {path.name for path in (PROJECT / "docs").glob("*.md")} | {"decisions/README.md"}


@pytest.mark.slow
def test_the_site_is_built_and_no_link_in_it_is_broken(tmp_path: Path) -> None:
    assert MKDOCS.exists(), f"{MKDOCS} is missing; run `make .venv-site/.ready`"
    command = [MKDOCS, "build", "--strict", "--config-file", SITE / "mkdocs.yml", "--site-dir", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    home = (tmp_path / "index.html").read_text()
    assert 'src="images/architecture-light.svg"' in home
    assert 'href="operations/#images"' in home
    assert '<pre class="mermaid">' in (tmp_path / "interviews" / "index.html").read_text()
