"""A password is in SSM, and nowhere else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.project import PROJECT
from tests.interviews.conftest import CHALLENGE, Place, PlaceFactory
from tests.interviews.test_crashes import descendants

pytestmark = pytest.mark.e2e

SENTINEL = "Sentinel-7f3a-password"


def test_the_password_is_found_in_ssm_and_in_no_other_place(new_place: PlaceFactory, tmp_path: Path) -> None:
    place = new_place()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = place.environment | {
        "TMPDIR": str(temporary),
        "TF_LOG": "TRACE",
        "TF_LOG_PATH": str(tmp_path / "trace.log"),
    }
    arguments = ["interview", "create", "--id", "secret", "--challenge", CHALLENGE, "--candidate", "Ada"]
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts", *arguments, "--password-stdin", "--json"],
        cwd=PROJECT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(SENTINEL + "\n")
    process.stdin.close()
    process.stdin = None
    seen = 0
    while process.poll() is None:
        for pid in [process.pid, *descendants(process.pid)]:
            seen += 1
            assert SENTINEL not in _text(Path(f"/proc/{pid}/cmdline"))
        for directory, _, names in os.walk(temporary):  # which does not mind what vanishes meanwhile
            for name in names:
                assert SENTINEL not in _text(Path(directory, name)), name
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert seen > 10

    name = f"/{place.prefix}/interviews/secret/password"
    value = place.aws.ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    assert value == SENTINEL
    lines = out.splitlines()
    assert json.loads(lines[-1])["result"]["password"] == SENTINEL  # printed once, in the result
    assert SENTINEL not in "\n".join(lines[:-1]) + err

    said = [
        place.prequel("interview", *words).stdout
        for words in (
            ["list", "--json"],
            ["list"],
            ["show", "secret"],
            ["show", "secret", "--json"],
            ["logs", "secret"],
        )
    ]
    said.append(place.prequel("interview", "drift", "secret", "--json").stdout)
    assert "Apply complete!" in said[4]
    assert all("secret" in text for text in said[:4])
    assert SENTINEL not in "\n".join(said)
    assert place.prequel("interview", "destroy", "secret", "--yes").returncode == 0
    _nowhere_in_s3(place)
    for file in tmp_path.rglob("*"):
        assert file.is_dir() or SENTINEL not in _text(file), file


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""


def _nowhere_in_s3(place: Place) -> None:
    """Every version of every object, what was deleted since included."""
    s3, bucket = place.aws.s3, place.values["instance_bucket_name"]
    states = 0
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for version in page.get("Versions", []):
            key, number = version["Key"], version["VersionId"]
            states += key.startswith("instances/secret.tfstate")
            content = s3.get_object(Bucket=bucket, Key=key, VersionId=number)["Body"].read()
            assert SENTINEL.encode() not in content, key
    assert states > 1
