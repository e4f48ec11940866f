"""Measures what an overload by the candidate's programs does to the editor, and what extension and saver take.

`python -m scripts.dev.bench.overload` prints the tables and writes them to docs/overload.md. It takes root, for a small
disk.
"""

import json
import os
import re
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from scripts.console import Console
from scripts.dev.bench.report import Table, machine
from scripts.embedded.live.container_options import container_options
from scripts.engine.engine import Engine
from scripts.engine.image import editor_image
from scripts.project import PROJECT

SHELL = "/opt/editor/bash"
"""In which the editor's terminals and tasks run (image/editor/bash)."""

STOP = "require('/opt/editor/node_modules/code-server/lib/vscode/extensions/prequel-session/overload').stopPrograms()"
"""What "Stop my programs" does, for Node.js."""

DISK_BYTES = 400_000_000
PORT = 8443
CANDIDATE = (1000, 1000)
"""User and group."""

PAGE = PROJECT / "docs" / "overload.md"

_DEFINITION = {
    "entryPoint": ["setpriv", "--no-new-privs", "dumb-init", "--"],
    "command": ["code-server", "--bind-addr", f"0.0.0.0:{PORT}", "--auth", "password", "/home/coder/challenge"],
    "user": "1000:1000",
    "readonlyRootFilesystem": True,
    "linuxParameters": {"capabilities": {"drop": ["ALL"]}},
    "memory": 2048 - 128,
    "cpu": 1024,
    "mountPoints": [
        {"sourceVolume": "home", "containerPath": "/home/coder"},
        {"sourceVolume": "tmp", "containerPath": "/tmp"},  # noqa: S108  (the container's)
        {"sourceVolume": "session", "containerPath": "/run/prequel", "readOnly": True},
    ],
}
"""As in constructs/interview_containers.py."""

CHECK_TIMEOUT_SECONDS = 4
"""The load balancer's (constructs/interview_service.py)."""

_BETWEEN_CHECKS_SECONDS = 0.5

LOADS = {
    "all processors busy": "for _ in 1 2 3 4 5 6 7 8; do timeout {seconds} sh -c 'while :; do :; done' & done; wait",
    "a fork loop": "loop() {{ loop | loop & }}; loop 2> /dev/null; sleep {seconds}",
    "a process that eats memory": """python3 -c '
eaten = []
while True:
    eaten.append(b"1" * (64 << 20))
'""",
    "150 processes of 14 MB": """python3 -c '
import os, time
for _ in range(150):
    if os.fork() == 0:
        eaten = b"1" * (14 << 20)
        time.sleep({seconds})
        os._exit(0)
time.sleep({seconds})
'""",
    "a thousand file watchers": """node -e '
const fs = require("fs");
const folder = fs.mkdtempSync("/home/coder/challenge/watched-");
const end = Date.now() + {seconds} * 1000;
const names = Array.from({{ length: 1000 }}, (_, number) => `${{folder}}/${{number}}`);
names.forEach((name) => {{ fs.mkdirSync(name); fs.watch(name, () => {{}}); }});
(function touch() {{
  names.forEach((name) => fs.writeFileSync(`${{name}}/file`, "x"));
  if (Date.now() < end) setImmediate(touch); else {{ fs.rmSync(folder, {{ recursive: true }}); process.exit(); }}
}})();
'""",
    "a full disk": "cat /dev/zero > /tmp/zeros 2> /dev/null; sleep {seconds}; rm /tmp/zeros",
    "a log line of 2 GB": "head --bytes=2G /dev/zero | tr '\\0' x > /proc/1/fd/1",
}
"""Bash commands, each with ``{seconds}`` to format."""


@dataclass
class HealthChecks:
    """Asks ``url`` for ``/healthz`` all the time, as the load balancer does. Use it as a context.

    ``seconds`` are how long each answer took, None where none came.
    """

    url: str
    seconds: list[float | None] = field(default_factory=list)
    longest_silence: float = 0
    """Seconds from an answer to the next."""

    def __post_init__(self) -> None:
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> "HealthChecks":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _ask(self) -> None:
        answered = time.monotonic()
        while not self._end.is_set():
            begun = time.monotonic()
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=CHECK_TIMEOUT_SECONDS) as answer:  # noqa: S310
                    answer.read()
            except OSError:
                self.seconds.append(None)
            else:
                self.seconds.append(time.monotonic() - begun)
            self.longest_silence = max(self.longest_silence, time.monotonic() - answered)
            if self.seconds[-1] is not None:
                answered = time.monotonic()
            self._end.wait(_BETWEEN_CHECKS_SECONDS)


@contextmanager
def small_disk(directory: Path) -> Iterator[None]:
    """While open, there is only room for ``DISK_BYTES`` in ``directory``. Takes root."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=755", "tmpfs", directory], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


class Editor:
    """An editor of the image with the limits of an interview's default size, on a small disk. Use it as a context."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._scratch = tempfile.TemporaryDirectory()

    def __enter__(self) -> "Editor":
        directory = Path(self._scratch.name)
        self._disk = small_disk(directory)
        self._disk.__enter__()
        volumes = {name: str(directory / name) for name in ("home", "tmp", "session")}
        for path in (*volumes.values(), f"{volumes['home']}/challenge"):
            Path(path).mkdir()
            os.chown(path, *CANDIDATE)
        options = container_options(_DEFINITION, None, volumes=volumes)
        self._container = self._engine.client.containers.run(
            editor_image(self._engine),
            environment={"HOME": "/home/coder", "PASSWORD": "measured"},
            ulimits=self._engine.ulimits(),
            detach=True,
            **options,
        )
        self._container.reload()
        [network] = self._container.attrs["NetworkSettings"]["Networks"].values()
        self.url = f"http://{network['IPAddress']}:{PORT}"
        with HealthChecks(self.url) as checks:
            while not any(checks.seconds):
                time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        self._container.remove(force=True)
        self._disk.__exit__(None, None, None)
        self._scratch.cleanup()

    def execute(self, *command: str) -> str:
        """The output of a command of the candidate's user."""
        output = self._container.exec_run(list(command), user="1000:1000").output
        assert isinstance(output, bytes)  # noqa: S101  (as it is not streamed)
        return output.decode(errors="replace")

    @property
    def processes(self) -> list[str]:
        """The ids of the editor's own."""
        return self.execute("sh", "-c", "grep -lsz out/node/[e]ntry /proc/[0-9]*/cmdline").split()

    @property
    def kills(self) -> int:
        """How many processes the kernel has killed for their memory."""
        counts = self.execute("sh", "-c", "cat /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control")
        return int(re.findall(r"^oom_kill (\d+)$", counts, re.MULTILINE)[0])


def overloads(editor: Editor) -> Table:
    """Every load, one after the other, on the same editor."""
    rows: list[tuple[str, ...]] = [
        ("", "checks answered", "median answer, s", "slowest answer, s", "longest silence, s", "killed by the kernel")
    ]
    before = editor.processes
    for load, command in {"nothing": "sleep {seconds}", **LOADS}.items():
        kills = editor.kills
        with HealthChecks(editor.url) as checks:
            editor.execute(SHELL, "-c", command.format(seconds=20))
            editor.execute("node", "-e", STOP)
        answers = [seconds for seconds in checks.seconds if seconds is not None]
        rows.append(
            (
                load,
                f"{len(answers)} of {len(checks.seconds)}",
                f"{statistics.median(answers):.2f}",
                f"{max(answers):.2f}",
                f"{checks.longest_silence:.1f}",
                str(editor.kills - kills),
            )
        )
        if editor.processes != before:
            rows.append((f"**{load}: the editor was replaced**", *[""] * 5))
            break
    return Table("Under each overload", "", rows)


def additions(editor: Editor) -> Table:
    """What the extension and the saver take, in the container where they run."""
    extension = "/opt/editor/node_modules/code-server/lib/vscode/extensions/prequel-session"
    look = f"""
const overload = require('{extension}/overload');
(async () => {{
  const begun = process.cpuUsage();
  for (let n = 0; n < 200; n += 1) await overload.look('/home/coder');
  const {{ user, system }} = process.cpuUsage(begun);
  console.log((user + system) / 200 / 1000);
}})();
"""
    tree = """
import json, pathlib, sys, time
begun = time.process_time()
import image.saver.prequel_save
from image.saver.tree import look
loaded = time.process_time() - begun
folder = pathlib.Path("/opt/editor/node_modules/npm/lib")
begun = time.process_time()
for _ in range(20): files = len(look(folder).files)
json.dump([loaded * 1000, (time.process_time() - begun) / 20 * 1000, files], sys.stdout)
"""
    looked = float(editor.execute("node", "-e", look))
    path = "PYTHONPATH=/opt/prequel:/opt/prequel/lib"
    loaded, walked, files = json.loads(editor.execute("env", path, "python3", "-c", tree))
    return Table(
        "What extension and saver take",
        "Processor time. Neither is in the way of a request to the editor.",
        [
            ("", "bytes in the image", "ms"),
            ("extension: a look, every 5 s", _bytes(editor, extension), f"{looked:.1f}"),
            ("saver: its start", _bytes(editor, "/opt/prequel/image/saver /opt/prequel/lib"), f"{loaded:.0f}"),
            (f"saver: a look at {files:.0f} files, every 20 s", "", f"{walked:.1f}"),
        ],
    )


def _bytes(editor: Editor, paths: str) -> str:
    found = editor.execute("sh", "-c", f"du --total --summarize --bytes {paths} | tail -1")
    return f"{int(found.split()[0]):,}"


def main() -> None:
    """Prints the tables, and writes them to the page."""
    with Engine.find() as engine, Editor(engine) as editor:
        tables = [additions(editor), overloads(editor)]
    load = os.getloadavg()[2]
    busy = f" The machine was busy: its load average was {load:.0f}." if load > 2 * (os.cpu_count() or 1) else ""
    head = f"Measured on {datetime.now(UTC).date()} with 1 vCPU and 2 GB for the task, on {machine()}.{busy}"
    text = "\n\n".join([head, *(table.markdown() for table in tables)]).replace("## ", "### ")
    begin, end = "<!-- measured:begin -->\n", "\n<!-- measured:end -->"
    before, _, rest = PAGE.read_text().partition(begin)
    PAGE.write_text(before + begin + text + end + rest.partition(end)[2])
    Console().result(None, text + "\n")


if __name__ == "__main__":
    main()
