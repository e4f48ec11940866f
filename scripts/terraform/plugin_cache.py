"""Terraform's plugin cache, ours or the caller's: filled by one init at a time, and repaired after one that was killed.

Terraform does neither. It unpacks a provider in its place in the cache, and takes what it finds there for whole
(https://github.com/hashicorp/terraform/issues/31964).
"""

import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from string import Template

from scripts.errors import TerraformError
from scripts.terraform.providers import PROVIDER_PATH, cache_home, cli_configs, locked, own_plugin_cache, write_whole

_NAMED = re.compile(r'^[\s{]*"?plugin_cache_dir"?\s*[=:]\s*"([^"]+)"', re.MULTILINE)


@contextmanager
def filling(environment: Mapping[str, str]) -> Iterator[tuple[int, ...]]:
    """Open during one `terraform init`, and for one at a time if ``environment`` lets it fill a plugin cache.

    Gives the descriptors that terraform has to inherit, because it may outlive this process and still fill the cache.
    What a killed init left is removed from our own cache; in the caller's, where others may have filled it meanwhile,
    it is named by ``TerraformError``.
    """
    cache = _cache(environment)
    if cache is None:
        yield ()
        return
    with locked(own_plugin_cache()) as lock:
        # Stays if this process or its terraform is killed: what is not in it may be half a provider.
        known = cache_home() / f"filling-{hashlib.sha256(str(cache).encode()).hexdigest()[:12]}"
        if known.exists():
            _repair(cache, set(known.read_text().splitlines()))
        write_whole(known, "".join(f"{package}\n" for package in _packages(cache)))
        yield (lock,)
        known.unlink()


def _cache(environment: Mapping[str, str]) -> Path | None:
    """The cache that terraform fills, if any; the variable wins over the configuration."""
    texts = [path.read_text(errors="replace") for path in cli_configs(environment)]
    configured = [Template(name).safe_substitute(environment) for text in texts for name in _NAMED.findall(text)]
    named = [*configured, *filter(None, [environment.get("TF_PLUGIN_CACHE_DIR")])]
    return Path(named[-1]) if named else None


def _packages(cache: Path) -> set[str]:
    """The directories of the AWS provider in the cache, one for each version and platform."""
    return set(map(str, cache.glob(f"{PROVIDER_PATH}/*/*")))


def _repair(cache: Path, known: set[str]) -> None:
    for package in sorted(_packages(cache) - known):
        if cache != own_plugin_cache():
            raise TerraformError(
                f"terraform init: an earlier one was killed and may have left {package} incomplete; "
                "remove it, and run the command again"
            )
        shutil.rmtree(package)
