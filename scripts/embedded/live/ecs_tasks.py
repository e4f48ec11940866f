"""moto's ECS tasks and services, changed so that they say what the containers do."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from moto.ecs.models import EC2ContainerServiceBackend, Task

from scripts.embedded.checks.backends import backend
from scripts.embedded.live.pod import Pod
from scripts.embedded.live.pod_container import PodContainer

TaskBase: Any = Task  # moto's models have no types to speak of


class LiveTask(TaskBase):  # type: ignore[misc]
    """A task whose state is its pod's. Attributes are named as DescribeTasks names them, in snake case."""

    pod: Pod

    def __init__(self, ecs: Any, service: Any, deployment: dict[str, Any]) -> None:
        cluster = ecs.clusters[service.cluster_name]
        definition = ecs.describe_task_definition(service.task_definition)
        super().__init__(
            cluster,
            # moto would give it an interface before there is an address.
            SimpleNamespace(
                arn=definition.arn, network_mode=None, container_definitions=definition.container_definitions
            ),
            None,
            None,
            backend=ecs,
            group=f"service:{service.name}",
            launch_type=service.launch_type or "FARGATE",
            started_by=deployment["id"],
            tags=list(service.tags) if service.propagate_tags == "SERVICE" else [],
        )
        self._network = (service.network_configuration or {}).get("awsvpcConfiguration", {})
        self.definition = definition
        self.created_at = self.version_at = datetime.now(UTC)
        self.started_at: datetime | None = None
        self.stopping_at: datetime | None = None
        self.stopped_at: datetime | None = None
        self.stop_code: str | None = None
        self.cpu, self.memory = str(definition.cpu or ""), str(definition.memory or "")
        self.platform_family = "Linux"
        self.registered: list[tuple[str, str]] = []
        """The target group and the address of each registration."""
        self.counted = False
        self.containers: list[Any] = []
        self.status = "PROVISIONING"

    def advance(self) -> None:
        """moto moves a task on with each look at it; this one moves by itself."""

    @property
    def status(self) -> str:
        """ECS's word."""
        return str(self._status)

    @status.setter
    def status(self, value: str) -> None:
        self._status = value

    def refresh(self) -> None:
        """Takes over what the pod says."""
        pod, now = self.pod, datetime.now(UTC)
        self.status = pod.status
        if pod.address and not self.attachments and not pod.stopping:
            self._attach_interface(pod.address)
        if pod.status == "RUNNING" and self.started_at is None:
            self.started_at = now
        if pod.stopping:
            self.desired_status = "STOPPED"
            self.stopping_at = self.stopping_at or now
            self.stop_code, self.stopped_reason = pod.stop_code, pod.stopped_reason or ""
        if pod.status == "STOPPED" and self.stopped_at is None:
            self.stopped_at = now
            self._release_interface()
        self.containers = [self._described(one) for one in pod.containers]

    def _attach_interface(self, address: str) -> None:
        subnet = next(iter(self._network.get("subnets", [])), None)
        details = {"privateIPv4Address": address}
        if subnet:
            interface = backend("ec2", self.region_name).create_network_interface(
                subnet, address, group_ids=self._network.get("securityGroups"), description=self.task_arn
            )
            details |= {"subnetId": subnet, "networkInterfaceId": interface.id, "macAddress": interface.mac_address}
        self.attachments: list[dict[str, Any]] = [
            {
                "id": str(uuid4()),
                "type": "ElasticNetworkInterface",
                "status": "ATTACHED",
                "details": [{"name": name, "value": value} for name, value in details.items()],
            }
        ]

    def _release_interface(self) -> None:
        interfaces = backend("ec2", self.region_name).enis
        for attachment in self.attachments:
            attachment["status"] = "DELETED"
            for detail in attachment["details"]:
                if detail["name"] == "networkInterfaceId":
                    interfaces.pop(detail["value"], None)

    def _described(self, one: PodContainer) -> SimpleNamespace:
        return SimpleNamespace(
            container_arn=f"{self.task_arn.replace(':task/', ':container/')}/{one.name}",
            task_arn=self.task_arn,
            name=one.name,
            image=one.definition["image"],
            runtime_id=one.container.id if one.container else None,
            last_status=one.status,
            exit_code=one.exit_code,
            reason=one.reason,
            network_interfaces=[{"privateIpv4Address": self.pod.address}] if self.pod.address else [],
            health_status="UNKNOWN",
            cpu=str(one.definition.get("cpu", 0)),
            memory=str(one.definition["memory"]) if one.definition.get("memory") else None,
        )


def make_services_truthful() -> None:
    """Replaces what moto claims of services and tasks without looking: counts, states, and what is listed."""
    ecs: Any = EC2ContainerServiceBackend
    _stop_by_request(ecs)
    _list_as_aws(ecs)
    _keep_counts(ecs)


def add_event(service: Any, message: str) -> None:
    """Puts an event first; ECS keeps the last 100."""
    event = {"id": str(uuid4()), "createdAt": datetime.now(UTC), "message": f"(service {service.name}) {message}"}
    service.events.insert(0, event)
    del service.events[100:]


def _stop_by_request(ecs: Any) -> None:
    stop_task = ecs.stop_task

    def stop(self: Any, cluster: str, task_id: str, reason: str | None) -> Any:
        tasks = self.tasks.get(self._get_cluster(cluster).name, {})
        found = next((one for arn, one in tasks.items() if arn.endswith(task_id.rsplit("/", 1)[-1])), None)
        if not isinstance(found, LiveTask):
            return stop_task(self, cluster, task_id, reason)
        found.pod.stop("UserInitiated", reason or "Task stopped by user")
        found.refresh()
        return found

    ecs.stop_task = stop


def _list_as_aws(ecs: Any) -> None:
    """moto filters neither by service nor, unless asked, by status, and forgets families without active definitions."""
    list_tasks = ecs.list_tasks

    def listed(  # noqa: PLR0917  (moto's)
        self: Any,
        cluster: str | None = None,
        container_instance: str | None = None,
        family: str | None = None,
        started_by: str | None = None,
        service_name: str | None = None,
        status: str | None = None,
    ) -> list[Any]:
        found = list_tasks(self, cluster, container_instance, None, started_by, None, status or "RUNNING")
        name = (service_name or "").rsplit("/", 1)[-1]
        return [
            task
            for task in found
            if (not name or task.group == f"service:{name}")
            and (not family or task.task_definition_arn.rsplit("/", 1)[-1].rsplit(":", 1)[0] == family)
        ]

    ecs.list_tasks = listed


def _keep_counts(ecs: Any) -> None:
    """moto takes what is wanted for what runs."""
    update_service, delete_service = ecs.update_service, ecs.delete_service

    def update(self: Any, properties: dict[str, Any]) -> Any:
        service = self._get_service(properties.get("cluster", "default"), properties["service"].split("/")[-1])
        running, pending = service.running_count, service.pending_count
        restart = bool(properties.get("force_new_deployment"))
        before = service.task_definition
        updated = update_service(self, properties)
        updated.running_count, updated.pending_count = running, pending
        updated.task_definition = self.describe_task_definition(updated.task_definition).arn
        if restart or updated.task_definition != before:
            begin_deployment(updated)
        return updated

    def delete(self: Any, cluster: str, name: str, force: bool) -> Any:
        deleted = delete_service(self, cluster, name, force)
        deleted.desired_count = 0
        tasks = self.tasks.get(deleted.cluster_name, {}).values()
        if any(task.group == f"service:{deleted.name}" and task.status != "STOPPED" for task in list(tasks)):
            deleted.status = "DRAINING"
        return deleted

    ecs.update_service, ecs.delete_service = update, delete


def begin_deployment(service: Any) -> None:
    """Makes a new primary deployment of what the service now is; the others end."""
    now = datetime.now(UTC)
    for other in service.deployments:
        other["status"] = "ACTIVE"
    new = dict(service.deployments[0]) if service.deployments else {}
    identity = f"ecs-svc/{uuid4().int % 10**19}"
    new |= {
        "id": identity,
        "status": "PRIMARY",
        "taskDefinition": service.task_definition,
        "createdAt": now,
        "updatedAt": now,
        "failedTasks": 0,
        "runningCount": 0,
        "pendingCount": 0,
        "rolloutState": "IN_PROGRESS",
        "rolloutStateReason": f"ECS deployment {identity} in progress.",
    }
    service.deployments.insert(0, new)
