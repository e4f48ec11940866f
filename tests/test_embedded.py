"""The embedded AWS finds a port of its own, and never outlives the process that started it."""

import re
import socket
import subprocess
import sys
from urllib.parse import urlsplit

import psutil
import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from scripts.embedded.launcher import EmbeddedAws
from scripts.embedded.seed import seed_shared_infrastructure
from scripts.project import PROJECT

pytestmark = pytest.mark.e2e


def test_two_run_side_by_side_and_share_nothing() -> None:
    with EmbeddedAws.start() as one, EmbeddedAws.start() as other:
        one.aws.s3.create_bucket(Bucket="mine")
        assert [bucket["Name"] for bucket in one.aws.s3.list_buckets()["Buckets"]] == ["mine"]
        assert other.aws.s3.list_buckets()["Buckets"] == []


def test_an_answer_comes_in_one_piece_so_that_no_client_takes_it_for_lost() -> None:
    with EmbeddedAws.start() as embedded:
        address = urlsplit(embedded.endpoint)
        for _ in range(20):
            with socket.create_connection((address.hostname, address.port), timeout=10) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: s3.amazonaws.com\r\n\r\n")
                head, _, body = client.recv(1 << 20).partition(b"\r\n\r\n")
            length = re.search(rb"Content-Length: (\d+)", head)
            assert length is not None
            assert b"<ListAllMyBucketsResult" in body
            assert len(body) == int(length[1]) > 0


def test_who_asks_before_sending_a_body_is_answered_at_once() -> None:
    with EmbeddedAws.start() as embedded:
        address = urlsplit(embedded.endpoint)
        with socket.create_connection((address.hostname, address.port), timeout=0.5) as client:
            client.sendall(b"PUT /none HTTP/1.1\r\nHost: s3\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n")
            assert client.recv(1 << 10).startswith(b"HTTP/1.1 100 Continue")


def test_a_bucket_outlives_its_request_metrics() -> None:
    with EmbeddedAws.start() as embedded:
        s3, metrics = embedded.aws.s3, {"Bucket": "watched", "Id": "EntireBucket"}
        s3.create_bucket(Bucket="watched")
        s3.put_bucket_metrics_configuration(**metrics, MetricsConfiguration={"Id": "EntireBucket"})
        found = s3.get_bucket_metrics_configuration(**metrics)["MetricsConfiguration"]
        assert found == {"Id": "EntireBucket"}
        s3.delete_bucket_metrics_configuration(**metrics)
        with pytest.raises(s3.exceptions.ClientError, match="NoSuchConfiguration"):
            s3.get_bucket_metrics_configuration(**metrics)
        s3.head_bucket(Bucket="watched")


def test_it_ends_when_the_process_that_started_it_is_killed() -> None:
    code = (
        "import os, sys; from scripts.embedded.launcher import EmbeddedAws; e = EmbeddedAws.start();"
        "sys.stdout.write(str(e.process.pid)); sys.stdout.flush(); os.kill(os.getpid(), 9)"
    )
    parent = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=False)
    server = int(parent.stdout)
    attempts = Retrying(retry=retry_if_result(bool), stop=stop_after_delay(10), wait=wait_fixed(0.05))
    assert not attempts(_alive, server)


def test_its_environment_leaks_no_credentials_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    environment = EmbeddedAws("http://127.0.0.1:1", "us-east-1").environment
    assert "AWS_PROFILE" not in environment
    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"


def test_the_seed_gives_every_value_that_an_interview_takes() -> None:
    with EmbeddedAws.start() as embedded:
        values = seed_shared_infrastructure(embedded.aws)
    text = (PROJECT / "instance_templates" / "variables.tf").read_text()
    required = {block.split('"')[1] for block in text.split("\nvariable ")[1:] if "\n  default " not in block}
    assert required - {"interview_id", "candidate_name", "challenge"} <= values.keys()


def _alive(pid: int) -> bool:
    # A process that ended and was not yet collected still has its pid.
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
