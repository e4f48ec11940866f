"""The challenge container hands over this interview's challenge, whole, and nothing else."""

from pathlib import Path

import pytest

from scripts.project import PROJECT
from tests.candidate.conftest import CHALLENGE
from tests.candidate.network import CredentialsEndpoint
from tests.candidate.task import Interview

pytestmark = pytest.mark.e2e


def test_the_candidate_gets_every_file_of_the_challenge_and_no_other(delivered: Path) -> None:
    source, target = PROJECT / "challenge" / CHALLENGE, delivered / "home" / "challenge"
    expected = {
        path.relative_to(source): path.read_bytes()
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert expected
    assert {p.relative_to(target): p.read_bytes() for p in target.rglob("*") if p.is_file()} == expected


def test_everything_delivered_belongs_to_the_candidate(delivered: Path) -> None:
    owners = {
        (path.stat().st_uid, path.stat().st_gid)
        for volume in (delivered / "home", delivered / "tmp")
        for path in [volume, *volume.rglob("*")]
    }
    assert owners == {(1000, 1000)}


def test_the_credentials_come_from_the_task_role_and_are_not_left_on_a_volume(
    delivered: Path, credentials_endpoint: CredentialsEndpoint
) -> None:
    assert credentials_endpoint.path in credentials_endpoint.requests
    kept = b"".join(path.read_bytes() for path in delivered.rglob("*") if path.is_file())
    assert kept
    assert credentials_endpoint.path.encode() not in kept


def test_a_challenge_that_is_not_there_stops_the_task_with_its_name(interview: Interview, tmp_path: Path) -> None:
    container = interview.container("challenge", tmp_path)
    container.environment = dict(container.environment) | {"CHALLENGE": "s3://prequel-instance/challenge/python/none/"}
    assert container.run() == 1
    assert "nothing at s3://prequel-instance/challenge/python/none/" in container.output


def test_a_bucket_that_refuses_stops_the_task_with_the_reason(interview: Interview, tmp_path: Path) -> None:
    container = interview.container("challenge", tmp_path)
    container.environment = dict(container.environment) | {"CHALLENGE": "s3://not-a-bucket/challenge/python/none/"}
    assert container.run() == 1
    assert "NoSuchBucket" in container.output


def test_the_editor_is_not_started_before_the_challenge_is_complete(interview: Interview) -> None:
    waits = interview.described("code-server")["dependsOn"]
    assert {"containerName": "challenge", "condition": "SUCCESS"} in waits
    assert interview.described("challenge")["essential"] is False
