"""`prequel doctor`."""

from typing import Annotated

import typer

from scripts.cli.session import JsonOption, Session


def doctor(
    *,
    fix: Annotated[bool, typer.Option("--fix", help="Repair what needs no decision.")] = False,
    json_lines: JsonOption = False,
) -> None:
    """Compare the records in the bucket with what exists on AWS.

    Lists every difference with the command that repairs it, and warns of quotas and images that limit the stack.
    Changes nothing without --fix. Exit code 1 when a difference remains.

    Example: prequel doctor
    """
    from scripts.interviews.doctor import diagnose, fix_all
    from scripts.preflight.checks import limits_of, subject_of

    session = Session(json_lines=json_lines)
    found = fix_all(session.context) if fix else diagnose(session.context)
    for limit in limits_of(subject_of(session.configuration.settings)):
        session.console.warn(f"{limit.problem}; {limit.remedy}")
    lines = [f"{d.kind}: {d.subject}: {d.detail}, ${d.hourly_price:.4f} an hour\n  {d.command}" for d in found]
    session.console.result([d.document() for d in found], "\n".join(lines) or "No problems found.")
    if found:
        raise typer.Exit(1)
