"""The runner: what CodeBuild is given, and its build spec, executed as CodeBuild's shell would."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from constructs.bundle import PROJECT, archive
from constructs.runner import REQUIREMENTS, TERRAFORM_SHA256, TERRAFORM_VERSION, build_spec
from constructs.storage import NONCURRENT_VERSION_DAYS
from scripts.interviews.records import Status
from scripts.programs import PROGRAMS
from tests.conftest import SharedStackFactory, SynthesizedStack
from tests.interviews.conftest import CHALLENGE
from tests.lifecycle.conftest import Shared


def project(stack: SynthesizedStack) -> dict[str, Any]:
    return stack.one("aws_codebuild_project", "runner_project")


def variables(stack: SynthesizedStack) -> dict[str, str]:
    return {v["name"]: v["value"] for v in project(stack)["environment"]["environment_variable"]}


def test_the_project_is_unprivileged_and_bounded_in_time_and_makes_no_artifact(default_stack: SynthesizedStack) -> None:
    found = project(default_stack)
    assert found["environment"]["privileged_mode"] is False
    assert (found["build_timeout"], found["queued_timeout"]) == (35, 60)
    assert found["artifacts"] == {"type": "NO_ARTIFACTS"}
    logs = found["logs_config"]["cloudwatch_logs"]
    assert logs == {"group_name": "${aws_cloudwatch_log_group.runner_log_group.name}", "status": "ENABLED"}


@pytest.mark.parametrize(
    ("architecture", "type", "image", "file"),
    [
        ("X86_64", "LINUX_CONTAINER", "amazonlinux-x86_64-standard:5.0", "linux_amd64.zip"),
        ("ARM64", "ARM_CONTAINER", "amazonlinux-aarch64-standard:3.0", "linux_arm64.zip"),
    ],
)
def test_image_and_terraform_follow_the_architecture(
    shared_stack: SharedStackFactory, architecture: str, type: str, image: str, file: str
) -> None:
    stack = shared_stack(runner_architecture=architecture)
    environment = project(stack)["environment"]
    assert (environment["type"], environment["image"]) == (type, f"aws/codebuild/{image}")
    given = variables(stack)
    assert given["TERRAFORM_URL"].endswith(f"/{TERRAFORM_VERSION}/terraform_{TERRAFORM_VERSION}_{file}")
    assert given["TERRAFORM_SHA256"] == TERRAFORM_SHA256[architecture]
    assert re.fullmatch("[0-9a-f]{64}", given["TERRAFORM_SHA256"])


def test_no_variable_of_the_project_is_a_secret(default_stack: SynthesizedStack) -> None:
    assert not [name for name in variables(default_stack) if re.search("PASSWORD|SECRET|TOKEN|KEY", name)]


def test_a_deployment_adds_a_version_of_the_source_and_queued_builds_keep_theirs(
    default_stack: SynthesizedStack,
) -> None:
    source = default_stack.one("aws_s3_object", "runner_source")
    assert source["key"] == "runner/source.zip"
    assert source["source"].endswith(f"/{source['source_hash']}.zip")
    assert not source["source"].startswith("/")
    assert source["depends_on"] == ["aws_s3_bucket_versioning.storage_versioning"]
    assert source["override_provider"] == {"default_tags": {"tags": {}}}
    found = project(default_stack)
    assert found["source"]["location"] == "${aws_s3_object.runner_source.bucket}/${aws_s3_object.runner_source.key}"
    assert found["source_version"] == "${aws_s3_object.runner_source.version_id}"
    assert found["queued_timeout"] + found["build_timeout"] < NONCURRENT_VERSION_DAYS * 24 * 60


def command() -> str:
    """The command of the build spec that runs the program."""
    (_, last) = build_spec(PROGRAMS.runner)["phases"]["build"]["commands"]
    return str(last)


@pytest.mark.parametrize(("ends_with", "fails"), [(0, False), (1, True), (3, True), (4, False), (130, True)])
def test_a_build_that_finds_no_free_slot_does_not_fail(ends_with: int, fails: bool, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexit {ends_with}\n")
    python.chmod(0o755)
    given = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    assert (subprocess.run(["bash", "-ec", command()], env=given, check=False).returncode != 0) == fails


def test_the_runners_packages_are_locked_with_hashes_to_the_projects_own_versions() -> None:
    lines = (PROJECT / "requirements.txt").read_text().splitlines()
    ours = {r.name: str(r.specifier) for r in map(Requirement, (x for x in lines if re.match("[a-z]", x)))}
    text = (PROJECT / REQUIREMENTS).read_text().replace("\\\n", " ")
    locked = [line for line in text.splitlines() if re.match("[a-z]", line)]
    assert len(locked) > 15
    for line in locked:
        requirement = Requirement(line.partition(" --hash")[0].strip())
        assert ours[requirement.name] == str(requirement.specifier), requirement.name
        assert line.count("--hash=sha256:") >= 1


class Shell:
    """Runs a project's build spec: each phase is one shell, which stops at the first command that fails."""

    def __init__(self, shared: Shared, directory: Path) -> None:
        self._shared = shared
        self._directory = directory
        (directory / "source.zip").write_bytes(archive(PROGRAMS.runner, [REQUIREMENTS]))
        terraform = directory / "terraform.zip"
        binary = shutil.which("terraform")
        assert binary is not None
        with zipfile.ZipFile(terraform, "w", zipfile.ZIP_STORED) as download:
            download.write(Path(binary).resolve(), "terraform")
        # Where the real download is out of reach, and its checksum with it.
        self._download = {
            "TERRAFORM_URL": terraform.as_uri(),
            "TERRAFORM_SHA256": hashlib.sha256(terraform.read_bytes()).hexdigest(),
        }
        self.runs = 0

    def run(self, **overrides: str) -> subprocess.CompletedProcess[str]:
        """One build in a new container; ``overrides`` are the variables that StartBuild was given."""
        self.runs += 1
        source = self._directory / f"source{self.runs}"
        shutil.unpack_archive(self._directory / "source.zip", source)
        found = project(self._shared.stack)
        document = json.loads(found["source"]["buildspec"])
        commands = [command for phase in document["phases"].values() for command in phase["commands"]]
        given = variables(self._shared.stack) | self._download | overrides
        inherited = {n: v for n, v in self._shared.place.embedded.environment.items() if not n.startswith("PREQUEL_")}
        return subprocess.run(
            ["bash", "-ec", "\n".join(commands)],
            cwd=source,
            env=inherited | given | {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def shell(shared: Shared, tmp_path: Path) -> Shell:
    return Shell(shared, tmp_path)


@pytest.mark.e2e
def test_the_build_spec_creates_recovers_and_destroys_an_interview(shared: Shared, shell: Shell) -> None:
    place = shared.place
    interview = f"{place.prefix}-one"  # target groups of all stacks share the account
    name = 'Ada "$(touch /tmp/never)" `id` O\'Neill'
    made = shell.run(
        PREQUEL_ACTION="create",
        PREQUEL_INTERVIEW_ID=interview,
        PREQUEL_CHALLENGE=CHALLENGE,
        PREQUEL_CANDIDATE=name,
        PREQUEL_DURATION="45m",
    )
    assert made.returncode == 0, made.stdout + made.stderr
    stored = shared.context().intents.load(interview)
    assert stored is not None
    assert (stored.intent.status, stored.intent.inputs.candidate_name) == (Status.ACTIVE, name)
    assert timedelta(minutes=45) <= stored.intent.deadline - stored.intent.starts_at < timedelta(minutes=55)
    assert {"service", "rule", "password"} <= place.live(interview).keys()
    password = place.embedded.aws.ssm.get_parameter(
        Name=f"/{place.prefix}/interviews/{interview}/password", WithDecryption=True
    )["Parameter"]["Value"]
    assert password not in made.stdout + made.stderr

    place.embedded.aws.elbv2.delete_rule(RuleArn=place.live(interview)["rule"])
    repaired = shell.run(PREQUEL_ACTION="recover", PREQUEL_INTERVIEW_ID=interview)
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert "rule" in place.live(interview)

    gone = shell.run(PREQUEL_ACTION="destroy", PREQUEL_INTERVIEW_ID=interview)
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert place.live(interview) == {}
    assert shared.context().intents.tombstone(interview) is not None


@pytest.mark.e2e
def test_terraform_of_another_checksum_is_never_run(shared: Shared, shell: Shell) -> None:
    shared.place.stored("kept", Status.ACTIVE)
    done = shell.run(PREQUEL_ACTION="destroy", PREQUEL_INTERVIEW_ID="kept", TERRAFORM_SHA256="0" * 64)
    assert done.returncode != 0
    assert "FAILED" in done.stdout + done.stderr
    stored = shared.context().intents.load("kept")
    assert stored is not None
    assert stored.intent.status is Status.ACTIVE


def test_the_build_spec_holds_nothing_that_terraform_would_interpolate(default_stack: SynthesizedStack) -> None:
    assert not re.search("[$%][{]", project(default_stack)["source"]["buildspec"])


@pytest.mark.parametrize(
    ("action", "interview", "exit_code"),
    [("sh", "one", 2), ("", "one", 2), ("destroy", "--help", 1), ("destroy", "$(id)", 1)],
)
def test_what_is_no_action_or_no_id_is_refused(shared: Shared, action: str, interview: str, exit_code: int) -> None:
    given = {"PREQUEL_ACTION": action, "PREQUEL_INTERVIEW_ID": interview}
    settings = {name: value for name, value in variables(shared.stack).items() if name.startswith("PREQUEL_")}
    environment = shared.place.embedded.environment | settings | given
    environment["PATH"] = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "-ec", command()], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == exit_code
    assert "expected" in done.stderr
    assert done.stdout == ""
