"""What `make demo` promises beside its work: it cleans up after itself."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.project import PROJECT

pytestmark = pytest.mark.e2e


@pytest.mark.usefixtures("whole_demo")  # starts it, because it mostly waits; test_whole_demo.py waits for its end
def test_ctrl_c_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "scripts.dev.demo"],
        cwd=PROJECT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert demo.stdout is not None
    for line in demo.stdout:
        if " resources after " in line:  # in the middle of the deployment
            break
    os.killpg(demo.pid, signal.SIGINT)  # as a terminal does, to the whole foreground group
    said = demo.stdout.read()
    assert demo.wait(timeout=120) == 130, said
    assert "Traceback" not in said
    assert list(tmp_path.glob("prequel-demo-*")) == []
    assert processes_with(f"TMPDIR={tmp_path}") == []


def processes_with(variable: str) -> list[str]:
    """The command lines of all processes in whose environment ``variable`` stands, children of children included."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if variable.encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().decode(errors="replace"))
        except OSError:  # it ended meanwhile
            continue
    return found
