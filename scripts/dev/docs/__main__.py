"""`make docs`: the pictures, the command reference and the index of decisions, written again."""

import sys
from functools import partial

from scripts.console import Console
from scripts.dev.docs.architecture import DESCRIPTION as ARCHITECTURE
from scripts.dev.docs.architecture import DRAWN_SETTINGS, architecture, read
from scripts.dev.docs.dashboard import body, picture
from scripts.dev.docs.drawing import THEMES, draw
from scripts.dev.docs.life import DESCRIPTION as LIFE
from scripts.dev.docs.life import life
from scripts.dev.docs.pages import pages
from scripts.errors import PrequelError
from scripts.project import PROJECT
from scripts.shared_stack.synthesis import synthesized

IMAGES = PROJECT / "docs" / "images"


def main() -> None:
    """Writes every generated document; exit code 1 when one cannot be."""
    console = Console()
    try:
        with console.step("Synthesizing the stacks"):
            shared, interview = synthesized(None, DRAWN_SETTINGS)
            found = read(shared, interview)
        with console.step("Drawing the pictures"):
            written = draw(partial(architecture, found=found), IMAGES, "architecture", ARCHITECTURE)
            written += draw(life, IMAGES, "life", LIFE)
            for theme in THEMES:
                written.append(IMAGES / f"dashboard-{theme.name}.svg")
                written[-1].write_text(picture(body(shared), theme))
        for path, text in pages().items():
            path.write_text(text)
            written.append(path)
    except PrequelError as error:
        console.error(str(error))
        sys.exit(error.exit_code)
    console.result(
        [str(path) for path in written],
        "\n".join(str(path.relative_to(PROJECT)) for path in written),
    )


if __name__ == "__main__":
    main()
