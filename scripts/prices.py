"""What one interview costs, from AWS's price list."""

from datetime import timedelta

PRICED_ON = "2026-11-01"
"""us-east-1, https://aws.amazon.com/fargate/pricing/, on-demand, without tax."""

_PER_VCPU_HOUR = {"X86_64": 0.04048, "ARM64": 0.03238}
_PER_GB_HOUR = {"X86_64": 0.004445, "ARM64": 0.00356}


def interview_per_hour(*, cpu: int, memory: int, architecture: str) -> float:
    """US dollars an hour for a Fargate task of ``cpu`` units and ``memory`` MiB.

    An interview's other resources (a target group, a rule, a standard parameter) cost nothing of their own.
    """
    return cpu / 1024 * _PER_VCPU_HOUR[architecture] + memory / 1024 * _PER_GB_HOUR[architecture]


def cost_of(duration: timedelta, per_hour: float) -> float:
    """US dollars for a task that ran for ``duration``: Fargate bills by the second, one minute at least."""
    return max(duration, timedelta(minutes=1)).total_seconds() / 3600 * per_hour
