"""CodeBuild, as far as the reaper knows it: builds run when the test says so, and end as it says."""

from typing import Any

from botocore.exceptions import ClientError


class Builds:
    """Stands in for boto3's CodeBuild client; ``full`` makes it refuse every build for the account's quota.

    A token that was given before finds the same build, or is refused
    (https://docs.aws.amazon.com/codebuild/latest/APIReference/API_StartBuild.html).
    """

    def __init__(self) -> None:
        self.started: list[dict[str, str]] = []
        self.statuses: dict[str, str] = {}
        self.full = False
        self._tokens: dict[str, str] = {}

    def start_build(
        self,
        *,
        projectName: str,  # noqa: N803  (boto3's names)
        idempotencyToken: str,  # noqa: N803
        environmentVariablesOverride: list[dict[str, str]],  # noqa: N803
    ) -> dict[str, Any]:
        if self.full:
            raise ClientError(
                {
                    "Error": {
                        "Code": "AccountLimitExceededException",
                        "Message": "Cannot have more than 0 builds in queue for the account",
                    }
                },
                "StartBuild",
            )
        variables = {variable["name"]: variable["value"] for variable in environmentVariablesOverride}
        if idempotencyToken not in self._tokens:
            build_id = f"{projectName}:{len(self.started)}"
            self._tokens[idempotencyToken] = build_id
            self.statuses[build_id] = "IN_PROGRESS"
            self.started.append({"id": build_id, "token": idempotencyToken} | variables)
        build_id = self._tokens[idempotencyToken]
        (build,) = (build for build in self.started if build["id"] == build_id)
        if not variables.items() <= build.items():
            raise ClientError(
                {"Error": {"Code": "InvalidInputException", "Message": "the token has other parameters"}}, "StartBuild"
            )
        return {"build": {"id": build_id, "buildStatus": self.statuses[build_id]}}

    def batch_get_builds(self, *, ids: list[str]) -> dict[str, Any]:
        known = [build_id for build_id in ids if build_id in self.statuses]
        return {"builds": [{"id": build_id, "buildStatus": self.statuses[build_id]} for build_id in known]}

    def end(self, status: str) -> dict[str, str]:
        """Ends the last build that was started."""
        build = self.started[-1]
        self.statuses[build["id"]] = status
        return build
