"""Which programs of the operations the shared stack runs on AWS."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Programs:
    """The programs' entry points: a module that ``python -m`` runs, and handlers as Lambda names them.

    Each runs from an archive of its own, which holds what the entry point's module imports and nothing else.
    """

    runner: str
    """The module that a CodeBuild build runs for one interview."""

    reaper: str
    """``module.function`` that looks after deadlines every minute."""

    image_starter: str
    """``module.function`` that starts the indexing of a pushed image."""

    image_recorder: str
    """``module.function`` that records the newest indexed image."""
