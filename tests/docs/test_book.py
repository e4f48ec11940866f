"""Every link has a target, every page is reachable, and the generated pages are up to date."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from scripts.dev.docs.pages import pages, with_part
from scripts.errors import PrequelError
from scripts.project import PROJECT
from tests.docs.book import PAGES, anchors, links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_every_link_within_the_documentation_has_a_target(page: Path) -> None:
    dead = []
    for link in sorted(links(page)):
        target = urlsplit(link)
        if target.scheme:
            continue
        path = (page.parent / unquote(target.path)).resolve() if target.path else page
        if not path.exists() or (target.fragment and target.fragment not in anchors(path)):
            dead.append(link)
    assert not dead


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, following = set(), [PROJECT / "README.md"]
    while following:
        page = following.pop()
        if page in reached:
            continue
        reached.add(page)
        targets = ((page.parent / urlsplit(link).path).resolve() for link in links(page) if not urlsplit(link).scheme)
        following += [target for target in targets if target.suffix == ".md" and target.exists()]
    assert not {page.relative_to(PROJECT).as_posix() for page in PAGES if page not in reached}


@pytest.mark.slow
def test_the_generated_pages_are_up_to_date() -> None:
    stale = [path.relative_to(PROJECT).as_posix() for path, text in pages().items() if path.read_text() != text]
    assert not stale, "run `make docs`"


def test_a_page_without_markers_for_its_generated_part_is_an_error(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n<!-- cost:begin -->\n")
    with pytest.raises(PrequelError, match=r"page\.md has no <!-- cost:begin --> and <!-- cost:end -->"):
        with_part(page, ("cost", "body"))
