"""The reaper and the runner on an embedded AWS that writes down who calls what."""

import io
import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest

from scripts.aws.clients import Aws
from scripts.console import Console
from scripts.embedded.launcher import ACCOUNT_ID, EmbeddedAws
from scripts.embedded.seed import seed_shared_infrastructure
from scripts.interviews.context import Context
from scripts.lambdas.reaper import DeadlineReaper
from tests.conftest import SharedStackFactory, SynthesizedStack
from tests.interviews.conftest import Place, filled
from tests.lifecycle.builds import Builds

_numbers = count()

VPC = "vpc-0123456789abcdef0"
"""What stands in policies for the network of the stack."""


@dataclass(frozen=True)
class RecordingAws:
    """An embedded AWS and the file in which it writes every call down."""

    embedded: EmbeddedAws
    log: Path

    def calls(self, key: str) -> list[dict[str, Any]]:
        """What the holder of an access key called."""
        lines = self.log.read_text().replace('"monitoring:', '"cloudwatch:').splitlines()
        calls = [json.loads(line) for line in lines]
        return [call for call in calls if call["key"] == key]

    @contextmanager
    def enforcing(self) -> Iterator[None]:
        """While open, IAM policies are enforced."""
        self._enforce_after("0")
        try:
            yield
        finally:
            self._enforce_after("inf")

    def _enforce_after(self, calls: str) -> None:
        request = urllib.request.Request(  # noqa: S310  (a loopback address of ours)
            f"{self.embedded.endpoint}/moto-api/reset-auth",
            data=calls.encode(),
            headers={"Content-Type": "text/plain"},
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            assert answer.status == 200


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RecordingAws]:
    directory = tmp_path_factory.mktemp("recording")
    log = directory / "calls.jsonl"
    log.touch()
    with EmbeddedAws.start(log=directory / "requests.log", calls=log) as running:
        yield RecordingAws(running, log)


@dataclass(frozen=True)
class Shared:
    """A seeded shared stack, and the synthesized one that it stands for."""

    place: Place
    stack: SynthesizedStack

    def policy(self, name: str) -> list[dict[str, Any]]:
        """The statements of a synthesized policy document, with all that Terraform would know filled in."""
        values = self.place.values
        text = json.dumps(list(self.stack.statements(name).values()))
        for token, value in {
            "data.aws_caller_identity.account_caller.account_id": ACCOUNT_ID,
            "data.aws_partition.account_partition.partition": "aws",
            "data.aws_route53_zone.domain_zone.zone_id": values["hosted_zone_id"],
            "aws_kms_key.encryption_key.arn": values["kms_key_arn"],
            "aws_iam_role.execution_role.arn": values["execution_role_arn"],
            "aws_iam_role.task_role.arn": values["task_role_arn"],
            "aws_vpc.network_vpc.id": VPC,
        }.items():
            text = text.replace("${" + token + "}", value)
        assert "${" not in text, text
        statements: list[dict[str, Any]] = json.loads(text)
        return statements

    def context(self, **changes: Any) -> Context:
        """The operations on this stack."""
        return self.place.context(console=Console(json_lines=True, out=io.StringIO(), err=io.StringIO()), **changes)

    def reaper(self, aws: Aws | None = None, *, codebuild: Builds | None = None, **changes: Any) -> DeadlineReaper:
        """The reaper of this stack, which starts ``codebuild``'s builds."""
        aws = aws or self.place.embedded.aws
        if codebuild is not None:
            aws.__dict__["codebuild"] = codebuild
        defaults: dict[str, Any] = {
            "bucket": self.place.values["instance_bucket_name"],
            "cluster": self.place.values["ecs_cluster_arn"],
            "runner": f"{self.place.prefix}-runner",
            "project_prefix": self.place.prefix,
            "max_instances": 10,
        }
        return DeadlineReaper(aws, **(defaults | changes))


@pytest.fixture
def shared(recording: RecordingAws, shared_stack: SharedStackFactory, tmp_path: Path) -> Shared:
    """A stack whose interviews have DNS records of their own, which takes the most rights."""
    prefix = f"life{next(_numbers)}"
    domain = f"{prefix}.example.com"
    values = seed_shared_infrastructure(
        recording.embedded.aws, project_prefix=prefix, domain_name=domain, wildcard=False
    )
    stack = shared_stack(
        project_prefix=prefix,
        aws_region="us-east-1",
        domain_name=domain,
        hosted_zone_name=domain,
        wildcard_domain=False,
        portal_image="registry.example.com/portal:1",
    )
    settings = {"aws_region": "us-east-1", "environment": "test", "domain_name": domain, "project_prefix": prefix}
    lines = [f'{name} = "{value}"\n' for name, value in settings.items()]
    (tmp_path / "terraform.tfvars").write_text("".join(lines))
    return Shared(filled(Place(recording.embedded, values, tmp_path), 10), stack)


def run_service(shared: Shared, name: str, *, desired: int = 1) -> None:
    """Starts a service of one container for the interview ``name``; here, one task of it runs at most."""
    ecs, cluster = shared.place.embedded.aws.ecs, shared.place.prefix
    ecs.register_task_definition(family=name, containerDefinitions=[{"name": "x", "image": "x", "memory": 128}])
    ecs.create_service(cluster=cluster, serviceName=name, taskDefinition=name, desiredCount=desired)


@dataclass(frozen=True)
class Assumed:
    """The credentials of an assumed role."""

    key: str
    aws: Aws
    environment: dict[str, str]


def assume(shared: Shared, role: str, policy: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Assumed:
    """Creates ``role`` with ``policy`` as far as moto can match it, and assumes it.

    moto compares resources for S3 alone, and no conditions; the tests do the rest themselves.
    """
    embedded = shared.place.embedded
    iam = embedded.aws.client("iam")
    bucket = f"arn:aws:s3:::{shared.place.values['instance_bucket_name']}"
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}))
    matchable = [
        {
            "Effect": "Allow",
            # moto takes the name that CloudWatch's requests are signed for.
            "Action": [action.replace("cloudwatch:", "monitoring:") for action in statement["actions"]],
            # moto matches a deletion of several objects at once with the bucket; AWS, with each object.
            "Resource": [*statement["resources"], *([bucket] if "s3:DeleteObject" in statement["actions"] else [])]
            if all(action.startswith("s3:") for action in statement["actions"])
            else "*",
        }
        for statement in policy
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": matchable})
    iam.put_role_policy(RoleName=role, PolicyName=role, PolicyDocument=document)
    arn = f"arn:aws:iam::{ACCOUNT_ID}:role/{role}"
    given = embedded.aws.sts.assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    environment = shared.place.environment | {
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
    }
    monkeypatch.setenv("AWS_ENDPOINT_URL", embedded.endpoint)
    session = boto3.Session(
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
        region_name="us-east-1",
    )
    return Assumed(given["AccessKeyId"], Aws("us-east-1", session=session), environment)
