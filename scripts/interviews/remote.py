"""Having terraform run on AWS instead of on this machine, with the same results.

A remote create writes the interview down as one whose time has come, with its password in SSM, and starts a build that
recovers it, as the reaper would: so a client that dies in between has lost nothing, and no build is given a secret.
"""

import json
from dataclasses import dataclass, replace
from time import monotonic, sleep
from typing import Any

from botocore.exceptions import ClientError

from contract.names import reaper_function
from scripts.aws.clients import Aws, error_code, explained
from scripts.errors import BusyInterviewError, LeakingError, NotReadyError, PrequelError
from scripts.interviews.builds import Dispatcher
from scripts.interviews.context import Context
from scripts.interviews.create import Created, create
from scripts.interviews.destroy import destroy
from scripts.interviews.records import Intent, Status
from scripts.interviews.recover import Recovered
from scripts.interviews.request import Request

SETUP_SECONDS = 300.0
"""How much longer than terraform's own work a build may take: to be placed, and to install what it needs."""

_POLL_SECONDS = 3.0


@dataclass(frozen=True)
class Remote:
    """Creates interviews of ``context`` through ``dispatcher``."""

    context: Context
    dispatcher: Dispatcher

    def create(self, request: Request) -> Created:
        """Like ``scripts.interviews.create.create``; one that has a start time is left to the reaper.

        Raises ``NoFreeSlotError`` and ``RefusedError`` before anything is touched, ``AwsError`` when no build can be
        started (``BuildQuotaError`` because of the quota), and ``NotReadyError`` when the build did not bring it up.
        """
        created = create(self.context, replace(request, starts_at=request.starts_at or self.context.now()))
        if request.starts_at is not None:
            return created
        active = self._until_active(created.intent, request.wait_seconds)
        return Created(active, request.password)

    def complete(self, request: Request) -> Recovered:
        """Has a build recover what an earlier create left half done; its password stays in SSM."""
        active = self._until_active(self.context.intents.get(request.id), request.wait_seconds)
        return Recovered(request.id, "active", "completed", active.access_url)

    def _until_active(self, intent: Intent, wait_seconds: float) -> Intent:
        seconds = wait_seconds + SETUP_SECONDS
        deadline = monotonic() + seconds
        said, build_id = intent.status, ""
        while True:
            # Without one while the reaper starts it, or until the next attempt is due.
            build_id = build_id or self._build(intent)
            with explained(f"look at build {build_id}"):
                ended = bool(build_id) and self.dispatcher.status(build_id) != "IN_PROGRESS"
            stored = self.context.intents.load(intent.id)
            now = stored.intent if stored is not None and stored.intent.incarnation == intent.incarnation else None
            if now is not None and now.status is Status.ACTIVE:
                return now
            if now is not None and now.status is not said:
                said = now.status
                self.context.console.say(f"interview {intent.id} is {said} (build {build_id})")
            if now is None or ended:
                raise self._failure(intent, now, build_id)
            if monotonic() > deadline:
                going = f"build {build_id} continues" if build_id else "no build could begin yet"
                raise NotReadyError(
                    f"interview {intent.id} is {now.status} after {seconds:.0f} s; {going}, "
                    f"see `prequel interview show {intent.id}`"
                )
            sleep(_POLL_SECONDS)

    def _build(self, intent: Intent) -> str:
        with explained(f"start a build for interview {intent.id}; the reaper tries again within a minute"):
            build_id, _ = self.dispatcher.dispatch(intent.id, intent.incarnation, "recover", self.context.now())
        if build_id:
            self.context.console.event("build", interview=intent.id, build=build_id)
        return build_id

    def _failure(self, intent: Intent, now: Intent | None, build_id: str) -> PrequelError:
        """Why it did not become active; what no build has begun with is taken back."""
        if now is None:
            tombstone = self.context.intents.tombstone(intent.id)
            reason = tombstone.intent.error if tombstone is not None else ""
            return NotReadyError(
                f"creating interview {intent.id} failed ({reason or 'see its log'}); it is proven gone"
            )
        if now.status is Status.SCHEDULED:
            destroy(self.context, intent.id, note="its build failed")
            return NotReadyError(f"build {build_id} failed before it began with interview {intent.id}; see its log")
        if now.status is Status.LEAKING:
            return LeakingError(f"creating interview {intent.id} failed, and it is not proven gone: {now.error}")
        if now.status is Status.FAILED:
            return NotReadyError(f"build {build_id} could not complete interview {intent.id}: {now.error}")
        return NotReadyError(
            f"build {build_id} ended while interview {intent.id} was {now.status}; the reaper continues"
        )


def reap_remotely(aws: Aws, project_prefix: str) -> dict[str, Any]:
    """Has the reaper make a pass now, and returns what it found and did.

    Raises ``BusyInterviewError`` when it is making one already, and ``PrequelError`` with its words when it failed.
    """
    function = reaper_function(project_prefix)
    with explained(f"call {function}"):
        try:
            answer = aws.lambda_.invoke(FunctionName=function, InvocationType="RequestResponse")
        except ClientError as error:
            if error_code(error) != "TooManyRequestsException":
                raise
            raise BusyInterviewError(f"{function} is making a pass at this moment; try again") from error
        document: dict[str, Any] = json.loads(answer["Payload"].read() or b"{}")
    if answer.get("FunctionError"):
        raise PrequelError(f"{function} failed: {document.get('errorMessage', 'see its log')}")
    return document
