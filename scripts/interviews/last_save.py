"""The last save before an interview is destroyed: its tasks are stopped, which save once more, and waited for."""

import io
import time
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from contract.names import SAVER_CONTAINER, WORK, task_family, workspace_key
from image.saver.archive import left_out_of
from image.saver.cipher import CipherError, StateName, decrypt, password_key
from image.saver.states import State
from scripts.aws.clients import error_code, explained
from scripts.errors import PrequelError
from scripts.interviews.context import Context
from scripts.interviews.documents import from_json, to_json
from scripts.interviews.passwords import read_password
from scripts.interviews.records import Intent, LastWork
from scripts.interviews.saved_work import all_numbers, states_in

WORK_FILE = "work.json"
"""The result, in the interview's workspace: a destroy that is tried again finds no task and no password any more."""

LAST_SAVE_SECONDS = 90.0
"""The editor has 10 s to stop, then the saver 60 s (constructs/interview_containers.py); ECS needs the rest."""

_POLL_SECONDS = 2.0
_UNREAD_STATES = 5
"""Newer states that the password does not open are passed over, at most so many."""


def save_last(context: Context, intent: Intent, values: Mapping[str, Any]) -> LastWork | None:
    """Has the interview's tasks save once more, and says which state is the last; None if it saves nothing.

    Never raises ``PrequelError``: what goes wrong is the result's ``problem``, because the cost must end.
    """
    if not intent.work:
        return None
    try:
        known = known_last(context, intent)
        if known is not None:
            return known
        problem = _stop_tasks(context, intent.id, values)
        work = _newest(context, intent, values, problem)
        context.objects.write(workspace_key(intent.id, WORK_FILE), to_json(work))
    except (PrequelError, ValueError) as error:
        work = LastWork(incarnation=intent.work, problem=str(error))
    _report(context, intent.id, work)
    return work


def known_last(context: Context, intent: Intent) -> LastWork | None:
    """What an earlier attempt to destroy the interview found; raises ``AwsError`` and ``ValueError``."""
    found = context.objects.read(workspace_key(intent.id, WORK_FILE)) if intent.work else None
    return from_json(LastWork, found.body) if found is not None else None


def _stop_tasks(context: Context, interview_id: str, values: Mapping[str, Any]) -> str:
    """Scales the service to 0 and waits for its tasks; returns why the last of them may not have saved all."""
    deadline = time.monotonic() + LAST_SAVE_SECONDS
    with explained(f"stop the tasks of interview {interview_id}"):
        try:
            context.aws.ecs.update_service(cluster=values["ecs_cluster_arn"], service=interview_id, desiredCount=0)
        except ClientError as error:
            if error_code(error) not in {"ServiceNotFoundException", "ServiceNotActiveException"}:
                raise
        while True:
            tasks = _tasks(context, interview_id, values)
            running = [task for task in tasks if task.get("lastStatus") != "STOPPED"]
            if not running:
                break
            if time.monotonic() > deadline:
                return f"{len(running)} of its tasks did not stop within {LAST_SAVE_SECONDS:.0f} s"
            context.console.event("waiting", interview=interview_id, running=len(running))
            time.sleep(_POLL_SECONDS)
    last = sorted(tasks, key=lambda task: task["createdAt"])[-1:]
    ended = [found for task in last for found in task["containers"] if found["name"] == SAVER_CONTAINER]
    codes = [found["exitCode"] for found in ended if found.get("exitCode")]
    return f"the saver ended with exit code {codes[0]}; see the container's log" if codes else ""


def _tasks(context: Context, interview_id: str, values: Mapping[str, Any]) -> list[Any]:
    """The interview's tasks, those that stopped in the last hour included."""
    ecs, cluster = context.aws.ecs, values["ecs_cluster_arn"]
    family = task_family(values["project_prefix"], interview_id)
    arns: list[str] = []
    for status in ("RUNNING", "STOPPED"):
        arns += ecs.list_tasks(cluster=cluster, family=family, desiredStatus=status)["taskArns"]
    return list(ecs.describe_tasks(cluster=cluster, tasks=arns[:100])["tasks"]) if arns else []


def _newest(context: Context, intent: Intent, values: Mapping[str, Any], problem: str) -> LastWork:
    """The newest state that the interview's own password opens, so that nobody else's passes for it."""
    states = states_in(context, intent.work)
    numbers = all_numbers(context, intent.work)
    password = read_password(context.aws, intent.id, values) if numbers else None
    for number in numbers[: -_UNREAD_STATES - 1 : -1]:
        with explained(f"read state {number} of interview {intent.id}"):
            state = states.head(number)
            content = io.BytesIO()
            states.fetch(number, content)
        if state is None:
            continue
        try:
            left_out = _opened(content, StateName(intent.work, number), password)
        except CipherError as error:
            problem = problem or f"state {number} cannot be the candidate's: {error}"
            continue
        return _as_last(intent.work, state, left_out, problem)
    return LastWork(incarnation=intent.work, problem=problem)


def _opened(content: io.BytesIO, name: StateName, password: str | None) -> tuple[str, ...]:
    if password is None:
        raise CipherError("the interview's password is gone")
    content.seek(0)
    archive = io.BytesIO()
    decrypt(content, archive, name, password_key(password, name.incarnation))
    archive.seek(0)
    return tuple(left_out_of(archive))


def _as_last(incarnation: str, state: State, left_out: tuple[str, ...], problem: str) -> LastWork:
    return LastWork(
        incarnation=incarnation,
        state=state.number,
        saved_at=state.saved_at,
        bytes=state.size,
        sha256=state.sha256,
        left_out=left_out,
        problem=problem,
    )


def _report(context: Context, interview_id: str, work: LastWork) -> None:
    fields = {"interview": interview_id, "state": work.state, "saved_at": work.saved_at, "bytes": work.bytes}
    text = (
        f"the last saved state is {work.state}, of {work.saved_at:%H:%M:%S} UTC" if work.saved_at else "nothing saved"
    )
    context.console.progress("work", f"  {text}", **fields, problem=work.problem)
    if work.problem:
        context.console.warn(f"the last work of interview {interview_id} may not be saved: {work.problem}")


def forget_work(context: Context, incarnation: str) -> None:
    """Deletes the states of one incarnation with all versions, where work is not to be kept; raises ``AwsError``."""
    if incarnation:
        context.objects.purge_below(f"{WORK}{incarnation}/")
