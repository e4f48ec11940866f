"""A client of the plainest kind, which knows only what docs/template-contract.md says.

It copies the prefix ``instance/``, replaces three words in ``main.tf``, writes ``terraform.tfvars``, runs terraform.
"""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.terraform.providers import terraform_environment


class PlainClient:
    """Copies, substitutes and runs; nothing else. ``more`` goes into `terraform.tfvars`."""

    def __init__(
        self, environment: Mapping[str, str], s3: Any, bucket: str, directory: Path, *, interview: str, more: str
    ) -> None:
        self._directory = directory
        self._environment = terraform_environment(environment)
        for found in s3.list_objects_v2(Bucket=bucket, Prefix="instance/")["Contents"]:
            name = found["Key"].removeprefix("instance/")
            (directory / name).write_bytes(s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read())
        main = (directory / "main.tf").read_text()
        for placeholder, value in {
            "TERRAFORM_STATE_BUCKET_PLACEHOLDER": bucket,
            "INTERVIEW_ID_PLACEHOLDER": interview,
            "AWS_REGION_PLACEHOLDER": "us-east-1",
        }.items():
            assert main.count(placeholder) == 1
            main = main.replace(placeholder, value)
        (directory / "main.tf").write_text(main)
        (directory / "terraform.tfvars").write_text(
            f'interview_id = "{interview}"\ncandidate_name = "Grace Hopper"\nchallenge = "python"\n'
            f'aws_region = "us-east-1"\n{more}'
        )

    def terraform(self, *arguments: str) -> str:
        done = subprocess.run(
            ["terraform", *arguments],
            cwd=self._directory,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
