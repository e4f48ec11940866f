"""`make site`: the documentation as a website."""

import re
import subprocess
from pathlib import Path

import pytest

from scripts.project import PROJECT

SITE = PROJECT / "docs" / "site"
MKDOCS = PROJECT / ".venv-site" / "bin" / "mkdocs"
ROOT_PAGES = {"index.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"}


def test_the_navigation_leads_to_every_page() -> None:
    nav = (SITE / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    pages = {path.name for path in (PROJECT / "docs").glob("*.md")} | {"decisions/README.md"} | ROOT_PAGES
    assert set(re.findall(r"[\w/-]+\.md", nav)) == pages


@pytest.mark.slow
def test_the_site_is_built_and_no_link_in_it_is_broken(tmp_path: Path) -> None:
    assert MKDOCS.exists(), f"{MKDOCS} is missing; run `make .venv-site/.ready`"
    command = [MKDOCS, "build", "--strict", "--config-file", SITE / "mkdocs.yml", "--site-dir", tmp_path]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    home = (tmp_path / "index.html").read_text()
    assert 'src="images/architecture-light.svg"' in home
    assert 'href="operations/#other-images"' in home
    assert '<pre class="mermaid">' in (tmp_path / "interviews" / "index.html").read_text()
