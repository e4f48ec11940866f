"""What is asked outside AWS: the public DNS, and image registries."""

import re
from functools import partial
from urllib.parse import urlencode
from urllib.request import getproxies, proxy_bypass

import urllib3

from scripts.preflight.findings import UnansweredError

_SECONDS = 5.0

RESOLVERS = ("1.1.1.1", "8.8.8.8")
"""Public resolvers (https://developers.cloudflare.com/1.1.1.1/, https://developers.google.com/speed/public-dns): the
machine's own may answer from a private zone of the same name."""

_MANIFEST_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_DOCKER_HUB = "registry-1.docker.io"


def public_nameservers(domain: str, resolvers: tuple[str, ...] = RESOLVERS, port: int = 53) -> frozenset[str]:
    """The name servers of ``domain``, in lower case without a final dot; empty when there are none.

    Raises ``UnansweredError`` when no resolver answers, or what answers does not know the top-level domain either.
    """
    found = _ask_nameservers(domain, resolvers, port)
    top = domain.rpartition(".")[2]
    if not found and not _ask_nameservers(top, resolvers, port):
        raise UnansweredError(f"{' and '.join(resolvers)} do not know the top-level domain {top} either")
    return found


def _ask_nameservers(domain: str, resolvers: tuple[str, ...], port: int) -> frozenset[str]:
    import dns.exception
    import dns.resolver

    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port, resolver.lifetime = list(resolvers), port, _SECONDS
    try:
        answer = resolver.resolve(domain, "NS")
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return frozenset()
    except dns.exception.DNSException as problem:
        raise UnansweredError(f"no answer from {' or '.join(resolvers)}") from problem
    return frozenset(record.target.to_text(omit_final_dot=True).lower() for record in answer)


def manifest_status(image: str, *, scheme: str = "https") -> int:
    """The HTTP status with which a registry answers for ``image`` to somebody without credentials.

    By the OCI distribution specification (https://github.com/opencontainers/distribution-spec/blob/main/spec.md) with
    an anonymous token (https://distribution.github.io/distribution/spec/auth/token/). Raises ``UnansweredError`` when
    the registry cannot be reached.
    """
    host, name, reference = _parts(image)
    proxy = "" if proxy_bypass(host) else getproxies().get(scheme, "")
    pool = partial(urllib3.ProxyManager, proxy) if proxy else urllib3.PoolManager
    http = pool(timeout=_SECONDS, retries=False)
    headers = {"Accept": ", ".join(_MANIFEST_TYPES)}
    address = f"{scheme}://{host}/v2/{name}/manifests/{reference}"
    try:
        answer = http.request("HEAD", address, headers=headers)
        challenge = dict(re.findall(r'(\w+)="([^"]*)"', answer.headers.get("WWW-Authenticate", "")))
        if answer.status == 401 and "realm" in challenge:
            query = urlencode({"service": challenge.get("service", ""), "scope": f"repository:{name}:pull"})
            granted = http.request("GET", f"{challenge['realm']}?{query}").json()
            token = granted.get("token") or granted.get("access_token", "")
            answer = http.request("HEAD", address, headers=headers | {"Authorization": f"Bearer {token}"})
    except (urllib3.exceptions.HTTPError, ValueError) as problem:
        raise UnansweredError(f"no connection to {host}, or no answer that could be read") from problem
    return answer.status


def _parts(image: str) -> tuple[str, str, str]:
    """Registry, repository and tag or digest; a name without a registry is Docker Hub's
    (https://github.com/distribution/reference)."""
    first, slash, rest = image.partition("/")
    has_host = bool(slash) and (first == "localhost" or "." in first or ":" in first)
    host, path = (first, rest) if has_host else ("docker.io", image)
    name, at, digest = path.partition("@")
    if not at:
        name, _, digest = path.rpartition(":")
    if host == "docker.io":
        host, name = _DOCKER_HUB, name if "/" in name else f"library/{name}"
    return host, name, digest
