"""CodeBuild builds: starting them, finding them, and what a full quota means.

Nothing but the standard library and boto3 is imported here (docs/decisions/0040-a-reaper-without-packages.md).
"""

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from contract.limits import BUILD_QUOTAS
from scripts.aws.clients import Aws, error_code, explained, reason
from scripts.errors import AwsError, BuildQuotaError

IN_PROGRESS = "IN_PROGRESS"
SUCCEEDED = "SUCCEEDED"
"""Of the statuses of builds and phases
(https://docs.aws.amazon.com/codebuild/latest/APIReference/API_Build.html)."""

LOG_LINES = 30

Build = Mapping[str, Any]
"""A build as CodeBuild describes it."""


@contextmanager
def build_quota(purpose: str, meanwhile: str) -> Iterator[None]:
    """Turns CodeBuild's refusal of another build into ``BuildQuotaError``: cannot ``purpose``; ``meanwhile``."""
    try:
        yield
    except ClientError as error:
        if error_code(error) != "AccountLimitExceededException":
            raise
        quota = " or ".join(f"{name} ({code})" for code, name in BUILD_QUOTAS.values())
        raise BuildQuotaError(
            f"CodeBuild cannot {purpose}: {reason(error)}; raise the quota {quota} in Service Quotas; {meanwhile}"
        ) from error


class ProjectBuilds:
    """The builds of the CodeBuild ``project``; methods raise ``AwsError`` when AWS refuses."""

    def __init__(self, aws: Aws, project: str) -> None:
        self._aws = aws
        self.project = project

    def start(self, variables: Mapping[str, str], *, purpose: str, meanwhile: str) -> str:
        """Starts a build with ``variables`` in its environment and returns its id; ``BuildQuotaError`` as above."""
        with explained(purpose), build_quota(purpose, meanwhile):
            try:
                started = self._aws.codebuild.start_build(
                    projectName=self.project,
                    idempotencyToken=uuid.uuid4().hex,  # so that botocore's repetition finds the same build
                    environmentVariablesOverride=[
                        {"name": name, "value": value, "type": "PLAINTEXT"} for name, value in variables.items()
                    ],
                )
            except ClientError as error:
                if error_code(error) == "ResourceNotFoundException":
                    raise AwsError(
                        f"there is no CodeBuild project {self.project}; deploy the shared stack with `make deploy`"
                    ) from error
                raise
        return str(started["build"]["id"])

    def newest(self, variables: Mapping[str, str]) -> Build | None:
        """The newest of the last 100 builds that got ``variables``."""
        with explained(f"list the builds of {self.project}"):
            try:
                found = self._aws.codebuild.list_builds_for_project(projectName=self.project, sortOrder="DESCENDING")
            except ClientError as error:
                if error_code(error) == "ResourceNotFoundException":
                    return None
                raise
            ids = found["ids"][:100]
            builds: list[Build] = list(self._aws.codebuild.batch_get_builds(ids=ids)["builds"]) if ids else []
        fitting = (build for build in builds if variables.items() <= _variables(build).items())
        return max(fitting, key=lambda build: build["startTime"], default=None)

    def followed(self, build_id: str, *, pause: float) -> Iterator[Build]:
        """The build every ``pause`` seconds until it has ended, which its project's time limits see to."""
        while True:
            with explained(f"look at the build {build_id}"):
                builds = self._aws.codebuild.batch_get_builds(ids=[build_id])["builds"]
            if not builds:
                raise AwsError(f"CodeBuild does not know the build {build_id} any more")
            yield builds[0]
            if builds[0]["buildStatus"] != IN_PROGRESS:
                return
            time.sleep(pause)

    def log(self, build: Build) -> list[str]:
        """The last lines of a build's log; none if it has not written any."""
        logs = build.get("logs", {})
        if not logs.get("groupName") or not logs.get("streamName"):
            return []
        with explained(f"read the log of the build {build['id']}"):
            answer = self._aws.client("logs").get_log_events(
                logGroupName=logs["groupName"], logStreamName=logs["streamName"], limit=LOG_LINES, startFromHead=False
            )
        return [event["message"].rstrip() for event in answer["events"]]


def failed_phase(build: Build) -> str:
    """The phase in which a build failed and CodeBuild's reason, such as ``BUILD: COMMAND_EXECUTION_ERROR: ...``."""
    for phase in build.get("phases", []):
        if phase.get("phaseStatus", SUCCEEDED) != SUCCEEDED:
            said = (
                context.get(word, "") for context in phase.get("contexts", []) for word in ("statusCode", "message")
            )
            return ": ".join([phase["phaseType"], *filter(None, said)])
    return str(build["buildStatus"])


def _variables(build: Build) -> dict[str, str]:
    return {given["name"]: given["value"] for given in build.get("environment", {}).get("environmentVariables", [])}
