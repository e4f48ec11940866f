"""What AWS has and a live embedded AWS does not run: refused, because nobody should wait for what never comes."""

from dataclasses import dataclass
from typing import Any

import jmespath

from scripts.embedded.checks.call import Call, Refusal


@dataclass(frozen=True)
class NotRun:
    """Values at ``path`` (JMESPath) of some calls' parameters that nothing here runs."""

    calls: tuple[str, ...]
    path: str
    code: str
    message: str


_NOT_RUN = (
    NotRun(
        ("events:PutRule",),
        "ScheduleExpression && !starts_with(ScheduleExpression, 'rate(') && ScheduleExpression",
        "ValidationException",
        "the live embedded AWS fires rate(...) only, not {value}",
    ),
    NotRun(
        ("events:PutTargets",),
        "Targets[?!contains(Arn, ':lambda:')].Arn | [0]",
        "ValidationException",
        "the live embedded AWS calls functions only, not {value}",
    ),
    NotRun(
        ("elbv2:CreateListener", "elbv2:CreateRule", "elbv2:ModifyListener", "elbv2:ModifyRule"),
        "[Actions, DefaultActions][] | [?length(ForwardConfig.TargetGroups || `[]`) > `1`] | length(@)",
        "InvalidConfigurationRequest",
        "the live embedded AWS forwards to one target group only; {value} of the actions weighs several",
    ),
)


def check(call: Call) -> None:
    """Raises ``Refusal`` for the first of them."""
    for one in _NOT_RUN:
        value: Any = jmespath.search(one.path, call.parameters) if call.name in one.calls else None
        if value:
            raise Refusal(one.code, one.message.replace("{value}", str(value)))
