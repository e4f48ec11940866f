"""Estimates the monthly cost of the shared stack and the hourly cost of an interview from their resources."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract.prices import HOURS_A_MONTH, PRICED_ON
from scripts.costs.charges import BY_USE, Charge, charges
from scripts.costs.resources import Resource, shared_resources, with_variables
from scripts.costs.summary import kept_interview, kept_shared

EGRESS = ("single_nat", "nat_per_az")
ARCHITECTURES = {"x86": "X86_64", "arm": "ARM64"}

ASSUMED_TASK: dict[str, Any] = {"code_server_cpu": 1024, "code_server_memory": 2048, "code_server_storage": 21}
"""The default size of an interview, as in stacks/settings.py; a test compares them."""


@dataclass(frozen=True)
class Estimate:
    """US dollars; ``base`` and ``interview`` are the hourly charges of the shared stack and of one interview."""

    region: str
    base: Sequence[Charge]
    interview: Sequence[Charge]
    by_use: Sequence[str]

    @property
    def base_month(self) -> float:
        """Cost of the shared stack per month, without interviews and traffic."""
        return sum(charge.usd_hour for charge in self.base if charge.is_priced) * HOURS_A_MONTH

    @property
    def interview_hour(self) -> float:
        """Cost of one interview per hour."""
        return sum(charge.usd_hour for charge in self.interview if charge.is_priced)

    @property
    def missing(self) -> list[str]:
        """The headings whose price in this region has no source; no figure contains them."""
        return list(dict.fromkeys(c.what for c in (*self.base, *self.interview) if not c.is_priced))

    def month(self, interviews: int, hours: float) -> float:
        """Cost of a month with ``interviews`` of ``hours`` each."""
        return self.base_month + interviews * hours * self.interview_hour

    @property
    def by_use_names(self) -> str:
        """The resource types that are charged by usage, such as ``lambda function``."""
        return ", ".join(kind.removeprefix("aws_").replace("_", " ") for kind in self.by_use)

    def machine(self) -> dict[str, Any]:
        """The estimate as a JSON object."""
        return {
            "region": self.region,
            "priced_on": PRICED_ON,
            "base_month_usd": round(self.base_month, 2),
            "interview_hour_usd": round(self.interview_hour, 5),
            "base": [charge.machine("month_usd", HOURS_A_MONTH, 4) for charge in self.base if charge.is_priced],
            "interview": [charge.machine("hour_usd", 1, 6) for charge in self.interview if charge.is_priced],
            "missing": self.missing,
            "by_use": {kind: BY_USE[kind] for kind in self.by_use},
        }


def estimate(
    region: str, shared: Sequence[Resource], *, architecture: str, task: Mapping[str, Any] = ASSUMED_TASK
) -> Estimate:
    """Prices ``shared`` and one interview of the size ``task``; raises ``PrequelError`` like ``charges``."""
    variables = {"cpu_architecture": architecture, "create_dns_record": False, **task}
    interview = with_variables(kept_interview(), variables)
    used = {r.type for r in (*shared, *interview)} & BY_USE.keys()
    return Estimate(region, charges(shared, region), charges(interview, region), sorted(used))


def by_heading(found: Sequence[Charge]) -> dict[str, float]:
    """US dollars an hour by heading, most expensive first."""
    sums: dict[str, float] = {}
    for charge in found:
        if not charge.is_priced:
            continue
        sums[charge.what] = sums.get(charge.what, 0) + charge.usd_hour
    return dict(sorted(sums.items(), key=lambda each: -each[1]))


def estimate_of(
    directory: Path | None,
    region: str,
    *,
    egress: str,
    architecture: str,
    task: Mapping[str, Any],
    usual: bool,
) -> Estimate:
    """The estimate for ``region``; takes a synthesis unless the stack in ``directory`` is a ``usual`` one."""
    if usual:
        shared: Sequence[Resource] = kept_shared(egress)
    else:
        shared = shared_resources(directory, {"egress": egress, "cpu_architecture": architecture})
    return estimate(region, shared, architecture=architecture, task=task)
