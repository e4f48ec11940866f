"""What loader and saver are given: which interview's work it is, its keys and its folders."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from aws_encryption_sdk.key_providers.raw import RawMasterKey
from botocore.config import Config

from image.saver.cipher import password_key
from image.saver.states import States

CHALLENGE = Path("/home/coder/challenge")
SESSION = Path("/run/prequel")
"""Where the editor reads ``status.json``, and the saver keeps what it is about to send."""

_CLIENT = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2})
"""A save that fails is made again with newer content, so no request is repeated for long."""


@dataclass(frozen=True)
class SavedSession:
    """The work of one incarnation, from the task's ``environment``: WORK, WORK_KEY and PASSWORD.

    Raises ``ValueError`` with one line for a variable that is missing or wrong.
    """

    environment: Mapping[str, str]
    folder: Path = CHALLENGE
    directory: Path = SESSION

    def __post_init__(self) -> None:
        missing = [name for name in ("WORK", "WORK_KEY", "PASSWORD") if not self.environment.get(name)]
        if missing:
            raise ValueError(f"{' and '.join(missing)} missing in the environment")
        if len(self.environment["WORK_KEY"].split(":")) != 6:
            raise ValueError(f'WORK_KEY is "{self.environment["WORK_KEY"]}", expected the ARN of a KMS key')
        _ = self.states

    @cached_property
    def states(self) -> States:
        """The states in S3."""
        return States(self.client("s3"), self.environment["WORK"])

    @cached_property
    def password_key(self) -> RawMasterKey:
        """The key of the interview's password."""
        return password_key(self.environment["PASSWORD"], self.states.incarnation)

    @property
    def key_arn(self) -> str:
        """The key in KMS."""
        return self.environment["WORK_KEY"]

    def client(self, service: str) -> Any:
        """A client for the key's region."""
        make: Any = boto3.client
        return make(service, region_name=self.key_arn.split(":")[3], config=_CLIENT)


def of_this_task() -> SavedSession:
    """The session of this process's environment."""
    return SavedSession(os.environ)
