"""AWS's prices by region, with the source and the date of each price.

US dollars, on demand, without tax, discounts or free allowances. A module and not a data file, because the runner's
archive contains modules only and records prices too. The price list is
``https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/{service}/current/{region}/index.json``; docs/decisions/0070
explains how the prices were read, and why some regions are missing.
"""

from dataclasses import dataclass
from datetime import timedelta

PRICED_ON = "2026-11-01"
"""The latest date of a price below."""

BASE_REGION = "us-east-1"
"""Region whose prices are used for regions without prices."""

HOURS_A_MONTH = 730
"""Hours of a month in AWS's pricing calculator."""

FREE_STORAGE_GIB = 20
"""Free ephemeral storage of a Fargate task (https://aws.amazon.com/fargate/pricing/)."""


@dataclass(frozen=True)
class Price:
    """US dollars for one unit, on the date ``as_of``. ``source`` is a page, or an entry in the price list.

    An entry is a service and a usage type.
    """

    usd: float
    source: str
    as_of: str


@dataclass(frozen=True)
class RegionPrices:
    """The prices that differ by region; dictionaries are by CPU architecture. A GB is a GiB."""

    vcpu_hour: dict[str, Price]
    gb_hour: dict[str, Price]
    storage_gb_hour: Price
    nat_gateway_hour: Price
    load_balancer_hour: Price


def _region(
    prefix: str,
    fargate_as_of: str,
    x86: tuple[float, float],
    arm: tuple[float, float],
    hourly: tuple[float, float, float],
) -> RegionPrices:
    """``prefix`` is that of the region's usage types.

    ``x86`` and ``arm`` are the prices of a vCPU and of a GB; ``hourly`` are those of a GB of storage, a NAT gateway and
    a load balancer.
    """
    storage, nat_gateway, load_balancer = hourly

    def fargate(usd: float, what: str) -> Price:
        return Price(usd, f"price list, AmazonECS, {prefix}Fargate-{what}", fargate_as_of)

    # Older services use no prefix for us-east-1.
    older = prefix.replace("USE1-", "")
    return RegionPrices(
        vcpu_hour={"X86_64": fargate(x86[0], "vCPU-Hours:perCPU"), "ARM64": fargate(arm[0], "ARM-vCPU-Hours:perCPU")},
        gb_hour={"X86_64": fargate(x86[1], "GB-Hours"), "ARM64": fargate(arm[1], "ARM-GB-Hours")},
        storage_gb_hour=fargate(storage, "EphemeralStorage-GB-Hours"),
        nat_gateway_hour=Price(nat_gateway, f"price list, AmazonEC2, {older}NatGateway-Hours", "2026-09-21"),
        load_balancer_hour=Price(load_balancer, f"price list, AWSELB, {older}LoadBalancerUsage", "2026-09-21"),
    )


PRICES: dict[str, RegionPrices] = {
    "us-east-1": _region("USE1-", "2026-11-01", (0.04048, 0.004445), (0.03238, 0.00356), (0.000111, 0.045, 0.0225)),
    "us-east-2": _region("USE2-", "2026-09", (0.04048, 0.004445), (0.03238, 0.00356), (0.000111, 0.045, 0.0225)),
    "eu-west-1": _region("EU-", "2026-07-31", (0.04048, 0.004445), (0.03238, 0.00356), (0.000122, 0.048, 0.0252)),
    "eu-west-2": _region("EUW2-", "2026-07-02", (0.04656, 0.00511), (0.03725, 0.00409), (0.000129, 0.05, 0.02646)),
    "ap-northeast-1": _region("APN1-", "2026-08-15", (0.05056, 0.00553), (0.04045, 0.00442), (0.000133, 0.062, 0.0243)),
    "ap-northeast-2": _region("APN2-", "2026-10-01", (0.04656, 0.00511), (0.03725, 0.00409), (0.000127, 0.059, 0.0225)),
}
"""Regions for which every price has a source."""

PUBLIC_ADDRESS_HOUR = Price(0.005, "https://aws.amazon.com/vpc/pricing/", "2026-09-21")
KEY_MONTH = Price(1.00, "price list, awskms, {region}-KMS-Keys", "2026-09-21")
ALARM_METRIC_MONTH = Price(0.10, "https://aws.amazon.com/cloudwatch/pricing/", "2026-11-01")
DASHBOARD_MONTH = Price(3.00, "https://aws.amazon.com/cloudwatch/pricing/", "2026-11-01")
METRIC_MONTH = Price(0.30, "price list, AmazonCloudWatch, CW:MetricMonitorUsage", "2026-09-21")
FUNCTION_CALL = Price(0.0000002, "price list, AWSLambda, Request-ARM", "2026-09-11")
FUNCTION_GB_SECOND = Price(0.0000133334, "price list, AWSLambda, Lambda-GB-Second-ARM", "2026-09-11")
BUILD_MINUTE = Price(0.005, "https://aws.amazon.com/codebuild/pricing/", "2026-11-01")
KEY_REQUEST = Price(0.000003, "https://aws.amazon.com/kms/pricing/", "2026-06-13")
LIST_REQUEST = Price(0.000005, "price list, AmazonS3, Requests-Tier1", "2026-09-21")
"""Prices that are the same in all of these regions. Only the last one, which is also that of a write, differs, by at
most a tenth, which is seven cents a month for the reaper."""

SAVES_AN_HOUR = 180
"""States of a candidate's work who changes something in every interval of the saver, image/saver/prequel_save.py."""

SERVICE_METRICS, CLUSTER_METRICS = 25, 12
"""Metrics of Container Insights: for a Fargate service with its own task definition and no EBS volumes, 15 by service
and 10 by task family; and for a cluster with Fargate tasks. They are custom metrics, charged for hours with data points
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-metrics-ECS.html, November
2026)."""


def is_priced(region: str) -> bool:
    """Whether ``region`` has prices."""
    return region in PRICES


def price_list(region: str) -> str:
    """A description of the prices that the functions below use for ``region``."""
    return f"list prices of {PRICED_ON} in {region if is_priced(region) else BASE_REGION}"


def interview_per_hour(
    *, cpu: int, memory: int, architecture: str, storage: int = FREE_STORAGE_GIB, region: str = BASE_REGION
) -> float:
    """US dollars an hour for a task of ``cpu`` units, ``memory`` MiB and ``storage`` GiB, its metrics and its saves.

    An interview's other resources (target group, listener rule, standard parameter) are free. A region without prices
    uses those of ``BASE_REGION``.
    """
    prices = PRICES.get(region, PRICES[BASE_REGION])
    return (
        cpu / 1024 * prices.vcpu_hour[architecture].usd
        + memory / 1024 * prices.gb_hour[architecture].usd
        + max(storage - FREE_STORAGE_GIB, 0) * prices.storage_gb_hour.usd
        + SERVICE_METRICS * METRIC_MONTH.usd / HOURS_A_MONTH
        + SAVES_AN_HOUR * (LIST_REQUEST.usd + KEY_REQUEST.usd)
    )


def standing_per_day(*, nat_gateways: int, zones: int, region: str = BASE_REGION) -> float:
    """US dollars a day for a shared stack without interviews, traffic and monitoring.

    Includes NAT gateways, the load balancer, public addresses for the gateways and zones, and the encryption key.
    """
    prices = PRICES.get(region, PRICES[BASE_REGION])
    hourly = (
        prices.nat_gateway_hour.usd * nat_gateways
        + prices.load_balancer_hour.usd
        + PUBLIC_ADDRESS_HOUR.usd * (nat_gateways + zones)
    )
    return 24 * hourly + KEY_MONTH.usd / 30


def cost_of(duration: timedelta, per_hour: float) -> float:
    """US dollars for a task that ran for ``duration``. Fargate bills by the second, with a minimum of one minute."""
    return max(duration, timedelta(minutes=1)).total_seconds() / 3600 * per_hour
