"""The reaper: a Lambda function that looks after deadlines every minute, and the alarms for when it cannot."""

import base64
from functools import partial

from constructs import Construct
from constructs.account import Account
from constructs.aws import (
    CloudwatchEventRule,
    CloudwatchEventTarget,
    LambdaFunction,
    LambdaFunctionEnvironment,
    LambdaFunctionEventInvokeConfig,
    LambdaFunctionEventInvokeConfigDestinationConfig,
    LambdaFunctionEventInvokeConfigDestinationConfigOnFailure,
    LambdaPermission,
    SqsQueue,
)
from constructs.bundle import Bundle, sources
from constructs.identity import ReaperRole
from constructs.observability import Alarm, LogGroup, Metric
from constructs.waivers import FUNCTION_OUTSIDE_THE_VPC, waive
from contract.names import METRICS_NAMESPACE, reaper_function, runner_project

SOURCES = sources("scripts.lambdas.reaper")
"""All that the function holds: no packages beside the boto3 of Lambda's own runtime
(docs/decisions/0040-a-reaper-without-packages.md)."""

RUNTIME = "python3.13"
TIMEOUT_SECONDS = 55
"""A pass ends before the next one begins."""

MEMORY_MIB = 256

FAILURES_KEPT_SECONDS = 14 * 24 * 3600
"""The longest that SQS keeps anything."""


def reaper_log_group_name(project_prefix: str) -> str:
    """Where Lambda writes by itself."""
    return f"/aws/lambda/{reaper_function(project_prefix)}"


class Reaper(Construct):
    """One pass a minute over all deadlines. Alarms go to ``alarm_topic_arn``. Output: ``name``."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        project_prefix: str,
        account: Account,
        bucket_name: str,
        bucket_arn: str,
        max_instances: int,
        kms_key_arn: str,
        log_retention_days: int,
        alarm_topic_arn: str,
    ) -> None:
        super().__init__(scope, id)
        self.name = reaper_function(project_prefix)
        log_group_name = reaper_log_group_name(project_prefix)
        log_group = LogGroup(
            self, "log", name=log_group_name, retention_days=log_retention_days, kms_key_arn=kms_key_arn
        )
        failures_name = f"{self.name}-failures"
        failures = SqsQueue(
            self,
            "failures",
            name=failures_name,
            message_retention_seconds=FAILURES_KEPT_SECONDS,
            sqs_managed_sse_enabled=True,
        )
        role = ReaperRole(
            self,
            "role",
            project_prefix=project_prefix,
            account=account,
            bucket_arn=bucket_arn,
            log_group_name=log_group_name,
            failures_arn=account.arn("sqs", failures_name),
        )
        bundle = Bundle(self, "bundle", paths=SOURCES)
        function = LambdaFunction(
            self,
            "function",
            function_name=self.name,
            description="Ends interviews that are overdue",
            role=role.arn,
            runtime=RUNTIME,
            architectures=["arm64"],
            handler="scripts.lambdas.reaper.handler",
            filename=bundle.path,
            source_code_hash=base64.b64encode(bytes.fromhex(bundle.sha256)).decode(),
            timeout=TIMEOUT_SECONDS,
            memory_size=MEMORY_MIB,
            # One pass at a time. What it may do does not hang on it: records in the bucket keep two passes apart.
            reserved_concurrent_executions=1,
            environment=LambdaFunctionEnvironment(
                variables={
                    "PREQUEL_BUCKET": bucket_name,
                    "PREQUEL_CLUSTER": project_prefix,
                    "PREQUEL_RUNNER": runner_project(project_prefix),
                    "PREQUEL_PROJECT_PREFIX": project_prefix,
                    "PREQUEL_MAX_INSTANCES": str(max_instances),
                }
            ),
            # Lambda would create the log group by itself, never to expire and with a key that is not ours; and the
            # first pass must not come before the permissions.
            depends_on=[log_group.resource, role.policy],
        )
        for waiver in FUNCTION_OUTSIDE_THE_VPC:
            waive(function, *waiver)
        LambdaFunctionEventInvokeConfig(
            self,
            "invocation",
            function_name=function.function_name,
            # The next tick is the retry; one that waited for longer has been overtaken by it.
            maximum_retry_attempts=0,
            maximum_event_age_in_seconds=60,
            destination_config=LambdaFunctionEventInvokeConfigDestinationConfig(
                on_failure=LambdaFunctionEventInvokeConfigDestinationConfigOnFailure(destination=failures.arn)
            ),
        )
        tick = CloudwatchEventRule(
            self,
            "tick",
            name=self.name,
            description="One pass of the reaper",
            schedule_expression="rate(1 minute)",
        )
        permission = LambdaPermission(
            self,
            "permission",
            statement_id="Tick",
            action="lambda:InvokeFunction",
            function_name=function.function_name,
            principal="events.amazonaws.com",
            source_arn=tick.arn,
        )
        CloudwatchEventTarget(
            self, "target", rule=tick.name, target_id="reaper", arn=function.arn, depends_on=[permission]
        )
        self._watch(project_prefix, alarm_topic_arn)

    def _watch(self, project_prefix: str, topic_arn: str) -> None:
        def told(name: str, statistic: str) -> Metric:
            return Metric(METRICS_NAMESPACE, name, statistic, {"Project": project_prefix})

        alarm = partial(Alarm, self, project_prefix=project_prefix, topic_arn=topic_arn)
        alarm(
            "overdue",
            "An interview is more than 5 minutes past its deadline and not gone",
            told("LongestOverdue", "Maximum"),
            above=300,
            period=60,
        )
        alarm(
            "leaking",
            "The resources of a destroyed interview are not proven gone",
            told("Leaking", "Maximum"),
            above=0,
            period=60,
        )
        alarm(
            "reaper_silent",
            "The reaper has made no pass for 5 minutes",
            told("ReaperRuns", "Sum"),
            below=1,
            missing="breaching",
        )
        alarm(
            "reaper_errors",
            # One pass may meet a hiccup of AWS's; the next one makes up for it.
            "Three of the reaper's passes failed within 5 minutes",
            Metric("AWS/Lambda", "Errors", "Sum", {"FunctionName": self.name}),
            above=2,
        )
