"""The README's section on costs."""

from textwrap import fill

from scripts.costs.estimate import ARCHITECTURES, ASSUMED_TASK, EGRESS, Estimate, by_heading, estimate
from scripts.costs.resources import shared_resources
from scripts.prices import BASE_REGION, HOURS_A_MONTH, PRICED_ON, PRICES

_WIDTH = 120

SPECIFIED_BASE_MONTH = 50
SPECIFIED_INTERVIEW_HOUR = 0.50
"""US dollars, as the specification has them: a month of "ALB, NAT gateways, S3", and an hour of 1 vCPU and 2 GB."""

Choice = tuple[str, str, str]
"""Region, egress and architecture."""


def section() -> str:
    """The section in Markdown, without its heading and markers; takes some six seconds to synthesize."""
    shared = {egress: shared_resources(None, {"egress": egress}) for egress in EGRESS}
    found: dict[Choice, Estimate] = {
        (region, egress, name): estimate(region, shared[egress], architecture=architecture)
        for region in PRICES
        for egress in EGRESS
        for name, architecture in ARCHITECTURES.items()
    }
    default = found[BASE_REGION, EGRESS[0], "x86"]
    return "\n\n".join(
        [
            fill(
                "Computed by `prequel cost` from the resources that the stacks synthesize, with the prices of "
                f"[scripts/prices.py](scripts/prices.py), none later than {PRICED_ON}: list prices in US dollars, "
                "before tax and AWS's free allowances. `prequel cost --region eu-west-1 --interviews 40 --hours 1.5` "
                "is a month of yours.",
                _WIDTH,
                break_on_hyphens=False,
                break_long_words=False,
            ),
            _regions(found),
            _breakdown(default),
            fill(
                f"An interview is {ASSUMED_TASK['code_server_cpu'] // 1024} vCPU and "
                f"{ASSUMED_TASK['code_server_memory'] // 1024} GB. "
                "What is paid by use is not in these figures, nor is traffic: "
                f"{_uses(default)}. A region that is missing has a price that nobody could support "
                "([decision 70](docs/decisions/0070-prices.md)).",
                _WIDTH,
                break_on_hyphens=False,
            ),
            _corrections(default),
        ]
    )


def _regions(found: dict[Choice, Estimate]) -> str:
    lines = [
        "| | a month, one NAT gateway | a month, one in each of 2 zones | an interview's hour, x86 | ARM |",
        "|---|---|---|---|---|",
    ]
    for region in PRICES:
        single, per_zone = (found[region, egress, "x86"].base_month for egress in EGRESS)
        x86, arm = (found[region, EGRESS[0], name].interview_hour for name in ARCHITECTURES)
        lines.append(f"| {region} | ${single:.2f} | ${per_zone:.2f} | ${x86:.4f} | ${arm:.4f} |")
    return "\n".join(lines)


def _breakdown(default: Estimate) -> str:
    base, hour = by_heading(default.base), by_heading(default.interview)
    lines = [f"| {default.region}, one NAT gateway, x86 | |", "|---|---|"]
    lines += [f"| {what} | ${usd * HOURS_A_MONTH:.2f} a month |" for what, usd in base.items()]
    lines += [f"| an interview's {what} | ${usd:.4f} an hour |" for what, usd in hour.items()]
    return "\n".join(lines)


def _uses(default: Estimate) -> str:
    return ", ".join(kind.removeprefix("aws_").replace("_", " ") for kind in default.by_use)


def _corrections(default: Estimate) -> str:
    times = SPECIFIED_INTERVIEW_HOUR / default.interview_hour
    more = default.base_month - SPECIFIED_BASE_MONTH
    return fill(
        f"The specification says about ${SPECIFIED_INTERVIEW_HOUR:.2f} an hour for an interview of this size, which is "
        f"{times:.0f} times the price, and about ${SPECIFIED_BASE_MONTH} a month for the base, which is "
        f"${more:.0f} too little: it leaves out the public IPv4 addresses, which AWS charges for since February 2024 "
        "([announcement](https://aws.amazon.com/blogs/aws/new-aws-public-ipv4-address-charge-public-ip-insights/)), "
        "the key, the dashboard and the alarms.",
        _WIDTH,
        break_on_hyphens=False,
        break_long_words=False,
    )
