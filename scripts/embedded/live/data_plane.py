"""What runs behind the embedded AWS's API: tasks, load balancers, functions and builds."""

import json
import sys
from collections.abc import Iterable
from threading import Event, Thread
from typing import Any

import requests
from docker.errors import DockerException

from scripts.embedded.live.builds import Builds
from scripts.embedded.live.clean_environment import CleanEnvironment
from scripts.embedded.live.ecs_tasks import make_services_truthful
from scripts.embedded.live.functions import Functions
from scripts.embedded.live.host import LiveHost, live_engine
from scripts.embedded.live.load_balancer import LoadBalancers
from scripts.embedded.live.local_images import LocalImages
from scripts.embedded.live.ownership import owner, remove, sweep
from scripts.embedded.live.role_sessions import RoleSessions
from scripts.embedded.live.rules import Rules
from scripts.embedded.live.scheduler import Scheduler

LISTENERS_PATH = "/_embedded/listeners"
_STEP_SECONDS = 0.5


class DataPlane:
    """Looks at what the API holds twice a second, and makes it so. ``application`` is the embedded AWS (WSGI).

    Raises ``EngineError`` when this machine has no engine or no HAProxy.
    """

    def __init__(self, application: Any, *, region: str, image: str) -> None:
        self._application = application
        self._region = region
        self._image = image
        self.engine = live_engine()
        self._balancers = LoadBalancers(region)
        self._clean = CleanEnvironment()
        self._stop = Event()
        self._threads: list[Thread] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """The embedded AWS, and beside it one page of its own: where its listeners are on this machine."""
        if environ["PATH_INFO"] == LISTENERS_PATH:
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(self._balancers.listeners()).encode()]
        return self._application(environ, start_response)  # type: ignore[no-any-return]

    def start(self, endpoint: str) -> None:
        """Begins; the embedded AWS answers at ``endpoint`` by now."""
        sweep(self.engine)
        make_services_truthful()
        images = LocalImages(self.engine, self._image)
        sessions = RoleSessions(endpoint)
        self._host = LiveHost(self.engine, self._application, sessions, images, owner())
        self._scheduler = Scheduler(self._host, self._region)
        functions = Functions(sessions, self._region, self._clean)
        functions.answer_invoke()
        rules = Rules(functions, self._region)
        rules.report_pushes()
        self._builds = Builds(sessions, self._region, self._clean)
        self._builds.answer()
        for step in (self._scheduler.step, self._balancers.step, rules.step):
            self._threads.append(Thread(target=self._repeat, args=(step,), daemon=True))
            self._threads[-1].start()

    def stop(self) -> None:
        """Ends all that runs, and removes it from the engine."""
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
        self._builds.stop()
        self._scheduler.stop()
        self._balancers.stop()
        try:
            remove(self.engine, self._host.owner)
        except (DockerException, requests.RequestException, OSError) as error:
            sys.stderr.write(f"the container engine cannot be asked to clean up: {error}\n")
        self.engine.close()
        self._clean.close()

    def _repeat(self, step: Any) -> None:
        said = ""
        while not self._stop.wait(_STEP_SECONDS):
            try:
                step()
            except Exception as error:  # noqa: BLE001  (moto's stores change while they are read; the next look is soon)
                if str(error) != said:
                    said = str(error)
                    sys.stderr.write(f"{type(error).__name__} in {step.__qualname__}: {error}\n")
