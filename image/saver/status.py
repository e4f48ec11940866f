"""``status.json``, by which the editor knows how old the last saved state is; nothing secret is in it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

STATUS_FILE = "status.json"


@dataclass
class SaveStatus:
    """The last saved ``state`` and when (RFC 3339), its ``bytes`` as stored, and what is not in it.

    ``error`` says why nothing newer is saved, and ``restored_from`` when the state that the task began with was saved;
    both are empty otherwise.
    """

    saved_at: str = ""
    state: int = 0
    bytes: int = 0
    left_out: tuple[str, ...] = ()
    error: str = ""
    restored_from: str = ""

    @classmethod
    def read(cls, session: Path) -> "SaveStatus":
        """The status in the folder ``session``; an empty one if there is none."""
        try:
            known = json.loads((session / STATUS_FILE).read_bytes())
        except (FileNotFoundError, ValueError):
            return cls()
        return cls(**{**known, "left_out": tuple(known["left_out"])})

    def write(self, session: Path) -> None:
        """Replaces the status in the folder ``session`` at once."""
        write_shown(session / STATUS_FILE, asdict(self))


def write_shown(path: Path, document: Mapping[str, Any]) -> None:
    """Replaces a document at once that the editor reads while it is written."""
    new = path.with_name(f".{path.name}")
    new.write_text(json.dumps(document, indent=2) + "\n")
    new.chmod(0o644)
    new.replace(path)
