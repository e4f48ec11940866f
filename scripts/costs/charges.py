"""What each type of resource costs: by the hour or month, by use, or nothing; a type in no table is an error."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from contract.names import IMAGE_ARCHITECTURES, SAVER_CONTAINER
from contract.prices import (
    ALARM_METRIC_MONTH,
    CLUSTER_METRICS,
    DASHBOARD_MONTH,
    FREE_STORAGE_GIB,
    FUNCTION_CALL,
    FUNCTION_GB_SECOND,
    HOURS_A_MONTH,
    KEY_MONTH,
    KEY_REQUEST,
    LIST_REQUEST,
    METRIC_MONTH,
    PRICES,
    PUBLIC_ADDRESS_HOUR,
    SAVES_AN_HOUR,
    SERVICE_METRICS,
    Price,
    RegionPrices,
)
from scripts.costs.resources import Resource, referred
from scripts.errors import PrequelError

FREE: dict[str, str] = {
    "aws_acm_certificate": "public certificates for a load balancer are free",
    "aws_acm_certificate_validation": "no resource of AWS's: it waits",
    "aws_cloudwatch_event_target": "a part of its rule",
    "aws_default_security_group": "security groups are free",
    "aws_ecr_lifecycle_policy": "a part of its repository",
    "aws_ecr_repository_policy": "a part of its repository",
    "aws_ecs_task_definition": "a description; the service that runs it has the price",
    "aws_iam_role": "IAM is free",
    "aws_iam_role_policy": "IAM is free",
    "aws_internet_gateway": "free; the public addresses behind it have the price",
    "aws_kms_alias": "a name of its key",
    "aws_lambda_function_event_invoke_config": "a part of its function",
    "aws_lambda_permission": "a part of its function",
    "aws_lb_listener": "a part of its load balancer",
    "aws_lb_listener_rule": "a part of its load balancer",
    "aws_lb_target_group": "a part of its load balancer",
    "aws_route": "a part of its route table",
    "aws_route_table": "route tables are free",
    "aws_route_table_association": "a part of its route table",
    "aws_s3_bucket_lifecycle_configuration": "a part of its bucket",
    "aws_s3_bucket_logging": "a part of its bucket; what it writes is the log bucket's",
    "aws_s3_bucket_ownership_controls": "a part of its bucket",
    "aws_s3_bucket_policy": "a part of its bucket",
    "aws_s3_bucket_public_access_block": "a part of its bucket",
    "aws_s3_bucket_server_side_encryption_configuration": "a part of its bucket",
    "aws_s3_bucket_versioning": "a part of its bucket",
    "aws_security_group": "security groups are free",
    "aws_sns_topic_policy": "a part of its topic",
    "aws_sqs_queue_policy": "a part of its queue",
    "aws_subnet": "subnets are free",
    "aws_vpc": "a VPC is free",
    "aws_vpc_security_group_egress_rule": "a part of its security group",
    "aws_vpc_security_group_ingress_rule": "a part of its security group",
}
"""Types that AWS asks nothing for, and why."""

BY_USE: dict[str, str] = {
    "aws_cloudwatch_log_group": "by the GB written and kept",
    "aws_codebuild_project": "by the minute of a build",
    "aws_ecr_repository": "by the GB kept",
    "aws_ecs_cluster": f"{CLUSTER_METRICS} metrics of Container Insights while any task runs",
    "aws_flow_log": "by the GB written",
    "aws_lambda_function": "by the call and its duration; the calls of a schedule are in the figures",
    "aws_route53_record": "by the query; aliases of AWS's own names are free",
    "aws_s3_bucket": "by the GB kept and the request",
    "aws_s3_object": "by the GB kept",
    "aws_sns_topic": "by the message",
    "aws_sns_topic_subscription": "by the message",
    "aws_sqs_queue": "by the request",
}
"""Types that are paid by use, and the unit. An estimate leaves them out, and says so."""

REQUEST_METRICS = 16
"""Of a bucket, at most: those of a kind of request are written in hours that have one
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/metrics-dimensions.html)."""

PASS_SECONDS = 1.0
"""What a pass of the reaper takes, an estimate: tests/lifecycle measures as much for 99 interviews."""

LISTS_A_PASS = 3
"""Of the leases, the dispatches and the interviews, as long as none has more than 1000; a test counts them."""

REAPER_METRICS = 11
"""Of a pass of the reaper (scripts/lambdas/reaper.py); a test counts them."""

NO_PRICE = Price(float("nan"), "", "")
"""Stands for a price that nobody has found a source for (docs/decisions/0070-prices.md)."""

_MINUTELY = "rate(1 minute)"
_MINUTES_AN_HOUR = 60


@dataclass(frozen=True)
class Charge:
    """``quantity`` units of ``price`` an hour, for the resource at ``address``; ``what`` is the heading in a table."""

    address: str
    what: str
    quantity: float
    price: Price

    @property
    def is_priced(self) -> bool:
        """Whether the price has a source; of what costs nothing anyway, none is missing."""
        return self.price is not NO_PRICE or not self.quantity

    @property
    def usd_hour(self) -> float:
        """US dollars an hour."""
        return self.quantity * self.price.usd if self.quantity else 0

    def machine(self, key: str, hours: int, digits: int) -> dict[str, Any]:
        """The charge for machines: US dollars for ``hours`` under ``key``, rounded to ``digits``."""
        return {
            "address": self.address,
            "what": self.what,
            key: round(self.usd_hour * hours, digits),
            "source": self.price.source,
            "as_of": self.price.as_of,
        }


Pricing = Callable[[Resource, Sequence[Resource], RegionPrices], Iterator[Charge]]


def charges(resources: Sequence[Resource], region: str) -> list[Charge]:
    """What ``resources`` cost while they exist.

    Raises ``PrequelError`` for resources of a type, or in a variant, that has no price.
    """
    prices = prices_of(region)
    unknown = sorted({r.type for r in resources} - PRICED.keys() - FREE.keys() - BY_USE.keys())
    if unknown:
        raise PrequelError(
            f"no price is known for {', '.join(unknown)}; "
            "add each to PRICED, BY_USE or FREE in scripts/costs/charges.py"
        )
    return [c for r in resources if r.type in PRICED for c in PRICED[r.type](r, resources, prices)]


def prices_of(region: str) -> RegionPrices:
    """The prices of ``region``; of one without sources, ``NO_PRICE`` for all that differ by region."""
    unknown = dict.fromkeys(IMAGE_ARCHITECTURES, NO_PRICE)
    return PRICES.get(region) or RegionPrices(unknown, unknown, NO_PRICE, NO_PRICE, NO_PRICE)


def _fixed(what: str, quantity: float, price: Price) -> Pricing:
    """Charges every resource of a type alike."""
    return lambda resource, _, __: iter([Charge(resource.address, what, quantity, price)])


def _nat_gateway(resource: Resource, _: Sequence[Resource], prices: RegionPrices) -> Iterator[Charge]:
    yield Charge(resource.address, "NAT gateways", 1, prices.nat_gateway_hour)


def _load_balancer(resource: Resource, _: Sequence[Resource], prices: RegionPrices) -> Iterator[Charge]:
    yield Charge(resource.address, "load balancer", 1, prices.load_balancer_hour)
    if not resource.body.get("internal"):
        yield Charge(resource.address, "public IPv4 addresses", len(resource.body["subnets"]), PUBLIC_ADDRESS_HOUR)


def _alarm(resource: Resource, _: Sequence[Resource], __: RegionPrices) -> Iterator[Charge]:
    """AWS counts the metrics that an alarm watches; an expression over them is none."""
    metrics = sum("metric" in query for query in resource.body.get("metric_query", []))
    yield Charge(resource.address, "alarms", max(metrics, 1) / HOURS_A_MONTH, ALARM_METRIC_MONTH)


def _rule(resource: Resource, resources: Sequence[Resource], _: RegionPrices) -> Iterator[Charge]:
    """Events of AWS's own are free, and so is a schedule, but not what it has done when there are no interviews."""
    schedule = resource.body.get("schedule_expression")
    if schedule is None:
        return
    if schedule != _MINUTELY:
        raise PrequelError(f"no price is known for {resource.address}, which fires at {schedule}, not {_MINUTELY}")
    for target in resources:
        if target.type == "aws_cloudwatch_event_target" and resource in referred(resources, target.body["rule"]):
            for function in referred(resources, target.body["arn"]):
                gb_seconds = PASS_SECONDS * int(function.body["memory_size"]) / 1024
                yield Charge(function.address, "reaper", _MINUTES_AN_HOUR, FUNCTION_CALL)
                yield Charge(function.address, "reaper", _MINUTES_AN_HOUR * gb_seconds, FUNCTION_GB_SECOND)
                yield Charge(function.address, "reaper", _MINUTES_AN_HOUR * LISTS_A_PASS, LIST_REQUEST)
                yield Charge(function.address, "reaper's metrics", REAPER_METRICS / HOURS_A_MONTH, METRIC_MONTH)


def _service(resource: Resource, resources: Sequence[Resource], prices: RegionPrices) -> Iterator[Charge]:
    tasks = resource.body["desired_count"]
    (task,) = referred(resources, resource.body["task_definition"])
    (platform,) = _blocks(task, "runtime_platform")
    architecture = platform["cpu_architecture"]
    yield Charge(resource.address, "vCPU", tasks * int(task.body["cpu"]) / 1024, prices.vcpu_hour[architecture])
    yield Charge(resource.address, "memory", tasks * int(task.body["memory"]) / 1024, prices.gb_hour[architecture])
    for storage in _blocks(task, "ephemeral_storage"):
        above = int(storage["size_in_gib"]) - FREE_STORAGE_GIB
        yield Charge(resource.address, "storage", tasks * max(above, 0), prices.storage_gb_hour)
    yield Charge(resource.address, "Container Insights", SERVICE_METRICS / HOURS_A_MONTH, METRIC_MONTH)
    if SAVER_CONTAINER in str(task.body["container_definitions"]):
        yield Charge(resource.address, "saved work, at most", SAVES_AN_HOUR, LIST_REQUEST)
        yield Charge(resource.address, "saved work, at most", SAVES_AN_HOUR, KEY_REQUEST)


def _only_free(argument: str, free: str, words: str) -> Pricing:
    """Refuses every variant of a type but the ``free`` one; ``words`` describe a variant."""

    def price(resource: Resource, _: Sequence[Resource], __: RegionPrices) -> Iterator[Charge]:
        variant = resource.body.get(argument, free)
        if variant != free:
            raise PrequelError(
                f"no price is known for {resource.address}, {words.format(variant)}; add it to contract/prices.py"
            )
        return iter(())

    return price


def _blocks(resource: Resource, name: str) -> list[dict[str, str]]:
    """The nested blocks of ``name``: Terraform's JSON has a single one without a list."""
    found = resource.body.get(name, [])
    return found if isinstance(found, list) else [found]


PRICED: dict[str, Pricing] = {
    "aws_cloudwatch_dashboard": _fixed("dashboard", 1 / HOURS_A_MONTH, DASHBOARD_MONTH),
    "aws_cloudwatch_event_rule": _rule,
    "aws_cloudwatch_metric_alarm": _alarm,
    "aws_ecs_service": _service,
    "aws_eip": _fixed("public IPv4 addresses", 1, PUBLIC_ADDRESS_HOUR),
    "aws_kms_key": _fixed("encryption key", 1 / HOURS_A_MONTH, KEY_MONTH),
    "aws_lb": _load_balancer,
    "aws_nat_gateway": _nat_gateway,
    # The reaper's requests come every minute, so the hours with requests are all hours.
    "aws_s3_bucket_metric": _fixed("bucket's metrics, at most", REQUEST_METRICS / HOURS_A_MONTH, METRIC_MONTH),
    "aws_ssm_parameter": _only_free("tier", "Standard", "of tier {}"),
    "aws_vpc_endpoint": _only_free("vpc_endpoint_type", "Gateway", "a {} endpoint"),
}
"""What computes the charges of each type that costs something while it exists."""
