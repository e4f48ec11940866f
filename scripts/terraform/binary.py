"""The terraform program: found, recent enough, and run without questions."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from scripts.errors import MissingToolError
from scripts.terraform.environment import own_environment

MINIMUM_VERSION = (1, 11)
"""Write-only arguments and S3-native locking, https://developer.hashicorp.com/terraform/language/upgrade-guides."""


@cache
def terraform_binary() -> str:
    """The path of terraform; raises ``MissingToolError`` when there is none or it is older than 1.11."""
    binary = shutil.which("terraform")
    wanted = ".".join(map(str, MINIMUM_VERSION))
    how = "install it from https://developer.hashicorp.com/terraform/install"
    if binary is None:
        raise MissingToolError(f"terraform is not on PATH; {how} ({wanted} or later)")
    binary = str(Path(binary).absolute())
    text = subprocess.run(
        [binary, "version"], capture_output=True, text=True, check=False, env=unattended(own_environment(os.environ))
    ).stdout
    found = re.search(r"Terraform v(\d+)\.(\d+)", text)
    if found is None or (int(found[1]), int(found[2])) < MINIMUM_VERSION:
        raise MissingToolError(
            f"{binary} is {found[0] if found else 'no Terraform'}, expected {wanted} or later; {how}"
        )
    return binary


def unattended(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` for runs that ask nothing, without a TF_CLI_CONFIG_FILE that Terraform would miss."""
    prepared = dict(environment) | {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}
    configured = prepared.get("TF_CLI_CONFIG_FILE")
    if configured and not Path(configured).exists():
        del prepared["TF_CLI_CONFIG_FILE"]
    return prepared


def first_error(output: str) -> str:
    """The first error of Terraform's human output, on one line."""
    plain = re.sub(r"\x1b\[[0-9;]*m|[╷│╵]", "", output)
    found = re.search(r"Error: (.+)", plain, re.DOTALL)
    return " ".join((found[1] if found else plain).split())[:500]
