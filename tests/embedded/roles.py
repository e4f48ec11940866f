"""Roles that a service may assume, as tests need them."""

import json
import time
from typing import Any

from scripts.embedded.checks.state import ROLE_SETTLES


def service_role(iam: Any, name: str, service: str) -> str:
    """The ARN of a new role that ``service`` may assume, though not yet."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    return arn


def settled_role(iam: Any, name: str, service: str) -> str:
    """The ARN of a new role, once ``service`` can assume it."""
    arn = service_role(iam, name, service)
    time.sleep(ROLE_SETTLES.total_seconds() + 1)
    return arn
