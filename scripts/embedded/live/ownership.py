"""Whose containers, networks and volumes are whose, so that none outlives the embedded AWS that made it."""

from contextlib import suppress
from typing import Any

import psutil
from docker.errors import APIError, NotFound

from scripts.engine.engine import Engine

LABEL = "prequel.embedded"
"""Its value is ``owner()`` of the process that serves the embedded AWS."""


def owner(pid: int | None = None) -> str:
    """A process, this one by default, by its id and its start in seconds: an id alone may be another's later."""
    return _named(psutil.Process(pid))


def containers(engine: Engine, owner: str) -> list[str]:
    """The names of the containers that ``owner`` has."""
    listed = engine.client.containers.list(all=True, filters={"label": f"{LABEL}={owner}"}, ignore_removed=True)
    return [str(container.name) for container in listed]


def remove(engine: Engine, owner: str) -> None:
    """Removes all that ``owner`` made in ``engine``; what is already gone is fine."""
    wanted: dict[str, Any] = {"label": f"{LABEL}={owner}"}
    client = engine.client
    # A task's pause container goes last: the others live in its network namespace.
    containers = client.containers.list(all=True, filters=wanted, ignore_removed=True)
    for container in sorted(containers, key=lambda one: one.labels.get("prequel.pause", "")):
        with suppress(NotFound):
            container.remove(force=True, v=True)
    for network in client.networks.list(filters=wanted):
        with suppress(NotFound):
            network.remove()
    for volume in client.volumes.list(filters=wanted):
        with suppress(NotFound):
            volume.remove(force=True)


def sweep(engine: Engine) -> None:
    """Removes what embedded AWSs left behind that were killed."""
    client = engine.client
    labels = [one.labels for one in client.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True)]
    labels += [one.attrs.get("Labels") or {} for one in client.networks.list(filters={"label": LABEL})]
    labels += [one.attrs.get("Labels") or {} for one in client.volumes.list(filters={"label": LABEL})]
    for found in {one[LABEL] for one in labels if LABEL in one}:
        if not _alive(found):
            with suppress(APIError):  # another one that sweeps at the same time
                remove(engine, found)


def _alive(owner: str) -> bool:
    try:
        return _named(psutil.Process(int(owner.partition("-")[0]))) == owner
    except (psutil.Error, ValueError):
        return False


def _named(process: psutil.Process) -> str:
    return f"{process.pid}-{int(process.create_time())}"
