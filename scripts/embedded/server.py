"""The process that serves the embedded AWS: moto behind a gate, on a free loopback port.

Writes its endpoint as one line to standard output, then serves until standard input closes, so that it never outlives
the process that started it, however that one ends.
"""

import argparse
import signal
import sys
from pathlib import Path
from threading import Thread
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from scripts.embedded.calls import record_calls
from scripts.embedded.checks.quotas import SimulatedAccount
from scripts.embedded.gate import Gate
from scripts.embedded.live.data_plane import DataPlane
from scripts.embedded.repairs import repair
from scripts.errors import PrequelError


class OnePieceHandler(MotoRequestHandler):
    """Sends the head and the body of an answer together.

    Werkzeug sends them one after the other. On a busy machine the second may take a tenth of a second longer, and the
    AWS provider then now and then hangs up and asks again (seen with 5.100 in a capture): a revoked rule is not found,
    a created resource exists already.
    """

    wbufsize = 1 << 16

    def handle_expect_100(self) -> bool:
        """Invites the body at once: who asks whether to send it waits a second for the answer."""
        invited = super().handle_expect_100()
        self.wfile.flush()
        return invited


def main() -> None:
    """Serves until standard input closes, or a signal when detached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--detach", action="store_true", help="serve until terminated")
    parser.add_argument("--calls", type=Path, help="append every API call to this file")
    parser.add_argument("--account", choices=("new", "raised"), default="raised", help="the quotas that AWS gives it")
    parser.add_argument("--live", metavar="IMAGE", help="run tasks in the container engine, with this image of it")
    parser.add_argument("--region", default="us-east-1", help="the region that is live")
    options = parser.parse_args()
    repair()
    if options.calls:
        record_calls(options.calls)
    account = SimulatedAccount(new=options.account == "new")
    account.prepare()
    application: Any = Gate(DomainDispatcherApplication(create_backend_app), account, live=bool(options.live))
    plane = _data_plane(application, options) if options.live else None
    server = make_server("127.0.0.1", 0, plane or application, threaded=True, request_handler=OnePieceHandler)
    Thread(target=server.serve_forever, daemon=True).start()
    host, port = server.server_address[:2]
    if plane is not None:
        plane.start(f"http://{host!s}:{port}")
    sys.stdout.write(f"http://{host!s}:{port}\n")
    sys.stdout.flush()
    if options.detach:
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    else:
        sys.stdin.read()
    if plane is not None:
        plane.stop()
    server.shutdown()


def _data_plane(application: Any, options: argparse.Namespace) -> DataPlane:
    try:
        return DataPlane(application, region=options.region, image=options.live)
    except PrequelError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
