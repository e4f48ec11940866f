"""`make docs`: generates the diagram, the command reference, the tables and the index of decisions."""

import sys

from scripts.console import Console
from scripts.dev.docs.architecture import architecture
from scripts.dev.docs.drawing import IMAGES, draw
from scripts.dev.docs.pages import pages
from scripts.errors import PrequelError
from scripts.project import PROJECT


def main() -> None:
    """Writes every generated document; exit code 1 if one cannot be written."""
    console = Console()
    try:
        with console.step("Drawing the architecture"):
            written = draw(architecture(), IMAGES, "architecture")
        for path, text in pages().items():
            path.write_text(text)
            written.append(path)
    except PrequelError as error:
        console.error(str(error))
        sys.exit(error.exit_code)
    console.result([str(path) for path in written], "\n".join(str(path.relative_to(PROJECT)) for path in written))


if __name__ == "__main__":
    main()
