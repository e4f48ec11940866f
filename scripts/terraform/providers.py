"""Where Terraform gets the AWS provider: the registry, a mirror, or the one that was tested."""

import fcntl
import hashlib
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from contract.limits import TESTED_PROVIDER
from scripts.aws.proxies import direct_here
from scripts.errors import MissingToolError, TerraformError
from scripts.private_files import cache_directory
from scripts.terraform.binary import first_error, terraform_binary, unattended
from scripts.terraform.environment import own_environment, with_absolute_paths

TESTED_PROVIDER_VARIABLE = "PREQUEL_TESTED_PROVIDER"
"""An environment variable: with any value, a provider from the registry is ``TESTED_PROVIDER``."""

PROVIDER_FILE = "prequel_provider_override.tf"
"""Terraform merges it over main.tf (https://developer.hashicorp.com/terraform/language/files/override)."""

REGISTRY = "registry.terraform.io"
PROVIDER_PATH = Path(REGISTRY, "hashicorp", "aws")


def provider_mirror(environment: Mapping[str, str]) -> Path | None:
    """A local mirror that holds the AWS provider, or ``None`` when the registry is to be used.

    ``PREQUEL_TF_MIRROR`` wins; else Terraform's implied mirror directories
    (https://developer.hashicorp.com/terraform/cli/config/config-file#implied-local-mirror-directories) and what lies
    under ``/opt`` are searched, but only when the registry cannot be reached. Raises ``MissingToolError`` when
    ``PREQUEL_TF_MIRROR`` holds no AWS provider.
    """
    named = environment.get("PREQUEL_TF_MIRROR")
    if named:
        if not (Path(named) / PROVIDER_PATH).is_dir():
            raise MissingToolError(f"PREQUEL_TF_MIRROR is {named}, expected a directory that holds {PROVIDER_PATH}")
        return Path(named).absolute()
    if _registry_answers():
        return None
    home = Path(environment.get("HOME", "/nonexistent"))
    data = Path(environment.get("XDG_DATA_HOME") or home / ".local/share")
    implied = [home / ".terraform.d/plugins", data / "terraform/plugins"]
    shared = [Path("/usr/local/share/terraform/plugins"), Path("/usr/share/terraform/plugins")]
    others = sorted(Path("/opt").glob("*")) if Path("/opt").is_dir() else []
    return next((path for path in (*implied, *shared, *others) if (path / PROVIDER_PATH).is_dir()), None)


def terraform_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment``, made fit for unattended runs that find the provider with or without a registry."""
    prepared = direct_here(with_absolute_paths(unattended(environment)))
    if cli_configs(prepared) and not environment.get("PREQUEL_TF_MIRROR"):
        return prepared
    mirror = provider_mirror(environment)
    if mirror is None and environment.get(TESTED_PROVIDER_VARIABLE):
        mirror = tested_provider()
    prepared["TF_CLI_CONFIG_FILE"] = str(_cli_config(mirror))
    return prepared


def pin_provider(directory: Path, version: str) -> None:
    """Makes `terraform init` in ``directory`` choose this version, whatever range the configuration has."""
    (directory / PROVIDER_FILE).write_text(f"""\
terraform {{
  required_providers {{
    aws = {{
      source  = "hashicorp/aws"
      version = "{version}"
    }}
  }}
}}
""")


def cli_configs(environment: Mapping[str, str]) -> list[Path]:
    """The CLI configuration files that Terraform reads with ``environment``
    (https://developer.hashicorp.com/terraform/cli/config/config-file#locations)."""
    named = environment.get("TF_CLI_CONFIG_FILE")
    if named:
        return [path for path in [Path(named)] if path.exists()]
    home = Path(environment.get("HOME", "/"))
    return [path for path in [home / ".terraformrc", *home.glob(".terraform.d/*.tfrc*")] if path.exists()]


@cache
def tested_provider() -> Path:
    """A mirror of ``TESTED_PROVIDER`` alone, downloaded when first needed; raises ``TerraformError`` without."""
    mirror = cache_home() / f"aws-provider-{TESTED_PROVIDER}"
    with locked(mirror), tempfile.TemporaryDirectory(dir=cache_home()) as scratch:
        if not mirror.is_dir():
            # Terraform's plugin cache has the layout of a mirror.
            cache = Path(scratch, "mirror")
            cache.mkdir()
            pin_provider(Path(scratch), TESTED_PROVIDER)
            environment = {
                name: value for name, value in own_environment(os.environ).items() if name != TESTED_PROVIDER_VARIABLE
            }
            init = subprocess.run(
                [terraform_binary(), "init", "-no-color"],
                cwd=scratch,
                env=terraform_environment(environment) | {"TF_PLUGIN_CACHE_DIR": str(cache)},
                capture_output=True,
                text=True,
                check=False,
            )
            if init.returncode != 0:
                raise TerraformError(f"terraform init: {first_error(init.stdout + init.stderr)}")
            cache.rename(mirror)
    return mirror


@cache
def _registry_answers() -> bool:
    try:
        with socket.create_connection((REGISTRY, 443), timeout=2):
            return True
    except OSError:
        return False


@cache
def _cli_config(mirror: Path | None) -> Path:
    """A Terraform CLI configuration for ``mirror``, or for the registry with a plugin cache for all workspaces."""
    if mirror is None:
        plugins = own_plugin_cache()
        plugins.mkdir(parents=True, exist_ok=True)
        text = f'plugin_cache_dir = "{plugins}"\nplugin_cache_may_break_dependency_lock_file = true\n'
    else:
        text = f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n'
    # Named after its content, so that no run changes it under another.
    name = hashlib.sha256(text.encode()).hexdigest()[:12]
    path = cache_home() / f"terraform-{name}.tfrc"
    if not path.exists():
        write_whole(path, text)
    return path


def write_whole(path: Path, text: str) -> None:
    """Writes a file of the cache so that nobody ever reads half of it."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as draft:
        draft.write(text)
    Path(draft.name).replace(path)


def cache_home() -> Path:
    """This user's cache; raises ``MachineError`` when there is no place for it."""
    return cache_directory(os.environ)


def own_plugin_cache() -> Path:
    """The plugin cache of users who configured none."""
    return cache_home() / "terraform-plugins"


@contextmanager
def locked(directory: Path) -> Iterator[int]:
    """While open, or while a process lives that inherits the given descriptor, no other one fills ``directory``."""
    with (directory.parent / f"{directory.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()
