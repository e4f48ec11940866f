"""Starting the work of one interview on CodeBuild: never twice at a time, and later and later while it fails.

Nothing but the standard library and boto3 is imported here, because the reaper's Lambda function holds no packages
(docs/decisions/0040-a-reaper-without-packages.md).

``dispatches/{id}.json`` remembers the last build that was started for an interview. It is written by compare-and-swap
before the build is started, so of several callers one goes on; a caller that dies in between leaves a record without a
build, from which the next one starts the same build again: CodeBuild knows it by its idempotency token.
"""

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from botocore.exceptions import ClientError

from scripts.aws.clients import CONFLICTS, MISSING, Aws, error_code

DISPATCHES = "dispatches/"

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)
"""Between the starts of two attempts: doubled after each failure, without end."""

TOKEN_VALID = timedelta(minutes=5)
"""https://docs.aws.amazon.com/codebuild/latest/APIReference/API_StartBuild.html#API_StartBuild_RequestParameters"""


class DispatchResult(Enum):
    """What became of a request for a build."""

    STARTED = "started"
    RUNNING = "running"
    PAUSING = "pausing"
    """The last attempt failed, and it is too early for the next."""

    CONTESTED = "contested"
    """Somebody else is starting one at this moment."""


@dataclass(frozen=True)
class Dispatch:
    """The last build for an interview; ``attempt`` counts from 1 for one ``action`` on one ``incarnation``."""

    interview_id: str
    incarnation: str
    action: str
    attempt: int
    started_at: datetime
    build_id: str = ""

    @property
    def token(self) -> str:
        """The same for every try to start this very build."""
        return f"{self.incarnation}-{self.action}-{self.attempt}"

    @property
    def next_at(self) -> datetime:
        """When the next attempt may begin."""
        pause: timedelta = FIRST_PAUSE * 2 ** min(self.attempt - 1, 10)
        return self.started_at + min(pause, LONGEST_PAUSE)


class Dispatcher:
    """Starts builds of ``project`` for the interviews in ``bucket``; boto3's own errors pass through.

    ``codebuild`` is a client for CodeBuild, by default one of ``aws``.
    """

    def __init__(self, aws: Aws, *, bucket: str, project: str, codebuild: Any = None) -> None:
        self._s3 = aws.s3
        self._codebuild = codebuild or aws.client("codebuild")
        self._place = aws.own_bucket(bucket)
        self._project = project

    def dispatch(self, interview_id: str, incarnation: str, action: str, now: datetime) -> tuple[DispatchResult, str]:
        """Starts ``action`` (destroy or recover) on the interview unless a build for it is running or it is too early.

        Returns what became of it and the id of the build, which is empty unless it was started or is running.
        """
        found = self._read(interview_id)
        last, etag = found if found is not None else (None, None)
        if last is None or (last.incarnation, last.action) != (incarnation, action):
            if last is not None and self._runs(last.build_id):
                return DispatchResult.RUNNING, last.build_id
            wanted = Dispatch(interview_id, incarnation, action, 1, now)
        elif not last.build_id and now < last.started_at + TOKEN_VALID:
            wanted = last
        elif self._runs(last.build_id):
            return DispatchResult.RUNNING, last.build_id
        elif now < last.next_at:
            return DispatchResult.PAUSING, ""
        else:
            wanted = Dispatch(interview_id, incarnation, action, last.attempt + 1, now)
        etag = self._write(wanted, etag)
        if etag is None:
            return DispatchResult.CONTESTED, ""
        build_id = self._start(wanted)
        # Losing this write costs nothing: the token finds the same build again.
        self._write(replace(wanted, build_id=build_id), etag)
        return DispatchResult.STARTED, build_id

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
        self._s3.delete_object(Key=_key(interview_id), **self._place)

    def _runs(self, build_id: str) -> bool:
        return bool(build_id) and self.status(build_id) == "IN_PROGRESS"

    def _start(self, wanted: Dispatch) -> str:
        variables = {"PREQUEL_ACTION": wanted.action, "PREQUEL_INTERVIEW_ID": wanted.interview_id}
        build = self._codebuild.start_build(
            projectName=self._project,
            idempotencyToken=wanted.token,
            environmentVariablesOverride=[
                {"name": name, "value": value, "type": "PLAINTEXT"} for name, value in variables.items()
            ],
        )["build"]
        return str(build["id"])

    def _read(self, interview_id: str) -> tuple[Dispatch, str] | None:
        """The record and its version; one that cannot be read counts as none, and is written over."""
        try:
            answer = self._s3.get_object(Key=_key(interview_id), **self._place)
        except ClientError as error:
            if error_code(error) not in MISSING:
                raise
            return None
        etag = str(answer["ETag"])
        try:
            document = json.loads(answer["Body"].read())
            started_at = datetime.fromisoformat(document.pop("started_at"))
            return Dispatch(**document, started_at=started_at), etag
        except (ValueError, KeyError, TypeError, AttributeError):
            unreadable = Dispatch(interview_id, "", "", 0, datetime.fromtimestamp(0).astimezone())
            return unreadable, etag

    def _write(self, wanted: Dispatch, etag: str | None) -> str | None:
        """Writes the record over the version ``etag`` (None: there is none); None when somebody was faster."""
        body = json.dumps(asdict(wanted) | {"started_at": wanted.started_at.isoformat()}, indent=2).encode() + b"\n"
        condition: dict[str, Any] = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        try:
            answer = self._s3.put_object(Key=_key(wanted.interview_id), Body=body, **self._place, **condition)
        except ClientError as error:
            if error_code(error) not in CONFLICTS | MISSING:
                raise
            return None
        return str(answer["ETag"])


def _key(interview_id: str) -> str:
    return f"{DISPATCHES}{interview_id}.json"
