"""A local AWS is found by the next command, and only while it runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.embedded import local_stack as local
from scripts.embedded.launcher import EmbeddedAws
from scripts.project import PROJECT

pytestmark = pytest.mark.e2e


def test_a_local_aws_is_found_while_it_runs_and_deleted_by_local_down(tmp_path: Path) -> None:
    embedded = EmbeddedAws.start(detach=True)
    assert embedded.process is not None
    directory = tmp_path / ".prequel" / "local"
    directory.mkdir(parents=True)
    local.LocalAws(directory, embedded.endpoint, embedded.process.pid).record()
    found = local.LocalAws.find(directory)
    assert found is not None
    assert found.endpoint == embedded.endpoint
    down = subprocess.Popen(
        [sys.executable, "-m", "scripts", "local", "down"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    embedded.process.wait(timeout=30)  # it is this test's child, and remains until the test has waited for it
    assert down.communicate()[1] == 'stopped; in a shell that used it, run: eval "$(prequel local env --unset)"\n'
    assert down.returncode == 0
    assert not directory.exists()
    assert local.LocalAws.find(directory) is None


def test_another_process_with_the_recorded_pid_is_never_stopped(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        local.LocalAws(tmp_path, "http://127.0.0.1:1", other.pid).record()
        assert local.LocalAws.find(tmp_path) is None
        assert other.poll() is None
        other.communicate(b"\n")


def test_the_exports_are_safe_for_a_shell(tmp_path: Path) -> None:
    lines = local.shell_exports(local.LocalAws(tmp_path / "a b", "http://127.0.0.1:1", 1))
    script = f'{lines}\nprintf "%s" "$PREQUEL_CONFIG_DIR"'
    said = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert said == str(tmp_path / "a b")
