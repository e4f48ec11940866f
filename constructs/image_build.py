"""Building the candidate's image from the folder ``image/``, so that nobody needs Docker."""

from typing import Any

from constructs import Construct
from constructs.build_project import BUILD_MACHINES, BuildProject
from constructs.identity import ServiceRole
from constructs.log_group import LogGroup, write_logs
from constructs.policy import allow
from constructs.project import Project
from constructs.registry import PUSH_ACTIONS, SIGN_IN, Repository
from constructs.storage import InstanceBucket
from contract.names import IMAGE_SOURCES, code_server_repository, image_builder, image_source_key

BUILD_MINUTES = 45
QUEUED_MINUTES = 60

_SOURCE = image_source_key("$PREQUEL_IMAGE_SOURCE")

# CodeBuild looks at the exit code of each command as a whole, and runs the phase post_build after a failed build, so
# the push is a part of the build. No braces after a dollar or percent sign: Terraform would take them for its own.
BUILD_SPEC: dict[str, Any] = {
    "version": 0.2,
    "phases": {
        "install": {
            "commands": [
                f'aws s3 cp --only-show-errors "s3://$PREQUEL_BUCKET/{_SOURCE}" source.zip',
                'echo "$PREQUEL_IMAGE_SOURCE  source.zip" | sha256sum --check --strict',
                "unzip -q source.zip -d source",
            ]
        },
        "pre_build": {
            "commands": [
                "aws ecr get-login-password | docker login --username AWS --password-stdin"
                ' "$(echo "$PREQUEL_REPOSITORY_URL" | cut -d / -f 1)"',
            ]
        },
        "build": {
            "commands": [
                "docker build --tag editor source",
                'if [ -n "$PREQUEL_IMAGE_VARIANT" ]; then\n'
                "  docker build --build-arg EDITOR=editor --tag editor"
                ' --file "source/variants/$PREQUEL_IMAGE_VARIANT.Dockerfile" source || exit 1\n'
                "fi",
                'docker tag editor "$PREQUEL_REPOSITORY_URL:$PREQUEL_IMAGE_TAG"',
                'docker push "$PREQUEL_REPOSITORY_URL:$PREQUEL_IMAGE_TAG"',
            ]
        },
    },
}
"""Reads PREQUEL_IMAGE_SOURCE, the SHA-256 of an archive in the bucket; PREQUEL_IMAGE_TAG; and for a variant of the
image, PREQUEL_IMAGE_VARIANT."""


class ImageBuild(Construct):
    """A CodeBuild project that builds an archive of ``image/`` in ``bucket`` and pushes the image to ``repository``.

    It builds on ``cpu_architecture``, Fargate's name of the interviews' architecture, so that nothing is emulated.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        project: Project,
        bucket: InstanceBucket,
        repository: Repository,
        cpu_architecture: str,
    ) -> None:
        super().__init__(scope, id)
        account, name = project.account, image_builder(project.prefix)
        log_group_name = f"/{project.prefix}/image"
        log_group = LogGroup(self, "log", project=project, name=log_group_name)
        role = ServiceRole(
            self,
            "builder",
            name=name,
            description="Builds images",
            service="codebuild.amazonaws.com",
            account=account,
            source_arn=account.arn("codebuild", f"project/{name}"),
            statements=[
                SIGN_IN,
                allow("ReadSources", ["s3:GetObject"], [f"{bucket.arn}/{IMAGE_SOURCES}*"]),
                allow(
                    "PushImages",
                    PUSH_ACTIONS,
                    [account.arn("ecr", f"repository/{code_server_repository(project.prefix)}")],
                ),
                write_logs(account, log_group_name),
            ],
        )
        environment_type, image = BUILD_MACHINES[cpu_architecture]
        BuildProject(
            self,
            "project",
            name=name,
            description="Builds the folder image and pushes the image",
            role=role,
            log_group=log_group,
            environment_type=environment_type,
            image=image,
            variables={
                # One manifest without provenance, as ECR's scan and the indexing expect it
                # (https://docs.docker.com/build/building/variables/#buildx_no_default_attestations).
                "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
                "PREQUEL_BUCKET": bucket.name,
                "PREQUEL_REPOSITORY_URL": repository.url,
            },
            build_spec=BUILD_SPEC,
            build_minutes=BUILD_MINUTES,
            queued_minutes=QUEUED_MINUTES,
            privileged=True,
        )
