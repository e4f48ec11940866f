"""A task's network, with ECS's credentials endpoint at its real address and no way out."""

import ctypes
import json
import os
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from scripts.engine.engine import Engine
from tests.candidate.container import LABELS

CREDENTIALS_ADDRESS = "169.254.170.2"
"""https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html"""

_CLONE_NEWNET = 0x40000000
"""linux/sched.h; Python has it from 3.12 on."""


@contextmanager
def task_network(engine: Engine, image: str) -> Iterator[str]:
    """A network with nothing but a loopback interface, as containers name it, with this thread in it.

    Every process that the thread starts is in it too. At the end the thread is back where it was. Takes root.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    pause = engine.client.containers.run(
        image,
        entrypoint=["sleep", "infinity"],
        network_mode="none",
        ulimits=engine.ulimits(),
        labels=LABELS,
        detach=True,
    )
    outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        pause.reload()
        _enter(libc, f"/proc/{pause.attrs['State']['Pid']}/ns/net")
        try:
            for command in ("link set lo up", f"address add {CREDENTIALS_ADDRESS}/32 dev lo"):
                subprocess.run(["ip", *command.split()], check=True)
            yield f"container:{pause.id}"
        finally:
            libc.setns(outside, _CLONE_NEWNET)
    finally:
        os.close(outside)
        pause.remove(force=True)


def _enter(libc: ctypes.CDLL, namespace: str) -> None:
    inside = os.open(namespace, os.O_RDONLY)
    try:
        if libc.setns(inside, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), namespace)
    finally:
        os.close(inside)


class CredentialsEndpoint:
    """What the ECS agent answers: the task role's credentials, to whoever knows the path. Use it as a context."""

    def __init__(self) -> None:
        self.path = f"/v2/credentials/{uuid.uuid4()}"
        self.requests: list[str] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                endpoint.requests.append(self.path)
                known = self.path == endpoint.path
                self.send_response(200 if known else 404)
                self.end_headers()
                if known:
                    self.wfile.write(json.dumps(_CREDENTIALS).encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer((CREDENTIALS_ADDRESS, 80), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> "CredentialsEndpoint":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


_CREDENTIALS = {
    "RoleArn": "arn:aws:iam::123456789012:role/prequel-task",
    "AccessKeyId": "embedded",
    "SecretAccessKey": "embedded",
    "Token": "embedded",
    "Expiration": "2100-01-01T00:00:00Z",
}
