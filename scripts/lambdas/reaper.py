"""The reaper: the Lambda function that ends what is overdue when no laptop and no portal is alive.

Every minute it reads the record of each interview and starts one CodeBuild build for each that has a pending action;
the build runs the same `prequel interview destroy` or `recover` as a person would. Records and decisions are those of
`prequel interview reap` (``scripts.interviews``); nothing but the standard library and boto3 is imported here
(docs/decisions/0040-a-reaper-without-packages.md).
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from contract.names import DISPATCHES, METRICS_NAMESPACE
from scripts.aws.bucket import Bucket
from scripts.aws.clients import Aws, error_code
from scripts.errors import BuildQuotaError, PrequelError
from scripts.interviews.builds import Dispatcher
from scripts.interviews.pending import orphan_leases, pending_action
from scripts.interviews.records import ENDING, Intent, Status
from scripts.interviews.services import described_services
from scripts.interviews.slots import HeldSlot, Slots
from scripts.interviews.store import ChangedMeanwhileError, IntentStore, Listing, Stored

_ACTOR = "reaper@lambda"


class ReaperError(PrequelError):
    """A pass was made, and something in it failed; the text has a line for each. The next pass tries again."""


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
    refused: list[str] = field(default_factory=list)
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
            "BuildsRefused": (len(self.refused), "Count"),
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
    names = ("started", "refused", "overdue", "leaking", "below_desired", "problems")
    details = {name: getattr(done, name) for name in names}
    return json.dumps(
        {
            "_aws": {"Timestamp": int(now.timestamp() * 1000), "CloudWatchMetrics": [directive]},
            "Project": project_prefix,
            **{name: value for name, (value, _) in metrics.items()},
            "pass": details,
        }
    )


class DeadlineReaper:
    """Makes passes over the interviews of one deployed shared stack, and prints a line of metrics for each."""

    def __init__(
        self, aws: Aws, *, bucket: str, cluster: str, runner: str, project_prefix: str, max_instances: int
    ) -> None:
        self._aws = aws
        self._ecs = aws.ecs
        self._bucket = Bucket(aws, bucket)
        self._intents = IntentStore(aws, bucket)
        self._slots = Slots(aws, bucket)
        self._cluster = cluster
        self._project_prefix = project_prefix
        self._max_instances = max_instances
        self._dispatcher = Dispatcher(aws, bucket=bucket, project=runner)

    def run(self, now: datetime) -> Pass:
        """One pass.

        Raises ``AwsError`` when the slots or the interviews cannot be listed or read: then nothing was changed and no
        metric is written. What fails for one interview hinders no other; it is raised in the end, as ``ReaperError``.
        """
        done = Pass()
        # The intents last, because an intent is written before the rest and removed after it.
        leases = self._slots.all()
        dispatches = self._bucket.listing(DISPATCHES)
        listing = self._intents.all()
        done.problems.update(listing.unreadable)
        known = sorted(listing.intents.values(), key=lambda stored: stored.intent.deadline)
        intents = [stored.intent for stored in known]
        active = [intent for intent in intents if intent.status is Status.ACTIVE]
        done.slots_taken = len(leases)
        done.slots_free = max(self._max_instances - len(leases), 0)
        done.active = len(active)
        done.leaking = sorted(intent.id for intent in intents if intent.status is Status.LEAKING)
        with _noting(done.problems, "services"):
            self._compare_services(sorted(intent.id for intent in active if not intent.overdue(now)), done)
        for stored in known:
            with _noting(done.problems, stored.intent.id):
                self._look_after(stored, now, done)
        for held in orphan_leases(leases, listing):
            with _noting(done.problems, f"slot {held.slot}"):
                self._free(held, listing, now, done)
        builds = {key.removeprefix(DISPATCHES).removesuffix(".json") for key in dispatches}
        holders = {held.lease.interview_id for held in leases}
        for name in sorted(builds - holders - listing.intents.keys() - done.problems.keys()):
            with _noting(done.problems, f"build of {name}"):
                self._dispatcher.forget(name)
        sys.stdout.write(embedded_metrics(done, self._project_prefix, now) + "\n")
        sys.stdout.flush()
        if done.problems:
            raise ReaperError("\n".join(f"{name}: {problem}" for name, problem in done.problems.items()))
        return done

    def _look_after(self, stored: Stored, now: datetime, done: Pass) -> None:
        intent = stored.intent
        if intent.overdue(now):
            done.overdue.append(intent.id)
            seconds = int((now - intent.deadline).total_seconds())
            done.longest_overdue_seconds = max(done.longest_overdue_seconds, seconds)
        run = intent.run
        if run is not None and run.may_be_alive(now) and self._dispatcher.ended(run.build):
            # A build that was stopped or ran out of time clears no mark. The next run has to know that this one died.
            run = replace(run, ended=True)
            stored = self._replaced(stored, replace(intent, run=run)) or stored
        run = stored.intent.run
        purpose = run.purpose if run is not None and run.may_be_alive(now) else ""
        changed = False
        if intent.overdue(now) and purpose != "extend":
            changed = not purpose and not self._claimed(stored, now)
            if not changed:
                with _noting(done.problems, f"service {intent.id}"):
                    self._stop_spending(intent, done)
        action = pending_action(intent, now)
        if changed or purpose or (action is not None and action.what == "wait"):
            done.waiting.append(intent.id)
        elif action is not None:
            # A build that recovers a scheduled interview starts it.
            what = "destroy" if action.what == "destroy" else "recover"
            self._dispatch(intent.id, intent.incarnation, what, now, done)

    def _dispatch(self, interview_id: str, incarnation: str, action: str, now: datetime, done: Pass) -> None:
        try:
            build_id, started = self._dispatcher.dispatch(interview_id, incarnation, action, now)
        except BuildQuotaError:
            done.refused.append(interview_id)
            raise
        if started:
            done.started[interview_id] = build_id
        else:
            (done.running if build_id else done.waiting).append(interview_id)

    def _claimed(self, stored: Stored, now: datetime) -> bool:
        """Marks an overdue interview as ending, so that nobody extends it meanwhile; False when somebody changed it."""
        if stored.intent.status in ENDING:
            return True
        ending = stored.intent.moved(Status.DESTROYING, at=now, actor=_ACTOR, note="overdue")
        return self._replaced(stored, ending) is not None

    def _replaced(self, stored: Stored, intent: Intent) -> Stored | None:
        """``intent``, written over the version that was read; None when somebody changed that since."""
        try:
            return self._intents.replace(stored, intent)
        except ChangedMeanwhileError:
            return None

    def _stop_spending(self, intent: Intent, done: Pass) -> None:
        """Scales the service to 0, so that the spending stops even if the destroy fails.

        It is looked at first, because the reaper may change a service by its tags, and one that is gone has none.
        """
        found = self._ecs.describe_services(cluster=self._cluster, services=[intent.id])["services"]
        if not any(service["status"] == "ACTIVE" and service["desiredCount"] > 0 for service in found):
            return
        try:
            self._ecs.update_service(cluster=self._cluster, service=intent.id, desiredCount=0)
        except ClientError as error:
            if error_code(error) not in {"ServiceNotFoundException", "ServiceNotActiveException"}:
                raise
        else:
            done.scaled_down.append(intent.id)

    def _compare_services(self, names: list[str], done: Pass) -> None:
        """Notes whose service is gone, or has fewer tasks than it wants or none: CloudWatch compares no two metrics."""
        well = {
            service["serviceName"]
            for service in described_services(self._aws, self._cluster, names)
            if service["status"] == "ACTIVE" and service["runningCount"] >= service["desiredCount"] >= 1
        }
        done.below_desired += [name for name in names if name not in well]

    def _free(self, held: HeldSlot, listing: Listing, now: datetime, done: Pass) -> None:
        lease = held.lease
        if lease.interview_id not in listing.intents:
            # It may still have resources, the listener's priority among them: a build proves that nothing is left.
            self._dispatch(lease.interview_id, lease.incarnation, "recover", now, done)
        elif self._slots.release(held):
            done.freed_slots.append(held.slot)


@contextmanager
def _noting(problems: dict[str, str], name: str) -> Iterator[None]:
    """Keeps an error inside as the problem of ``name`` instead of raising it."""
    try:
        yield
    except (PrequelError, ClientError, BotoCoreError) as error:
        problems[name] = " ".join(str(error).split())


def handler(event: object, context: object) -> dict[str, object]:  # noqa: ARG001  (Lambda gives both)
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
