"""`prequel preflight`: whether an account is ready for the shared stack, and which rights that takes."""

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from scripts.cli.session import JsonOption, Session
from scripts.console import Fitted, folded

if TYPE_CHECKING:
    from scripts.preflight.findings import Outcome

_INDENT = 9


class Purpose(StrEnum):
    """Whose policy is printed."""

    DEPLOY = "deploy"
    CREATE = "create"


def preflight(
    *,
    policy: Annotated[
        Purpose | None,
        typer.Option(
            metavar="PURPOSE",
            help="Print the IAM policies for deploying the shared stack (deploy) or creating interviews (create).",
        ),
    ] = None,
    json_lines: JsonOption = False,
) -> None:
    """Check that the AWS account is ready for the shared stack.

    Looks at credentials, region, bucket name, hosted zone, availability zones, quotas, service-linked roles and images,
    and reports every problem with what to do next. Changes nothing. Exit code 1 when a deployment would fail.

    Example: prequel preflight --policy deploy
    """
    session = Session(json_lines=json_lines)
    if policy is not None:
        from scripts.preflight.policies import client_policies, deployment_policies

        make = deployment_policies if policy is Purpose.DEPLOY else client_policies
        documents = make(session.configuration)
        session.console.result(documents, json.dumps(documents, indent=2))
        return
    from scripts.preflight.checks import run, subject_of

    outcomes = []
    for outcome in run(subject_of(session.configuration.settings)):
        outcomes.append(outcome)
        findings = [finding.machine() for finding in outcome.findings]
        session.console.part("check", _line(outcome), check=outcome.check.name, findings=findings)
    failed = any(outcome.failed for outcome in outcomes)
    session.console.result(
        {
            "ready": not failed,
            "findings": [
                {"check": outcome.check.name, **finding.machine()}
                for outcome in outcomes
                for finding in outcome.findings
            ],
        }
    )
    if failed:
        raise typer.Exit(1)


def _line(outcome: "Outcome") -> Fitted:
    def fitted(columns: int) -> str:
        if not outcome.findings:
            return f"{'ok':<{_INDENT}}{outcome.check.title}"
        parts = (
            part
            for finding in outcome.findings
            for part in (
                f"{finding.severity:<{_INDENT}}{outcome.check.title}: {finding.problem}",
                f"{'':<{_INDENT}}{finding.remedy}",
            )
        )
        return "\n".join(folded(part, columns, _INDENT) for part in parts)

    return fitted
