"""Where interviews live: one deployed shared stack, seen from the operations."""

import os
import pwd
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from scripts.aws.clients import Aws
from scripts.console import Console

if TYPE_CHECKING:
    from scripts.interviews.leases import Leases
    from scripts.interviews.store import IntentStore


SETTLING_SECONDS = 5.0
"""Between the two surveys that prove an absence. AWS gives no bound for how late its lists may be, nor for how long a
killed client's last request may still take; a call that it has accepted is done within a second or two."""


class Releases(Protocol):
    """What interviews need of the template releases; see ``scripts.releases.store.ReleaseStore``."""

    def current(self) -> Any:
        """The pointer to the current release with its ``digest`` and ``limits``, or None."""

    def manifest(self, digest: str) -> Any:
        """A stored release's manifest; raises when it is missing, altered or being pruned."""

    def catalogue(self) -> Any:
        """Every release of which anything is stored, each with its ``digest`` and ``problem``."""

    def settle(self, *, dry_run: bool = False) -> list[str]:
        """Makes the plain copies those of the current release; returns the keys of those that were not."""

    def download(self, digest: str, directory: Path) -> Any:
        """Writes the verified files of a release and returns its manifest with its ``limits``."""


def host() -> str:
    """This machine's name, as Terraform writes it into its lock."""
    return socket.gethostname()


def actor() -> str:
    """Who is asking: user@host, the form of Terraform's own lock."""
    return f"{pwd.getpwuid(os.getuid()).pw_name}@{host()}"


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Site:
    """One shared stack: its AWS, its bucket, and how this process speaks and keeps time.

    ``environment`` is what terraform runs with; ``runs_directory`` keeps the proofs of life of this machine's runs.
    ``settling_seconds`` pass before AWS is asked again whether nothing is left.
    """

    aws: Aws
    bucket: str
    console: Console
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    now: Callable[[], datetime] = _now
    actor: str = field(default_factory=actor)
    host: str = field(default_factory=host)
    settling_seconds: float = SETTLING_SECONDS

    @cached_property
    def intents(self) -> "IntentStore":
        """The interviews' own documents."""
        from scripts.interviews.store import IntentStore

        return IntentStore(self.aws, self.bucket)

    @cached_property
    def leases(self) -> "Leases":
        """The slots."""
        from scripts.interviews.leases import Leases

        return Leases(self.aws, self.bucket)

    @cached_property
    def releases(self) -> Releases:
        """The published template sets."""
        from scripts.releases.store import ReleaseStore

        return ReleaseStore(self.aws, self.bucket)

    def prepare_clients(self) -> None:
        """Makes the clients that threads will share; boto3's session itself is not made for threads
        (https://boto3.amazonaws.com/v1/documentation/api/latest/guide/clients.html#multithreading-or-multiprocessing-with-clients).
        """
        for service in ("s3", "ssm", "ecs", "elbv2", "route53"):
            getattr(self.aws, service)
        _ = self.aws.account_id

    @cached_property
    def runs_directory(self) -> Path:
        """Where this machine remembers which of its runs are alive."""
        cache = self.environment.get("XDG_CACHE_HOME") or Path(self.environment.get("HOME") or Path.home()) / ".cache"
        directory = Path(cache) / "prequel" / "runs"
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return directory
