"""A Lambda function of this project's own code, called by EventBridge."""

import base64
from collections.abc import Mapping, Sequence

from constructs import Construct
from constructs.aws import (
    CloudwatchEventRule,
    CloudwatchEventTarget,
    CloudwatchEventTargetDeadLetterConfig,
    CloudwatchEventTargetRetryPolicy,
    LambdaFunction,
    LambdaFunctionEnvironment,
    LambdaFunctionEventInvokeConfig,
    LambdaFunctionEventInvokeConfigDestinationConfig,
    LambdaFunctionEventInvokeConfigDestinationConfigOnFailure,
    LambdaPermission,
    SqsQueue,
    SqsQueuePolicy,
)
from constructs.bundle import Bundle
from constructs.identity import ServiceRole
from constructs.log_group import LogGroup, write_logs
from constructs.policy import Statement, allow
from constructs.project import Project
from constructs.waivers import FUNCTION_OUTSIDE_THE_VPC, waive

RUNTIME = "python3.13"
MEMORY_MIB = 256

LONGEST_RETENTION_SECONDS = 14 * 24 * 3600
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""


def function_log_group(function_name: str) -> str:
    """The log group of a function; Lambda chooses its name."""
    return f"/aws/lambda/{function_name}"


class FailureQueue(SqsQueue):
    """Keeps the events that a function could not handle, for as long as SQS can."""

    def __init__(self, scope: Construct, id: str, *, name: str) -> None:
        super().__init__(
            scope,
            id,
            name=name,
            message_retention_seconds=LONGEST_RETENTION_SECONDS,
            sqs_managed_sse_enabled=True,
        )


class Function(Construct):
    """A Lambda function with its role and its log group; ``handler`` is a ``module.function`` of this project.

    The archive holds that module, what it imports of this project, and no packages: boto3 is in Lambda's runtime
    (docs/decisions/0040-a-reaper-without-packages.md). An event whose call fails is retried ``retries`` times, for
    ``event_seconds`` at most, and goes to ``failures`` then, which is a queue of its own unless given.

    Outputs: ``name`` and ``arn``.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        project: Project,
        name: str,
        description: str,
        handler: str,
        variables: Mapping[str, str],
        statements: Sequence[Statement],
        timeout_seconds: int,
        retries: int,
        event_seconds: int,
        failures: FailureQueue | None = None,
    ) -> None:
        super().__init__(scope, id)
        account = project.account
        self.name = name
        self._retry_policy = CloudwatchEventTargetRetryPolicy(
            maximum_retry_attempts=retries, maximum_event_age_in_seconds=event_seconds
        )
        self._failures = failures or FailureQueue(self, "failures", name=f"{name}-failures")
        log_group_name = function_log_group(name)
        log_group = LogGroup(self, "log", project=project, name=log_group_name)
        role = ServiceRole(
            self,
            "role",
            name=name,
            description=description,
            service="lambda.amazonaws.com",
            account=account,
            # aws:SourceArn "applies only to policies where your Lambda function is the target resource"
            # (https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html).
            source_arn=None,
            statements=[
                *statements,
                allow("KeepFailedEvents", ["sqs:SendMessage"], [account.arn("sqs", str(self._failures.name_input))]),
                write_logs(account, log_group_name),
            ],
        )
        bundle = Bundle(self, "bundle", module=handler.rpartition(".")[0])
        self._function = LambdaFunction(
            self,
            "function",
            function_name=name,
            description=description,
            role=role.arn,
            runtime=RUNTIME,
            architectures=["arm64"],
            handler=handler,
            filename=bundle.path,
            source_code_hash=base64.b64encode(bytes.fromhex(bundle.sha256)).decode(),
            timeout=timeout_seconds,
            memory_size=MEMORY_MIB,
            environment=LambdaFunctionEnvironment(variables=variables),
            # Lambda would create the log group by itself, never to expire and with a key that is not ours; and the
            # first call must not come before the permissions.
            depends_on=[log_group.resource, role.policy],
        )
        for waiver in FUNCTION_OUTSIDE_THE_VPC:
            waive(self._function, *waiver)
        LambdaFunctionEventInvokeConfig(
            self,
            "invocation",
            function_name=self._function.function_name,
            maximum_retry_attempts=retries,
            maximum_event_age_in_seconds=event_seconds,
            destination_config=LambdaFunctionEventInvokeConfigDestinationConfig(
                on_failure=LambdaFunctionEventInvokeConfigDestinationConfigOnFailure(destination=self._failures.arn)
            ),
        )
        self.arn = self._function.arn

    def call_on(
        self, rule: CloudwatchEventRule, *, statement_id: str, target_id: str, undelivered: SqsQueuePolicy | None = None
    ) -> None:
        """Has EventBridge call the function for each event of ``rule``.

        What it cannot deliver is lost, unless ``undelivered`` lets it send to the function's queue of failures.
        """
        permission = LambdaPermission(
            self,
            "permission",
            statement_id=statement_id,
            action="lambda:InvokeFunction",
            function_name=self._function.function_name,
            principal="events.amazonaws.com",
            source_arn=rule.arn,
        )
        CloudwatchEventTarget(
            self,
            "target",
            rule=rule.name,
            target_id=target_id,
            arn=self._function.arn,
            retry_policy=self._retry_policy if undelivered else None,
            dead_letter_config=(CloudwatchEventTargetDeadLetterConfig(arn=self._failures.arn) if undelivered else None),
            depends_on=[permission, *([undelivered] if undelivered else [])],
        )
