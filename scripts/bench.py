"""`make bench`: how long the things take that a person waits for, measured here and now, ours beside the plain flow.

Printed, never asserted: machines differ. Times are medians; what both flows do, they do on one embedded AWS in one run.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from scripts.console import Console
from scripts.embedded import EmbeddedAws, seed_shared_infrastructure
from scripts.errors import PrequelError
from scripts.interviews.model import Inputs, Intent, Status
from scripts.interviews.site import Site
from scripts.local import EMBEDDED_SETTINGS, PROJECT
from scripts.terraform import terraform_environment
from stacks.names import PLACEHOLDERS

CHALLENGE = "python/rate-limiter"
PLAIN_TEMPLATE = PROJECT / "tests" / "bench" / "plain.tf"


@dataclass(frozen=True)
class Bench:
    """One run: the embedded AWS, its shared values, and a directory with the configuration."""

    embedded: EmbeddedAws
    values: dict[str, Any]
    directory: Path

    @property
    def environment(self) -> dict[str, str]:
        """For the `prequel` command."""
        return self.embedded.environment | {"PREQUEL_CONFIG_DIR": str(self.directory)}

    def prequel(self, *arguments: str) -> None:
        """Runs the command."""
        _run([sys.executable, "-m", "scripts", *arguments], self.environment, PROJECT)

    def publish(self) -> None:
        """What must be there before an interview."""
        (self.directory / "outputs.json").write_text(json.dumps(self.values))
        outputs = ("--outputs-file", str(self.directory / "outputs.json"))
        self.prequel("templates", "publish", "--yes", "--skip-rehearsal", *outputs)
        self.prequel("challenge", "publish")

    def create(self, interview: str) -> None:
        """One interview, as a user creates it."""
        request = ("--challenge", CHALLENGE, "--candidate", "Ada Lovelace")
        self.prequel("interview", "create", "--id", interview, *request)

    def create_ten(self) -> None:
        """Ten interviews from a file, all at once."""
        rows = "".join(f"{CHALLENGE},Ada,ten-{number}\n" for number in range(10))
        (self.directory / "ten.csv").write_text(f"challenge,candidate,id\n{rows}")
        self.prequel("interview", "create", "--from", str(self.directory / "ten.csv"), "--parallel", "5")

    def stored_bytes(self, prefix: str) -> int:
        """Bytes in the instance bucket below ``prefix``."""
        pages = self.embedded.aws.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.values["instance_bucket_name"], Prefix=prefix
        )
        return sum(entry["Size"] for page in pages for entry in page.get("Contents", []))

    def write_down(self, number: int) -> None:
        """That many interviews in the records, without a resource of theirs."""
        site = Site(self.embedded.aws, self.values["instance_bucket_name"], Console(json_lines=True))
        pointer = site.releases.current()
        now = site.now()
        for index in range(number):
            site.intents.create(
                Intent(
                    id=f"listed-{index}",
                    incarnation=uuid.uuid4().hex,
                    release_digest=pointer.digest,
                    inputs=Inputs(candidate_name="Ada", challenge=CHALLENGE),
                    created_at=now,
                    starts_at=now,
                    deadline=now + timedelta(hours=1),
                    expires_at=now + timedelta(hours=1),
                    status=Status.SCHEDULED,
                ).moved(Status.SCHEDULED, at=now, actor="bench")
            )

    def plain_create(self, interview: str) -> int:
        """The plain flow: copy, substitute, init, plan, apply, output, upload of the directory; returns its bytes."""
        with tempfile.TemporaryDirectory() as scratch:
            workspace = Path(scratch)
            text = PLAIN_TEMPLATE.read_text()
            bucket = self.values["instance_bucket_name"]
            for placeholder, value in zip(PLACEHOLDERS, (bucket, interview, self.embedded.region), strict=True):
                text = text.replace(placeholder, value)
            (workspace / "main.tf").write_text(text)
            given = self.values | {"interview_id": interview, "password": "correct-horse-battery"}
            (workspace / "terraform.tfvars.json").write_text(json.dumps(given))
            environment = terraform_environment(self.embedded.environment)
            for arguments in (("init",), ("plan", "-out=plan"), ("apply", "plan"), ("output", "-json")):
                _run(["terraform", *arguments], environment, workspace)
            files = [path for path in workspace.rglob("*") if path.is_file()]
            # A mirror's provider is a link here and a copy elsewhere; an upload follows it either way.
            links = [path for path in workspace.rglob("*") if path.is_symlink()]
            files += [path for link in links for path in link.rglob("*") if path.is_file()]
            for path in files:
                key = f"workspaces/{interview}/{path.relative_to(workspace)}"
                self.embedded.aws.s3.upload_file(str(path), bucket, key)
            return sum(path.stat().st_size for path in files)


def main() -> None:
    """Measures and prints a line for each."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="prequel-bench-") as scratch:
        directory = Path(scratch)
        (directory / "terraform.tfvars").write_text(EMBEDDED_SETTINGS.replace("local", "embedded"))
        here = os.environ | {"PREQUEL_CONFIG_DIR": scratch, "CDKTF_OUTDIR": str(directory / "cdktf.out")}
        synthesis = _median(lambda: _run([sys.executable, "main.py"], here, PROJECT), runs=5, warm=True)
        _tell(console, "synthesis of both stacks, warm", synthesis, "2.5")
        prequel = shutil.which("prequel") or str(Path(sys.executable).parent / "prequel")
        _tell(
            console,
            "prequel --help",
            _median(lambda: _run([prequel, "--help"], here, PROJECT), runs=9, warm=True),
            "0.3",
        )
        with EmbeddedAws.start() as embedded:
            values = seed_shared_infrastructure(embedded.aws)
            bench = Bench(embedded, values | {"max_instances": 99}, directory)
            bench.publish()
            numbers = iter(range(100))
            ours = _median(lambda: bench.create(f"ours-{next(numbers)}"), runs=3, warm=True)
            _tell(console, "interview create, to its outputs", ours, "5")
            begun = time.monotonic()
            plain_bytes = bench.plain_create("plain")
            plain = time.monotonic() - begun
            _tell(console, "  the plain flow, once", plain)
            console.say(f"  {'  ratio':<36} {plain / ours:7.1f}     (wanted: 20)")
            _tell(console, "ten interviews at once", _median(bench.create_ten, runs=1), "30")
            stored = bench.stored_bytes("workspaces/ours-0/")
            console.say(f"  {'stored per interview':<36} {stored / 1000:7.1f} kB  (wanted: 50)")
            console.say(f"  {'  by the plain flow':<36} {plain_bytes / 1000:7.0f} kB")
            bench.write_down(99 - 14)
            listed = _median(lambda: bench.prequel("interview", "list"), runs=3)
            _tell(console, "list of 99 interviews", listed, "1")


def _tell(console: Console, what: str, seconds: float, wanted: str = "") -> None:
    console.say(f"  {what:<36} {seconds:7.2f} s" + (f"   (wanted: {wanted})" if wanted else ""))


def _median(measured: Callable[[], None], *, runs: int, warm: bool = False) -> float:
    """Seconds; with ``warm`` one run before the others does not count."""
    if warm:
        measured()
    times = []
    for _ in range(runs):
        begun = time.monotonic()
        measured()
        times.append(time.monotonic() - begun)
    return statistics.median(times)


def _run(command: list[str], environment: Mapping[str, str], directory: Path) -> None:
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PrequelError(f"{' '.join(command)} ended with exit code {done.returncode}: {done.stderr[-500:]}")


if __name__ == "__main__":
    main()
