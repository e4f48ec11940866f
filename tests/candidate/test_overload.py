"""What the candidate's programs use up is not the editor's end: it stays the same process, and says what happened.

With the limits of the task definition, in Chromium. `python -m scripts.dev.bench.overload` takes longer and measures.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from constructs.interview_service import UNHEALTHY_CHECKS
from scripts.dev.bench.overload import LOADS, SHELL, HealthChecks, small_disk
from tests.candidate.container import Container, wait_for
from tests.candidate.editor import URL, Session
from tests.candidate.task import Interview

pytestmark = pytest.mark.e2e

INTERVAL_SECONDS = 5
"""Of the load balancer's checks."""

NOTIFICATIONS = ".notifications-toasts"

TASKS = {
    "version": "2.0.0",
    "tasks": [
        {"label": "limits", "type": "shell", "command": "./limits task", "group": {"kind": "build", "isDefault": True}}
    ],
}
LAUNCH = {
    "version": "0.2.0",
    "configurations": [
        {"type": "node", "request": "launch", "name": "limits", "program": "${workspaceFolder}/limits.js"}
    ],
}
LIMITS = "#!/bin/sh\necho $(cat /proc/self/oom_score_adj) $(chrt --pid $$) > ~/$1.new\nmv ~/$1.new ~/$1\n"


@pytest.fixture(scope="module")
def delivered(interview: Interview, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A task's directory on a small disk of its own, with a task and a debugger's configuration of the candidate's."""
    directory = tmp_path_factory.mktemp("small")
    with small_disk(directory):
        container = interview.container("challenge", directory)
        assert container.run() == 0, container.output
        challenge = directory / "home" / "challenge"
        (challenge / ".vscode").mkdir()
        (challenge / ".vscode" / "tasks.json").write_text(json.dumps(TASKS))
        (challenge / ".vscode" / "launch.json").write_text(json.dumps(LAUNCH))
        (challenge / "limits").write_text(LIMITS)
        (challenge / "limits").chmod(0o755)
        (challenge / "limits.js").write_text("require('child_process').spawnSync('./limits', ['debugger'])\n")
        subprocess.run(["chown", "-R", "1000:1000", challenge], check=True)
        yield directory


def editor_processes(container: Container) -> list[str]:
    """The process ids of the editor's server and of the process that watches it."""
    _, output = container.execute("sh", "-c", "grep -lsz out/node/[e]ntry /proc/[0-9]*/cmdline")
    return re.findall(r"/proc/(\d+)/", output)


def score(container: Container, process: str) -> int:
    """The kernel kills the process with the highest first, if they are of the same size."""
    return int(container.execute("cat", f"/proc/{process}/oom_score_adj")[1])


def test_what_terminals_tasks_and_debuggers_start_is_killed_before_the_editor(session: Session) -> None:
    session.browser.run_in_terminal("./limits terminal; ulimit -u > ~/processes")
    session.browser.choose("Tasks: Run Build Task")
    session.browser.choose("Debug: Start Without Debugging")
    for kind, policy in (("terminal", "800.*SCHED_IDLE"), ("task", "800.*SCHED_IDLE"), ("debugger", "700")):
        assert re.match(policy, wait_for((session.home / kind).read_text, kind, seconds=180)), kind
    assert wait_for((session.home / "processes").read_text, "the limit") == "1024\n"
    editor = editor_processes(session.container)
    assert len(editor) == 2
    assert {score(session.container, process) for process in editor} == {0}
    _, hosts = session.container.execute("sh", "-c", "grep -lsz -- --type=[e]xtensionHost /proc/[0-9]*/cmdline")
    assert {score(session.container, host) for host in re.findall(r"/proc/(\d+)/", hosts)} == {300}


@pytest.mark.parametrize(
    ("load", "warning"),
    [
        ("all processors busy", ""),
        ("a thousand file watchers", ""),
        ("a process that eats memory", "The memory was used up, and a program was stopped"),
        ("150 processes of 14 MB", ""),
        ("a full disk", "The disk is full"),
    ],
)
def test_the_editor_outlives(session: Session, load: str, warning: str) -> None:
    before = editor_processes(session.container)
    with HealthChecks(URL) as checks:
        session.container.execute(SHELL, "-c", LOADS[load].format(seconds=6))
    assert checks.longest_silence < UNHEALTHY_CHECKS * INTERVAL_SECONDS, checks.seconds
    assert editor_processes(session.container) == before
    session.browser.wait_for_text(NOTIFICATIONS, warning)


def test_a_fork_loop_is_ended_by_the_button_of_the_editors_warning(session: Session) -> None:
    before = editor_processes(session.container)
    with HealthChecks(URL) as checks:
        session.browser.run_in_terminal("loop() { loop | loop & }; loop")
        session.browser.click_button("Stop my programs")
        wait_for(lambda: None if "800" in scores(session.container) else True, "the end of the loop", seconds=180)
    assert checks.longest_silence < UNHEALTHY_CHECKS * INTERVAL_SECONDS, checks.seconds
    assert editor_processes(session.container) == before


def scores(container: Container) -> list[str]:
    """Of all processes."""
    return container.execute("sh", "-c", "cat /proc/[0-9]*/oom_score_adj 2> /dev/null")[1].split()


def test_an_endless_line_in_a_terminal_leaves_the_editor_usable(session: Session) -> None:
    before = editor_processes(session.container)
    with HealthChecks(URL) as checks:
        session.browser.run_in_terminal("head --bytes=2G /dev/zero | tr '\\0' x")
        session.browser.open_file("rate_limiter.py")
        session.browser.write_line("# typed beside it")
        file = session.home / "challenge" / "rate_limiter.py"
        wait_for(lambda: "# typed beside it\n" in file.read_text() or None, "the typed line", seconds=180)
        session.browser.choose("Terminal: Kill All Terminals")
    assert checks.longest_silence < UNHEALTHY_CHECKS * INTERVAL_SECONDS, checks.seconds
    assert editor_processes(session.container) == before
