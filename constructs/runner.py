"""Terraform for interviews beyond one machine: CodeBuild runs the same `prequel` as a laptop does."""

import json
from typing import Any

from constructs import Construct
from constructs.account import Account
from constructs.aws import (
    CodebuildProject,
    CodebuildProjectArtifacts,
    CodebuildProjectCache,
    CodebuildProjectEnvironment,
    CodebuildProjectEnvironmentEnvironmentVariable,
    CodebuildProjectLogsConfig,
    CodebuildProjectLogsConfigCloudwatchLogs,
    CodebuildProjectSource,
    S3Object,
    S3ObjectOverrideProvider,
    S3ObjectOverrideProviderDefaultTags,
)
from constructs.bundle import Bundle, sources
from constructs.identity import RunnerRole
from constructs.observability import Alarm, LogGroup, Metric
from contract.names import runner_project

TERRAFORM_VERSION = "1.11.4"
TERRAFORM_SHA256 = {
    "X86_64": "1ce994251c00281d6845f0f268637ba50c0005657eb3cf096b92f753b42ef4dc",
    "ARM64": "a43d1d0da9b9bab214a8305a39db0e40869572594ccf50c416a7756499143633",
}
"""Of terraform_1.11.4_linux_{amd64,arm64}.zip, as HashiCorp's own Homebrew tap gave them
(https://github.com/hashicorp/homebrew-tap, Formula/terraform.rb at 1.11.4); docs/decisions/0041-runner.md."""

_DOWNLOAD_NAMES = {"X86_64": "amd64", "ARM64": "arm64"}

_ENVIRONMENTS = {
    "X86_64": ("LINUX_CONTAINER", "aws/codebuild/amazonlinux-x86_64-standard:5.0"),
    "ARM64": ("ARM_CONTAINER", "aws/codebuild/amazonlinux-aarch64-standard:3.0"),
}
"""Type and managed image, https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-available.html."""

PYTHON_VERSION = "3.12"
"""For which requirements-runner.txt is locked; both images have it
(https://docs.aws.amazon.com/codebuild/latest/userguide/available-runtimes.html)."""

REQUIREMENTS = "requirements-runner.txt"

BUILD_MINUTES = 35
"""A run of ours gives up after 30 (``LONGEST_RUN`` of scripts/interviews/records.py); the rest is for the setup."""

QUEUED_MINUTES = 60
"""What has waited longer is started anew by the reaper."""

BUILD_SPEC: dict[str, Any] = {
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
        "build": {
            "commands": [
                'export PATH="$PWD/bin:$PATH" PREQUEL_CONFIG_DIR="$PWD"',
                # Every setting that an interview needs comes from the environment.
                ": > terraform.tfvars",
                # No braces after a dollar or percent sign: Terraform would take them for its own.
                # The result holds the password, which belongs in no log; progress goes to standard error.
                'case "$PREQUEL_ACTION" in\n'
                "  create)\n"
                '    set --; test -z "$PREQUEL_DURATION" || set -- --duration="$PREQUEL_DURATION"\n'
                '    python -m scripts interview create --id="$PREQUEL_INTERVIEW_ID" \\\n'
                '      --challenge="$PREQUEL_CHALLENGE" --candidate="$PREQUEL_CANDIDATE" \\\n'
                '      "$@" > /dev/null ;;\n'
                "  destroy|recover)\n"
                '    python -m scripts interview "$PREQUEL_ACTION" -- "$PREQUEL_INTERVIEW_ID" > /dev/null ;;\n'
                "  *)\n"
                '    echo "PREQUEL_ACTION is $PREQUEL_ACTION, expected create, destroy or recover" >&2; exit 2 ;;\n'
                # That no slot is free, which `prequel` ends with 4 for, is no failure of the build's.
                "esac || test $? -eq 4",
            ],
        },
    },
    # Kept on the build host, as far as the next build meets the same one.
    "cache": {"paths": ["cache/pip/**/*", "cache/prequel/terraform-plugins/**/*"]},
}


class Runner(Construct):
    """One CodeBuild project, whose source is this very code, found by its content in the instance bucket.

    ``settings`` are what the operations read of the configuration, by key. The alarm goes to ``alarm_topic_arn``.
    Outputs: ``name`` and ``arn``.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        project_prefix: str,
        account: Account,
        architecture: str,
        settings: dict[str, str],
        bucket_name: str,
        bucket_arn: str,
        kms_key_arn: str,
        log_retention_days: int,
        passed_role_arns: list[str],
        domain_name: str,
        hosted_zone_id: str | None,
        alarm_topic_arn: str,
    ) -> None:
        super().__init__(scope, id)
        self.name = runner_project(project_prefix)
        bundle = Bundle(self, "bundle", paths=[*sources("scripts.__main__"), REQUIREMENTS])
        source = S3Object(
            self,
            "source",
            bucket=bucket_name,
            key=f"runner/{bundle.sha256}.zip",
            source=bundle.path,
            # Without the project's tags: an object may have ten
            # (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html).
            override_provider=S3ObjectOverrideProvider(default_tags=S3ObjectOverrideProviderDefaultTags(tags={})),
        )
        log_group_name = f"/{project_prefix}/runner"
        log_group = LogGroup(
            self, "log", name=log_group_name, retention_days=log_retention_days, kms_key_arn=kms_key_arn
        )
        role = RunnerRole(
            self,
            "role",
            project_prefix=project_prefix,
            account=account,
            bucket_arn=bucket_arn,
            kms_key_arn=kms_key_arn,
            passed_role_arns=passed_role_arns,
            log_group_name=log_group_name,
            domain_name=domain_name,
            hosted_zone_id=hosted_zone_id,
        )
        type_, image = _ENVIRONMENTS[architecture]
        download = f"terraform_{TERRAFORM_VERSION}_linux_{_DOWNLOAD_NAMES[architecture]}.zip"
        variables = {
            "TERRAFORM_URL": f"https://releases.hashicorp.com/terraform/{TERRAFORM_VERSION}/{download}",
            "TERRAFORM_SHA256": TERRAFORM_SHA256[architecture],
        } | {f"PREQUEL_{key.upper()}": value for key, value in settings.items()}
        project = CodebuildProject(
            self,
            "project",
            name=self.name,
            description="Creates and destroys interviews with terraform",
            service_role=role.arn,
            # CodeBuild encrypts artifacts with it. There are none; a project that is given some has ours, not AWS's.
            encryption_key=kms_key_arn,
            build_timeout=BUILD_MINUTES,
            queued_timeout=QUEUED_MINUTES,
            artifacts=CodebuildProjectArtifacts(type="NO_ARTIFACTS"),
            cache=CodebuildProjectCache(type="LOCAL", modes=["LOCAL_CUSTOM_CACHE"]),
            environment=CodebuildProjectEnvironment(
                type=type_,
                image=image,
                compute_type="BUILD_GENERAL1_SMALL",
                image_pull_credentials_type="CODEBUILD",
                privileged_mode=False,
                environment_variable=[
                    CodebuildProjectEnvironmentEnvironmentVariable(name=name, value=value)
                    for name, value in variables.items()
                ],
            ),
            source=CodebuildProjectSource(
                type="S3",
                location=f"{source.bucket}/{source.key}",
                # JSON is YAML, which is what CodeBuild reads.
                buildspec=json.dumps(BUILD_SPEC, indent=2),
            ),
            logs_config=CodebuildProjectLogsConfig(
                cloudwatch_logs=CodebuildProjectLogsConfigCloudwatchLogs(status="ENABLED", group_name=log_group.name)
            ),
        )
        self.arn = project.arn
        Alarm(
            self,
            "failed",
            "A CodeBuild run for an interview failed",
            Metric("AWS/CodeBuild", "FailedBuilds", "Sum", {"ProjectName": project.name}),
            project_prefix=project_prefix,
            topic_arn=alarm_topic_arn,
            name="runner_failed",
            above=0,
        )
