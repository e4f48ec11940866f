"""The program that cdktf runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
REQUIRED = 'aws_region = "eu-central-1"\nenvironment = "test"\ndomain_name = "example.com"\n'
CDKTF = ROOT / "node_modules" / ".bin" / "cdktf"


def environment(directory: Path) -> dict[str, str]:
    """A clean environment in which ``python`` is this one."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PREQUEL_")}
    return inherited | {
        "PREQUEL_CONFIG_DIR": str(directory),
        "CDKTF_OUTDIR": str(directory / "cdktf.out"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "CHECKPOINT_DISABLE": "1",
    }


def run_main(directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "main.py"], cwd=ROOT, env=environment(directory), capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (None, 1),
        ("aws_region = \n", 1),
        ("", 3),
        (REQUIRED + "max_instances = 100\nmax_instnces = 1\nvpc_cidr = 5\n", 3),
    ],
)
def test_each_problem_is_one_line_and_nothing_is_written(tmp_path: Path, text: str | None, lines: int) -> None:
    if text is not None:
        (tmp_path / "terraform.tfvars").write_text(text)
    run = run_main(tmp_path)
    assert run.returncode == 1
    assert run.stdout == ""
    found = run.stderr.splitlines()
    assert len(found) == lines, run.stderr
    assert all(line.startswith("error: terraform.tfvars: ") for line in found)
    assert not (tmp_path / "cdktf.out").exists()


def test_both_stacks_are_synthesized(tmp_path: Path) -> None:
    (tmp_path / "terraform.tfvars").write_text(REQUIRED.replace("example.com", ""))
    run = run_main(tmp_path)
    assert run.returncode == 0, run.stderr
    assert run.stderr.splitlines() == [
        "note: domain_name is empty, so this is development mode: plain HTTP and no DNS",
        "note: there is no backend.config, so Terraform's state is a local file",
    ]
    manifest = json.loads((tmp_path / "cdktf.out" / "manifest.json").read_text())
    assert set(manifest["stacks"]) == {"shared", "interview"}
    shared = json.loads((tmp_path / "cdktf.out" / "stacks" / "shared" / "cdk.tf.json").read_text())
    assert shared["terraform"]["backend"] == {"local": {"path": str(tmp_path / "terraform.shared.tfstate")}}


@pytest.mark.slow
def test_cdktf_shows_the_problem(tmp_path: Path) -> None:
    (tmp_path / "terraform.tfvars").write_text(REQUIRED + "max_instances = 100\n")
    assert CDKTF.exists(), "run `make setup`"
    run = subprocess.run(
        [CDKTF, "synth", "--output", tmp_path / "cdktf.out"],
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert run.returncode == 1
    said = run.stdout + run.stderr
    assert "terraform.tfvars: max_instances is 100, expected a whole number from 1 to 99" in said
    assert "Traceback" not in said
