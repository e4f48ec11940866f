"""Proxies are for what is far away: nothing that goes to this machine itself goes through one."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")

_HERE = (
    "localhost",
    "127.0.0.1",
    "::1",
    # Where this machine, task or build asks for its credentials
    # (https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-proxy.html).
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "fd00:ec2::254",
)
"""The names and addresses of this machine and of the services on its own link."""


def direct_here(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` in which no request to this machine itself goes through a proxy; everything else still does."""
    prepared = dict(environment)
    if any(prepared.get(spelling) for name in _PROXIES for spelling in (name, name.lower())):
        known = [prepared.get(name, "") for name in ("no_proxy", "NO_PROXY")]
        exceptions = [entry.strip() for text in known for entry in text.split(",") if entry.strip()]
        if "*" not in exceptions:
            # Programs differ in which spelling they read.
            prepared["no_proxy"] = prepared["NO_PROXY"] = ",".join(dict.fromkeys([*exceptions, *_HERE]))
    return prepared


def is_here(url: str) -> bool:
    """Whether ``url`` is of this machine itself."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
