"""A local AWS is found again by the next command, and only while it lives."""

import subprocess
import sys
from pathlib import Path

import pytest

from scripts import local
from scripts.embedded import EmbeddedAws

pytestmark = pytest.mark.e2e


def test_a_local_aws_is_found_while_it_runs_and_forgotten_when_it_stops(tmp_path: Path) -> None:
    embedded = EmbeddedAws.start(detach=True)
    assert embedded.process is not None
    local.LocalAws(tmp_path, embedded.endpoint, embedded.process.pid).remember()
    found = local.LocalAws.find(tmp_path)
    assert found is not None
    assert found.endpoint == embedded.endpoint
    found.stop()
    embedded.process.wait()
    assert not tmp_path.exists()
    assert local.LocalAws.find(tmp_path) is None


def test_another_process_with_a_remembered_pid_is_never_stopped(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        local.LocalAws(tmp_path, "http://127.0.0.1:1", other.pid).remember()
        assert local.LocalAws.find(tmp_path) is None
        assert other.poll() is None
        other.communicate(b"\n")


def test_the_exports_are_safe_for_a_shell(tmp_path: Path) -> None:
    lines = local.shell_exports(local.LocalAws(tmp_path / "a b", "http://127.0.0.1:1", 1))
    script = f'{lines}\nprintf "%s" "$PREQUEL_CONFIG_DIR"'
    said = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert said == str(tmp_path / "a b")
