"""The proxy that stands for AWS's load balancers on this machine."""

import os
import shutil

from scripts.errors import EngineError


def haproxy() -> str:
    """The path of HAProxy; raises ``EngineError``. Debian puts it where only root's PATH leads."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
    found = shutil.which("haproxy", path=path)
    if found is None:
        raise EngineError("haproxy is missing, which routes requests to interviews; install your system's haproxy 2.4+")
    return found
