"""ECS's scheduler: makes each service's desired count of tasks run, and reports what does.

Events and reasons are AWS's:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html.
"""

import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from scripts.embedded.checks.backends import backend
from scripts.embedded.live.ecs_tasks import LiveTask, add_event
from scripts.embedded.live.host import LiveHost
from scripts.embedded.live.pod import Pod

STOPPED_KEPT = timedelta(hours=1)
"""https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html"""

_LONGEST_PAUSE = 60.0
"""Seconds between two starts of a service whose tasks keep failing; AWS goes to 27 minutes."""


class Scheduler:
    """Looks at the services of one region's ECS when ``step`` is called."""

    def __init__(self, host: LiveHost, region: str) -> None:
        self._host = host
        self._ecs = backend("ecs", region)
        self._balancers = backend("elbv2", region)
        self._next_start: dict[str, float] = {}

    def step(self) -> None:
        """Brings every service one step nearer to what is wanted of it."""
        for task in list(self._all_tasks()):
            task.refresh()
            if task.stopped_at and datetime.now(UTC) - task.stopped_at > STOPPED_KEPT:
                del self._ecs.tasks[task.cluster_name][task.task_arn]
        for service in list(self._ecs.services.values()):
            if service.status != "INACTIVE" and service.deployments:
                self._reconcile(service)

    def stop(self) -> None:
        """Ends every task and waits for it."""
        tasks = list(self._all_tasks())
        for task in tasks:
            task.pod.stop("ServiceSchedulerInitiated", "The embedded AWS ends")
        for task in tasks:
            task.pod.wait(60)

    def _all_tasks(self) -> Iterator[LiveTask]:
        for tasks in list(self._ecs.tasks.values()):
            yield from (task for task in list(tasks.values()) if isinstance(task, LiveTask))

    def _reconcile(self, service: Any) -> None:
        primary = service.deployments[0]
        of_service = f"service:{service.name}"
        tasks = [t for t in self._all_tasks() if t.group == of_service and t.cluster_name == service.cluster_name]
        for task in tasks:
            self._keep_registered(service, task)
            self._count_failure(service, task)
        alive = [task for task in tasks if task.status != "STOPPED"]
        serving = [task for task in alive if not task.pod.stopping]
        failed = primary["rolloutState"] == "FAILED"
        wanted = 0 if failed or service.status != "ACTIVE" else service.desired_count
        current = [task for task in serving if task.started_by == primary["id"]]
        for task in [task for task in serving if task not in current] + current[wanted:]:
            self._scale_in(service, task)
        if len(alive) < wanted and time.monotonic() >= self._next_start.get(service.arn, 0):
            self._start(service, primary)
        self._report(service, primary, alive)

    def _start(self, service: Any, deployment: dict[str, Any]) -> None:
        task = LiveTask(self._ecs, service, deployment)
        task.pod = Pod(self._host, task.id, task.definition)
        self._ecs.tasks.setdefault(service.cluster_name, {})[task.task_arn] = task
        failures = int(deployment["failedTasks"])
        self._next_start[service.arn] = time.monotonic() + min(2.0**failures - 1, _LONGEST_PAUSE)
        add_event(service, f"has started 1 tasks: (task {task.id}).")

    def _scale_in(self, service: Any, task: LiveTask) -> None:
        reason = f"Scaling activity initiated by (deployment {service.deployments[0]['id']})"
        task.pod.stop("ServiceSchedulerInitiated", reason, drain_seconds=self._drain_seconds(task))
        task.counted = True
        add_event(service, f"has stopped 1 running tasks: (task {task.id}).")

    def _drain_seconds(self, task: LiveTask) -> float:
        """ECS lets requests end before it stops a task."""
        groups = [self._balancers.target_groups.get(arn) for arn, _ in task.registered]
        delays = [float(g.attributes["deregistration_delay.timeout_seconds"]) for g in groups if g is not None]
        return max(delays, default=0.0)

    def _keep_registered(self, service: Any, task: LiveTask) -> None:
        """Registers a task that runs with its target groups, and ends one that they call unhealthy."""
        groups = self._balancers.target_groups
        if task.pod.stopping:
            for arn, registered in task.registered:
                if arn in groups and registered in groups[arn].targets:
                    groups[arn].deregister([{"Id": registered}])
                    add_event(service, f"deregistered 1 targets in (target-group {arn})")
            task.registered = []
            return
        address = task.pod.address
        if task.status != "RUNNING" or address is None:
            return
        if not task.registered:
            for balancer in service.load_balancers:
                arn = balancer.get("targetGroupArn")
                if arn in groups:
                    groups[arn].register([{"Id": address, "Port": balancer["containerPort"]}])
                    task.registered.append((arn, address))
                    add_event(service, f"registered 1 targets in (target-group {arn})")
        self._replace_unhealthy(service, task)

    def _replace_unhealthy(self, service: Any, task: LiveTask) -> None:
        grace = timedelta(seconds=getattr(service, "health_check_grace_period_seconds", 0) or 0)
        assert task.started_at is not None  # noqa: S101  (it runs)
        if datetime.now(UTC) - task.started_at < grace:
            return
        for arn, address in task.registered:
            health = self._health(arn, address)
            if health == "unhealthy":
                add_event(
                    service,
                    f"(instance {address}) is unhealthy in (target-group {arn}) due to (reason Health checks failed)",
                )
                task.pod.stop("ServiceSchedulerInitiated", f"Task failed ELB health checks in (target-group {arn})")

    def _health(self, arn: str, address: str) -> str:
        group = self._balancers.target_groups.get(arn)
        if group is None or address not in group.targets:
            return "unused"
        return str(group.health_for({"Id": address}, None).status)

    def _count_failure(self, service: Any, task: LiveTask) -> None:
        """A task that ended unasked counts while its deployment is in progress
        (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html)."""
        if task.counted or not task.pod.stopping:
            return
        task.counted = True
        deployment = next((one for one in service.deployments if one["id"] == task.started_by), None)
        if deployment is None or deployment["rolloutState"] != "IN_PROGRESS" or task.stop_code == "UserInitiated":
            return
        deployment["failedTasks"] += 1
        breaker = (getattr(service, "deployment_configuration", None) or {}).get("deploymentCircuitBreaker", {})
        threshold = min(max(3, math.ceil(0.5 * service.desired_count)), 200)
        if breaker.get("enable") and deployment["failedTasks"] >= threshold:
            deployment["rolloutState"] = "FAILED"
            deployment["rolloutStateReason"] = "ECS deployment circuit breaker: tasks failed to start."
            add_event(service, f"(deployment {deployment['id']}) deployment failed: tasks failed to start.")

    def _report(self, service: Any, primary: dict[str, Any], alive: list[LiveTask]) -> None:
        running = [task for task in alive if task.status == "RUNNING"]
        service.running_count = len(running)
        service.pending_count = len([t for t in alive if t.status in ("PROVISIONING", "PENDING", "ACTIVATING")])
        mine = [task for task in running if task.started_by == primary["id"]]
        primary |= {
            "desiredCount": 0 if primary["rolloutState"] == "FAILED" else service.desired_count,
            "runningCount": len(mine),
            "pendingCount": service.pending_count,
        }
        if service.status == "DRAINING" and not alive:
            service.status = "INACTIVE"
        others = {task.started_by for task in alive}
        service.deployments[1:] = [one for one in service.deployments[1:] if one["id"] in others]
        self._count_cluster()
        settled = len(mine) == service.desired_count and len(alive) == len(mine)
        if primary["rolloutState"] == "IN_PROGRESS" and settled and all(map(self._is_healthy, mine)):
            primary["rolloutState"] = "COMPLETED"
            primary["rolloutStateReason"] = f"ECS deployment {primary['id']} completed."
            primary["updatedAt"] = datetime.now(UTC)
            primary["failedTasks"] = 0
            add_event(service, "has reached a steady state.")

    def _is_healthy(self, task: LiveTask) -> bool:
        return all(self._health(arn, address) == "healthy" for arn, address in task.registered)

    def _count_cluster(self) -> None:
        for cluster in list(self._ecs.clusters.values()):
            services = [one for one in list(self._ecs.services.values()) if one.cluster_name == cluster.name]
            cluster.running_tasks_count = sum(one.running_count for one in services)
            cluster.pending_tasks_count = sum(one.pending_count for one in services)
