"""What is wrong with an interview's Terraform state is named and repaired, and a lock of our own locks nobody out."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest

from contract.names import state_key
from scripts.embedded.launcher import EmbeddedAws
from scripts.embedded.seed import seed_shared_infrastructure
from scripts.errors import LeakingError
from scripts.interviews.create import create
from scripts.interviews.destroy import destroy
from scripts.interviews.doctor import diagnose
from scripts.interviews.recover import recover
from tests.interviews.conftest import Place

pytestmark = pytest.mark.e2e

EMPTY = {"version": 4, "terraform_version": "1.11.4", "serial": 7, "lineage": "x", "outputs": {}, "resources": []}
WRONG = {
    "garbage": (b"\x00 no state", "is not a Terraform state"),
    "cut": (b'{"version": 4, "resou', "is not a Terraform state"),
    "a list": (b"[]", "is not a Terraform state"),
    "newer": (json.dumps(EMPTY | {"version": 5}).encode(), "has the format version 5, expected 4"),
    "empty": (json.dumps(EMPTY).encode(), "its state does not hold aws_ecs_service.code_server"),
    "deleted": (None, "is gone"),
}


@pytest.fixture(scope="module")
def seeded(embedded: EmbeddedAws) -> dict[str, Any]:
    """A shared stack that no other module's interviews are on, because a doctor sees them all."""
    return seed_shared_infrastructure(embedded.aws, project_prefix="states", domain_name="states.example.com")


def put_state(place: Place, name: str, content: bytes | None) -> None:
    where = {"Bucket": place.values["instance_bucket_name"], "Key": state_key(name)}
    if content is None:
        place.aws.s3.delete_object(**where)
    else:
        place.aws.s3.put_object(**where, Body=content)


def test_doctor_names_a_wrong_state_with_the_command_that_repairs_it(place: Place) -> None:
    create(place.context(), place.request(id="wrong"))
    before = place.live("wrong")
    assert diagnose(place.context()) == []
    for content, words in WRONG.values():
        put_state(place, "wrong", content)
        (found,) = diagnose(place.context())
        assert (found.kind, found.command) == ("wrong state", "prequel interview recover wrong")
        assert words in found.detail
        assert "\n" not in found.detail
    for kind in ("garbage", "deleted"):
        put_state(place, "wrong", WRONG[kind][0])
        assert "taken back into the state" in recover(place.context(), "wrong").did
        assert diagnose(place.context()) == []
    assert place.live("wrong") == before
    put_state(place, "wrong", WRONG["newer"][0])
    with pytest.raises(LeakingError, match="`prequel interview recover wrong` sets it aside") as refused:
        destroy(place.context(), "wrong")
    assert "again" not in str(refused.value)
    (found,) = diagnose(place.context())
    assert found.command == "prequel interview recover wrong"
    assert recover(place.context(), "wrong").outcome == "destroyed"
    assert place.live("wrong") == {}
    assert diagnose(place.context()) == []


def test_the_empty_state_that_another_client_leaves_is_no_finding(place: Place) -> None:
    put_state(place, "portals", json.dumps(EMPTY).encode())
    assert diagnose(place.context()) == []
    put_state(place, "garbage", WRONG["garbage"][0])
    (found,) = diagnose(place.context())
    assert (found.kind, found.subject) == ("leftover files", "garbage")


@contextmanager
def losing_the_answer_to(head: bytes, tail: bytes, endpoint: str) -> Iterator[tuple[str, list[bytes]]]:
    """An address that leads to ``endpoint``, and hangs up instead of the first answer to such a request."""
    lost: list[bytes] = []
    upstream_address = (urlsplit(endpoint).hostname, urlsplit(endpoint).port)

    def serve(client: socket.socket) -> None:
        with client, socket.create_connection(upstream_address) as upstream:
            losing = False
            ends = {client: upstream, upstream: client}

            def pump(source: socket.socket) -> None:
                nonlocal losing
                try:
                    while data := source.recv(65536):
                        line = data.partition(b"\r\n")[0]
                        if source is client and not lost and line.startswith(head) and tail in line:
                            lost.append(line)
                            losing = True
                        if source is upstream and losing and data.startswith(b"HTTP/1.1 2"):
                            break
                        ends[source].sendall(data)
                except OSError:
                    pass
                for end in ends:
                    with suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)

            other = threading.Thread(target=pump, args=(upstream,), daemon=True)
            other.start()
            pump(client)
            other.join()

    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", lost
        server.shutdown(socket.SHUT_RDWR)


def test_a_state_lock_whose_answer_was_lost_is_our_own(place: Place) -> None:
    with losing_the_answer_to(b"PUT ", b".tflock", place.embedded.endpoint) as (endpoint, lost):
        environment = place.environment | {"AWS_ENDPOINT_URL": endpoint}
        create(place.context(environment=environment), place.request(id="lost-lock"))
    assert len(lost) == 1
    assert diagnose(place.context()) == []
    with losing_the_answer_to(b"PUT ", b".tflock", place.embedded.endpoint) as (endpoint, lost):
        environment = place.environment | {"AWS_ENDPOINT_URL": endpoint}
        destroy(place.context(environment=environment), "lost-lock")
    assert len(lost) == 1
    assert place.live("lost-lock") == {}
    assert diagnose(place.context()) == []
