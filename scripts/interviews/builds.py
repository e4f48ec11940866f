"""Starting the work of one interview on CodeBuild: one build at a time, retried with back-off.

Nothing but the standard library and boto3 is imported here, because the reaper's Lambda function holds no packages
(docs/decisions/0040-a-reaper-without-packages.md).

``dispatches/{id}.json`` remembers the last build that was started for an interview. It is written by compare-and-swap
before the build is started, so of several callers one goes on; a caller that dies in between leaves a record without a
build, from which the next one starts the same build again: CodeBuild knows it by its idempotency token.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from contract.names import dispatch_key
from scripts.aws.bucket import Bucket, LostRaceError
from scripts.aws.builds import build_quota
from scripts.aws.clients import Aws
from scripts.interviews.documents import UnreadableDocumentError, from_json, plain, to_json
from scripts.interviews.records import Dispatch

TOKEN_VALID = timedelta(minutes=5)
"""https://docs.aws.amazon.com/codebuild/latest/APIReference/API_StartBuild.html#API_StartBuild_RequestParameters"""


class Dispatcher:
    """Starts builds of ``project`` for the interviews in ``bucket``.

    Raises ``AwsError`` when S3 refuses, ``BuildQuotaError`` when the account may not start another build, and boto3's
    own error when CodeBuild refuses for another reason.
    """

    def __init__(self, aws: Aws, *, bucket: str, project: str) -> None:
        self._bucket = Bucket(aws, bucket)
        self._codebuild = aws.codebuild
        self._project = project

    def dispatch(self, interview_id: str, incarnation: str, action: str, now: datetime) -> tuple[str, bool]:
        """Starts ``action`` (destroy or recover) on the interview unless a build for it is running or it is too early.

        Returns the id of the build, and whether it was started by this call. The id is empty when it is too early for
        the next attempt, or when somebody else is starting one at this moment.
        """
        last, etag = self._read(interview_id)
        if last is not None and self._runs(last.build_id):
            return last.build_id, False
        wanted = Dispatch(interview_id=interview_id, incarnation=incarnation, action=action, attempt=1, started_at=now)
        if last is not None and (last.incarnation, last.action) == (incarnation, action):
            if not last.build_id and now < last.started_at + TOKEN_VALID:
                wanted = last
            elif now < last.next_at:
                return "", False
            else:
                wanted = replace(wanted, attempt=last.attempt + 1)
        etag = self._write(wanted, etag)
        if etag is None:
            return "", False
        build_id = self._start(wanted)
        # Losing this write costs nothing: the token finds the same build again.
        self._write(replace(wanted, build_id=build_id), etag)
        return build_id, True

    def status(self, build_id: str) -> str:
        """CodeBuild's own word for a build, such as ``IN_PROGRESS``; empty for one that it does not know."""
        builds = self._codebuild.batch_get_builds(ids=[build_id])["builds"]
        return str(builds[0]["buildStatus"]) if builds else ""

    def ended(self, build_id: str) -> bool:
        """Whether a build of the project is over; one that CodeBuild does not know proves nothing."""
        ours = build_id.startswith(f"{self._project}:")
        return ours and self.status(build_id) not in {"", "IN_PROGRESS"}

    def forget(self, interview_id: str) -> None:
        """Removes the record of an interview that is gone."""
        self._bucket.delete(dispatch_key(interview_id))

    def _runs(self, build_id: str) -> bool:
        return bool(build_id) and self.status(build_id) == "IN_PROGRESS"

    def _start(self, wanted: Dispatch) -> str:
        variables = {"PREQUEL_ACTION": wanted.action, "PREQUEL_INTERVIEW_ID": wanted.interview_id}
        with build_quota(
            f"start a build for interview {wanted.interview_id}",
            "until then, run `prequel interview reap` on any machine",
        ):
            build = self._codebuild.start_build(
                projectName=self._project,
                idempotencyToken=wanted.token,
                environmentVariablesOverride=[
                    {"name": name, "value": value, "type": "PLAINTEXT"} for name, value in variables.items()
                ],
            )["build"]
        return str(build["id"])

    def _read(self, interview_id: str) -> tuple[Dispatch | None, str | None]:
        """The record and its version; one that cannot be read counts as none, and is written over."""
        found = self._bucket.read(dispatch_key(interview_id))
        if found is None:
            return None, None
        try:
            return from_json(Dispatch, found.body), found.etag
        except UnreadableDocumentError:
            return None, found.etag

    def _write(self, wanted: Dispatch, etag: str | None) -> str | None:
        """Writes the record over the version ``etag`` (None: there is none); None when somebody was faster."""
        body = to_json(plain(wanted) | {"started_at": wanted.started_at.isoformat()})
        try:
            key = dispatch_key(wanted.interview_id)
            return self._bucket.replace(key, body, etag).etag
        except LostRaceError:
            return None
