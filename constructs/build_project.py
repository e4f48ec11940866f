"""CodeBuild projects without artifacts."""

import json
from collections.abc import Mapping
from typing import Any

from constructs import Construct
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
)
from constructs.identity import ServiceRole
from constructs.log_group import LogGroup
from constructs.waivers import waive

BUILD_MACHINES = {
    "X86_64": ("LINUX_CONTAINER", "aws/codebuild/amazonlinux-x86_64-standard:5.0"),
    "ARM64": ("ARM_CONTAINER", "aws/codebuild/amazonlinux-aarch64-standard:3.0"),
}
"""Type and managed image, https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-available.html."""


class BuildProject(CodebuildProject):
    """Runs ``build_spec`` on one of CodeBuild's small machines, in AWS's ``image``, on ``source`` if given.

    ``environment_type`` is CodeBuild's, such as LINUX_CONTAINER. ``cached`` says that the build spec names paths that
    are kept on the build host, as far as the next build meets the same one. ``privileged`` gives builds Docker.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        name: str,
        description: str,
        role: ServiceRole,
        log_group: LogGroup,
        environment_type: str,
        image: str,
        variables: Mapping[str, str],
        build_spec: Mapping[str, Any],
        build_minutes: int,
        queued_minutes: int,
        source: S3Object | None = None,
        cached: bool = False,
        privileged: bool = False,
    ) -> None:
        # JSON is YAML, which is what CodeBuild reads.
        spec = json.dumps(build_spec, indent=2)
        super().__init__(
            scope,
            id,
            name=name,
            description=description,
            service_role=role.arn,
            build_timeout=build_minutes,
            queued_timeout=queued_minutes,
            artifacts=CodebuildProjectArtifacts(type="NO_ARTIFACTS"),
            cache=CodebuildProjectCache(type="LOCAL", modes=["LOCAL_CUSTOM_CACHE"]) if cached else None,
            environment=CodebuildProjectEnvironment(
                type=environment_type,
                image=image,
                compute_type="BUILD_GENERAL1_SMALL",
                image_pull_credentials_type="CODEBUILD",
                privileged_mode=privileged,
                environment_variable=[
                    CodebuildProjectEnvironmentEnvironmentVariable(name=name, value=value)
                    for name, value in variables.items()
                ],
            ),
            source=(
                CodebuildProjectSource(type="S3", location=f"{source.bucket}/{source.key}", buildspec=spec)
                if source
                else CodebuildProjectSource(type="NO_SOURCE", buildspec=spec)
            ),
            # A build that is queued keeps the version that was current when it was started
            # (https://docs.aws.amazon.com/codebuild/latest/APIReference/API_Project.html).
            source_version=source.version_id if source else None,
            # No encryption_key: it would encrypt artifacts, of which there are none, and the role would need rights
            # on it (https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-kms.html).
            logs_config=CodebuildProjectLogsConfig(
                cloudwatch_logs=CodebuildProjectLogsConfigCloudwatchLogs(status="ENABLED", group_name=log_group.name)
            ),
        )
        if privileged:
            waive(
                self,
                "CKV_AWS_316",
                "Docker builds images in privileged mode only, and each build has a virtual machine of its own",
                "https://docs.aws.amazon.com/codebuild/latest/userguide/create-project.html",
            )
