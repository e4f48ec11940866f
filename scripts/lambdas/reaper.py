"""The reaper: the Lambda function that ends what is overdue when no laptop and no portal is alive.

Every minute it reads what is written down about each interview and starts one CodeBuild build for each that must not
stay as it is; the build runs the same `prequel interview destroy` or `recover` as a person would. What is due is
decided as in ``scripts.interviews.reap``, which does the work itself; a test holds the two together. Nothing but the
standard library and boto3 is imported here (docs/decisions/0040-a-reaper-without-packages.md).
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from scripts.aws.clients import CONFLICTS, MISSING, Aws, error_code
from scripts.errors import PrequelError
from scripts.interviews.builds import DISPATCHES, Dispatcher, DispatchResult

SLOTS = "slots/"
WORKSPACES = "workspaces/"
INTENT_FILE = "interview.json"

METRICS_NAMESPACE = "Prequel"

ENDING = frozenset({"destroying", "leaking", "destroyed"})
LONGEST_RUN = timedelta(minutes=30)
"""As in ``scripts.interviews.run_lock``: for so long a run on another machine counts as alive."""

SCHEMA_VERSION = 1
_PARALLEL = 16
_ACTOR = "reaper@lambda"


class ReaperError(PrequelError):
    """A pass was made, and something in it failed; the text has a line for each. The next pass tries again."""


@dataclass(frozen=True)
class Known:
    """What is written down about one interview: ``document`` is its interview.json, ``etag`` the version read."""

    document: dict[str, Any]
    etag: str

    @property
    def id(self) -> str:
        """The interview's id."""
        return str(self.document["id"])

    @property
    def status(self) -> str:
        """Where it stands."""
        return str(self.document["status"])

    @property
    def incarnation(self) -> str:
        """What tells it from an earlier one of the same id."""
        return str(self.document["incarnation"])

    def time(self, name: str) -> datetime | None:
        """One of its times, or None."""
        text = self.document.get(name)
        return datetime.fromisoformat(text) if text else None

    def overdue(self, now: datetime) -> bool:
        """Whether its time is over and it is not yet gone."""
        deadline = self.time("deadline")
        return self.status != "destroyed" and deadline is not None and now >= deadline

    def worked_on(self, now: datetime) -> str:
        """What a run that may still be alive is doing, such as ``extend``; empty when there is none."""
        run = self.document.get("run")
        if not run or run.get("ended") or now >= datetime.fromisoformat(run["started_at"]) + LONGEST_RUN:
            return ""
        return str(run["purpose"])


def due(known: Known, now: datetime) -> str:
    """What a pass at ``now`` has to do: ``destroy``, ``recover``, ``wait`` for a later pass, or nothing."""
    retry_at = known.time("retry_at")
    starts_at = known.time("starts_at")
    if retry_at is not None and now < retry_at:
        return "wait"
    if known.status in ENDING or known.overdue(now):
        return "destroy"
    if known.status == "creating":
        return "recover"
    if known.status == "scheduled" and starts_at is not None and now >= starts_at:
        return "recover"
    return ""


@dataclass
class Pass:
    """What one pass found and did, by interview id."""

    active: int = 0
    slots_taken: int = 0
    slots_free: int = 0
    longest_overdue_seconds: int = 0
    overdue: list[str] = field(default_factory=list)
    leaking: list[str] = field(default_factory=list)
    below_desired: list[str] = field(default_factory=list)
    scaled_down: list[str] = field(default_factory=list)
    started: dict[str, str] = field(default_factory=dict)
    running: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    freed_slots: list[int] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)

    def metrics(self) -> dict[str, tuple[float, str]]:
        """Value and CloudWatch unit of each metric."""
        return {
            "ReaperRuns": (1, "Count"),
            "Active": (self.active, "Count"),
            "Overdue": (len(self.overdue), "Count"),
            "LongestOverdue": (self.longest_overdue_seconds, "Seconds"),
            "Leaking": (len(self.leaking), "Count"),
            "BelowDesired": (len(self.below_desired), "Count"),
            "SlotsTaken": (self.slots_taken, "Count"),
            "SlotsFree": (self.slots_free, "Count"),
            "BuildsStarted": (len(self.started), "Count"),
            "Problems": (len(self.problems), "Count"),
        }


def embedded_metrics(done: Pass, project_prefix: str, now: datetime) -> str:
    """The pass as one line in CloudWatch's embedded metric format
    (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).
    """
    metrics = done.metrics()
    directive = {
        "Namespace": METRICS_NAMESPACE,
        "Dimensions": [["Project"]],
        "Metrics": [{"Name": name, "Unit": unit} for name, (_, unit) in metrics.items()],
    }
    details = {
        "started": done.started,
        "overdue": done.overdue,
        "leaking": done.leaking,
        "below_desired": done.below_desired,
        "problems": done.problems,
    }
    return json.dumps(
        {
            "_aws": {"Timestamp": int(now.timestamp() * 1000), "CloudWatchMetrics": [directive]},
            "Project": project_prefix,
            **{name: value for name, (value, _) in metrics.items()},
            "pass": details,
        }
    )


class DeadlineReaper:
    """One deployed shared stack, seen from its reaper.

    ``say`` receives the line of metrics; ``codebuild`` is a client for CodeBuild, by default one of ``aws``.
    """

    def __init__(
        self,
        aws: Aws,
        *,
        bucket: str,
        cluster: str,
        runner: str,
        project_prefix: str,
        max_instances: int,
        codebuild: Any = None,
        say: Callable[[str], Any] | None = None,
    ) -> None:
        self._s3 = aws.s3
        self._ecs = aws.ecs
        self._place = aws.own_bucket(bucket)
        self._cluster = cluster
        self._project_prefix = project_prefix
        self._max_instances = max_instances
        self._dispatcher = Dispatcher(aws, bucket=bucket, project=runner, codebuild=codebuild)
        self._say = say or _print_line

    def run(self, now: datetime) -> Pass:
        """One pass.

        Raises boto3's own error when the slots or the interviews cannot be listed or read: then nothing was changed
        and no metric is told. What fails for one interview hinders no other; it is raised in the end, as
        ``ReaperError``.
        """
        done = Pass()
        # The intents last, because an intent is written before the rest and removed after it.
        leases = self._leases()
        dispatches = self._keys(DISPATCHES)
        known = self._intents(done)
        done.slots_taken = len(leases)
        done.slots_free = max(self._max_instances - len(leases), 0)
        done.active = sum(interview.status == "active" for interview in known)
        done.leaking = sorted(interview.id for interview in known if interview.status == "leaking")
        with _noting(done.problems, "services"):
            self._compare_services(sorted(i.id for i in known if i.status == "active" and not i.overdue(now)), done)
        for interview in sorted(known, key=lambda interview: str(interview.document.get("deadline"))):
            with _noting(done.problems, interview.id):
                self._look_after(interview, now, done)
        self._free_slots(leases, known, now, done)
        self._forget_builds(dispatches, leases, known, done)
        self._say(embedded_metrics(done, self._project_prefix, now))
        if done.problems:
            raise ReaperError("\n".join(f"{name}: {problem}" for name, problem in done.problems.items()))
        return done

    def _look_after(self, interview: Known, now: datetime, done: Pass) -> None:
        deadline = interview.time("deadline")
        if interview.overdue(now) and deadline is not None:
            done.overdue.append(interview.id)
            seconds = int((now - deadline).total_seconds())
            done.longest_overdue_seconds = max(done.longest_overdue_seconds, seconds)
        if interview.worked_on(now) and self._dispatcher.ended(str(interview.document["run"].get("build", ""))):
            # A build that was stopped or ran out of time clears no mark. The next run has to know that this one died.
            interview = self._rewritten(interview, run=interview.document["run"] | {"ended": True}) or interview
        worked_on = interview.worked_on(now)
        if interview.overdue(now) and worked_on != "extend" and (worked_on or self._claimed(interview, now)):
            with _noting(done.problems, f"service {interview.id}"):
                self._stop_spending(interview, done)
        duty = due(interview, now)
        if worked_on or duty == "wait":
            done.waiting.append(interview.id)
        elif duty:
            self._dispatch(interview.id, interview.incarnation, duty, now, done)

    def _dispatch(self, interview_id: str, incarnation: str, action: str, now: datetime, done: Pass) -> None:
        outcome, build_id = self._dispatcher.dispatch(interview_id, incarnation, action, now)
        if outcome is DispatchResult.STARTED:
            done.started[interview_id] = build_id
        elif outcome is DispatchResult.RUNNING:
            done.running.append(interview_id)
        else:
            done.waiting.append(interview_id)

    def _claimed(self, interview: Known, now: datetime) -> bool:
        """Marks an overdue interview as ending, so that it cannot be extended while its service is stopped.

        The one transition that is not ``scripts.interviews.records``'s own; a test holds it to that.
        False when somebody changed it since it was read; the next pass looks again.
        """
        if interview.status in ENDING:
            return True
        step = {"status": "destroying", "at": now.isoformat(), "actor": _ACTOR, "note": "overdue"}
        history = [*interview.document.get("history", []), step]
        return self._rewritten(interview, status="destroying", history=history) is not None

    def _rewritten(self, interview: Known, **changes: Any) -> Known | None:
        """The interview with ``changes``, written over the version that was read; None when somebody was faster."""
        document = interview.document | changes
        try:
            answer = self._s3.put_object(
                **self._place,
                Key=_intent_key(interview.id),
                Body=(json.dumps(document, indent=2) + "\n").encode(),
                IfMatch=interview.etag,
            )
        except ClientError as error:
            if error_code(error) not in CONFLICTS | MISSING:
                raise
            return None
        return Known(document, answer["ETag"])

    def _stop_spending(self, interview: Known, done: Pass) -> None:
        """Scales the service to 0, so that the spending stops even if the destroy fails.

        It is looked at first, because the reaper may change a service by its tags, and one that is gone has none.
        """
        found = self._ecs.describe_services(cluster=self._cluster, services=[interview.id])["services"]
        if not any(service["status"] == "ACTIVE" and service["desiredCount"] > 0 for service in found):
            return
        try:
            self._ecs.update_service(cluster=self._cluster, service=interview.id, desiredCount=0)
        except ClientError as error:
            if error_code(error) not in {"ServiceNotFoundException", "ServiceNotActiveException"}:
                raise
        else:
            done.scaled_down.append(interview.id)

    def _compare_services(self, names: list[str], done: Pass) -> None:
        """Notes which of the interviews that should run have fewer tasks than their service wants, or no service.

        CloudWatch cannot compare two metrics for each service, and a service that is to end wants no task.
        """
        for start in range(0, len(names), 10):  # as many as ECS describes at once
            asked = names[start : start + 10]
            services = self._ecs.describe_services(cluster=self._cluster, services=asked)["services"]
            well = {
                service["serviceName"]
                for service in services
                if service["status"] == "ACTIVE" and service["runningCount"] >= service["desiredCount"]
            }
            done.below_desired += [name for name in asked if name not in well]

    def _leases(self) -> dict[int, tuple[dict[str, Any], str]]:
        """Every lease with the version that was read, by slot."""
        names = [key.removeprefix(SLOTS).removesuffix(".json") for key in self._keys(SLOTS)]
        slots = sorted(int(name) for name in names if name.isdigit())
        read = self._read_all([f"{SLOTS}{slot}.json" for slot in slots])
        return {slot: found for slot, found in zip(slots, read, strict=True) if found is not None}

    def _intents(self, done: Pass) -> list[Known]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Prefix=WORKSPACES, Delimiter="/", **self._place)
        names = [
            entry["Prefix"].removeprefix(WORKSPACES).rstrip("/")
            for page in pages
            for entry in page.get("CommonPrefixes", [])
        ]
        known = []
        for name, found in zip(names, self._read_all([_intent_key(name) for name in names]), strict=True):
            if found is None:
                continue  # another client's workspace, such as the portal's
            try:
                known.append(_checked(Known(*found), name))
            except (KeyError, TypeError, ValueError):
                done.problems[name] = f"{_intent_key(name)} cannot be read"
        return known

    def _free_slots(
        self, leases: Mapping[int, tuple[dict[str, Any], str]], known: Iterable[Known], now: datetime, done: Pass
    ) -> None:
        """Frees the slots of interviews that are no more.

        One whose intent was lost may still have resources, the listener's priority among them: a build proves that
        nothing is left, and frees it.
        """
        incarnations = {interview.id: interview.incarnation for interview in known}
        for slot, (lease, etag) in leases.items():
            holder, incarnation = str(lease.get("interview_id", "")), str(lease.get("incarnation", ""))
            if not holder or holder in done.problems or incarnations.get(holder) == incarnation:
                continue
            with _noting(done.problems, f"slot {slot}"):
                if holder not in incarnations:
                    self._dispatch(holder, incarnation, "recover", now, done)
                elif self._deleted(f"{SLOTS}{slot}.json", etag):
                    done.freed_slots.append(slot)

    def _deleted(self, key: str, etag: str) -> bool:
        """Deletes the version that was read; False when somebody changed or deleted it since."""
        try:
            self._s3.delete_object(Key=key, IfMatch=etag, **self._place)
        except ClientError as error:
            if error_code(error) not in CONFLICTS | MISSING:
                raise
            return False
        return True

    def _forget_builds(
        self,
        dispatches: Iterable[str],
        leases: Mapping[int, tuple[dict[str, Any], str]],
        known: Iterable[Known],
        done: Pass,
    ) -> None:
        names = {interview.id for interview in known} | set(done.problems)
        names |= {str(lease.get("interview_id", "")) for lease, _ in leases.values()}
        for name in (key.removeprefix(DISPATCHES).removesuffix(".json") for key in dispatches):
            if name not in names:
                with _noting(done.problems, f"build of {name}"):
                    self._dispatcher.forget(name)

    def _keys(self, prefix: str) -> list[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Prefix=prefix, **self._place)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def _read_all(self, keys: list[str]) -> list[tuple[dict[str, Any], str] | None]:
        with ThreadPoolExecutor(_PARALLEL) as pool:
            return list(pool.map(self._read, keys))

    def _read(self, key: str) -> tuple[dict[str, Any], str] | None:
        """An object as JSON with its version; None when it is gone, an empty document when it is not JSON."""
        try:
            answer = self._s3.get_object(Key=key, **self._place)
        except ClientError as error:
            if error_code(error) not in MISSING:
                raise
            return None
        try:
            document = json.loads(answer["Body"].read())
        except ValueError:
            document = None
        return (document if isinstance(document, dict) else {}), answer["ETag"]


@contextmanager
def _noting(problems: dict[str, str], name: str) -> Iterator[None]:
    """Writes an AWS error inside down under ``name`` instead of raising it."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        problems[name] = " ".join(str(error).split())


def _checked(known: Known, name: str) -> Known:
    """``known`` if all that a pass reads of it is there; raises ``ValueError``, ``KeyError`` or ``TypeError``."""
    document = known.document
    if document.get("schema_version") != SCHEMA_VERSION or known.id != name or known.time("deadline") is None:
        raise ValueError(name)
    known.worked_on(datetime.now(UTC))
    for needed in ("starts_at", "retry_at"):
        known.time(needed)
    if not (known.status and known.incarnation):
        raise ValueError(name)
    return known


def _intent_key(interview_id: str) -> str:
    return f"{WORKSPACES}{interview_id}/{INTENT_FILE}"


def _print_line(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def handler(event: object, context: object) -> dict[str, Any]:  # noqa: ARG001  (Lambda gives both)
    """What Lambda calls, once a minute or for `prequel interview reap --remote`; returns the pass."""
    environment = os.environ
    reaper = DeadlineReaper(
        Aws(environment["AWS_REGION"]),
        bucket=environment["PREQUEL_BUCKET"],
        cluster=environment["PREQUEL_CLUSTER"],
        runner=environment["PREQUEL_RUNNER"],
        project_prefix=environment["PREQUEL_PROJECT_PREFIX"],
        max_instances=int(environment["PREQUEL_MAX_INSTANCES"]),
    )
    return vars(reaper.run(datetime.now(UTC)))
