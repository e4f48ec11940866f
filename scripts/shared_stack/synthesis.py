"""What main.py synthesizes, for operations that only read it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.errors import PrequelError
from scripts.private_files import private_directory
from scripts.project import PROJECT

Document = dict[str, Any]
"""A stack as synthesized: Terraform's JSON."""

ASSUMED_SETTINGS: dict[str, str] = {
    "aws_region": "us-east-1",
    "environment": "prod",
    "domain_name": "interviews.example.com",
}
"""What is synthesized where there is no configuration: a domain, and all else by default."""


def synthesized(directory: Path | None, settings: Mapping[str, str]) -> tuple[Document, Document]:
    """The shared and the interview stack of ``directory``'s configuration, with ``settings`` on top.

    Without a directory, of ``ASSUMED_SETTINGS``. Takes three seconds, in a process of its own because operations do
    not import cdktf. Raises ``PrequelError`` when synthesis fails.
    """
    with private_directory("synthesis") as scratch:
        if directory is None:
            directory = Path(scratch)
            lines = [f"{name} = {json.dumps(value)}\n" for name, value in ASSUMED_SETTINGS.items()]
            (directory / "terraform.tfvars").write_text("".join(lines))
        out = Path(scratch, "out")
        here = {"PREQUEL_CONFIG_DIR": str(directory), "CDKTF_OUTDIR": str(out)}
        done = subprocess.run(
            [sys.executable, "main.py"],
            cwd=PROJECT,
            env=os.environ | {f"PREQUEL_{name.upper()}": value for name, value in settings.items()} | here,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            problem = [*done.stderr.strip().splitlines(), "no reason given"][0].removeprefix("error: ")
            raise PrequelError(f"the stacks cannot be synthesized: {problem}")
        shared, interview = (
            json.loads((out / "stacks" / stack / "cdk.tf.json").read_text()) for stack in ("shared", "interview")
        )
    return shared, interview
