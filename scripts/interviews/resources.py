"""What AWS itself says about one interview's resources, each found by its deterministic name."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from scripts.aws import Aws, reason
from stacks.names import password_parameter

PASSWORD = "aws_ssm_parameter.password"  # noqa: S105  (an address, not a password)
TARGET_GROUP = "aws_lb_target_group.target"
RULE = "aws_lb_listener_rule.rule"
TASK_DEFINITION = "aws_ecs_task_definition.task"
SERVICE = "aws_ecs_service.code_server"
RECORD = "aws_route53_record.record[0]"
TASKS = "tasks"

SERVICE_OF = {
    PASSWORD: "ssm",
    TARGET_GROUP: "elbv2",
    RULE: "elbv2",
    TASK_DEFINITION: "ecs",
    SERVICE: "ecs",
    TASKS: "ecs",
    RECORD: "route53",
}
"""The AWS service that each kind is asked of."""


_CONTAINER_GONE = {"ListenerNotFound", "ClusterNotFoundException", "NoSuchHostedZone"}
"""What was asked in no longer exists itself, so nothing in it does."""


@dataclass(frozen=True)
class Sighting:
    """One kind of resource: ``found`` are the ids that exist, as Terraform imports them; ``problem`` means unknown."""

    address: str
    what: str
    found: tuple[str, ...] = ()
    problem: str = ""

    @property
    def gone(self) -> bool:
        """Whether AWS said that nothing of this kind exists."""
        return not self.found and not self.problem


@dataclass(frozen=True)
class Survey:
    """Every kind of resource of one interview."""

    sightings: tuple[Sighting, ...]

    @property
    def proven_gone(self) -> bool:
        """Whether AWS answered for each kind, and nothing exists."""
        return all(sighting.gone for sighting in self.sightings)

    @property
    def unknown(self) -> tuple[Sighting, ...]:
        """The kinds that AWS gave no answer about."""
        return tuple(sighting for sighting in self.sightings if sighting.problem)

    @property
    def live(self) -> dict[str, str]:
        """What exists, by Terraform address; running tasks are their service's and have none."""
        return {s.address: s.found[-1] for s in self.sightings if s.found and s.address != TASKS}

    @property
    def leftovers(self) -> str:
        """What is not proven gone, in words."""
        exist = [f"{s.what} {', '.join(s.found)}" for s in self.sightings if s.found]
        unknown = [f"{s.what}: unknown ({s.problem})" for s in self.unknown]
        return "; ".join(exist + unknown)

    @property
    def evidence(self) -> tuple[str, ...]:
        """What was asked, for the tombstone."""
        return tuple(f"{s.what}: none" for s in self.sightings if s.gone)


def hostname(interview_id: str, values: Mapping[str, Any]) -> str:
    """The interview's host name."""
    return f"{interview_id}.{values['domain_name']}"


def survey(aws: Aws, interview_id: str, values: Mapping[str, Any]) -> Survey:
    """Asks AWS for each kind of resource at once; ``values`` are the shared values of the interview's release."""
    kinds: list[tuple[str, str, Callable[[], tuple[str, ...]]]] = [
        (PASSWORD, "password parameter", lambda: _password(aws, interview_id, values)),
        (TARGET_GROUP, "target group", lambda: _target_groups(aws, interview_id)),
        (RULE, "listener rule", lambda: _rules(aws, interview_id, values)),
        (TASK_DEFINITION, "task definition", lambda: _task_definitions(aws, interview_id, values)),
        (SERVICE, "service", lambda: _services(aws, interview_id, values)),
        (TASKS, "running tasks", lambda: _tasks(aws, interview_id, values)),
    ]
    if values.get("create_dns_record"):
        kinds.append((RECORD, "DNS record", lambda: _records(aws, interview_id, values)))

    def look(kind: tuple[str, str, Callable[[], tuple[str, ...]]]) -> Sighting:
        address, what, ask = kind
        try:
            return Sighting(address, what, ask())
        except (ClientError, BotoCoreError) as error:
            if isinstance(error, ClientError) and error_code(error) in _CONTAINER_GONE:
                return Sighting(address, what)
            return Sighting(address, what, problem=reason(error))

    for service in {SERVICE_OF[address] for address, _, _ in kinds}:
        getattr(aws, service)  # made here, because boto3's session is not made for threads
    with ThreadPoolExecutor(len(kinds)) as pool:
        return Survey(tuple(pool.map(look, kinds)))


def _password(aws: Aws, interview_id: str, values: Mapping[str, Any]) -> tuple[str, ...]:
    name = password_parameter(values["project_prefix"], interview_id)
    try:
        aws.ssm.get_parameter(Name=name)  # without decryption: whether it exists is all that matters
    except aws.ssm.exceptions.ParameterNotFound:
        return ()
    return (name,)


def _target_groups(aws: Aws, interview_id: str) -> tuple[str, ...]:
    try:
        groups = aws.elbv2.describe_target_groups(Names=[interview_id])["TargetGroups"]
    except aws.elbv2.exceptions.TargetGroupNotFoundException:
        return ()
    return tuple(group["TargetGroupArn"] for group in groups)


def _rules(aws: Aws, interview_id: str, values: Mapping[str, Any]) -> tuple[str, ...]:
    wanted = hostname(interview_id, values)
    pages = aws.elbv2.get_paginator("describe_rules").paginate(ListenerArn=values["listener_arn"])
    return tuple(rule["RuleArn"] for page in pages for rule in page["Rules"] if wanted in rule_hosts(rule))


def rule_hosts(rule: Mapping[str, Any]) -> list[str]:
    """The host names that a listener rule matches."""
    return [
        host
        for condition in rule.get("Conditions", [])
        for host in condition.get("HostHeaderConfig", {}).get("Values", []) or condition.get("Values", [])
    ]


def _task_definitions(aws: Aws, interview_id: str, values: Mapping[str, Any]) -> tuple[str, ...]:
    family = f"{values['project_prefix']}-{interview_id}"
    pages = aws.ecs.get_paginator("list_task_definitions").paginate(familyPrefix=family, status="ACTIVE")
    arns = [arn for page in pages for arn in page["taskDefinitionArns"]]
    # moto also answers with families that only begin alike.
    return tuple(arn for arn in arns if arn.rsplit("/", 1)[-1].rsplit(":", 1)[0] == family)


def _services(aws: Aws, interview_id: str, values: Mapping[str, Any]) -> tuple[str, ...]:
    cluster = values["ecs_cluster_arn"]
    services = aws.ecs.describe_services(cluster=cluster, services=[interview_id])["services"]
    return tuple(f"{cluster.rsplit('/', 1)[-1]}/{s['serviceName']}" for s in services if s["status"] != "INACTIVE")


def _tasks(aws: Aws, interview_id: str, values: Mapping[str, Any]) -> tuple[str, ...]:
    family = f"{values['project_prefix']}-{interview_id}"
    pages = aws.ecs.get_paginator("list_tasks").paginate(cluster=values["ecs_cluster_arn"], family=family)
    return tuple(arn for page in pages for arn in page["taskArns"])


def _records(aws: Aws, interview_id: str, values: Mapping[str, Any]) -> tuple[str, ...]:
    name, zone = hostname(interview_id, values), values["hosted_zone_id"]
    answer = aws.route53.list_resource_record_sets(
        HostedZoneId=zone, StartRecordName=name, StartRecordType="A", MaxItems="1"
    )
    return tuple(
        f"{zone}_{name}_{record['Type']}"
        for record in answer["ResourceRecordSets"]
        if record["Name"].rstrip(".") == name and record["Type"] == "A"
    )
