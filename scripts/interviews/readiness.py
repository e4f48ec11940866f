"""Waiting until an interview can be used, and saying why it cannot."""

import time
from collections.abc import Mapping
from typing import Any

from scripts.aws.clients import explained
from scripts.errors import InterruptedRunError, NotReadyError
from scripts.interviews.context import Context
from scripts.terraform.interrupts import interrupted

LONGEST_PAUSE = 5.0
"""Seconds between two looks at a service that is still starting."""

_LINE_SECONDS = 15.0
"""Between the lines for people while nothing else is to be seen."""


def wait_until_steady(
    context: Context, interview_id: str, values: Mapping[str, Any], seconds: float, *, longest: float = 0
) -> None:
    """Returns when the service's deployment is complete; raises ``NotReadyError`` with the reason when it fails.

    It fails when ECS says so, or after ``seconds``; a task that runs then, and of which no health check has failed, is
    waited for until ``longest``.
    Raises ``InterruptedRunError`` when ctrl-C was pressed while several are waited for, each in a thread.
    Behind a load balancer ECS calls a deployment complete only when its targets are healthy
    (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html).
    """
    cluster = values["ecs_cluster_arn"]
    start = time.monotonic()
    deadline, next_line = start + seconds, start
    pause = 0.5
    while True:
        with explained(f"look at the service {interview_id}"):
            services = context.aws.ecs.describe_services(cluster=cluster, services=[interview_id])["services"]
        if not services or services[0]["status"] != "ACTIVE":
            raise NotReadyError(f"the service of interview {interview_id} was deleted while it was starting")
        service: Mapping[str, Any] = services[0]
        if _complete(service):
            return
        if interrupted():
            raise InterruptedRunError(f"interrupted while interview {interview_id} was starting")
        if service["desiredCount"] == 0:
            raise NotReadyError(f"the service of interview {interview_id} was set to 0 tasks while it was starting")
        primary = _primary(service)
        if primary.get("rolloutState") == "FAILED":
            reason = primary.get("rolloutStateReason", "the circuit breaker gave no reason")
            raise NotReadyError(
                f"interview {interview_id} did not start: {_explanation(context, cluster, service, reason)}"
            )
        now = time.monotonic() + pause
        if now > deadline and (now > start + longest or not _turning_healthy(context, service)):
            why = _explanation(
                context, cluster, service, f"{service['runningCount']} of {service['desiredCount']} tasks run"
            )
            raise NotReadyError(f"interview {interview_id} was not ready after {now - start - pause:.0f} s: {why}")
        context.console.event("waiting", interview=interview_id, running=service["runningCount"])
        if time.monotonic() >= next_line:
            next_line += _LINE_SECONDS
            waited = f"{time.monotonic() - start:.0f} s of at most {seconds:.0f}"
            running = f"{service['runningCount']} of {service['desiredCount']} tasks run"
            context.console.say(f"waiting until interview {interview_id} is ready: {running} ({waited})")
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)


def _primary(service: Mapping[str, Any]) -> Mapping[str, Any]:
    primary: Mapping[str, Any] = next((d for d in service.get("deployments", []) if d.get("status") == "PRIMARY"), {})
    return primary


def _complete(service: Mapping[str, Any]) -> bool:
    enough = service["runningCount"] >= service["desiredCount"] >= 1
    return bool(enough) and _primary(service).get("rolloutState", "COMPLETED") == "COMPLETED"


def _turning_healthy(context: Context, service: Mapping[str, Any]) -> bool:
    """Whether the task runs and only has to pass its health checks."""
    running = service["runningCount"] >= service["desiredCount"] >= 1
    if not running or _primary(service).get("failedTasks", 0):
        return False
    with explained("look at the health checks"):
        return all(health.get("State") != "unhealthy" for health in _target_health(context, service))


def _target_health(context: Context, service: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    groups = [balancer["targetGroupArn"] for balancer in service.get("loadBalancers", [])]
    return [
        target.get("TargetHealth", {})
        for group in groups
        for target in context.aws.elbv2.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    ]


def _explanation(context: Context, cluster: str, service: Mapping[str, Any], otherwise: str) -> str:
    """The nearest cause that AWS gives: a stopped task, an unhealthy target, the service's last event."""
    with explained("find out why"):
        stopped = context.aws.ecs.list_tasks(
            cluster=cluster, serviceName=service["serviceName"], desiredStatus="STOPPED", maxResults=10
        )["taskArns"]
        tasks = context.aws.ecs.describe_tasks(cluster=cluster, tasks=stopped)["tasks"] if stopped else []
        health = _target_health(context, service)
    for task in tasks:
        reason = explained_stop(task)
        if reason:
            return reason
    for target in health:
        if target.get("State") == "unhealthy":
            return f"its health check fails: {target.get('Description') or target.get('Reason')}"
    events = service.get("events", [])
    return f"{otherwise}; ECS says: {events[0]['message']}" if events else otherwise


def explained_stop(task: Mapping[str, Any]) -> str:
    """Why a task stopped, in words of ours for the usual causes
    (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html)."""
    reason = str(task.get("stoppedReason", ""))
    if "CannotPullContainerError" in reason:
        return f"its image cannot be pulled; check that the tag exists and the role may read it ({reason})"
    if "ResourceInitializationError" in reason:
        return f"its task could not be prepared; check the NAT gateway, the execution role and the password ({reason})"
    if "OutOfMemory" in reason:
        return f"it ran out of memory; raise code_server_memory ({reason})"
    for container in task.get("containers", []):
        code = container.get("exitCode")
        if code not in (None, 0):
            what = "the challenge could not be delivered" if container["name"] == "challenge" else "its container ended"
            return f"{what} with exit code {code} ({container.get('reason') or reason or 'see its log'})"
    return f"its task stopped: {reason}" if reason else ""
