"""What a check finds, and what every check is given."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from scripts.aws.clients import Aws

if TYPE_CHECKING:
    from stacks.settings import Settings


class Severity(StrEnum):
    """An error would stop the deployment; a warning limits what is deployed, or could not be checked."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One problem: what it is, with the value found and the one expected, and what to do next.

    Not ``answered`` means that nobody could say, so there may be no problem.
    """

    severity: Severity
    problem: str
    remedy: str
    answered: bool = True

    def machine(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def error(problem: str, remedy: str) -> Finding:
    """A finding that would stop the deployment."""
    return Finding(Severity.ERROR, problem, remedy)


def warning(problem: str, remedy: str) -> Finding:
    """A finding that would not stop the deployment."""
    return Finding(Severity.WARNING, problem, remedy)


@dataclass(frozen=True)
class Subject:
    """What the checks look at.

    ``aws`` has clients for the configured region and ``home`` for the partition's first one, which answers for regions
    that the account has not enabled. ``nameservers`` gives the name servers of a domain as the public DNS answers, in
    lower case and without a final dot; ``manifest`` the HTTP status of an image's manifest, without credentials. Both
    raise ``UnansweredError`` when nobody answers.
    """

    settings: "Settings"
    aws: Aws
    home: Aws
    nameservers: Callable[[str], frozenset[str]]
    manifest: Callable[[str], int]


def unanswered(problem: str, remedy: str) -> Finding:
    """A warning that a question has no answer."""
    return Finding(Severity.WARNING, problem, remedy, answered=False)


class UnansweredError(Exception):
    """Something outside AWS could not be asked; the text says why."""


@dataclass(frozen=True)
class Check:
    """One question to the account.

    ``permissions`` are the IAM actions that it takes; after an ``essential`` check has failed, no other one would get
    an answer. What a ``lasting`` one looks at may change while the stack runs.
    """

    name: str
    title: str
    look: Callable[[Subject], Iterator[Finding]]
    permissions: tuple[str, ...] = ()
    essential: bool = False
    lasting: bool = False


@dataclass(frozen=True)
class Outcome:
    """What one check found; ``findings`` is empty when all is well."""

    check: Check
    findings: tuple[Finding, ...]

    @property
    def failed(self) -> bool:
        """Whether anything found would stop the deployment."""
        return any(finding.severity is Severity.ERROR for finding in self.findings)
