"""Both stacks, planned by terraform on an embedded AWS, and checkov's results for the plans, once per session."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from contract.names import PLACEHOLDERS
from scripts.embedded.launcher import EmbeddedAws
from scripts.embedded.local_stack import DOMAIN
from scripts.embedded.seed import seed_shared_infrastructure
from scripts.project import PROJECT
from scripts.terraform.providers import terraform_environment

SECURITY_TOOLS = PROJECT / ".venv-security" / "bin"

SETTINGS = f"""\
aws_region    = "us-east-1"
environment   = "prod"
domain_name   = "{DOMAIN}"
egress        = "nat_per_az"
portal_image  = "ghcr.io/example/portal:1.0.0"
alarm_email   = "ops@example.com"
"""
"""All optional resources of the shared stack."""

LEAKY = {
    "format_version": "1.2",
    "terraform_version": "1.11.4",
    "planned_values": {
        "root_module": {
            "resources": [
                {
                    "address": "aws_lb.leaky",
                    "mode": "managed",
                    "type": "aws_lb",
                    "name": "leaky",
                    "provider_name": "registry.terraform.io/hashicorp/aws",
                    "schema_version": 0,
                    "values": {"name": "leaky", "load_balancer_type": "application", "internal": False},
                }
            ]
        }
    },
    "resource_changes": [],
    "configuration": {"root_module": {"resources": []}},
}
"""An insecure plan, for which checkov must report findings."""

Waiver = dict[str, str]
Key = tuple[str, str, str]
"""Stack, address and check."""


def security_tool(name: str) -> str:
    """The path of a program of ``requirements-security.txt``; fails if it is not installed."""
    program = SECURITY_TOOLS / name
    if not program.exists():
        pytest.fail(f"{program} is missing; run `make check-security`, which installs it")
    return str(program)


@dataclass(frozen=True)
class Plans:
    """The directory of each stack's cdk.tf.json and plan.json, by stack."""

    directories: Mapping[str, Path]

    def plan(self, stack: str) -> dict[str, Any]:
        """One plan, as Terraform writes it
        (https://developer.hashicorp.com/terraform/internals/json-format#plan-representation).
        """
        document: dict[str, Any] = json.loads((self.directories[stack] / "plan.json").read_text())
        return document

    @property
    def waivers(self) -> dict[Key, Waiver]:
        """The waivers of checkov's checks, as ``constructs.waivers.waive`` wrote them into the stacks."""
        return {
            (stack, f"{kind}.{name}", check): waiver
            for stack, directory in self.directories.items()
            for kind, named in json.loads((directory / "cdk.tf.json").read_text())["resource"].items()
            for name, resource in named.items()
            for check, waiver in resource["//"].get("waivers", {}).items()
            if check.startswith("CKV")
        }


@dataclass(frozen=True)
class Scan:
    """checkov's results: ``failed`` with the check's name, ``passed``, and its ``summary``."""

    failed: dict[Key, str]
    passed: set[Key]
    summary: dict[str, Any]


def _plan(
    directory: Path, environment: Mapping[str, str], variables: Mapping[str, Any], *, of_what_exists: bool = False
) -> None:
    def terraform(*arguments: str) -> bytes:
        done = subprocess.run(
            ["terraform", *arguments], cwd=directory, env=environment, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    (directory / "planned.auto.tfvars.json").write_text(json.dumps(variables))
    terraform("init", "-input=false")
    if of_what_exists:
        terraform("apply", "-input=false", "-auto-approve")
    terraform("plan", "-input=false", "-out=plan")
    (directory / "plan.json").write_bytes(terraform("show", "-json", "plan"))


@pytest.fixture(scope="session")
def plans(tmp_path_factory: pytest.TempPathFactory) -> Plans:
    directory = tmp_path_factory.mktemp("planned")
    (directory / "terraform.tfvars").write_text(SETTINGS)
    subprocess.run(
        [sys.executable, "main.py"],
        cwd=PROJECT,
        env=os.environ | {"PREQUEL_CONFIG_DIR": str(directory), "CDKTF_OUTDIR": str(directory / "cdktf.out")},
        check=True,
        capture_output=True,
    )
    stacks = {stack: directory / "cdktf.out" / "stacks" / stack for stack in ("shared", "interview")}
    document = json.loads((stacks["interview"] / "cdk.tf.json").read_text())
    assert all(word in json.dumps(document["terraform"]["backend"]) for word in PLACEHOLDERS)
    (stacks["interview"] / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
    with EmbeddedAws.start() as embedded:
        seeded = seed_shared_infrastructure(embedded.aws, domain_name=DOMAIN)
        given = {
            "interview_id": "planned",
            "candidate_name": "Ada Lovelace",
            "challenge": "python/rate-limiter",
            "password": "forgotten at once",
        }
        variables = {name: value for name, value in (seeded | given).items() if name in document["variable"]}
        environment = terraform_environment(embedded.environment)
        del environment["TF_CLI_ARGS_init"]  # for the S3 backend, which a plan does not use
        with ThreadPoolExecutor() as pool:
            planning = [
                pool.submit(_plan, stacks["shared"], environment, {}),
                # Its container definitions contain an ARN, so they are unknown in a plan before an apply.
                pool.submit(_plan, stacks["interview"], environment, variables, of_what_exists=True),
            ]
        for plan in planning:
            plan.result()
    return Plans(stacks)


@pytest.fixture(scope="session")
def scan(plans: Plans) -> Scan:
    leaky = plans.directories["shared"].parent / "leaky"
    leaky.mkdir()
    (leaky / "plan.json").write_text(json.dumps(LEAKY))
    files = {stack: directory / "plan.json" for stack, directory in plans.directories.items()}
    files["leaky"] = leaky / "plan.json"
    command = [security_tool("checkov"), "--framework", "terraform_plan", "--skip-download", "--compact"]
    # The exit code reflects findings, but not parsing errors, which only the document contains.
    done = subprocess.run(
        [*command, "--output", "json", *(part for file in files.values() for part in ("--file", str(file)))],
        cwd=leaky.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    document = json.loads(done.stdout)
    results = document["results"]
    stack_of = {f"/{file.parent.name}/plan.json": stack for stack, file in files.items()}

    def stack(result: Mapping[str, Any]) -> str:
        return next(stack for end, stack in stack_of.items() if result["file_path"].endswith(end))

    return Scan(
        failed={(stack(r), r["resource"], r["check_id"]): r["check_name"] for r in results["failed_checks"]},
        passed={(stack(r), r["resource"], r["check_id"]) for r in results["passed_checks"]},
        summary=document["summary"],
    )
