"""What the public DNS and image registries answer, asked over the network of this machine."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from scripts.preflight.findings import UnansweredError
from scripts.preflight.outside import manifest_status, public_nameservers

ANSWERS = {
    "com.": ["a.gtld-servers.net."],
    "example.com.": ["NS-1.awsdns-00.com.", "ns-2.awsdns-00.net."],
}


@contextmanager
def serving(server: socketserver.TCPServer | socketserver.UDPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.socket.getsockname()[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class NameServer(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        data, connection = self.request
        query = dns.message.from_wire(data)
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        name = query.question[0].name.to_text()
        if name in ANSWERS:
            reply.answer.append(dns.rrset.from_text(name, 60, "IN", "NS", *ANSWERS[name]))
        else:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        connection.sendto(reply.to_wire(), self.client_address)


def test_name_servers_are_those_that_the_public_dns_answers() -> None:
    with serving(socketserver.ThreadingUDPServer(("127.0.0.1", 0), NameServer)) as port:
        ask: Callable[[str], frozenset[str]] = lambda name: public_nameservers(name, ("127.0.0.1",), port)  # noqa: E731
        assert ask("example.com") == {"ns-1.awsdns-00.com", "ns-2.awsdns-00.net"}
        assert ask("interviews.example.com") == frozenset()
        with pytest.raises(UnansweredError, match="do not know the top-level domain test"):
            ask("interviews.test")


def test_a_dns_that_does_not_answer_is_not_taken_for_a_missing_delegation() -> None:
    with pytest.raises(UnansweredError, match=r"no answer from 127\.0\.0\.1"):
        public_nameservers("example.com", ("127.0.0.1",), 9)


class Registry(BaseHTTPRequestHandler):
    """One public image, `team/editor:1`, for holders of an anonymous token."""

    def do_HEAD(self) -> None:
        if self.headers.get("Authorization") != "Bearer anonymous":
            _, port = self.connection.getsockname()
            self.send_response(401)
            challenge = f'Bearer realm="http://127.0.0.1:{port}/token",service="here",scope="repository:x:pull"'
            self.send_header("WWW-Authenticate", challenge)
        elif self.path == "/v2/team/editor/manifests/1":
            self.send_response(200)
        else:
            self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        body = (
            b'{"token": "anonymous"}' if self.path.startswith("/token?service=here&scope=repository%3Ateam") else b"{}"
        )
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


def test_a_public_image_is_found_without_credentials_and_a_missing_one_is_not() -> None:
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Registry)) as port:
        assert manifest_status(f"127.0.0.1:{port}/team/editor:1", scheme="http") == 200
        assert manifest_status(f"127.0.0.1:{port}/team/editor:2", scheme="http") == 404
        assert manifest_status(f"127.0.0.1:{port}/other/editor:1", scheme="http") == 401


def test_a_registry_that_cannot_be_reached_is_not_taken_for_a_missing_image() -> None:
    with pytest.raises(UnansweredError, match=r"no connection to 127\.0\.0\.1:9"):
        manifest_status("127.0.0.1:9/team/editor:1", scheme="http")


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("codercom/code-server:4.99.4", ("registry-1.docker.io", "codercom/code-server", "4.99.4")),
        ("debian:bookworm", ("registry-1.docker.io", "library/debian", "bookworm")),
        ("docker.io/library/debian:bookworm", ("registry-1.docker.io", "library/debian", "bookworm")),
        ("public.ecr.aws/aws-cli/aws-cli:2.27.0", ("public.ecr.aws", "aws-cli/aws-cli", "2.27.0")),
        (f"ghcr.io/a/b@sha256:{'0' * 64}", ("ghcr.io", "a/b", f"sha256:{'0' * 64}")),
    ],
)
def test_an_image_is_looked_for_where_container_engines_pull_it(image: str, parts: tuple[str, str, str]) -> None:
    from scripts.preflight import outside

    assert outside._parts(image) == parts
