"""Options that cannot apply together are refused, because one of them would be ignored."""

from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperCommand


@dataclass(frozen=True)
class Conflict:
    """Why ``option`` excludes each of ``others``; or, if it ``needs`` them, why it is nothing without."""

    option: str
    others: tuple[str, ...]
    reason: str
    needs: bool = False


CONFLICTS: dict[str, tuple[Conflict, ...]] = {
    "interview create": (
        Conflict(
            "--from",
            ("--challenge", "--candidate", "--duration", "--at", "--id", "--image-tag"),
            "the file has a column for it",
        ),
        Conflict("--from", ("--password-stdin",), "each row gets a password of its own"),
        Conflict("--parallel", ("--from",), "it is for the rows of a file", needs=True),
        Conflict("--keep", ("--remote",), "a failed remote create is always destroyed"),
        Conflict("--at", ("--keep",), "`reap` starts it, and destroys what fails"),
        Conflict("--at", ("--wait-seconds",), "nothing is waited for before it starts"),
    ),
    "interview list": (
        Conflict("--all", ("--ended",), "all are more than those that ended"),
        Conflict("--columns", ("--wide",), "the columns that are named are the only ones"),
        Conflict("--json", ("--columns", "--wide"), "machines get every field"),
    ),
    "interview reap": (Conflict("--remote", ("--parallel",), "builds run at once, each interview in its own"),),
    "interview work": (
        Conflict("--to", ("--diff", "--log", "--delete"), "each is a call of its own"),
        Conflict("--diff", ("--log", "--delete"), "each is a call of its own"),
        Conflict("--delete", ("--log", "--state"), "all states are deleted"),
        Conflict("--log", ("--state",), "it shows all states"),
        Conflict("--yes", ("--delete",), "nothing else asks", needs=True),
        Conflict("--dry-run", ("--delete",), "nothing else changes anything", needs=True),
    ),
    "cost": (Conflict("--hours", ("--interviews",), "they are the hours of each interview", needs=True),),
}
"""By command; what is not here can be combined."""


def checked(path: str) -> type[TyperCommand]:
    """The class of a command that refuses its ``CONFLICTS`` before it begins, with ``typer.BadParameter``."""

    class Checked(TyperCommand):
        conflicts = CONFLICTS.get(path, ())

        def invoke(self, ctx: Any) -> Any:
            refuse_conflicts(ctx)
            return super().invoke(ctx)

    return Checked


def refuse_conflicts(ctx: Any) -> None:
    """Raises ``typer.BadParameter`` for the first options of ``ctx`` that exclude each other."""
    given = {
        option
        for parameter in ctx.command.params
        if getattr(ctx.get_parameter_source(parameter.name), "name", "") == "COMMANDLINE"
        for option in parameter.opts
    }
    for conflict in getattr(ctx.command, "conflicts", ()):
        if conflict.option not in given:
            continue
        for other in conflict.others:
            if conflict.needs and other not in given:
                raise typer.BadParameter(f"{conflict.option} needs {other}: {conflict.reason}", ctx)
            if not conflict.needs and other in given:
                raise typer.BadParameter(f"{conflict.option} cannot be given with {other}: {conflict.reason}", ctx)
