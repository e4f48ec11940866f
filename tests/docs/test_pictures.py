"""The pictures show what the stacks and the operations hold today."""

import html
import json
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest
from cdktf import App

from scripts.dev import session
from scripts.dev.docs import drawing
from scripts.dev.docs.architecture import ARROWS, BOXES, INTERVIEW, LEFT_OUT, architecture
from scripts.dev.docs.drawing import ICONS, IMAGES, THEMES, draw, stamp
from scripts.dev.docs.life import LABELS, life
from scripts.errors import MissingToolError
from scripts.interviews.records import TRANSITIONS
from scripts.project import PROJECT
from scripts.shared_stack.synthesis import ASSUMED_SETTINGS, Document
from stacks.interview import InterviewStack
from tests.conftest import SharedStackFactory

ADDRESS = re.compile(r"\baws_\w+\.\w+")
ARNS = {
    "aws_codebuild_project": ("name", ":project/"),
    "aws_ecr_repository": ("name", ":repository/"),
    "aws_ecs_cluster": ("name", ":cluster/"),
    "aws_lambda_function": ("function_name", ":function:"),
    "aws_s3_bucket": ("bucket", ":s3:::"),
}
"""The argument that names a resource in its ARN, and what stands before it there
(https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html).
"""


class Stacks:
    """Both stacks as synthesized: what they hold, and what refers to what."""

    def __init__(self, shared: Document, interview: Document) -> None:
        bodies = blocks(shared, "data") | blocks(shared, "resource")
        self.resources = blocks(interview, "resource")
        self.owners = {address: body["//"]["metadata"]["path"].split("/")[1] for address, body in bodies.items()}
        self.named = [
            (before, body[argument], self.owners[address])
            for resource_type, (argument, before) in ARNS.items()
            for address, body in bodies.items()
            if address.startswith(f"{resource_type}.")
        ]
        outputs = {name: self.mentioned(output["value"]) for name, output in shared["output"].items()}
        self.references = {
            frozenset({self.owners[address], other})
            for address, body in bodies.items()
            for other in self.mentioned(body)
        }
        for address, body in self.resources.items():
            others = set(ADDRESS.findall(json.dumps(body))) & self.resources.keys()
            others |= {o for name in re.findall(r"\bvar\.(\w+)", json.dumps(body)) for o in outputs.get(name, ())}
            self.references |= {frozenset({address, other}) for other in others}

    def mentioned(self, value: object) -> set[str]:
        """The constructs of the shared stack whose resources ``value`` names, by address or in an ARN."""
        kept = {k: v for k, v in value.items() if k not in ("//", "depends_on")} if isinstance(value, dict) else value
        text = json.dumps(kept)
        found = {self.owners[address] for address in ADDRESS.findall(text) if address in self.owners}
        for before, name, owner in self.named:
            if any(fnmatch(name, pattern) for pattern in re.findall(rf"{before}([\w.*-]+)", text)):
                found.add(owner)
        return found


def blocks(stack: Document, kind: str) -> Document:
    return {
        f"{resource_type}.{name}": body
        for resource_type, named in stack.get(kind, {}).items()
        for name, body in named.items()
    }


@pytest.fixture(scope="module")
def stacks(shared_stack: SharedStackFactory) -> Stacks:
    interview = InterviewStack(App(), "interview")
    interview.prepare_stack()
    return Stacks(shared_stack(**ASSUMED_SETTINGS).document, interview.to_terraform())


def test_every_construct_and_every_resource_of_an_interview_is_in_one_box(stacks: Stacks) -> None:
    shown = sorted(name for box in BOXES.values() for name in box.shows)
    assert shown == sorted({*stacks.owners.values(), *stacks.resources} - LEFT_OUT)


def test_every_arrow_between_two_boxes_of_the_stacks_is_a_reference(stacks: Stacks) -> None:
    invented = [
        (start, end)
        for start, end, _ in ARROWS
        if end != INTERVIEW and BOXES[start].shows and BOXES[end].shows
        if not any(frozenset({a, b}) in stacks.references for a in BOXES[start].shows for b in BOXES[end].shows)
    ]
    assert not invented


def test_every_arrow_has_a_label_and_no_two_connect_the_same_boxes() -> None:
    assert all(verb for _, _, verb in ARROWS)
    assert len({frozenset({start, end}) for start, end, _ in ARROWS}) == len(ARROWS)


def test_every_icon_exists_in_the_package() -> None:
    assert not [box.icon for box in BOXES.values() if box.icon and not (ICONS / f"{box.icon}.svg").is_file()]


def test_the_architecture_diagram_is_up_to_date() -> None:
    for theme in THEMES:
        svg = (IMAGES / f"architecture-{theme}.svg").read_text()
        assert svg.endswith(stamp(architecture())), "run `make docs`"


@pytest.mark.slow
def test_drawing_the_diagram_again_gives_the_same_bytes(tmp_path: Path) -> None:
    for path in draw(architecture(), tmp_path, "architecture"):
        assert path.read_bytes() == (IMAGES / path.name).read_bytes(), "run `make docs`"


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "NODE_MODULES", tmp_path)
    with pytest.raises(MissingToolError, match=r"@terrastruct/d2 is not installed in .*; run `make setup`"):
        draw("a -> b", tmp_path, "picture")


def test_the_state_diagram_matches_the_table_of_transitions() -> None:
    assert set(LABELS) == {(start, end) for start, ends in TRANSITIONS.items() for end in ends}
    assert life() in (PROJECT / "docs" / "interviews.md").read_text(), "run `make docs`"


def test_the_terminal_session_in_the_readme_is_of_todays_commands_and_loads_nothing() -> None:
    svg = session.PICTURE.read_text()
    assert svg.endswith(session.stamp()), "run `python -m scripts.dev.session`"
    words = re.sub(r"<[^>]+>", "", svg).replace("&#160;", " ")
    assert all(line in html.unescape(words) for line in session.COMMANDS)
    assert not re.search(r"url\((?!#)|href=\"(?!#)", svg)
