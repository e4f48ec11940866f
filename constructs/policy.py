"""Statements of IAM policies, in one line each."""

from collections.abc import Sequence

from constructs.aws import (
    DataAwsIamPolicyDocumentStatement,
    DataAwsIamPolicyDocumentStatementCondition,
    DataAwsIamPolicyDocumentStatementPrincipals,
)

Statement = DataAwsIamPolicyDocumentStatement
Condition = DataAwsIamPolicyDocumentStatementCondition
Principals = DataAwsIamPolicyDocumentStatementPrincipals


def allow(
    sid: str, actions: Sequence[str], resources: Sequence[str], *conditions: Condition, to: Principals | None = None
) -> Statement:
    """Allows ``actions`` on ``resources`` under all ``conditions``; a resource's own policy says ``to`` whom."""
    return Statement(
        sid=sid,
        actions=actions,
        resources=resources,
        condition=list(conditions) or None,
        principals=[to] if to else None,
    )


def condition(test: str, variable: str, *values: str) -> Condition:
    """A condition, such as ``StringEquals`` of a key that must have one of ``values``."""
    return Condition(test=test, variable=variable, values=list(values))


def service(name: str) -> Principals:
    """An AWS service, such as ``cloudwatch.amazonaws.com``."""
    return Principals(type="Service", identifiers=[name])
