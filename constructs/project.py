"""What the constructs of the shared stack have in common."""

from dataclasses import dataclass

from constructs.account import Account
from constructs.encryption import EncryptionKey


@dataclass(frozen=True)
class Project:
    """One installation of the shared stack in an account.

    ``prefix`` begins every name. Logs are encrypted with ``key`` and kept for ``log_retention_days``. Without
    ``deletion_protection``, a destroy also removes the load balancer and whatever buckets and repositories hold.
    """

    prefix: str
    account: Account
    key: EncryptionKey
    log_retention_days: int
    deletion_protection: bool
