"""What terraform is given, and what is kept of what it says."""

import io
import json
import subprocess
from functools import partial
from pathlib import Path

import pytest

from scripts.console import Console
from scripts.errors import AlteredReleaseError, BusyInterviewError, TerraformError
from scripts.interviews.run_lock import run_lock
from scripts.interviews.state import StateLock, clear_stale_state_lock
from scripts.interviews.workspace import (
    LONGEST_LOG,
    Workspace,
    hcl_string,
    render_tfvars,
)
from scripts.private_files import private_directory
from scripts.project import PROJECT
from scripts.releases.release import Rehearsal, render_main
from scripts.terraform.binary import terraform_binary
from tests.interviews.conftest import Place
from tests.interviews.test_records import intent

NAMES = [
    'Robert "); drop',
    "two\nlines\r\nand\ttab",
    "${var.password}",
    "$${escaped}",
    "%{ if true }x%{ endif }",
    "%%{x}",
    "$" * 5 + "{",
    "back\\slash \\n \\u0041",
    "🎉 Zoë 李 \u202ex",
    "\x01\x1f\x7f\x85\u2028",
    "é" * 200,
    "<<EOT",
    "# no comment // /* */",
    '"',
    "'",
]


def test_any_name_comes_out_of_terraform_as_it_went_in(tmp_path: Path) -> None:
    blocks = [f'output "o{n}" {{\n  value = {hcl_string(name)}\n}}\n' for n, name in enumerate(NAMES)]
    (tmp_path / "main.tf").write_text("".join(blocks))
    run = subprocess.run([terraform_binary(), "apply", "-auto-approve"], cwd=tmp_path, capture_output=True, check=False)
    assert run.returncode == 0, run.stderr
    said = subprocess.run([terraform_binary(), "output", "-json"], cwd=tmp_path, capture_output=True, check=True)
    outputs = json.loads(said.stdout)
    assert [outputs[f"o{n}"]["value"] for n in range(len(NAMES))] == NAMES


def test_tfvars_hold_every_input_and_no_secret() -> None:
    text = render_tfvars(intent(slot=3), "us-east-1")
    assert "listener_priority = 1003" in text
    assert 'expires_at        = "2026-01-31T13:30:00Z"' in text
    assert "password" not in text


def test_a_template_whose_placeholder_is_missing_or_doubled_is_refused() -> None:
    text = (PROJECT / "instance_templates" / "main.tf").read_text()
    assert "PLACEHOLDER" not in render_main(text, "bucket", "demo", "us-east-1")
    for broken in (text.replace("AWS_REGION_PLACEHOLDER", "x"), text + "\n# AWS_REGION_PLACEHOLDER"):
        with pytest.raises(AlteredReleaseError, match="AWS_REGION_PLACEHOLDER"):
            render_main(broken, "bucket", "demo", "us-east-1")


def test_an_interview_runs_the_provider_that_its_release_was_rehearsed_with_and_no_other(
    place: Place, tmp_path: Path
) -> None:
    context = place.context()
    pointer = context.releases.current()
    assert pointer is not None
    directory = tmp_path / "workspace"
    directory.mkdir()
    manifest = context.releases.download(pointer.digest, directory)
    rehearsal = Rehearsal(status="passed", at=place.clock(), provider_version="6.98.0")
    workspace = Workspace(context, directory, manifest.model_copy(update={"rehearsal": rehearsal}))
    workspace.render(intent())
    with pytest.raises(TerraformError, match=r"match the given constraints 6\.98\.0"):
        workspace.init()


def test_the_directory_is_private_and_gone_afterwards() -> None:
    with private_directory() as directory:
        assert directory.stat().st_mode & 0o777 == 0o700
    assert not directory.exists()


def test_the_log_is_bounded_and_redacted(bucket: Place, tmp_path: Path) -> None:
    workspace = Workspace(bucket.context(), tmp_path, None)
    workspace._secrets.append("sentinel-password")
    hear = partial(workspace._report, "demo")
    for number in range(2000):
        hear({"type": "diagnostic", "@message": f"{number} error near sentinel-password é"})
    assert "sentinel" not in workspace.log
    assert "1999 error near (redacted)" in workspace.log
    assert len(workspace.log.encode()) <= LONGEST_LOG


@pytest.mark.parametrize(
    ("who", "age", "cleared"), [("own", 0, True), ("root@elsewhere", 1, False), ("root@elsewhere", 70, True)]
)
def test_a_state_lock_is_cleared_only_if_its_owner_is_ours_and_dead_or_it_is_too_old(
    bucket: Place, who: str, age: int, cleared: bool
) -> None:
    context = bucket.context()
    created = bucket.clock()
    lock = {
        "ID": "1",
        "Operation": "OperationTypeApply",
        "Who": context.actor if who == "own" else who,
        "Created": f"{created:%Y-%m-%dT%H:%M:%S}.123456789Z",
    }
    context.aws.s3.put_object(
        Bucket=context.bucket, Key="instances/demo.tfstate.tflock", Body=json.dumps(lock).encode()
    )
    bucket.clock.forward(minutes=age)
    with run_lock(context, intent(), "recover") as held:
        if cleared:
            clear_stale_state_lock(context, held)
        else:
            with pytest.raises(BusyInterviewError, match="is locked by root@elsewhere since"):
                clear_stale_state_lock(context, held)
    assert bucket.objects("instances/") == ([] if cleared else ["instances/demo.tfstate.tflock"])


def test_what_terraform_waits_for_is_said_while_it_waits(bucket: Place, tmp_path: Path) -> None:
    said = io.StringIO()
    workspace = Workspace(bucket.context(console=Console(err=said)), tmp_path, None)
    hook = {"resource": {"addr": "aws_ecs_service.code_server"}, "action": "delete", "elapsed_seconds": 20}
    workspace._report("demo", {"type": "apply_progress", "hook": hook})
    assert said.getvalue() == "  … aws_ecs_service.code_server is being destroyed, 20 s so far\n"


def test_a_lock_that_cannot_be_read_is_nobodys_we_know() -> None:
    assert StateLock.parse(b"{}") == StateLock.parse(b"\xff") == StateLock("", None, "unknown operation")
