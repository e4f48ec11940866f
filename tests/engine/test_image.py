"""The candidate's image is built once, for what image/ holds, and a build that fails says why in one line."""

import time
from pathlib import Path

import pytest

from scripts.engine import image
from scripts.engine.engine import Engine
from scripts.errors import EngineError

pytestmark = pytest.mark.e2e


def test_an_image_that_the_engine_has_is_not_built_again(engine: Engine, editor_image: str) -> None:
    start = time.monotonic()
    assert image.editor_image(engine) == editor_image
    assert time.monotonic() - start < 2
    assert editor_image.startswith(f"{image.REPOSITORY}:")


def test_an_unknown_variant_is_refused_with_those_that_there_are(engine: Engine, editor_image: str) -> None:
    assert editor_image
    with pytest.raises(EngineError, match='"cobol" is no variant of the image, expected one of: go'):
        image.editor_image(engine, "cobol")


@pytest.fixture
def own_image(editor_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of image/, whose Dockerfile is a line above the built image."""
    monkeypatch.setattr(image, "IMAGE", tmp_path)
    monkeypatch.setattr(image, "VARIANTS", tmp_path / "variants")
    monkeypatch.setattr(image, "DOCKERFILE", tmp_path / "Dockerfile")
    monkeypatch.setattr(image, "REPOSITORY", "localhost/prequel-editor-test")
    (tmp_path / "Dockerfile").write_text(f"ARG BASE={editor_image}\nFROM ${{BASE}}\nRUN true\n")
    return tmp_path


def test_what_changes_in_the_folder_makes_another_image(engine: Engine, own_image: Path) -> None:
    references: list[str] = []
    steps: list[str] = []
    for content in ("one", "two", "one"):
        (own_image / "file").write_text(content)
        references.append(image.editor_image(engine, report=steps.append))
    try:
        assert references[0] == references[2] != references[1]
        assert [step for step in steps if "RUN true" in step]
    finally:
        for reference in set(references):
            engine.client.images.remove(reference)


def test_a_build_that_fails_ends_with_the_end_of_its_output(engine: Engine, own_image: Path) -> None:
    with (own_image / "Dockerfile").open("a") as dockerfile:
        dockerfile.write("RUN echo no such package; exit 3\n")
    with pytest.raises(EngineError) as refused:
        image.editor_image(engine)
    assert str(refused.value).startswith(f"`{engine.program} build` ended with exit code ")
    assert "no such package" in str(refused.value)
    assert "\n" not in str(refused.value)
