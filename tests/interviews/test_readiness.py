"""Not ready is not active, and the reason is given in a sentence."""

import io
from typing import Any

import pytest

from scripts.console import Console
from scripts.errors import NotReadyError
from scripts.interviews.readiness import explained_stop, wait_until_steady
from tests.interviews.conftest import Place

VALUES = {"ecs_cluster_arn": "prequel"}


class StubEcs:
    """ECS as it answers while a service starts; the emulator's services are always steady at once."""

    def __init__(self, *services: dict[str, Any], stopped: list[dict[str, Any]] | None = None) -> None:
        self._services = list(services)
        self._stopped = stopped or []

    def describe_services(self, **_: Any) -> Any:
        service = self._services.pop(0) if len(self._services) > 1 else self._services[0]
        return {"services": [service]}

    def list_tasks(self, **_: Any) -> Any:
        return {"taskArns": ["arn"] * len(self._stopped)}

    def describe_tasks(self, **_: Any) -> Any:
        return {"tasks": self._stopped}


class StubBalancer:
    def __init__(self, *health: dict[str, str]) -> None:
        self._health = health

    def describe_target_health(self, **_: Any) -> Any:
        return {"TargetHealthDescriptions": [{"TargetHealth": health} for health in self._health]}


def a_service(rollout: str, running: int = 0, reason: str = "") -> dict[str, Any]:
    return {
        "serviceName": "demo",
        "status": "ACTIVE",
        "desiredCount": 1,
        "runningCount": running,
        "deployments": [{"status": "PRIMARY", "rolloutState": rollout, "rolloutStateReason": reason}],
        "loadBalancers": [{"targetGroupArn": "arn"}],
        "events": [],
    }


def wait(
    bucket: Place, ecs: StubEcs, *health: dict[str, str], seconds: float = 30, longest: float = 0, **changes: Any
) -> None:
    context = bucket.breakable_context(**changes)
    context.aws.__dict__.update(ecs=ecs, elbv2=StubBalancer(*health))
    wait_until_steady(context, "demo", VALUES, seconds, longest=longest)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.interviews.readiness.time.sleep", lambda _: None)


def test_a_service_is_ready_when_its_task_runs_and_its_rollout_is_complete(bucket: Place) -> None:
    wait(bucket, StubEcs(a_service("IN_PROGRESS"), a_service("IN_PROGRESS", 1), a_service("COMPLETED", 1)))


def test_a_person_who_waits_sees_at_once_what_for_and_again_only_after_a_while(bucket: Place) -> None:
    said = io.StringIO()
    starting = [a_service("IN_PROGRESS")] * 5
    wait(bucket, StubEcs(*starting, a_service("COMPLETED", 1)), console=Console(err=said))
    assert said.getvalue() == "waiting until interview demo is ready: 0 of 1 tasks run (0 s of at most 30)\n"


def test_a_service_that_is_told_to_stop_is_not_waited_for(bucket: Place) -> None:
    ended = a_service("IN_PROGRESS") | {"desiredCount": 0}
    with pytest.raises(NotReadyError, match="was set to 0 tasks while it was starting"):
        wait(bucket, StubEcs(a_service("IN_PROGRESS"), ended), seconds=1000)


def test_running_is_not_ready_until_the_load_balancer_agrees(bucket: Place) -> None:
    with pytest.raises(NotReadyError, match="was not ready after 0 s: its health check fails: codes: 502"):
        wait(
            bucket,
            StubEcs(a_service("IN_PROGRESS", 1)),
            {"State": "unhealthy", "Description": "codes: 502"},
            seconds=0,
        )


def test_a_task_that_runs_and_only_waits_for_its_health_checks_is_not_given_up(bucket: Place) -> None:
    starting = [a_service("IN_PROGRESS", 1)] * 3
    wait(bucket, StubEcs(*starting, a_service("COMPLETED", 1)), {"State": "initial"}, seconds=0, longest=60)


@pytest.mark.parametrize(("running", "state"), [(0, "initial"), (1, "unhealthy")])
def test_a_task_that_does_not_run_or_fails_its_health_checks_is_given_up_in_time(
    bucket: Place, running: int, state: str
) -> None:
    with pytest.raises(NotReadyError, match="was not ready after 0 s"):
        wait(bucket, StubEcs(a_service("IN_PROGRESS", running)), {"State": state}, seconds=0, longest=60)


def test_an_image_that_does_not_exist_is_named_as_such(bucket: Place) -> None:
    stopped = [{"stoppedReason": "CannotPullContainerError: nope:1 not found", "containers": []}]
    ecs = StubEcs(a_service("FAILED", reason="circuit breaker: tasks failed to start"), stopped=stopped)
    with pytest.raises(NotReadyError, match="did not start: its image cannot be pulled; check that the tag exists"):
        wait(bucket, ecs)


def test_the_circuit_breakers_reason_is_given_when_nothing_nearer_is_known(bucket: Place) -> None:
    with pytest.raises(NotReadyError, match="ECS deployment circuit breaker: tasks failed to start"):
        wait(bucket, StubEcs(a_service("FAILED", reason="ECS deployment circuit breaker: tasks failed to start.")))


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        ({"stoppedReason": "ResourceInitializationError: unable to pull secrets"}, "could not be prepared"),
        ({"stoppedReason": "OutOfMemoryError: killed"}, "ran out of memory; raise code_server_memory"),
        (
            {"stoppedReason": "Essential container exited", "containers": [{"name": "challenge", "exitCode": 1}]},
            "the challenge could not be delivered with exit code 1",
        ),
        ({"stoppedReason": "", "containers": [{"name": "code-server", "exitCode": 0}]}, ""),
    ],
)
def test_the_usual_causes_are_given_in_words(task: dict[str, Any], sentence: str) -> None:
    assert sentence in explained_stop(task)
