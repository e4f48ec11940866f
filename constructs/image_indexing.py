"""Faster starts: each image pushed to our repository gets a SOCI index, and the newest one is recorded."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from constructs import Construct
from constructs.alarm import Alarm, AlarmTopic
from constructs.aws import (
    CloudwatchEventRule,
    DataAwsIamPolicyDocument,
    SqsQueuePolicy,
    SsmParameter,
)
from constructs.build_project import BuildProject
from constructs.function import FailureQueue, Function
from constructs.identity import ServiceRole
from constructs.image_build_spec import BUILD_IMAGE, BUILD_SPEC, build_variables
from constructs.log_group import LogGroup, write_logs
from constructs.metric import Metric
from constructs.policy import Statement, allow, condition, service
from constructs.project import Project
from constructs.registry import PUSH_ACTIONS, SIGN_IN, Repository
from constructs.waivers import waive
from contract.names import (
    IMAGE_ARCHITECTURES,
    NO_IMAGE,
    SOCI_SUFFIX,
    code_server_repository,
    image_indexer,
    image_parameter,
)

TIMEOUT_SECONDS = 30

RETRIES = 2
EVENT_SECONDS = 3600
"""How often, and for how long, AWS retries to deliver one event; what fails then goes to the queue."""

BUILD_MINUTES = 30
QUEUED_MINUTES = 60


class ImageIndexing(Construct):
    """A push to ``repository`` starts a build that pushes the same image with a SOCI index, as ``TAG-soci``.

    ``starter`` is the program that a push of any other tag calls; the push of ``TAG-soci`` calls ``recorder``, which
    writes its digest into an SSM parameter, for `prequel templates publish`. ``cpu_architecture`` is Fargate's name of
    it. Failures go to ``alarm_topic``.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        project: Project,
        starter: str,
        recorder: str,
        repository: Repository,
        cpu_architecture: str,
        alarm_topic: AlarmTopic,
    ) -> None:
        super().__init__(scope, id)
        self._project = project
        self._account = account = project.account
        self._name = image_indexer(project.prefix)
        self._repository_name = code_server_repository(project.prefix)
        self._repository_arn = account.arn("ecr", f"repository/{self._repository_name}")
        parameter_name = self._parameter()
        architecture = IMAGE_ARCHITECTURES[cpu_architecture]
        self._build(repository.url, architecture)
        failures_name = f"{self._name}-failures"
        self._failures = FailureQueue(self, "failures", name=failures_name)
        self._undelivered = self._keep_undelivered(failures_name)
        self._function(
            "start",
            description="Has each pushed image indexed",
            handler=starter,
            image_tags={"anything-but": {"suffix": SOCI_SUFFIX}},
            variables={"PREQUEL_INDEXER": self._name, "PREQUEL_ARCHITECTURE": architecture},
            statement=allow(
                "StartBuilds",
                ["codebuild:BatchGetBuilds", "codebuild:ListBuildsForProject", "codebuild:StartBuild"],
                [account.arn("codebuild", f"project/{self._name}")],
            ),
        )
        self._function(
            "record",
            description="Writes the newest indexed image down",
            handler=recorder,
            image_tags={"suffix": SOCI_SUFFIX},
            variables={"PREQUEL_REPOSITORY_URL": repository.url, "PREQUEL_IMAGE_PARAMETER": parameter_name},
            statement=allow(
                "RecordImage",
                ["ssm:GetParameter", "ssm:PutParameter"],
                [account.arn("ssm", f"parameter{parameter_name}")],
            ),
        )
        alarm = partial(Alarm, self, topic=alarm_topic)
        alarm(
            "failed",
            "An image could not be indexed",
            Metric("AWS/CodeBuild", "FailedBuilds", "Sum", {"ProjectName": self._name}),
            name="image_build_failures",
            above=0,
        )
        alarm(
            "undelivered",
            "An event of a pushed image could not be handled",
            Metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", {"QueueName": failures_name}),
            name="image_events_failed",
            above=0,
        )

    def _parameter(self) -> str:
        """The name of the SSM parameter that holds the newest indexed image."""
        name = image_parameter(self._project.prefix)
        parameter = SsmParameter(
            self,
            "current",
            name=name,
            description="The newest code-server image with a SOCI index",
            type="String",
            value=NO_IMAGE,
        )
        # The recorder and `prequel image promote` write it.
        parameter.add_override("lifecycle", {"ignore_changes": ["value"]})
        waive(
            parameter,
            "CKV2_AWS_34",
            "the address of a container image is no secret; it stands in every task definition",
            "https://docs.aws.amazon.com/systems-manager/latest/userguide/secure-string-parameter-kms-encryption.html",
        )
        return name

    def _build(self, repository_url: str, architecture: str) -> None:
        log_group_name = f"/{self._project.prefix}/image-indexer"
        log_group = LogGroup(self, "log", project=self._project, name=log_group_name)
        role = ServiceRole(
            self,
            "builder",
            name=self._name,
            description="Indexes images",
            service="codebuild.amazonaws.com",
            account=self._account,
            source_arn=self._account.arn("codebuild", f"project/{self._name}"),
            statements=[
                SIGN_IN,
                allow("CopyImages", sorted([*PUSH_ACTIONS, "ecr:GetDownloadUrlForLayer"]), [self._repository_arn]),
                write_logs(self._account, log_group_name),
            ],
        )
        BuildProject(
            self,
            "project",
            name=self._name,
            description="Pushes images again with a SOCI index",
            role=role,
            log_group=log_group,
            environment_type="LINUX_CONTAINER",
            image=BUILD_IMAGE,
            variables=build_variables(architecture, repository_url),
            build_spec=BUILD_SPEC,
            build_minutes=BUILD_MINUTES,
            queued_minutes=QUEUED_MINUTES,
        )

    def _function(
        self,
        id: str,
        *,
        description: str,
        handler: str,
        image_tags: Mapping[str, Any],
        variables: dict[str, str],
        statement: Statement,
    ) -> None:
        """A function that is called for pushes of tags that match ``image_tags``, a content filter of EventBridge's."""
        name = f"{self._name}-{id}"
        function = Function(
            self,
            id,
            project=self._project,
            name=name,
            description=description,
            handler=handler,
            variables={"PREQUEL_REPOSITORY": self._repository_name} | variables,
            statements=[
                allow("LookAtImages", ["ecr:BatchGetImage", "ecr:DescribeImages"], [self._repository_arn]),
                statement,
            ],
            timeout_seconds=TIMEOUT_SECONDS,
            retries=RETRIES,
            event_seconds=EVENT_SECONDS,
            failures=self._failures,
        )
        pattern = {
            "source": ["aws.ecr"],
            "detail-type": ["ECR Image Action"],
            "detail": {
                "action-type": ["PUSH"],
                "result": ["SUCCESS"],
                "repository-name": [self._repository_name],
                "image-tag": [image_tags],
            },
        }
        rule = CloudwatchEventRule(
            function, "rule", name=name, description=description, event_pattern=json.dumps(pattern)
        )
        function.call_on(rule, statement_id="Push", target_id=id, undelivered=self._undelivered)

    def _keep_undelivered(self, queue_name: str) -> SqsQueuePolicy:
        """Allows EventBridge to keep the events that it cannot deliver
        (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html).
        """
        document = DataAwsIamPolicyDocument(
            self,
            "keeping",
            statement=[
                allow(
                    "UndeliveredEvents",
                    ["sqs:SendMessage"],
                    [self._account.arn("sqs", queue_name)],
                    condition("ArnLike", "aws:SourceArn", self._account.arn("events", f"rule/{self._name}-*")),
                    to=service("events.amazonaws.com"),
                )
            ],
        )
        return SqsQueuePolicy(self, "failures_policy", queue_url=self._failures.url, policy=document.json)
