"""The README's section on costs, and the table of docs/scale.md."""

from collections.abc import Sequence
from textwrap import fill

from contract.prices import (
    ALARM_METRIC_MONTH,
    BASE_REGION,
    BUILD_MINUTE,
    CLUSTER_METRICS,
    HOURS_A_MONTH,
    METRIC_MONTH,
    PRICED_ON,
    PRICES,
)
from scripts.costs.estimate import ARCHITECTURES, ASSUMED_TASK, EGRESS, Estimate, by_heading, estimate
from scripts.costs.resources import Resource, shared_resources, template_resources
from scripts.costs.summary import SUMMARY, summary_of

SPECIFIED_BASE_MONTH = 50
SPECIFIED_INTERVIEW_HOUR = 0.50
SPECIFIED_STORAGE_MONTH = 5
"""US dollars in the specification: a month of "ALB, NAT gateways, S3", an hour of 1 vCPU and 2 GB, and a month of "S3,
CloudWatch logs"."""

LOG_GIB = 0.50
"""US dollars for a GB of logs written (price list, AmazonCloudWatch, DataProcessing-Bytes, us-east-1, 2026-09-21)."""

Choice = tuple[str, str, str]
"""Region, egress and architecture."""


SHOWN_INTERVIEWS, SHOWN_HOURS = 1000, 1.5
BUILDS, BUILD_MINUTES = 2, 2
"""Of one interview that is created and destroyed on AWS; the minutes are an estimate, see docs/scale.md."""


def parts() -> tuple[str, str]:
    """The README's section in Markdown and docs/scale.md's table; takes some six seconds to synthesize.

    Writes ``SUMMARY`` too, which both are computed with.
    """
    shared = {egress: shared_resources(None, {"egress": egress}) for egress in EGRESS}
    SUMMARY.write_text(summary_of(shared, template_resources()))
    default = estimate(BASE_REGION, shared[EGRESS[0]], architecture=ARCHITECTURES["x86"])
    return _section(shared), _many(default)


def _section(shared: dict[str, list[Resource]]) -> str:
    found: dict[Choice, Estimate] = {
        (region, egress, name): estimate(region, shared[egress], architecture=architecture)
        for region in PRICES
        for egress in EGRESS
        for name, architecture in ARCHITECTURES.items()
    }
    default = found[BASE_REGION, EGRESS[0], "x86"]
    alarms = _alarms_of_each(shared[EGRESS[0]])
    return "\n\n".join(
        [
            _paragraph(
                "`prequel cost` computes these figures from the synthesized resources and the prices in "
                f"[contract/prices.py](contract/prices.py). They are list prices in US dollars, read on {PRICED_ON} or "
                "earlier, before tax and free allowances. To estimate your own month, run `prequel cost --region "
                "eu-west-1 --interviews 40 --hours 1.5`."
            ),
            _regions(found),
            _breakdown(default),
            _paragraph(
                f"An interview is {ASSUMED_TASK['code_server_cpu'] // 1024} vCPU and "
                f"{ASSUMED_TASK['code_server_memory'] // 1024} GB. "
                "The figures exclude data transfer, and charges by usage for: "
                f"{default.by_use_names}. While an interview runs, it also adds one metric to "
                f"{alarms} alarm{'' if alarms == 1 else 's'} "
                f"(${alarms * ALARM_METRIC_MONTH.usd / HOURS_A_MONTH:.4f} an hour). "
                f"While any interview runs, the cluster has {CLUSTER_METRICS} Container Insights metrics of its own "
                f"(${CLUSTER_METRICS * METRIC_MONTH.usd:.2f} for a whole month). A region is not listed if we found no "
                "source for one of its prices ([decision 70](docs/decisions/0070-prices.md))."
            ),
            _corrections(default),
        ]
    )


def _many(default: Estimate) -> str:
    """What ``SHOWN_INTERVIEWS`` interviews of ``SHOWN_HOURS`` cost in a month."""
    hours = SHOWN_INTERVIEWS * SHOWN_HOURS
    builds = SHOWN_INTERVIEWS * BUILDS * BUILD_MINUTES * BUILD_MINUTE.usd
    lines = [
        f"| {SHOWN_INTERVIEWS} interviews of {SHOWN_HOURS:g} hours ({default.region}, x86) | Dollars |",
        "|---|---|",
        *(
            f"| {what}, {hours:.0f} hours at ${usd:.4f} | {hours * usd:.2f} |"
            for what, usd in by_heading(default.interview).items()
        ),
        f"| CodeBuild, a create and a destroy of {BUILD_MINUTES} minutes each at ${BUILD_MINUTE.usd:g} "
        f"(with `--remote`, and for interviews that the reaper destroys) | {builds:.2f} |",
        f"| Shared stack, one month | {default.base_month:.2f} |",
    ]
    return "\n".join(lines)


def _paragraph(text: str) -> str:
    return fill(text, 120, break_on_hyphens=False, break_long_words=False)


def _alarms_of_each(resources: Sequence[Resource]) -> int:
    """How many alarms have a metric per interview: CloudWatch charges for each metric that their query returns."""
    alarms = (resource for resource in resources if resource.type == "aws_cloudwatch_metric_alarm")
    return sum("GROUP BY" in query.get("expression", "") for a in alarms for query in a.body.get("metric_query", []))


def _regions(found: dict[Choice, Estimate]) -> str:
    lines = [
        "| region | month, one NAT gateway | month, one NAT gateway in each of 2 zones | interview hour, x86 | ARM |",
        "|---|---|---|---|---|",
    ]
    for region in PRICES:
        single, per_zone = (found[region, egress, "x86"].base_month for egress in EGRESS)
        x86, arm = (found[region, EGRESS[0], name].interview_hour for name in ARCHITECTURES)
        lines.append(f"| {region} | ${single:.2f} | ${per_zone:.2f} | ${x86:.4f} | ${arm:.4f} |")
    return "\n".join(lines)


def _breakdown(default: Estimate) -> str:
    base, hour = by_heading(default.base), by_heading(default.interview)
    lines = [f"| {default.region}, one NAT gateway, x86 | cost |", "|---|---|"]
    lines += [f"| {what} | ${usd * HOURS_A_MONTH:.2f} a month |" for what, usd in base.items()]
    lines += [f"| interview: {what} | ${usd:.4f} an hour |" for what, usd in hour.items()]
    return "\n".join(lines)


def _corrections(default: Estimate) -> str:
    times = SPECIFIED_INTERVIEW_HOUR / default.interview_hour
    more = default.base_month - SPECIFIED_BASE_MONTH
    return _paragraph(
        f"The specification estimates about ${SPECIFIED_INTERVIEW_HOUR:.2f} an hour for an interview of this size, "
        f"which is {times:.0f} times the price. It estimates about ${SPECIFIED_BASE_MONTH} a month for the base, which "
        f"is ${more:.0f} too low. It omits the public IPv4 addresses, which AWS charges for since February 2024 "
        "([announcement](https://aws.amazon.com/blogs/aws/new-aws-public-ipv4-address-charge-public-ip-insights/)), "
        "the encryption key, the dashboard, the alarms, the metrics and the reaper. It also estimates about "
        f"${SPECIFIED_STORAGE_MONTH} a month for storage (S3, CloudWatch logs). Storage is charged by usage; this "
        f"amount would pay for {SPECIFIED_STORAGE_MONTH / LOG_GIB:.0f} GB of logs at ${LOG_GIB:.2f}. A running "
        "interview has less than 50 kB in the bucket, and logs only its editor's output."
    )
