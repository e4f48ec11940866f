"""`prequel cost`: estimates costs without a deployment."""

import re
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scripts.cli.session import JsonOption, Session

if TYPE_CHECKING:
    from scripts.costs.estimate import Estimate

USUAL_HOURS = 1.5
LONGEST_HOURS = 24 * 31
"""Maximum of ``--hours``: the hours of the longest month."""


def cost(
    *,
    region: Annotated[
        str | None, typer.Option(metavar="REGION", help="AWS region; the configured region by default.")
    ] = None,
    egress: Annotated[str | None, typer.Option(metavar="EGRESS", help="single_nat or nat_per_az.")] = None,
    architecture: Annotated[str | None, typer.Option(metavar="CPU", help="x86 or arm.")] = None,
    interviews: Annotated[int, typer.Option(metavar="N", min=0, max=100_000, help="Interviews per month.")] = 0,
    hours: Annotated[
        float | None,
        typer.Option(
            metavar="HOURS",
            min=0,
            max=LONGEST_HOURS,
            help="Duration of each interview in hours.",
            show_default=f"{USUAL_HOURS}",
        ),
    ] = None,
    json_lines: JsonOption = False,
) -> None:
    """Estimate what the stack and an interview cost.

    Uses the configuration in this directory, or the defaults if there is none. Needs no AWS account.

    Example: prequel cost --region eu-west-1 --egress nat_per_az --interviews 40 --hours 1.5
    """
    from contract.limits import REGION_DESCRIPTION, REGION_PATTERN
    from contract.prices import BASE_REGION
    from scripts.costs.estimate import ARCHITECTURES, ASSUMED_TASK, EGRESS, estimate_of
    from scripts.costs.summary import covers
    from stacks.configuration import SETTINGS_FILE, other_values

    hours = USUAL_HOURS if hours is None else hours
    session = Session(json_lines=json_lines)
    if egress is not None and egress not in EGRESS:
        raise typer.BadParameter(f'--egress is "{egress}", expected {" or ".join(EGRESS)}')
    if architecture is not None and architecture not in ARCHITECTURES:
        raise typer.BadParameter(f'--architecture is "{architecture}", expected {" or ".join(ARCHITECTURES)}')
    given = {"aws_region": BASE_REGION, "egress": EGRESS[0], "cpu_architecture": "X86_64", **ASSUMED_TASK}
    directory, usual = None, True
    if (session.directory / SETTINGS_FILE).exists() or other_values(session.directory):
        settings = session.configuration.settings.model_dump()
        directory, usual = session.directory, covers(settings)
        given = {name: settings[name] for name in given}
    where = region or given["aws_region"]
    if not re.fullmatch(REGION_PATTERN, where):
        raise typer.BadParameter(f'--region is "{where}", expected {REGION_DESCRIPTION}')
    found = estimate_of(
        directory,
        where,
        egress=egress or given["egress"],
        architecture=ARCHITECTURES[architecture] if architecture else given["cpu_architecture"],
        task={name: given[name] for name in ASSUMED_TASK},
        usual=usual,
    )
    value = found.machine() | {
        "interviews": interviews,
        "hours": hours,
        "month_usd": round(found.month(interviews, hours), 2),
    }
    session.console.result(value, None if json_lines else lambda columns: _sheet(found, value, min(columns, 80)))


def _sheet(found: "Estimate", value: dict[str, Any], columns: int) -> str:
    from contract.prices import HOURS_A_MONTH, PRICED_ON, PRICES
    from scripts.costs.estimate import by_heading

    lines = [f"{found.region}, list prices in US dollars, none later than {PRICED_ON}", ""]
    lines += [f"  {what:<28}{usd * HOURS_A_MONTH:>10.2f}" for what, usd in by_heading(found.base).items()]
    lines += [f"{'base a month':<30}{found.base_month:>10.2f}", ""]
    lines += [f"  {what:<28}{usd:>10.4f}" for what, usd in by_heading(found.interview).items()]
    lines += [f"{'an interview an hour':<30}{found.interview_hour:>10.4f}", ""]
    if value["interviews"]:
        what = f"{value['interviews']} interviews of {value['hours']:g} h a month"
        lines += [f"{what}, with the base: ${value['month_usd']:.2f}", ""]
    if found.missing:
        lines.append(
            fill(
                f"No source was found for the price in {found.region} of: {', '.join(found.missing)}. The sums are "
                f"without them, and too low. Regions with every price: {', '.join(PRICES)}.",
                columns,
            )
        )
    lines.append(fill(f"Not included: data transfer, and charges by usage for {found.by_use_names}.", columns))
    return "\n".join(lines)
