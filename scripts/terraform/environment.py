"""The environment of our own terraform runs: nothing of the caller's changes what they do or where."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from scripts.aws.proxies import direct_here

_KEPT = re.compile(
    "TF_(LOG|LOG_CORE|LOG_PROVIDER|LOG_PATH|CLI_CONFIG_FILE|PLUGIN_CACHE_DIR"
    "|REGISTRY_DISCOVERY_RETRY|REGISTRY_CLIENT_TIMEOUT|TOKEN_.+)"
)
"""What only says what is logged, and where providers come from; everything else, such as TF_WORKSPACE, TF_DATA_DIR,
TF_CLI_ARGS or TF_VAR_*, is for the caller's own runs (https://developer.hashicorp.com/terraform/cli/config/environment-variables)."""

_PATHS = (
    "TF_CLI_CONFIG_FILE",
    "TF_PLUGIN_CACHE_DIR",
    "TF_LOG_PATH",
    "PREQUEL_TF_MIRROR",
    "XDG_CACHE_HOME",
    "XDG_DATA_HOME",
    "HOME",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
"""Variables that name a file or directory; terraform reads them in a directory of its own."""

CUSTOM_ENDPOINT_BACKEND = {
    "TF_CLI_ARGS_init": " ".join(
        f"-backend-config={name}=true"
        for name in (
            "use_path_style",
            "skip_credentials_validation",
            "skip_requesting_account_id",
        )
    )
}
"""How Terraform's S3 backend reaches an endpoint that is not AWS's own, which has no virtual-host buckets."""


def own_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` without the caller's Terraform settings, and independent of the current directory.

    What says how to log, and where providers come from, stays.
    """
    kept = {name: value for name, value in environment.items() if not name.startswith("TF_") or _KEPT.fullmatch(name)}
    if legacy := kept.pop("TERRAFORM_CONFIG", ""):  # an older name of the same, which Terraform still reads
        kept.setdefault("TF_CLI_CONFIG_FILE", legacy)
    if environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL"):
        kept |= CUSTOM_ENDPOINT_BACKEND
    # A cache is filled by one init at a time (``plugin_cache.filling``), and then only read: without this, each init
    # writes the provider again, which another terraform may be running.
    kept["TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE"] = "true"
    return direct_here(with_absolute_paths(kept))


def with_absolute_paths(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` for a process in another directory."""
    prepared = dict(environment)
    for name in _PATHS:
        if prepared.get(name):
            prepared[name] = str(Path(prepared[name]).absolute())
    if "PATH" in prepared:
        prepared["PATH"] = os.pathsep.join(str(Path(part).absolute()) for part in prepared["PATH"].split(os.pathsep))
    return prepared
