"""What an interview costs an hour, and the words for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from contract.prices import BASE_REGION, cost_of, interview_per_hour, is_priced
from scripts.interviews.records import Inputs
from scripts.interviews.request import shown_duration


@dataclass(frozen=True)
class Rate:
    """US dollars an hour; ``region`` is the stack's, whose prices they are if it has any."""

    per_hour: float
    region: str

    @classmethod
    def of(cls, values: Mapping[str, Any], inputs: Inputs | None = None) -> Self:
        """The rate of an interview with a release's shared ``values``, and with ``inputs`` that may give it a size."""
        per_hour = interview_per_hour(
            cpu=(inputs and inputs.task_cpu) or values["code_server_cpu"],
            memory=(inputs and inputs.task_memory) or values["code_server_memory"],
            architecture=values["cpu_architecture"],
            storage=(inputs and inputs.task_storage) or values["code_server_storage"],
            region=values["aws_region"],
        )
        return cls(per_hour, values["aws_region"])

    def total(self, duration: timedelta) -> float:
        """US dollars for ``duration``."""
        return cost_of(duration, self.per_hour)

    def text(self, duration: timedelta) -> str:
        """About how much for how long, in words."""
        return f"about ${self.total(duration):.2f} for {shown_duration(duration)}{self.whose}"

    @property
    def whose(self) -> str:
        """Words for another region's prices that had to stand in; empty when the prices are the region's own."""
        if is_priced(self.region):
            return ""
        return f", at {BASE_REGION}'s prices: {self.region}'s are not known"
