"""What all tasks of one embedded AWS run on."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from scripts.embedded.live.local_images import LocalImages
from scripts.embedded.live.ownership import LABEL
from scripts.embedded.live.role_sessions import RoleSessions
from scripts.engine.engine import Engine
from scripts.errors import EngineError

_FRESH_SECONDS = 0.4


@dataclass
class LiveHost:
    """The engine with what a task needs around it; ``application`` is the embedded AWS as a WSGI application."""

    engine: Engine
    application: Any
    sessions: RoleSessions
    images: LocalImages
    owner: str
    _states: dict[str, str] = field(default_factory=dict)
    _seen: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def container_state(self, container_id: str) -> str:
        """The engine's word, such as ``running`` or ``exited``; one question for all containers, twice a second.

        ``removed`` when the engine does not know it. Raises ``docker.errors.DockerException``.
        """
        with self._lock:
            if time.monotonic() - self._seen > _FRESH_SECONDS:
                listed = self.engine.client.api.containers(all=True, filters={"label": f"{LABEL}={self.owner}"})
                self._states = {one["Id"]: one["State"].lower() for one in listed}
                self._seen = time.monotonic()
            return self._states.get(container_id, "removed")


def live_engine() -> Engine:
    """This machine's container engine, if it can run tasks; raises ``EngineError``."""
    engine = Engine.find()
    if engine.is_desktop:
        engine.close()
        raise EngineError(
            "this container engine runs in a virtual machine, whose containers' addresses the load balancer on this "
            "machine cannot reach; expected Docker or podman on Linux itself"
        )
    return engine
