"""The caller's own settings for Terraform, the provider and the network do not change what an interview is."""

import os
import socket
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from contract.limits import TESTED_PROVIDER
from scripts.console import Console
from scripts.project import PROJECT
from scripts.releases.rehearsal import rehearse
from scripts.releases.release import Limits, Release
from scripts.shared_stack.values import LIMITS
from scripts.terraform import providers
from tests.interviews.conftest import CHALLENGE, Place, PlaceFactory

pytestmark = pytest.mark.e2e

CREATE = ("interview", "create", "--challenge", CHALLENGE, "--candidate", "Ada", "--id")


def test_terraform_settings_of_the_caller_do_not_reach_our_runs(
    new_place: PlaceFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = new_place()
    mirror = providers.provider_mirror(os.environ) or providers.tested_provider()
    (tmp_path / "mirror").symlink_to(mirror)
    settings = {
        "TF_CLI_ARGS": "-input=false -no-such-flag",
        "TF_CLI_ARGS_init": "-upgrade -backend=false",
        "TF_CLI_ARGS_apply": "-target=aws_ssm_parameter.password -destroy",
        "TF_CLI_ARGS_plan": "-refresh-only",
        "TF_DATA_DIR": str(tmp_path / "data"),
        "TF_WORKSPACE": "staging",
        "TF_VAR_task_cpu": "4096",
        "TF_VAR_password": "not-this-one",
        "TF_INPUT": "1",
        "TF_LOG": "trace",
        "TF_STATE_PERSIST_INTERVAL": "x",
        "TF_REATTACH_PROVIDERS": "{}",
        # Relative ones are found, although terraform runs in a directory of its own.
        "PREQUEL_TF_MIRROR": os.path.relpath(tmp_path / "mirror", PROJECT),
        "AWS_CONFIG_FILE": os.path.relpath(place.directory / "aws.config", PROJECT),
    }
    (place.directory / "aws.config").write_text("[default]\n")
    given = place.environment | settings
    monkeypatch.setattr(Place, "environment", given)
    for name in ("one", "two"):
        created = place.prequel(*CREATE, name)
        assert created.returncode == 0, created.stderr
    assert place.objects("instances/") == ["instances/one.tfstate", "instances/two.tfstate"]
    assert place.objects("env:") == []
    assert (
        "not-this-one"
        not in place.aws.ssm.get_parameter(Name=f"/{place.prefix}/interviews/one/password", WithDecryption=True)[
            "Parameter"
        ]["Value"]
    )
    for name in ("one", "two"):
        destroyed = place.prequel("interview", "destroy", name, "--yes")
        assert destroyed.returncode == 0, destroyed.stderr
        assert place.live(name) == {}
    assert not (tmp_path / "data").exists()


@pytest.fixture(scope="session")
def zipped_mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mirror with the provider in an archive, which each init unpacks."""
    mirror = tmp_path_factory.mktemp("zipped")
    source = (
        providers.provider_mirror(os.environ) or providers.tested_provider()
    ) / "registry.terraform.io/hashicorp/aws"
    (platform,) = (source / TESTED_PROVIDER).iterdir()
    target = mirror / "registry.terraform.io/hashicorp/aws"
    target.mkdir(parents=True)
    name = f"terraform-provider-aws_{TESTED_PROVIDER}_{platform.name}.zip"
    with zipfile.ZipFile(target / name, "w", zipfile.ZIP_STORED) as archive:
        for file in platform.iterdir():
            archive.write(file, file.name)
    return mirror


def test_parallel_creates_share_the_plugin_cache_of_the_callers_own_configuration(
    new_place: PlaceFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, zipped_mirror: Path
) -> None:
    place = new_place()
    cache = tmp_path / "plugins"
    cache.mkdir()
    (tmp_path / ".terraformrc").write_text(
        f'provider_installation {{\n  filesystem_mirror {{\n    path = "{zipped_mirror}"\n  }}\n}}\n'
        f'plugin_cache_dir = "{cache}"\n'
    )
    others = ("TF_CLI_CONFIG_FILE", "PREQUEL_TF_MIRROR")
    given = {name: value for name, value in place.environment.items() if name not in others}
    monkeypatch.setattr(Place, "environment", given | {"HOME": str(tmp_path)})
    rows = tmp_path / "rows.csv"
    rows.write_text("challenge,candidate,id\n" + "".join(f"{CHALLENGE},Ada,row{n}\n" for n in range(4)))
    done = place.prequel("interview", "create", "--from", str(rows), "--parallel", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(cache.rglob("terraform-provider-aws*"))) == 1


@contextmanager
def a_proxy_that_refuses() -> Iterator[tuple[str, list[bytes]]]:
    """A proxy's address, and the first line of each request that it got; it answers none."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    asked.append(connection.recv(4096).partition(b"\r\n")[0])
                    connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
        server.shutdown(socket.SHUT_RDWR)


def test_nothing_that_goes_to_this_machine_goes_through_a_proxy(
    new_place: PlaceFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = new_place()
    with a_proxy_that_refuses() as (proxy, asked):
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        created = place.prequel(*CREATE, "direct")
        assert created.returncode == 0, created.stderr
        assert place.prequel("interview", "destroy", "direct", "--yes").returncode == 0
        values = {name: value for name, value in place.values.items() if name not in LIMITS}
        limits = Limits(max_instances=10, interview_default_minutes=90, interview_maximum_minutes=240)
        release = Release.assemble(PROJECT / "instance_templates", values, limits)
        assert rehearse(release, Console()).status == "passed"
    # Checkpoint, the registry and AWS itself are far away; the rest is here.
    assert [line for line in asked if b"127.0.0.1" in line or b"localhost" in line] == []


def test_what_goes_to_aws_goes_through_the_proxy(new_place: PlaceFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    place = new_place()
    with a_proxy_that_refuses() as (proxy, asked):
        environment = {name: value for name, value in place.environment.items() if name != "AWS_ENDPOINT_URL"}
        monkeypatch.setattr(Place, "environment", environment | {"HTTPS_PROXY": proxy, "AWS_MAX_ATTEMPTS": "1"})
        listed = place.prequel("interview", "list")
    assert listed.returncode == 1
    assert listed.stderr.startswith("error: ")
    assert "Traceback" not in listed.stderr
    assert any(line.startswith(b"CONNECT ") and b"amazonaws.com:443" in line for line in asked), listed.stderr
