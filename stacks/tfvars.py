"""Reads Terraform's ``key = value`` files: literal values only."""

from collections import Counter
from pathlib import Path
from typing import Any

from stacks.hcl_literals import InvalidHclError, Unusable, assignments


class UnreadableFileError(Exception):
    """The file as a whole cannot be read; the message is one clear line."""


def read_assignments(path: Path) -> dict[str, Any]:
    """The values by key: text, numbers, booleans, lists, maps and ``Unusable``; ``null`` leaves its key out.

    Raises ``UnreadableFileError``, with the line at which the file is no HCL; ``FileNotFoundError`` without a file.
    """
    text = ""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        found = list(assignments(text))
    except FileNotFoundError:
        raise
    except UnicodeDecodeError:
        raise UnreadableFileError(f"{path.name}: is not UTF-8 text") from None
    except OSError as error:
        raise UnreadableFileError(f"{path.name}: cannot be read: {error.strerror}") from None
    except RecursionError:
        raise UnreadableFileError(f"{path.name}: is nested too deeply") from None
    except InvalidHclError as error:
        before = text[: error.offset]
        line, column = before.count("\n") + 1, error.offset - before.rfind("\n")
        raise UnreadableFileError(f"{path.name}: is not valid HCL at line {line}, column {column}") from None
    count = Counter(key for key, _ in found)
    values = {key: value if count[key] == 1 else Unusable("is set more than once") for key, value in found}
    return {key: value for key, value in values.items() if value is not None}
