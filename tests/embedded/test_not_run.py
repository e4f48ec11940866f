"""What a live embedded AWS would never run is refused in one line, and what our stacks use is not."""

from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock

import pytest

from scripts.embedded.checks.call import Call, Refusal
from scripts.embedded.checks.not_run import check
from scripts.embedded.live.container_options import container_options
from scripts.embedded.live.host import live_engine
from scripts.engine.engine import Engine
from scripts.errors import EngineError

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:reaper"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:reaper"


def call(name: str, **parameters: Any) -> Call:
    service, _, operation = name.partition(":")
    return Call(service, operation, parameters, "us-east-1", "key", cast("Any", None))


def forward(*groups: str) -> dict[str, Any]:
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": group} for group in groups]}}


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        (call("events:PutRule", ScheduleExpression="cron(0 3 * * ? *)"), "fires rate(...) only, not cron(0 3 * * ? *)"),
        (call("events:PutTargets", Targets=[{"Arn": FUNCTION}, {"Arn": QUEUE}]), f"calls functions only, not {QUEUE}"),
        (call("elbv2:CreateRule", Actions=[forward("a", "b")]), "one target group only"),
        (call("elbv2:ModifyListener", DefaultActions=[forward("a", "b")]), "one target group only"),
    ],
    ids=lambda value: value.name if isinstance(value, Call) else "",
)
def test_what_never_runs_is_refused(refused: Call, why: str) -> None:
    with pytest.raises(Refusal) as raised:
        check(refused)
    assert why in str(raised.value)


@pytest.mark.parametrize(
    "accepted",
    [
        call("events:PutRule", ScheduleExpression="rate(1 minute)"),
        call("events:PutRule", EventPattern="{}"),
        call("events:PutTargets", Targets=[{"Arn": FUNCTION}]),
        call("elbv2:CreateRule", Actions=[forward("a")]),
        call("elbv2:CreateListener", DefaultActions=[{"Type": "fixed-response"}]),
        call("elbv2:ModifyRule", RuleArn="x"),
    ],
    ids=lambda value: value.name,
)
def test_what_runs_is_accepted(accepted: Call) -> None:
    check(accepted)


def test_the_containers_of_a_task_never_have_more_memory_than_the_task() -> None:
    containers: list[dict[str, Any]] = [{"name": "saver", "memory": 128}, {"name": "editor"}]
    task = SimpleNamespace(memory="2048", cpu="1024", container_definitions=containers)
    given = [container_options(one, task, volumes={})["mem_limit"] for one in containers]
    assert given == [128 << 20, 1920 << 20]


def test_an_engine_in_a_virtual_machine_is_refused_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    client = MagicMock(**{"info.return_value": {"OperatingSystem": "Docker Desktop"}})
    monkeypatch.setattr(Engine, "find", lambda: Engine(client, "docker", {}))
    with pytest.raises(EngineError, match="the load balancer on this machine cannot reach"):
        live_engine()
    client.close.assert_called_once()
