"""The page that a browser sees before an interview starts, after it ends, and behind the invitation's link."""

import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from constructs.waiting_page import LONGEST_BODY, WAITING_PAGE
from contract.names import EDITOR_ICON
from tests.candidate.editor import browser

ICON = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
"""A GIF of one pixel."""


@dataclass
class Hosts:
    """What the load balancer and the editor answer on this machine: ``open`` is the interview that runs."""

    server: ThreadingHTTPServer
    open: str = ""
    passwords: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def url(self, label: str, rest: str = "/") -> str:
        return f"http://{label}.prequel.localhost:{self.server.server_port}{rest}"


@pytest.fixture(name="hosts")
def _hosts() -> Iterator[Hosts]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hosts.requests.append(f"{self.headers['Host']}{self.path} {self.headers.get('Referer', '')}")
            if hosts.open != self.headers["Host"].partition(".")[0]:
                self._answer(404, "text/html", WAITING_PAGE.encode())
            elif self.path.startswith(EDITOR_ICON):
                self._answer(200, "image/gif", ICON)
            else:
                self._answer(200, "text/html", b"<h2>the editor</h2>")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            hosts.passwords += urllib.parse.parse_qs(body)["password"]
            self.send_response(302)
            self.send_header("Location", "/")
            self.end_headers()

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Writes nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hosts = Hosts(server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield hosts
    server.shutdown()


def test_the_page_fits_a_fixed_response_and_terraform_leaves_it_alone() -> None:
    assert len(WAITING_PAGE.encode()) <= LONGEST_BODY
    assert "${" not in WAITING_PAGE
    assert "%{" not in WAITING_PAGE


@pytest.mark.slow
def test_the_page_becomes_the_editor_when_the_interview_starts(hosts: Hosts, tmp_path: Path) -> None:
    with browser(tmp_path) as chrome:
        chrome.go(hosts.url("ada"))
        assert "has not started yet, or it is over" in chrome.find("p").text
        hosts.open = "ada"
        chrome.wait_for_text("h2", "the editor")


@pytest.mark.slow
def test_the_link_waits_for_the_interview_and_logs_in_without_a_trace(hosts: Hosts, tmp_path: Path) -> None:
    password = "correct horse%#+&'"
    with browser(tmp_path) as chrome:
        chrome.go(hosts.url("join", f"/#ada:{urllib.parse.quote(password)}"))
        assert "Keep this page open" in chrome.find("p").text
        hosts.open = "ada"
        chrome.wait_for_text("h2", "the editor")
        assert chrome.address == hosts.url("ada")
    assert hosts.passwords == [password]
    assert not [line for line in hosts.requests if "correct" in line]
