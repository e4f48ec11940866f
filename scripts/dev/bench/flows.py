"""The two flows that are measured, ours and the plain one, and the floor below both."""

import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from contract.names import PLACEHOLDERS
from scripts.console import Console
from scripts.embedded.launcher import EmbeddedAws
from scripts.embedded.local_stack import EMBEDDED_SETTINGS
from scripts.embedded.seed import seed_shared_infrastructure
from scripts.errors import PrequelError
from scripts.interviews.context import Context
from scripts.interviews.reap import reap
from scripts.project import PROJECT
from scripts.terraform.providers import terraform_environment

CHALLENGE = "python/rate-limiter"
PLAIN_TEMPLATE = PROJECT / "tests" / "bench" / "plain.tf"
PASSWORD = "correct-horse-battery"  # noqa: S105  (of interviews that live for minutes on this machine)

_BACKEND = """\
terraform {{
  backend "s3" {{
    bucket = "{bucket}"
    key    = "floor/{name}"
    region = "{region}"
  }}
"""
_PROVIDER = '  required_providers {\n    aws = { source = "hashicorp/aws" }\n  }\n'
_ONE_QUESTION = 'data "aws_caller_identity" "us" {}\n'


TimedEvent = tuple[float, dict[str, Any]]
"""One event of `prequel --json`, after the seconds since the epoch at which it was read."""


@dataclass(frozen=True)
class Flows:
    """Both flows on one ``embedded`` AWS with its shared ``values``; ``directory`` holds the configuration."""

    embedded: EmbeddedAws
    values: dict[str, Any]
    directory: Path

    @classmethod
    def seeded(cls, embedded: EmbeddedAws, directory: Path) -> Self:
        """On shared infrastructure for 99 interviews, made by calls to ``embedded``; writes its configuration."""
        (directory / "terraform.tfvars").write_text(EMBEDDED_SETTINGS.replace("local", "embedded"))
        return cls(embedded, seed_shared_infrastructure(embedded.aws) | {"max_instances": 99}, directory)

    def prequel(self, *arguments: str) -> list[TimedEvent]:
        """Runs the command with ``--json`` and returns its events."""
        environment = self.embedded.environment | {"PREQUEL_CONFIG_DIR": str(self.directory)}
        command = [sys.executable, "-m", "scripts", *arguments, "--json"]
        process = subprocess.Popen(
            command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert process.stdout is not None  # noqa: S101  (it is a pipe)
        lines = [(time.time(), line) for line in process.stdout]
        if process.wait() != 0:
            raise PrequelError(f"{' '.join(arguments)} ended with {process.returncode}: {lines[-1:]}")
        return [(at, json.loads(line)) for at, line in lines if line.startswith("{")]

    def publish(self) -> None:
        """Releases the templates with a full rehearsal."""
        (self.directory / "outputs.json").write_text(json.dumps(self.values))
        self.prequel("templates", "publish", "--yes", "--outputs-file", str(self.directory / "outputs.json"))

    def create(self, interview: str) -> list[TimedEvent]:
        """One interview of ours."""
        request = ("--id", interview, "--challenge", CHALLENGE, "--candidate", "Ada Lovelace")
        return self.prequel("interview", "create", *request)

    def create_many(self, interviews: list[str]) -> None:
        """Several of ours from a file, five at a time."""
        rows = "".join(f"{CHALLENGE},Ada,{name}\n" for name in interviews)
        file = self.directory / "interviews.csv"
        file.write_text(f"challenge,candidate,id\n{rows}")
        self.prequel("interview", "create", "--from", str(file), "--parallel", "5")

    def plain(self, interview: str) -> float:
        """One of the plain flow: copy, substitute, init, plan, apply, output, and the directory uploaded.

        Returns the seconds of the upload alone.
        """
        with tempfile.TemporaryDirectory() as scratch:
            workspace = Path(scratch)
            text = PLAIN_TEMPLATE.read_text()
            for placeholder, value in zip(PLACEHOLDERS, (self.bucket, interview, self.embedded.region), strict=True):
                text = text.replace(placeholder, value)
            (workspace / "main.tf").write_text(text)
            given = self.values | {"interview_id": interview, "password": PASSWORD}
            (workspace / "terraform.tfvars.json").write_text(json.dumps(given))
            for arguments in (("init",), ("plan", "-out=plan"), ("apply", "plan"), ("output", "-json")):
                self._terraform(workspace, *arguments)
            begun = time.monotonic()
            # A mirror's provider is a link here and a copy elsewhere; an upload follows it either way.
            for parent, _, names in os.walk(workspace, followlinks=True):
                for path in (Path(parent) / name for name in names):
                    key = f"workspaces/{interview}/{path.relative_to(workspace)}"
                    self.embedded.aws.s3.upload_file(str(path), self.bucket, key)
            return time.monotonic() - begun

    def plain_many(self, interviews: list[str]) -> None:
        """Several of the plain flow, five at a time."""
        _ = self.embedded.aws.s3  # made once, before the threads
        with ThreadPoolExecutor(5) as pool:
            list(pool.map(self.plain, interviews))

    def destroy(self, interview: str) -> None:
        """Ends one of ours."""
        self.prequel("interview", "destroy", interview, "--yes")

    def reap(self) -> None:
        """One pass of the reaper's work on a day when every interview is overdue."""
        context = Context(
            self.embedded.aws,
            self.bucket,
            Console(json_lines=True, out=io.StringIO()),
            environment=self.embedded.environment,
            now=lambda: datetime.now(UTC) + timedelta(days=1),
            settling_seconds=0.1,
        )
        report = reap(context)
        if report.failed:
            raise PrequelError(f"not every interview could be ended: {report}")

    def floor(self, name: str, *, provider: bool) -> None:
        """Terraform's init and apply of nothing; with ``provider`` one question to AWS, so that the provider runs."""
        with tempfile.TemporaryDirectory() as scratch:
            text = _BACKEND.format(bucket=self.bucket, name=name, region=self.embedded.region)
            text += (_PROVIDER + "}\n" + _ONE_QUESTION) if provider else "}\n"
            (Path(scratch) / "main.tf").write_text(text)
            self._terraform(Path(scratch), "init")
            self._terraform(Path(scratch), "apply", "-auto-approve")

    def stored(self, interview: str) -> int:
        """Bytes of an interview's workspace in the bucket."""
        pages = self.embedded.aws.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=f"workspaces/{interview}/"
        )
        return sum(entry["Size"] for page in pages for entry in page.get("Contents", []))

    def forget(self, interview: str) -> None:
        """Deletes an interview's workspace, every version of it, from the embedded AWS, whose disk it fills."""
        s3, place = self.embedded.aws.s3, self.bucket
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=place, Prefix=f"workspaces/{interview}/")
        for version in (version for page in pages for version in page.get("Versions", [])):
            s3.delete_object(Bucket=place, Key=version["Key"], VersionId=version["VersionId"])

    @property
    def bucket(self) -> str:
        """The instance bucket."""
        return str(self.values["instance_bucket_name"])

    def _terraform(self, directory: Path, *arguments: str) -> None:
        run(["terraform", *arguments], terraform_environment(self.embedded.environment), directory)


def run(command: list[str], environment: Mapping[str, str], directory: Path) -> None:
    """Runs a command; raises ``PrequelError`` with the end of its output when it fails."""
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PrequelError(f"{' '.join(command)} ended with exit code {done.returncode}: {done.stderr[-500:]}")
