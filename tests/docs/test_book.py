"""The pages are one book: every link leads somewhere, every page is reached, and what is generated is of today."""

from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from cdktf import App

from scripts.dev.docs.architecture import CANDIDATE, DRAWN_SETTINGS, SHARED, architecture, arrows, dots, read
from scripts.dev.docs.dashboard import body, picture
from scripts.dev.docs.drawing import LIGHT, THEMES, Graph, digest, drawn_from
from scripts.dev.docs.life import MOVES, life
from scripts.dev.docs.pages import pages, with_part
from scripts.errors import PrequelError
from scripts.interviews.records import TRANSITIONS
from scripts.project import PROJECT
from scripts.shared_stack.synthesis import ASSUMED_SETTINGS, Document
from stacks.interview import InterviewStack
from tests.conftest import SharedStackFactory
from tests.docs.book import PAGES, anchors, links

IMAGES = PROJECT / "docs" / "images"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_every_link_within_the_book_leads_somewhere(page: Path) -> None:
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
def test_the_generated_pages_are_what_make_docs_writes_now() -> None:
    stale = [path.relative_to(PROJECT).as_posix() for path, text in pages().items() if path.read_text() != text]
    assert not stale, "run `make docs`"


def test_a_page_without_the_markers_of_its_generated_part_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n<!-- cost:begin -->\n")
    with pytest.raises(PrequelError, match=r"page\.md has no <!-- cost:begin --> and <!-- cost:end -->"):
        with_part(page, "cost", "body")


# The pictures.


@pytest.fixture(scope="session")
def documents(shared_stack: SharedStackFactory) -> tuple[Document, Document]:
    interview = InterviewStack(App(), "interview")
    interview.prepare_stack()
    return shared_stack(**ASSUMED_SETTINGS, **DRAWN_SETTINGS).document, interview.to_terraform()


def assert_drawn(name: str, graph: Graph) -> None:
    drawn = {theme.name: drawn_from(IMAGES / f"{name}-{theme.name}.svg") for theme in THEMES}
    assert set(drawn.values()) == {digest(graph)}, "run `make docs`"


def test_the_architecture_is_drawn_from_the_stacks_of_today(documents: tuple[Document, Document]) -> None:
    assert_drawn("architecture", partial(architecture, found=read(*documents)))


def test_an_interviews_life_is_drawn_from_the_moves_of_today() -> None:
    assert_drawn("life", life)
    assert set(MOVES) == {(status, following) for status, allowed in TRANSITIONS.items() for following in allowed}


def test_the_dashboard_is_drawn_from_the_stack_of_today(documents: tuple[Document, Document]) -> None:
    for theme in THEMES:
        drawn = (IMAGES / f"dashboard-{theme.name}.svg").read_text()
        assert drawn == picture(body(documents[0]), theme), "run `make docs`"


def test_an_arrow_is_a_reference_of_the_stacks(documents: tuple[Document, Document]) -> None:
    found = read(*documents)
    drawn = arrows(found)
    assert ("load_balancer", "domain") in drawn
    assert ("domain", "load_balancer") not in drawn
    assert ("aws_lb_listener_rule.rule", "aws_lb_target_group.target") in drawn
    assert ("aws_lb_listener_rule.rule", "load_balancer") in drawn
    assert "load_balancer -> domain " in architecture(LIGHT, found)


def test_what_a_policy_lets_one_act_on_is_an_arrow_too(documents: tuple[Document, Document]) -> None:
    drawn = arrows(read(*documents))
    assert {end for start, end in drawn if start == "reaper"} == {"runner", "cluster", "storage"}


def test_candidates_reach_the_load_balancer_and_nothing_else(documents: tuple[Document, Document]) -> None:
    assert {end for start, end in arrows(read(*documents)) if start == CANDIDATE} == {"load_balancer"}


def test_a_construct_with_alarms_is_marked_as_watched(documents: tuple[Document, Document]) -> None:
    found = read(*documents)
    assert {name for name in SHARED if "care" in dots(name, found)} == {
        "load_balancer", "domain", "network", "cluster", "interview_log", "storage", "reaper", "runner",
        "image_indexing",
    }  # fmt: skip


def test_every_resource_is_counted_in_some_construct(documents: tuple[Document, Document]) -> None:
    counted = read(*documents).resources
    resources = sum(len(named) for named in documents[0]["resource"].values())
    assert sum(sum(types.values()) for types in counted.values()) == resources
    assert set(SHARED) == set(counted) - {"account"}


def test_a_construct_without_a_place_is_named(documents: tuple[Document, Document]) -> None:
    shared = documents[0] | {
        "resource": documents[0]["resource"]
        | {"aws_new_thing": {"thing": {"//": {"metadata": {"path": "shared/newcomer/thing"}}}}}
    }
    with pytest.raises(PrequelError, match="newcomer"):
        read(shared, documents[1])
