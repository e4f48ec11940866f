"""The reaper: a Lambda function that checks every deadline once a minute, and the alarms for when it cannot."""

from functools import partial

from constructs import Construct
from constructs.alarm import Alarm, AlarmTopic
from constructs.aws import CloudwatchEventRule
from constructs.function import Function
from constructs.identity import in_cluster, list_bucket, of_an_interview
from constructs.metric import Metric
from constructs.policy import Statement, allow
from constructs.project import Project
from constructs.storage import InstanceBucket
from contract.names import (
    DISPATCHES,
    INTENT_FILE,
    METRICS_NAMESPACE,
    SLOTS,
    WORKSPACES,
    reaper_function,
    runner_project,
)

TIMEOUT_SECONDS = 55
"""A pass normally ends before the next one begins. Two at once do no harm: every change is a compare-and-swap. Lambda
could reserve one concurrent execution, but refuses to in new accounts, whose limit is 10
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html)."""


class Reaper(Function):
    """``program`` makes one pass a minute over all deadlines; its alarms go to ``alarm_topic``. Output: ``name``."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        project: Project,
        program: str,
        bucket: InstanceBucket,
        max_instances: int,
        alarm_topic: AlarmTopic,
    ) -> None:
        super().__init__(
            scope,
            id,
            project=project,
            name=reaper_function(project.prefix),
            description="Ends interviews that are overdue",
            handler=program,
            variables={
                "PREQUEL_BUCKET": bucket.name,
                "PREQUEL_CLUSTER": project.prefix,
                "PREQUEL_RUNNER": runner_project(project.prefix),
                "PREQUEL_PROJECT_PREFIX": project.prefix,
                "PREQUEL_MAX_INSTANCES": str(max_instances),
            },
            statements=_permissions(project, bucket),
            timeout_seconds=TIMEOUT_SECONDS,
            # The next tick is the retry; an event that waited for longer has been overtaken by it.
            retries=0,
            event_seconds=60,
        )
        tick = CloudwatchEventRule(
            self,
            "tick",
            name=self.name,
            description="One pass of the reaper",
            schedule_expression="rate(1 minute)",
        )
        self.call_on(tick, statement_id="Tick", target_id="reaper")
        self._add_alarms(project.prefix, alarm_topic)

    def _add_alarms(self, project_prefix: str, topic: AlarmTopic) -> None:
        def reported(name: str, statistic: str) -> Metric:
            return Metric(METRICS_NAMESPACE, name, statistic, {"Project": project_prefix})

        alarm = partial(Alarm, self, topic=topic)
        alarm(
            "overdue",
            "An interview is more than 5 minutes past its deadline and not gone",
            reported("LongestOverdue", "Maximum"),
            above=300,
            period=60,
        )
        alarm(
            "leaking",
            "The resources of a destroyed interview are not proven gone",
            reported("Leaking", "Maximum"),
            above=0,
            period=60,
        )
        alarm(
            "builds_refused",
            "CodeBuild refused a build because of the account's quota: interviews are stopped, but not destroyed",
            reported("BuildsRefused", "Maximum"),
            above=0,
            period=60,
        )
        alarm(
            "reaper_silent",
            "The reaper has made no pass for 5 minutes",
            reported("ReaperRuns", "Sum"),
            below=1,
            missing="breaching",
        )
        alarm(
            "reaper_errors",
            # One pass may meet a transient error of AWS's; the next pass makes up for it.
            "Three of the reaper's passes failed within 5 minutes",
            Metric("AWS/Lambda", "Errors", "Sum", {"FunctionName": self.name}),
            above=2,
        )


def _permissions(project: Project, bucket: InstanceBucket) -> list[Statement]:
    """Allows what the reaper does itself: read the records, stop an overdue service, start a build."""
    account, project_prefix = project.account, project.prefix
    slots, dispatches = (f"{bucket.arn}/{prefix}*" for prefix in (SLOTS, DISPATCHES))
    records = f"{bucket.arn}/{WORKSPACES}*/{INTENT_FILE}"
    return [
        list_bucket(bucket.arn),
        allow("ReadInterviews", ["s3:GetObject"], [slots, records, dispatches]),
        allow("MarkInterviews", ["s3:PutObject"], [records, dispatches]),
        allow("FreeSlots", ["s3:DeleteObject"], [slots, dispatches]),
        # A service that is gone has no tags, so the right to stop it would not hold for it.
        allow(
            "LookAtServices",
            ["ecs:DescribeServices"],
            [account.arn("ecs", f"service/{project_prefix}/*")],
            in_cluster(account, project_prefix),
        ),
        allow(
            "StopOverdueServices",
            ["ecs:UpdateService"],
            [account.arn("ecs", f"service/{project_prefix}/*")],
            in_cluster(account, project_prefix),
            of_an_interview("Resource"),
        ),
        allow(
            "StartBuilds",
            ["codebuild:BatchGetBuilds", "codebuild:StartBuild"],
            [account.arn("codebuild", f"project/{runner_project(project_prefix)}")],
        ),
    ]
