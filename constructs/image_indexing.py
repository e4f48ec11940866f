"""Faster starts: each image pushed to our repository gets a SOCI index, and the newest one is written down."""

import base64
import json
from functools import partial
from typing import Any

from constructs import Construct
from constructs.account import Account
from constructs.aws import (
    CloudwatchEventRule,
    CloudwatchEventTarget,
    CloudwatchEventTargetDeadLetterConfig,
    CloudwatchEventTargetRetryPolicy,
    CodebuildProject,
    CodebuildProjectArtifacts,
    CodebuildProjectEnvironment,
    CodebuildProjectEnvironmentEnvironmentVariable,
    CodebuildProjectLogsConfig,
    CodebuildProjectLogsConfigCloudwatchLogs,
    CodebuildProjectSource,
    DataAwsIamPolicyDocument,
    DataAwsIamPolicyDocumentStatement,
    DataAwsIamPolicyDocumentStatementCondition,
    DataAwsIamPolicyDocumentStatementPrincipals,
    LambdaFunction,
    LambdaFunctionEnvironment,
    LambdaFunctionEventInvokeConfig,
    LambdaFunctionEventInvokeConfigDestinationConfig,
    LambdaFunctionEventInvokeConfigDestinationConfigOnFailure,
    LambdaPermission,
    SqsQueue,
    SqsQueuePolicy,
    SsmParameter,
)
from constructs.bundle import Bundle, sources
from constructs.identity import ServiceRole
from constructs.lifecycle import FAILURES_KEPT_SECONDS, RUNTIME
from constructs.observability import Alarm, LogGroup, Metric
from constructs.waivers import FUNCTION_OUTSIDE_THE_VPC, waive
from contract.names import IMAGE_ARCHITECTURES, code_server_repository, image_indexer, image_parameter

SOURCES = sources("scripts.lambdas.image_index")
"""All that both functions hold: no packages beside the boto3 of Lambda's own runtime."""

SUFFIX = "-soci"
NOTHING = "none"
"""As in scripts/lambdas/image_index.py."""

TIMEOUT_SECONDS = 30
MEMORY_MIB = 256

RETRIES = 2
EVENT_HOURS = 1
"""How often, and for how long, AWS tries to hand over one event; what fails then goes to the queue."""

SOCI_VERSION = "0.14.1"
SOCI_URL = (
    "https://github.com/awslabs/soci-snapshotter/releases/download/"
    f"v{SOCI_VERSION}/soci-snapshotter-{SOCI_VERSION}-linux-amd64.tar.gz"
)
SOCI_SHA256 = "1a8dba2a14c1ba8b65e0b935ef697e22eb8324759961a65296e656dd724d9441"
"""As https://github.com/ducminhle/rules_soci (soci/versions.bzl) pins it; docs/decisions/0050-soci.md."""

DEBIAN_MIRROR = "https://deb.debian.org/debian/pool/main"
DEBIAN_SNAPSHOT = "https://snapshot.debian.org/file"
SKOPEO_PACKAGES = [
    (
        "7ca44a3f31f3cddca9d9dc858029dd08c30faf6e93456753825509e6a59192e2",
        "d58b9d3697d9855ab52ef4add3894108cb3fc97b",
        "s/skopeo/skopeo_1.18.0+ds1-1+b5_amd64.deb",
    ),
    (
        "b59b0625cd1a791375d40dab23a4d5d3d0641e3d0a773501becdc3725b7f99cf",
        "2814165ecd61dee3d64ca4dedfbe47fc9da5e3d1",
        "g/glibc/libc6_2.41-12+deb13u5_amd64.deb",
    ),
    (
        "6650203af59ccf73b22cd6904fb179a799cb70d62885b19ae725c0655c04241c",
        "217860ae157b927d59b4fc9949b8462a9021e5eb",
        "g/gpgme1.0/libgpgme11t64_1.24.2-3_amd64.deb",
    ),
    (
        "9d78ef8f016e7f24b5e20d1ce91939fe0f1f897e5f9059793201e930ded7eb8e",
        "b95cc7cf5bfa4e1956fa5ff22d53f868ba28f2d4",
        "liba/libassuan/libassuan9_3.0.2-2_amd64.deb",
    ),
    (
        "22b95570fd41c113ef6f5651563b4d748292844baab1278a46eb940c1dec2322",
        "593590485c9a6c59d0771cbc852019d83b503df1",
        "libg/libgpg-error/libgpg-error0_1.51-4_amd64.deb",
    ),
    (
        "0a459adaffd901109f7811ab65f58e7a957b4907d05539cf3d1184efdcde0468",
        "5dcd8c2e2a17ccf50d216e49d5c66d24b370858c",
        "s/sqlite3/libsqlite3-0_3.46.1-7+deb13u2_amd64.deb",
    ),
]
"""skopeo and what it is linked with, from Debian 13: SHA-256 as in Debian's signed package list, SHA-1 (the address in
Debian's archive of all that it ever had), and path. No older skopeo will do: it loses the type of the SOCI index."""

BUILD_IMAGE = "aws/codebuild/standard:7.0"
"""AWS's Ubuntu, which has dpkg-deb; it indexes images of either architecture
(https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-available.html)."""

BUILD_MINUTES = 30
QUEUED_MINUTES = 60

# CodeBuild looks at the exit code of each command as a whole. No braces after a dollar or percent sign: Terraform
# would take them for its own.
_FETCH = "curl --fail --silent --show-error --location --retry 5"
BUILD_SPEC: dict[str, Any] = {
    "version": 0.2,
    "phases": {
        "install": {
            "commands": [
                f'{_FETCH} --output soci.tar.gz "$SOCI_URL"',
                'echo "$SOCI_SHA256  soci.tar.gz" | sha256sum --check --strict',
                "mkdir -p soci tools && tar --extract --gzip --file soci.tar.gz --directory soci",
                "cat > packages <<'END'\n"
                + "".join(f"{sha256} {sha1} {path}\n" for sha256, sha1, path in SKOPEO_PACKAGES)
                + "END",
                # A newer build replaces a package on the mirror sooner or later; the archive keeps every one.
                "while read -r sha256 sha1 path; do\n"
                f'  {_FETCH} --output package.deb "$DEBIAN_MIRROR/$path" ||\n'
                f'    {_FETCH} --output package.deb "$DEBIAN_SNAPSHOT/$sha1" || exit 1\n'
                '  echo "$sha256  package.deb" | sha256sum --check --strict || exit 1\n'
                "  dpkg-deb --extract package.deb tools || exit 1\n"
                "done < packages",
                # With the C library that it was built with, whatever this machine has.
                "printf '#!/bin/sh\\nexec %s --library-path %s %s --insecure-policy \"$@\"\\n'"
                ' "$PWD/tools/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"'
                ' "$PWD/tools/usr/lib/x86_64-linux-gnu" "$PWD/tools/usr/bin/skopeo" > skopeo && chmod +x skopeo',
                "./skopeo --version",
            ]
        },
        "build": {
            "commands": [
                'export REGISTRY_AUTH_FILE="$PWD/auth.json"',
                "aws ecr get-login-password | ./skopeo login --username AWS --password-stdin"
                ' "$(echo "$PREQUEL_REPOSITORY_URL" | cut -d / -f 1)"',
                "if ./skopeo inspect --raw --retry-times 3"
                ' "docker://$PREQUEL_REPOSITORY_URL:$PREQUEL_IMAGE_TAG-soci" > found.json; then\n'
                '  echo "$PREQUEL_IMAGE_TAG-soci is there already"\n'
                "else\n"
                '  ./skopeo --override-os linux --override-arch "$PREQUEL_ARCHITECTURE" copy --retry-times 3'
                ' "docker://$PREQUEL_REPOSITORY_URL@$PREQUEL_IMAGE_DIGEST" oci:in || exit 1\n'
                "  ./soci/soci convert --standalone --format oci-dir"
                ' --platform "linux/$PREQUEL_ARCHITECTURE" in out || exit 1\n'
                # Whatever would change a digest on the way would cut the image off from its index.
                "  ./skopeo copy --all --preserve-digests --retry-times 3 oci:out"
                ' "docker://$PREQUEL_REPOSITORY_URL:$PREQUEL_IMAGE_TAG-soci" || exit 1\n'
                "fi",
            ]
        },
    },
}


def image_log_group_names(project_prefix: str) -> str:
    """Where Lambda writes by itself, as a pattern."""
    return f"/aws/lambda/{image_indexer(project_prefix)}-*"


class ImageIndexing(Construct):
    """A push to the code-server repository starts a build that pushes the same image with a SOCI index as ``TAG-soci``.

    The push of that one writes its digest into an SSM parameter, for `prequel templates publish`. ``repository_url`` is
    without a tag, ``cpu_architecture`` is Fargate's name of it. What fails alarms ``alarm_topic_arn``.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        project_prefix: str,
        account: Account,
        repository_url: str,
        cpu_architecture: str,
        kms_key_arn: str,
        log_retention_days: int,
        alarm_topic_arn: str,
    ) -> None:
        super().__init__(scope, id)
        self._prefix = project_prefix
        self._account = account
        self._kms_key_arn = kms_key_arn
        self._retention_days = log_retention_days
        self._repository_arn = account.arn("ecr", f"repository/{code_server_repository(project_prefix)}")
        self._failures_name = f"{image_indexer(project_prefix)}-failures"
        self._bundle = Bundle(self, "bundle", paths=SOURCES)
        architecture = IMAGE_ARCHITECTURES[cpu_architecture]
        parameter_name = image_parameter(project_prefix)
        parameter = SsmParameter(
            self,
            "current",
            name=parameter_name,
            description="The newest code-server image with a SOCI index",
            type="String",
            value=NOTHING,
        )
        # The recorder and `prequel image promote` write it.
        parameter.add_override("lifecycle", {"ignore_changes": ["value"]})
        waive(
            parameter,
            "CKV2_AWS_34",
            "the address of a container image is no secret; it stands in every task definition",
            "https://docs.aws.amazon.com/systems-manager/latest/userguide/secure-string-parameter-kms-encryption.html",
        )
        self._project(repository_url, architecture)
        self._failures = SqsQueue(
            self,
            "failures",
            name=self._failures_name,
            message_retention_seconds=FAILURES_KEPT_SECONDS,
            sqs_managed_sse_enabled=True,
        )
        queue_policy = self._queue_policy()
        variables = {"PREQUEL_REPOSITORY": code_server_repository(project_prefix)}
        project_arn = account.arn("codebuild", f"project/{image_indexer(project_prefix)}")
        self._function(
            "start",
            description="Has each pushed image indexed",
            image_tags={"anything-but": {"suffix": SUFFIX}},
            variables=variables
            | {"PREQUEL_INDEXER": image_indexer(project_prefix), "PREQUEL_ARCHITECTURE": architecture},
            statements=[
                DataAwsIamPolicyDocumentStatement(
                    sid="StartBuilds",
                    actions=["codebuild:BatchGetBuilds", "codebuild:ListBuildsForProject", "codebuild:StartBuild"],
                    resources=[project_arn],
                )
            ],
            queue_policy=queue_policy,
        )
        self._function(
            "record",
            description="Writes the newest indexed image down",
            image_tags={"suffix": SUFFIX},
            variables=variables | {"PREQUEL_REPOSITORY_URL": repository_url, "PREQUEL_IMAGE_PARAMETER": parameter_name},
            statements=[
                DataAwsIamPolicyDocumentStatement(
                    sid="RecordImage",
                    actions=["ssm:GetParameter", "ssm:PutParameter"],
                    resources=[account.arn("ssm", f"parameter{parameter_name}")],
                )
            ],
            queue_policy=queue_policy,
        )
        alarm = partial(Alarm, self, project_prefix=project_prefix, topic_arn=alarm_topic_arn)
        alarm(
            "failed",
            "An image could not be indexed",
            Metric("AWS/CodeBuild", "FailedBuilds", "Sum", {"ProjectName": image_indexer(project_prefix)}),
            name="image_build_failures",
            above=0,
        )
        alarm(
            "undelivered",
            "An event of a pushed image could not be handled",
            Metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", {"QueueName": self._failures_name}),
            name="image_events_failed",
            above=0,
        )

    def _project(self, repository_url: str, architecture: str) -> None:
        name = image_indexer(self._prefix)
        log_group_name = f"/{self._prefix}/image-indexer"
        log_group = LogGroup(
            self, "log", name=log_group_name, retention_days=self._retention_days, kms_key_arn=self._kms_key_arn
        )
        role = ServiceRole(
            self,
            "builder",
            name=name,
            description="Indexes images",
            service="codebuild.amazonaws.com",
            account=self._account,
            source_arn=self._account.arn("codebuild", f"project/{name}"),
            statements=[
                # Signing in to ECR concerns no repository, so AWS offers no narrower resource.
                DataAwsIamPolicyDocumentStatement(
                    sid="SignInToRegistry", actions=["ecr:GetAuthorizationToken"], resources=["*"]
                ),
                # https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html
                DataAwsIamPolicyDocumentStatement(
                    sid="CopyImages",
                    actions=[
                        "ecr:BatchCheckLayerAvailability",
                        "ecr:BatchGetImage",
                        "ecr:CompleteLayerUpload",
                        "ecr:GetDownloadUrlForLayer",
                        "ecr:InitiateLayerUpload",
                        "ecr:PutImage",
                        "ecr:UploadLayerPart",
                    ],
                    resources=[self._repository_arn],
                ),
                self._write_logs(log_group_name),
            ],
        )
        variables = {
            "DEBIAN_MIRROR": DEBIAN_MIRROR,
            "DEBIAN_SNAPSHOT": DEBIAN_SNAPSHOT,
            "PREQUEL_ARCHITECTURE": architecture,
            "PREQUEL_REPOSITORY_URL": repository_url,
            "SOCI_SHA256": SOCI_SHA256,
            "SOCI_URL": SOCI_URL,
        }
        CodebuildProject(
            self,
            "project",
            name=name,
            description="Pushes images again with a SOCI index",
            service_role=role.arn,
            encryption_key=self._kms_key_arn,
            build_timeout=BUILD_MINUTES,
            queued_timeout=QUEUED_MINUTES,
            artifacts=CodebuildProjectArtifacts(type="NO_ARTIFACTS"),
            environment=CodebuildProjectEnvironment(
                type="LINUX_CONTAINER",
                image=BUILD_IMAGE,
                compute_type="BUILD_GENERAL1_SMALL",
                image_pull_credentials_type="CODEBUILD",
                privileged_mode=False,
                environment_variable=[
                    CodebuildProjectEnvironmentEnvironmentVariable(name=name, value=value)
                    for name, value in variables.items()
                ],
            ),
            # JSON is YAML, which is what CodeBuild reads.
            source=CodebuildProjectSource(type="NO_SOURCE", buildspec=json.dumps(BUILD_SPEC, indent=2)),
            logs_config=CodebuildProjectLogsConfig(
                cloudwatch_logs=CodebuildProjectLogsConfigCloudwatchLogs(status="ENABLED", group_name=log_group.name)
            ),
        )

    def _function(
        self,
        id: str,
        *,
        description: str,
        image_tags: dict[str, Any],
        variables: dict[str, str],
        statements: list[DataAwsIamPolicyDocumentStatement],
        queue_policy: SqsQueuePolicy,
    ) -> None:
        """One function, called for pushes of tags that match ``image_tags``, a content filter of EventBridge's."""
        name = f"{image_indexer(self._prefix)}-{id}"
        parts = Construct(self, id)
        log_group_name = f"/aws/lambda/{name}"
        log_group = LogGroup(
            parts, "log", name=log_group_name, retention_days=self._retention_days, kms_key_arn=self._kms_key_arn
        )
        role = ServiceRole(
            parts,
            "role",
            name=name,
            description=description,
            service="lambda.amazonaws.com",
            account=self._account,
            source_arn=self._account.arn("lambda", f"function:{name}"),
            statements=[
                DataAwsIamPolicyDocumentStatement(
                    sid="LookAtImages",
                    actions=["ecr:BatchGetImage", "ecr:DescribeImages"],
                    resources=[self._repository_arn],
                ),
                *statements,
                DataAwsIamPolicyDocumentStatement(
                    sid="KeepFailedEvents",
                    actions=["sqs:SendMessage"],
                    resources=[self._account.arn("sqs", self._failures_name)],
                ),
                self._write_logs(log_group_name),
            ],
        )
        function = LambdaFunction(
            parts,
            "function",
            function_name=name,
            description=description,
            role=role.arn,
            runtime=RUNTIME,
            architectures=["arm64"],
            handler=f"scripts.lambdas.image_index.{id}",
            filename=self._bundle.path,
            source_code_hash=base64.b64encode(bytes.fromhex(self._bundle.sha256)).decode(),
            timeout=TIMEOUT_SECONDS,
            memory_size=MEMORY_MIB,
            environment=LambdaFunctionEnvironment(variables=variables),
            # Lambda would create the log group by itself, never to expire and with a key that is not ours.
            depends_on=[log_group.resource, role.policy],
        )
        for waiver in FUNCTION_OUTSIDE_THE_VPC:
            waive(function, *waiver)
        LambdaFunctionEventInvokeConfig(
            parts,
            "invocation",
            function_name=function.function_name,
            maximum_retry_attempts=RETRIES,
            maximum_event_age_in_seconds=EVENT_HOURS * 3600,
            destination_config=LambdaFunctionEventInvokeConfigDestinationConfig(
                on_failure=LambdaFunctionEventInvokeConfigDestinationConfigOnFailure(destination=self._failures.arn)
            ),
        )
        rule = CloudwatchEventRule(
            parts,
            "rule",
            name=name,
            description=description,
            event_pattern=json.dumps(
                {
                    "source": ["aws.ecr"],
                    "detail-type": ["ECR Image Action"],
                    "detail": {
                        "action-type": ["PUSH"],
                        "result": ["SUCCESS"],
                        "repository-name": [code_server_repository(self._prefix)],
                        "image-tag": [image_tags],
                    },
                }
            ),
        )
        permission = LambdaPermission(
            parts,
            "permission",
            statement_id="Push",
            action="lambda:InvokeFunction",
            function_name=function.function_name,
            principal="events.amazonaws.com",
            source_arn=rule.arn,
        )
        CloudwatchEventTarget(
            parts,
            "target",
            rule=rule.name,
            target_id=id,
            arn=function.arn,
            retry_policy=CloudwatchEventTargetRetryPolicy(
                maximum_retry_attempts=RETRIES, maximum_event_age_in_seconds=EVENT_HOURS * 3600
            ),
            dead_letter_config=CloudwatchEventTargetDeadLetterConfig(arn=self._failures.arn),
            depends_on=[permission, queue_policy],
        )

    def _queue_policy(self) -> SqsQueuePolicy:
        """Lets EventBridge keep what it could not hand over
        (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html).
        """
        document = DataAwsIamPolicyDocument(
            self,
            "keeping",
            statement=[
                DataAwsIamPolicyDocumentStatement(
                    sid="UndeliveredEvents",
                    principals=[
                        DataAwsIamPolicyDocumentStatementPrincipals(
                            type="Service", identifiers=["events.amazonaws.com"]
                        )
                    ],
                    actions=["sqs:SendMessage"],
                    resources=[self._account.arn("sqs", self._failures_name)],
                    condition=[
                        DataAwsIamPolicyDocumentStatementCondition(
                            test="ArnLike",
                            variable="aws:SourceArn",
                            values=[self._account.arn("events", f"rule/{image_indexer(self._prefix)}-*")],
                        )
                    ],
                )
            ],
        )
        return SqsQueuePolicy(self, "failures_policy", queue_url=self._failures.url, policy=document.json)

    def _write_logs(self, log_group_name: str) -> DataAwsIamPolicyDocumentStatement:
        return DataAwsIamPolicyDocumentStatement(
            sid="WriteLogs",
            actions=["logs:CreateLogStream", "logs:PutLogEvents"],
            resources=[self._account.arn("logs", f"log-group:{log_group_name}:*")],
        )
