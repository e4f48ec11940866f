"""The pause container's program: holds a task's network namespace, and passes the credentials endpoint's requests on.

It runs in the container, from its text alone: only the standard library is there. Its argument is the URL that the
embedded AWS answers at from inside.
"""

import fcntl
import signal
import socket
import struct
import sys
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CREDENTIALS_ADDRESS = "169.254.170.2"
"""https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html"""

_SIOCSIFADDR, _SIOCSIFNETMASK = 0x8916, 0x891C
"""linux/sockios.h."""


class CredentialsProxy(BaseHTTPRequestHandler):
    """Asks the embedded AWS, which knows whose task this is by where it was asked."""

    def do_GET(self) -> None:
        """Passes one request on."""
        try:
            with urllib.request.urlopen(sys.argv[1] + self.path, timeout=30) as answer:  # noqa: S310
                status, body = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, body = error.code, error.read()
        except OSError:
            status, body = 502, b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Writes no log."""


def main() -> None:
    """Serves until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as configuring:
        for request, value in ((_SIOCSIFADDR, CREDENTIALS_ADDRESS), (_SIOCSIFNETMASK, "255.255.255.255")):
            structure = struct.pack("16sH2x4s8x", b"lo:1", socket.AF_INET, socket.inet_aton(value))
            fcntl.ioctl(configuring, request, structure)
    ThreadingHTTPServer((CREDENTIALS_ADDRESS, 80), CredentialsProxy).serve_forever()


if __name__ == "__main__":
    main()
