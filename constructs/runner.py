"""Terraform for interviews beyond one machine: CodeBuild runs the same operations as a laptop does."""

from collections.abc import Mapping
from typing import Any

from constructs import Construct
from constructs.alarm import Alarm, AlarmTopic
from constructs.aws import (
    S3Object,
    S3ObjectOverrideProvider,
    S3ObjectOverrideProviderDefaultTags,
)
from constructs.build_project import BUILD_MACHINES, BuildProject
from constructs.bundle import Bundle
from constructs.identity import ServiceRole, list_bucket
from constructs.interview_permissions import InterviewPermissions
from constructs.log_group import LogGroup, write_logs
from constructs.metric import Metric
from constructs.policy import Statement, allow
from constructs.project import Project
from constructs.storage import InstanceBucket
from contract.names import (
    CHALLENGE_MANIFESTS,
    CURRENT_RELEASE,
    HISTORY,
    IMAGE_ARCHITECTURES,
    LONGEST_RUN_MINUTES,
    RELEASES,
    SLOTS,
    STATES,
    WORK,
    WORKSPACES,
    runner_project,
)

TERRAFORM_VERSION = "1.11.4"
TERRAFORM_SHA256 = {
    "X86_64": "1ce994251c00281d6845f0f268637ba50c0005657eb3cf096b92f753b42ef4dc",
    "ARM64": "a43d1d0da9b9bab214a8305a39db0e40869572594ccf50c416a7756499143633",
}
"""Of terraform_1.11.4_linux_{amd64,arm64}.zip, as HashiCorp's own Homebrew tap gave them
(https://github.com/hashicorp/homebrew-tap, Formula/terraform.rb at 1.11.4); docs/decisions/0041-runner.md."""

PYTHON_VERSION = "3.12"
"""For which requirements-runner.txt is locked; both images have it
(https://docs.aws.amazon.com/codebuild/latest/userguide/available-runtimes.html)."""

REQUIREMENTS = "requirements-runner.txt"

BUILD_MINUTES = LONGEST_RUN_MINUTES + 5
"""Five minutes are for the setup."""

QUEUED_MINUTES = 60
"""What has waited longer is started anew by the reaper."""


def build_spec(program: str) -> dict[str, Any]:
    """Installs Terraform and the packages, and runs ``program``, a module of the source.

    Without braces after a dollar or percent sign: Terraform would take them for its own.
    """
    return {
        "version": 0.2,
        "phases": {
            "install": {
                "runtime-versions": {"python": PYTHON_VERSION},
                "commands": [
                    'export XDG_CACHE_HOME="$PWD/cache"',
                    "curl --fail --silent --show-error --location --retry 5 --output terraform.zip $TERRAFORM_URL",
                    'echo "$TERRAFORM_SHA256  terraform.zip" | sha256sum --check --strict',
                    "python -m zipfile --extract terraform.zip bin",
                    "chmod +x bin/terraform",
                    f"python -m pip install --quiet --require-hashes --only-binary :all: --requirement {REQUIREMENTS}",
                ],
            },
            # That no slot is free, for which the program ends with 4, is no failure of the build's.
            "build": {
                "commands": [
                    'export PATH="$PWD/bin:$PATH"',
                    f"python -m {program} || (code=$?; test $code -eq 4 || exit $code)",
                ]
            },
        },
        "cache": {"paths": ["cache/pip/**/*", "cache/prequel/terraform-plugins/**/*"]},
    }


class Runner(Construct):
    """A CodeBuild project that runs ``program``, from an archive in ``bucket``.

    ``settings`` are what the program reads of the configuration, by key. Outputs: ``name`` and ``arn``.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        project: Project,
        program: str,
        bucket: InstanceBucket,
        architecture: str,
        settings: Mapping[str, str | int],
        permissions: InterviewPermissions,
        alarm_topic: AlarmTopic,
    ) -> None:
        super().__init__(scope, id)
        self.name = runner_project(project.prefix)
        bundle = Bundle(self, "bundle", module=program, files=[REQUIREMENTS])
        source = S3Object(
            self,
            "source",
            bucket=bucket.name,
            # Always the same key: Terraform would delete another one with all its versions, which queued builds name.
            key="runner/source.zip",
            source=bundle.path,
            source_hash=bundle.sha256,
            # Without the project's tags: an object may have ten
            # (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html).
            override_provider=S3ObjectOverrideProvider(default_tags=S3ObjectOverrideProviderDefaultTags(tags={})),
            depends_on=[bucket.versioning],
        )
        log_group_name = f"/{project.prefix}/runner"
        log_group = LogGroup(self, "log", project=project, name=log_group_name)
        role = ServiceRole(
            self,
            "role",
            name=self.name,
            description="Creates and destroys interviews",
            service="codebuild.amazonaws.com",
            account=project.account,
            source_arn=project.account.arn("codebuild", f"project/{self.name}"),
            statements=[
                *_documents(bucket),
                *permissions.statements,
                write_logs(project.account, log_group_name),
            ],
        )
        permissions.waive_findings(role)
        environment_type, image = BUILD_MACHINES[architecture]
        # Terraform's releases are named like images.
        download = f"terraform_{TERRAFORM_VERSION}_linux_{IMAGE_ARCHITECTURES[architecture]}.zip"
        build = BuildProject(
            self,
            "project",
            name=self.name,
            description="Creates and destroys interviews with terraform",
            role=role,
            log_group=log_group,
            environment_type=environment_type,
            image=image,
            variables={
                "TERRAFORM_URL": f"https://releases.hashicorp.com/terraform/{TERRAFORM_VERSION}/{download}",
                "TERRAFORM_SHA256": TERRAFORM_SHA256[architecture],
            }
            | {f"PREQUEL_{name.upper()}": str(value) for name, value in settings.items()},
            build_spec=build_spec(program),
            build_minutes=BUILD_MINUTES,
            queued_minutes=QUEUED_MINUTES,
            source=source,
            cached=True,
        )
        self.arn = build.arn
        Alarm(
            self,
            "failed",
            "A CodeBuild run for an interview failed",
            Metric("AWS/CodeBuild", "FailedBuilds", "Sum", {"ProjectName": build.name}),
            topic=alarm_topic,
            name="runner_failed",
            above=0,
        )


def _documents(bucket: InstanceBucket) -> list[Statement]:
    """An interview's workspace, state, slot and history; releases and challenges to read only."""
    kept = [f"{bucket.arn}/{prefix}*" for prefix in (WORKSPACES, STATES, SLOTS)]
    return [
        allow(
            "ReadReleases",
            ["s3:GetObject"],
            [
                f"{bucket.arn}/{CURRENT_RELEASE}manifest.json",
                *(f"{bucket.arn}/{prefix}*" for prefix in (RELEASES, CHALLENGE_MANIFESTS, "runner/", HISTORY)),
            ],
        ),
        # What CodeBuild needs to fetch the source
        # (https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html).
        allow("FetchSource", ["s3:GetObjectVersion"], [f"{bucket.arn}/runner/*"]),
        allow("IdentifyBucket", ["s3:GetBucketAcl", "s3:GetBucketLocation"], [bucket.arn]),
        allow("KeepInterviews", ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], kept),
        # The last state of a candidate's work, and to delete all states where none is to be kept.
        allow("KeepWork", ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObject"], [f"{bucket.arn}/{WORK}*"]),
        # What the editor shows: candidate and deadline.
        allow("ShowSession", ["s3:PutObject"], [f"{bucket.arn}/{WORK}*/session.json"]),
        allow("ListVersions", ["s3:ListBucketVersions"], [bucket.arn]),
        allow("WriteHistory", ["s3:PutObject"], [f"{bucket.arn}/{HISTORY}*"]),
        list_bucket(bucket.arn),
    ]
