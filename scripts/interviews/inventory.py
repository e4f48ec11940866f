"""What AWS itself says about one interview's resources, each found by its deterministic name.

A name proves nothing: target groups share theirs with the whole account. Ours is what carries the interview's tags,
which the provider sets in the very call that creates (the runner's policy insists on it). Two kinds have none: the
password, whose path is the project's own, and a DNS record, which is ours when it points at our load balancer.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from contract.names import password_parameter, task_family
from scripts.aws.clients import Aws, error_code, explained, reason
from scripts.errors import AwsError, RefusedError

PASSWORD = "aws_ssm_parameter.password"  # noqa: S105  (an address, not a password)
TARGET_GROUP = "aws_lb_target_group.target"
RULE = "aws_lb_listener_rule.rule"
TASK_DEFINITION = "aws_ecs_task_definition.task"
SERVICE = "aws_ecs_service.code_server"
RECORD = "aws_route53_record.record[0]"
TASKS = "tasks"

_CONTAINER_GONE = {"ListenerNotFound", "ClusterNotFoundException", "NoSuchHostedZone"}
"""What was asked in no longer exists itself, so nothing in it does."""


@dataclass(frozen=True)
class InventoryItem:
    """One kind of resource: ``found`` are the ids that exist, as Terraform imports them; ``problem`` means unknown.

    ``foreign`` are those of the interview's name that are not its own.
    """

    address: str
    what: str
    found: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    problem: str = ""

    @property
    def gone(self) -> bool:
        """Whether AWS said that nothing of this kind exists."""
        return not self.found and not self.foreign and not self.problem


@dataclass(frozen=True)
class Inventory:
    """Every kind of resource of one interview."""

    items: tuple[InventoryItem, ...]

    @property
    def proven_gone(self) -> bool:
        """Whether AWS answered for each kind, and nothing of the interview's exists."""
        return not any(item.found or item.problem for item in self.items)

    @property
    def unknown(self) -> tuple[InventoryItem, ...]:
        """The kinds that AWS gave no answer about."""
        return tuple(item for item in self.items if item.problem)

    @property
    def foreign(self) -> str:
        """What has the interview's name and is not its own, in words; empty when there is none."""
        return "; ".join(f"{s.what} {', '.join(s.foreign)}" for s in self.items if s.foreign)

    @property
    def live(self) -> dict[str, str]:
        """What exists, by Terraform address; running tasks are their service's and have none."""
        return {s.address: s.found[-1] for s in self.items if s.found and s.address != TASKS}

    @property
    def leftovers(self) -> str:
        """What is not proven gone, in words."""
        exist = [f"{s.what} {', '.join(s.found)}" for s in self.items if s.found]
        unknown = [f"{s.what}: unknown ({s.problem})" for s in self.unknown]
        return "; ".join(exist + unknown)

    @property
    def evidence(self) -> tuple[str, ...]:
        """What was asked, for the tombstone."""
        return tuple(f"{s.what}: none" + (" of ours" if s.foreign else "") for s in self.items)


def hostname(interview_id: str, values: Mapping[str, Any]) -> str:
    """The interview's host name."""
    return f"{interview_id}.{values['domain_name']}"


Ownership = dict[str, bool]
"""What has the interview's name, by id: whether it is the interview's own."""


def is_tagged(tags: Iterable[Mapping[str, Any]], interview_id: str, values: Mapping[str, Any]) -> bool:
    """Whether ``tags``, as any AWS service lists them, are those of the interview."""
    known = {tag.get("Key", tag.get("key")): tag.get("Value", tag.get("value")) for tag in tags}
    return known.get("InterviewId") == interview_id and known.get("Project") == values["project_prefix"]


def _password(aws: Aws, interview_id: str, values: Mapping[str, Any]) -> Ownership:
    name = password_parameter(values["project_prefix"], interview_id)
    try:
        aws.ssm.get_parameter(Name=name)  # without decryption: whether it exists is all that matters
    except aws.ssm.exceptions.ParameterNotFound:
        return {}
    return {name: True}


def _target_groups(aws: Aws, interview_id: str, values: Mapping[str, Any]) -> Ownership:
    try:
        groups = aws.elbv2.describe_target_groups(Names=[interview_id])["TargetGroups"]
    except aws.elbv2.exceptions.TargetGroupNotFoundException:
        return {}
    return _by_tags(aws, [group["TargetGroupArn"] for group in groups], interview_id, values)


def _rules(aws: Aws, interview_id: str, values: Mapping[str, Any]) -> Ownership:
    wanted = hostname(interview_id, values)
    rules = [rule["RuleArn"] for rule in listener_rules(aws, values) if wanted in rule_hosts(rule)]
    return _by_tags(aws, rules, interview_id, values)


def _by_tags(aws: Aws, arns: list[str], interview_id: str, values: Mapping[str, Any]) -> Ownership:
    tags = balancing_tags(aws, arns)
    return {arn: is_tagged(tags.get(arn, []), interview_id, values) for arn in arns}


def balancing_tags(aws: Aws, arns: list[str]) -> dict[str, Sequence[Mapping[str, Any]]]:
    """The tags of target groups and listener rules, by ARN."""
    return {
        described["ResourceArn"]: described["Tags"]
        # 20 in a call: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeTags.html
        for start in range(0, len(arns), 20)
        for described in aws.elbv2.describe_tags(ResourceArns=arns[start : start + 20])["TagDescriptions"]
    }


def priorities_of_others(aws: Aws, interview_id: str, values: Mapping[str, Any]) -> frozenset[int]:
    """The priorities that rules other than the interview's have on the listener; raises ``AwsError``."""
    own = hostname(interview_id, values)
    with explained("list the listener's rules"):
        rules = [rule for rule in listener_rules(aws, values) if own not in rule_hosts(rule)]
    return frozenset(int(rule["Priority"]) for rule in rules if rule["Priority"].isdigit())


def listener_rules(aws: Aws, values: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every rule of the shared listener, whoever's it is."""
    return aws.elbv2.get_paginator("describe_rules").paginate(ListenerArn=values["listener_arn"]).search("Rules[]")


def rule_hosts(rule: Mapping[str, Any]) -> list[str]:
    """The host names that a listener rule matches."""
    return [
        host
        for condition in rule.get("Conditions", [])
        for host in condition.get("HostHeaderConfig", {}).get("Values", []) or condition.get("Values", [])
    ]


def _task_definitions(aws: Aws, interview_id: str, values: Mapping[str, Any]) -> Ownership:
    family = task_family(values["project_prefix"], interview_id)
    pages = aws.ecs.get_paginator("list_task_definitions").paginate(familyPrefix=family, status="ACTIVE")
    return {
        arn: is_tagged(definition_tags(aws, arn), interview_id, values)
        for arn in pages.search("taskDefinitionArns[]")
        if family_of(arn) == family  # moto also answers with families that only begin alike
    }


def family_of(arn: str) -> str:
    """The family of a task definition."""
    return arn.rsplit("/", 1)[-1].rsplit(":", 1)[0]


def definition_tags(aws: Aws, arn: str) -> Sequence[Mapping[str, Any]]:
    """The tags of a task definition."""
    return aws.ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"]).get("tags", [])


def _services(aws: Aws, interview_id: str, values: Mapping[str, Any]) -> Ownership:
    cluster = values["ecs_cluster_arn"]
    services = aws.ecs.describe_services(cluster=cluster, services=[interview_id], include=["TAGS"])["services"]
    return {
        f"{cluster.rsplit('/', 1)[-1]}/{s['serviceName']}": is_tagged(s.get("tags", []), interview_id, values)
        for s in services
        if s["status"] != "INACTIVE"
    }


def _tasks(aws: Aws, interview_id: str, values: Mapping[str, Any]) -> Ownership:
    """By their family, whoever started them: they are never destroyed by name, only waited for."""
    family = task_family(values["project_prefix"], interview_id)
    pages = aws.ecs.get_paginator("list_tasks").paginate(cluster=values["ecs_cluster_arn"], family=family)
    return dict.fromkeys(pages.search("taskArns[]"), True)


def _records(aws: Aws, interview_id: str, values: Mapping[str, Any]) -> Ownership:
    name, zone = hostname(interview_id, values), values["hosted_zone_id"]
    answer = aws.route53.list_resource_record_sets(
        HostedZoneId=zone, StartRecordName=name, StartRecordType="A", MaxItems="1"
    )
    return {
        f"{zone}_{name}_{record['Type']}": is_routed_here(record, values)
        for record in answer["ResourceRecordSets"]
        if record["Name"].rstrip(".") == name and record["Type"] == "A"
    }


def is_routed_here(record: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Whether a DNS record points at the shared load balancer, as those of interviews do."""
    target = str(record.get("AliasTarget", {}).get("DNSName", "")).rstrip(".").lower()
    # Route 53's console writes the balancer's dual-stack name
    # (https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resource-record-sets-values-alias.html).
    return target.removeprefix("dualstack.") == str(values["alb_dns_name"]).lower()


_KINDS: dict[str, tuple[str, Callable[[Aws, str, Mapping[str, Any]], Ownership]]] = {
    PASSWORD: ("password parameter", _password),
    TARGET_GROUP: ("target group", _target_groups),
    RULE: ("listener rule", _rules),
    TASK_DEFINITION: ("task definition", _task_definitions),
    SERVICE: ("service", _services),
    TASKS: ("running tasks", _tasks),
    RECORD: ("DNS record", _records),
}
"""Each kind's name, and what asks AWS for it."""


def kinds_of(values: Mapping[str, Any]) -> list[str]:
    """The kinds that interviews of a release with these shared ``values`` have, as Terraform addresses."""
    return [address for address in _KINDS if address != RECORD or values.get("create_dns_record")]


def take_inventory(aws: Aws, interview_id: str, values: Mapping[str, Any]) -> Inventory:
    """Asks AWS for each kind of resource at once; ``values`` are the shared values of the interview's release."""

    def look(address: str) -> InventoryItem:
        what, ask = _KINDS[address]
        try:
            seen = ask(aws, interview_id, values)
        except (ClientError, BotoCoreError) as error:
            if isinstance(error, ClientError) and error_code(error) in _CONTAINER_GONE:
                return InventoryItem(address, what)
            return InventoryItem(address, what, problem=reason(error))
        ours = tuple(known for known, is_ours in seen.items() if is_ours)
        return InventoryItem(address, what, ours, tuple(known for known in seen if known not in ours))

    kinds = kinds_of(values)
    with ThreadPoolExecutor(len(kinds)) as pool:
        return Inventory(tuple(pool.map(look, kinds)))


def refuse_foreign(found: Inventory, interview_id: str, *, expected: frozenset[str] = frozenset()) -> None:
    """Refuses to go on before the first resource when any of this name exist, apart from the ``expected`` addresses.

    Whosever they are, they must never be adopted, let alone destroyed with a failed create. Raises ``RefusedError``,
    and ``AwsError`` when AWS does not answer.
    """
    if found.unknown:
        raise AwsError(f"it is unknown whether the id {interview_id} is free: {found.leftovers}; try again")
    others = [s for s in found.items if not s.gone and s.address not in expected]
    if others:
        named = "; ".join(f"{s.what} {', '.join((*s.found, *s.foreign))}" for s in others)
        raise RefusedError(
            f"the id {interview_id} is in use by resources of no interview of this stack ({named}); "
            f"choose another, or look with `prequel doctor`"
        )
