"""Terraform is run for real, on its built-in resource, which needs no provider."""

import fcntl
import os
import shutil
import signal
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from contract.limits import TESTED_PROVIDER
from scripts.errors import InterruptedRunError, MissingToolError, TerraformError
from scripts.project import PROJECT
from scripts.terraform import providers
from scripts.terraform.binary import terraform_binary
from scripts.terraform.interrupts import AwaitedThreads, forward_interrupts
from scripts.terraform.plugin_cache import filling
from scripts.terraform.process import Terraform
from scripts.terraform.providers import (
    PROVIDER_PATH,
    TESTED_PROVIDER_VARIABLE,
    pin_provider,
    provider_mirror,
    terraform_environment,
)


@pytest.fixture
def module(tmp_path: Path) -> Path:
    (tmp_path / "main.tf").write_text(
        """
        variable "secret" {
          type      = string
          default   = ""
          ephemeral = true
        }
        variable "limit" {
          type    = number
          default = 1
          validation {
            condition     = var.limit < 10
            error_message = "limit must be below 10."
          }
        }
        resource "terraform_data" "one" {
          input = { limit = var.limit, secret_given = nonsensitive(ephemeralasnull(var.secret)) }
        }
        output "limit" {
          value = terraform_data.one.output.limit
        }
        """
    )
    return tmp_path


def test_outputs_come_from_the_apply_itself(module: Path) -> None:
    run = Terraform(module)
    run.init()
    events: list[str] = []
    assert run.apply("-var=limit=3", on_event=lambda event: events.append(event["type"])) == {"limit": 3}
    assert "apply_complete" in events


def test_a_plan_after_an_apply_reports_no_change_and_a_changed_input_is_reported(module: Path) -> None:
    run = Terraform(module)
    run.init()
    run.apply()
    assert run.changes() == []
    assert [change["address"] for change in run.changes("-var=limit=2")] == ["terraform_data.one"]


def test_a_refused_input_is_reported_in_terraforms_words_on_one_line(module: Path) -> None:
    run = Terraform(module)
    run.init()
    with pytest.raises(TerraformError, match=r"limit must be below 10\.") as refused:
        run.apply("-var=limit=11")
    assert "\n" not in str(refused.value)


def test_a_configuration_that_does_not_parse_is_reported_on_one_line(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('resource "terraform_data" {')
    with pytest.raises(TerraformError) as refused:
        Terraform(tmp_path).init()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("earlier", [0, 1], ids=["the-first", "after-one-that-it-was-not-passed"])
def test_ctrl_c_lets_terraform_finish_what_it_began_and_write_its_state(tmp_path: Path, earlier: int) -> None:
    (tmp_path / "main.tf").write_text(
        """
        resource "terraform_data" "first" {
          provisioner "local-exec" { command = "touch began; sleep 2" }
        }
        resource "terraform_data" "second" { depends_on = [terraform_data.first] }
        """
    )
    run = Terraform(tmp_path)
    run.init()

    def press_ctrl_c() -> None:
        while not (tmp_path / "began").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    with forward_interrupts():
        for _ in range(earlier):
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=press_ctrl_c).start()
        with pytest.raises(InterruptedRunError):
            run.apply()
    state = (tmp_path / "terraform.tfstate").read_text()
    assert '"first"' in state
    assert '"second"' not in state


def test_a_missing_terraform_is_named_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    terraform_binary.cache_clear()
    try:
        with pytest.raises(MissingToolError, match=r"terraform is not on PATH; install it from https://"):
            terraform_binary()
    finally:
        terraform_binary.cache_clear()


def test_a_terraform_without_write_only_arguments_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = tmp_path / "terraform"
    old.write_text("#!/bin/sh\necho 'Terraform v1.9.8'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    terraform_binary.cache_clear()
    try:
        with pytest.raises(MissingToolError, match=r"is Terraform v1\.9, expected 1\.11 or later"):
            terraform_binary()
    finally:
        terraform_binary.cache_clear()


def test_a_named_mirror_without_the_provider_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingToolError, match=r"PREQUEL_TF_MIRROR is .*, expected a directory that holds"):
        provider_mirror({"PREQUEL_TF_MIRROR": str(tmp_path)})


def test_offline_the_implied_mirror_directories_are_searched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mirror = tmp_path / ".terraform.d/plugins"
    (mirror / "registry.terraform.io/hashicorp/aws").mkdir(parents=True)
    monkeypatch.setattr(providers, "_registry_answers", lambda: False)
    assert provider_mirror({"HOME": str(tmp_path)}) == mirror


def test_a_cli_configuration_that_does_not_exist_is_not_passed_on(tmp_path: Path) -> None:
    environment = terraform_environment(os.environ | {"TF_CLI_CONFIG_FILE": str(tmp_path / "missing.tfrc")})
    assert Path(environment["TF_CLI_CONFIG_FILE"]).exists()


@pytest.fixture
def deaf_terraform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Terraform]:
    """One that ignores SIGINT, as the real one does while a provider does not answer."""
    deaf = tmp_path / "terraform"
    deaf.write_text("#!/bin/sh\ntrap '' INT\n[ \"$1\" = version ] && echo 'Terraform v1.11.4' && exit\nsleep 30\n")
    deaf.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    terraform_binary.cache_clear()
    yield Terraform(tmp_path, timeout_seconds=0.2, grace_seconds=0.2)
    terraform_binary.cache_clear()


def test_a_terraform_that_ignores_interrupts_is_killed_after_its_time_limit_and_grace_period(
    deaf_terraform: Terraform,
) -> None:
    start = time.monotonic()
    with pytest.raises(TerraformError, match=r"not done after 0 s, killed"):
        deaf_terraform.init()
    assert time.monotonic() - start < 5


def test_a_ctrl_c_that_comes_while_terraform_is_being_started_reaches_it(
    deaf_terraform: Terraform, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf_terraform._timeout_seconds = None
    popen = subprocess.Popen

    def start_and_press_ctrl_c(*arguments: Any, **options: Any) -> subprocess.Popen[str]:
        process: subprocess.Popen[str] = popen(*arguments, **options)
        if "init" in arguments[0]:
            os.kill(os.getpid(), signal.SIGINT)
        return process

    monkeypatch.setattr(subprocess, "Popen", start_and_press_ctrl_c)
    start = time.monotonic()
    with pytest.raises(InterruptedRunError):
        deaf_terraform.init()
    assert time.monotonic() - start < 5


def test_a_thread_has_ended_when_a_signal_that_came_at_its_start_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    start = threading.Thread.start

    def start_and_be_interrupted(thread: threading.Thread) -> None:
        start(thread)
        signal.raise_signal(signal.SIGINT)

    def work() -> None:
        time.sleep(0.2)
        done.append("written")

    with monkeypatch.context() as here:
        here.setattr(threading.Thread, "start", start_and_be_interrupted)
        with suppress(KeyboardInterrupt), AwaitedThreads(1) as pool:
            pool.submit(work)
            done.append("never reached")
    assert done == ["written"]


def fresh_caches(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Nothing is remembered of other tests, and ``cache`` is this user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    for remembered in (providers.tested_provider, providers._cli_config):
        monkeypatch.setattr(providers, remembered.__name__, remembered.__wrapped__)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Terraform's configuration for a source of providers that has a newer one than the tested one."""
    mirror = provider_mirror(os.environ)
    assert mirror is not None
    source = tmp_path / "registry"
    versions = source / "registry.terraform.io/hashicorp/aws"
    (tested,) = (mirror / "registry.terraform.io/hashicorp/aws" / TESTED_PROVIDER).iterdir()
    (versions / TESTED_PROVIDER).mkdir(parents=True)
    (versions / TESTED_PROVIDER / tested.name).symlink_to(tested)
    newer = versions / "6.99.0" / tested.name
    newer.mkdir(parents=True)
    (newer / "terraform-provider-aws_v6.99.0_x5").touch(mode=0o755)
    config = tmp_path / "registry.tfrc"
    config.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{source}"\n  }}\n}}\n')
    monkeypatch.setattr(providers, "_registry_answers", lambda: True)
    monkeypatch.delenv("PREQUEL_TF_MIRROR", raising=False)
    return config


def chosen_provider(directory: Path, environment: dict[str, str], pinned: str = "") -> str:
    shutil.copy(PROJECT / "instance_templates" / "main.tf", directory)
    run = Terraform(directory, environment)
    if pinned:
        pin_provider(directory, pinned)
    run.init("-backend=false")
    return run.versions()[1]


def test_a_pinned_provider_is_chosen_and_without_a_pin_the_newest_of_the_range(registry: Path, tmp_path: Path) -> None:
    environment = os.environ | {"TF_CLI_CONFIG_FILE": str(registry)}
    (tmp_path / "pinned").mkdir()
    assert chosen_provider(tmp_path / "pinned", environment, TESTED_PROVIDER) == TESTED_PROVIDER
    assert chosen_provider(tmp_path, environment) == "6.99.0"


def test_an_embedded_aws_gets_the_tested_provider_though_the_registry_has_a_newer_one(
    registry: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fresh_caches(monkeypatch, tmp_path / "cache")
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(registry))  # of the download; a user without one has the registry
    mine = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], TESTED_PROVIDER_VARIABLE: "1"}
    assert chosen_provider(tmp_path, mine) == TESTED_PROVIDER


@pytest.mark.parametrize("cache", ["ours", ".terraformrc", ".terraform.d/x.tfrc", "TF_CLI_CONFIG_FILE", "variable"])
def test_two_inits_never_fill_a_shared_plugin_cache_at_once(
    module: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: str
) -> None:
    fresh_caches(monkeypatch, tmp_path / "cache")
    monkeypatch.setattr(providers, "_registry_answers", lambda: True)
    mine = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    (tmp_path / "plugins").mkdir()
    (tmp_path / ".terraform.d").mkdir()
    if "rc" in cache or cache == "TF_CLI_CONFIG_FILE":
        config = tmp_path / (cache if "rc" in cache else "named")
        config.write_text(f'plugin_cache_dir = "{tmp_path}/plugins"')
    if cache == "TF_CLI_CONFIG_FILE":
        mine[cache] = os.path.relpath(tmp_path / "named")
    if cache == "variable":
        mine["TF_PLUGIN_CACHE_DIR"] = os.path.relpath(tmp_path / "plugins")
    with (providers.cache_home() / "terraform-plugins.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        init = threading.Thread(target=Terraform(module, mine).init)
        init.start()
        init.join(timeout=1.5)
        assert not (module / ".terraform.lock.hcl").exists()
        assert init.is_alive()
    init.join(timeout=30)
    assert not init.is_alive()


@pytest.fixture
def zipped(tmp_path: Path) -> Path:
    """A source of providers that has a small one in an archive, which each first init unpacks."""
    source = tmp_path / "zipped"
    (source / PROVIDER_PATH).mkdir(parents=True)
    name = f"terraform-provider-aws_{TESTED_PROVIDER}_{platform()}.zip"
    with zipfile.ZipFile(source / PROVIDER_PATH / name, "w") as archive:
        archive.writestr(f"terraform-provider-aws_v{TESTED_PROVIDER}_x5", "whole")
    return source


def platform() -> str:
    mirror = provider_mirror(os.environ)
    assert mirror is not None
    (found,) = (mirror / PROVIDER_PATH / TESTED_PROVIDER).iterdir()
    return found.name


class KilledError(Exception):
    """Stands for the end of a process, which tidies up nothing."""


@pytest.mark.parametrize("whose", ["ours", "the caller's"])
def test_half_a_provider_that_a_killed_init_left_in_a_plugin_cache_is_never_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, zipped: Path, whose: str
) -> None:
    fresh_caches(monkeypatch, tmp_path / "cache")
    cache = providers.own_plugin_cache() if whose == "ours" else tmp_path / "plugins"
    cache.mkdir()
    (tmp_path / ".terraformrc").write_text(
        f'provider_installation {{\n  filesystem_mirror {{\n    path = "{zipped}"\n  }}\n}}\n'
        f'plugin_cache_dir = "{cache}"\n'
    )
    mine = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    whole, half = (cache / PROVIDER_PATH / version / platform() for version in ("4.0.0", TESTED_PROVIDER))
    whole.mkdir(parents=True)
    (whole / "terraform-provider-aws_v4.0.0_x5").touch(mode=0o755)
    provider = half / f"terraform-provider-aws_v{TESTED_PROVIDER}_x5"
    with suppress(KilledError), filling(mine) as lock:
        half.mkdir(parents=True)
        provider.write_text("ha")
        provider.chmod(0o755)
        orphan = subprocess.Popen(["sleep", "1000"], pass_fds=lock)
        raise KilledError
    init = threading.Thread(target=chosen_provider, args=(tmp_path, mine))
    if whose == "ours":
        init.start()
        init.join(timeout=1)
        assert init.is_alive()  # the killed one's terraform still fills the cache
    orphan.kill()
    orphan.wait()
    if whose == "ours":
        init.join(timeout=120)
    else:
        with pytest.raises(TerraformError, match=f"may have left {half} incomplete; remove it, and run"):
            chosen_provider(tmp_path, mine)
        shutil.rmtree(half)
        chosen_provider(tmp_path, mine)
    assert provider.read_text() == "whole"
    assert whole.exists()
    chosen_provider(tmp_path, mine)
    assert provider.read_text() == "whole"
