"""A network for one task, at whose gateway the embedded AWS and the task's credentials endpoint answer."""

import json
import socket
from collections.abc import Callable, Iterable
from threading import Thread
from typing import Any
from uuid import uuid4

from docker.models.networks import Network
from werkzeug.serving import make_server

from scripts.embedded.live.ownership import LABEL
from scripts.engine.engine import Engine

_IP_FREEBIND = 15
"""linux/in.h; Python has no name for it. The bridge gets its address only with the first container."""


class TaskNetwork:
    """Its containers reach their gateway, and no other task's; ``endpoint`` is the embedded AWS from inside.

    ``credentials`` gives the task role's, or None without one. Raises ``docker.errors.DockerException``.
    """

    def __init__(
        self,
        engine: Engine,
        application: Any,
        name: str,
        *,
        owner: str,
        credentials: Callable[[], dict[str, Any] | None],
    ) -> None:
        self._application = application
        self._credentials = credentials
        self.credentials_path = f"/v2/credentials/{uuid4()}"
        # podman's name for what keeps bridges apart; Docker always does, and ignores it.
        options = {"isolate": "true"} if engine.program == "podman" else {}
        self.network: Network = engine.client.networks.create(
            name, driver="bridge", labels={LABEL: owner}, options=options
        )
        self.network.reload()
        gateway = self.network.attrs["IPAM"]["Config"][0]["Gateway"]
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        listening.bind((gateway, 0))
        listening.listen(128)
        port = listening.getsockname()[1]
        self._server = make_server(gateway, port, self._answer, threaded=True, fd=listening.detach())
        Thread(target=self._server.serve_forever, daemon=True).start()
        self.endpoint = f"http://{gateway}:{port}"

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] != self.credentials_path:
            return self._application(environ, start_response)  # type: ignore[no-any-return]
        given = self._credentials()
        if given is None:
            start_response("404 Not Found", [])
            return [b""]
        expiration = given["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ")
        names = {"AccessKeyId": "AccessKeyId", "SecretAccessKey": "SecretAccessKey", "Token": "SessionToken"}
        start_response("200 OK", [("Content-Type", "application/json")])
        document = {name: given[key] for name, key in names.items()} | {"Expiration": expiration}
        return [json.dumps(document).encode()]

    def close(self) -> None:
        """Stops answering and removes the network."""
        self._server.shutdown()
        self._server.server_close()
        self.network.remove()
