"""One API call, as all checks see it, and the refusal that they answer it with."""

from dataclasses import dataclass
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.model import OperationModel

Parameters = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """A call whose HTTP request was read by AWS's own model of ``service``, which is botocore's name for it."""

    service: str
    operation: str
    parameters: Parameters
    region: str
    access_key: str
    model: OperationModel

    @property
    def name(self) -> str:
        """The call as ``service:Operation``."""
        return f"{self.service}:{self.operation}"


class Refusal(ServiceException):
    """AWS's answer to a call that it refuses; ``status`` only where it is not what the service's model says."""

    def __init__(self, code: str, message: str, *, status: int | None = None) -> None:
        super().__init__(code, message)
        self.status = status
