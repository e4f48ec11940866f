"""An AWS in a process of our own: everything real but the cloud.

Differences from AWS that matter are listed in docs/operations.md: no quotas, no DNS, no network, services never fail.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scripts.aws.clients import Aws
from scripts.errors import PrequelError
from scripts.project import PROJECT
from scripts.terraform.providers import TESTED_PROVIDER_VARIABLE

SERVER_MODULE = "scripts.embedded.server"
"""What a running server's command line holds."""

ACCOUNT_ID = "123456789012"
"""moto's account."""

_BACKEND_ARGUMENTS = (
    "use_path_style",
    "skip_credentials_validation",
    "skip_requesting_account_id",
    "skip_metadata_api_check",
)


@dataclass
class EmbeddedAws:
    """A running embedded AWS; as a context manager it ends with the block, and in any case with this process."""

    endpoint: str
    region: str
    process: subprocess.Popen[str] | None = field(default=None, repr=False)

    @classmethod
    def start(
        cls,
        region: str = "us-east-1",
        *,
        log: Path | None = None,
        detach: bool = False,
        calls: Path | None = None,
    ) -> Self:
        """Starts the server on a free port and waits until it answers; ``calls`` receives a line for each API call.

        Raises ``PrequelError`` when it does not start.
        """
        environment = os.environ | {"MOTO_IAM_LOAD_MANAGED_POLICIES": "true", "MOTO_ECS_SERVICE_RUNNING": "1"}
        # moto must not talk to itself through an endpoint that is meant for its clients.
        environment.pop("AWS_ENDPOINT_URL", None)
        command = [sys.executable, "-m", SERVER_MODULE, *(["--detach"] if detach else [])]
        command += ["--calls", str(calls.resolve())] if calls else []
        with (log or Path(os.devnull)).open("a") as sink:
            process = subprocess.Popen(
                command,
                cwd=PROJECT,
                env=environment,
                stdin=subprocess.DEVNULL if detach else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                text=True,
                # ctrl-C must reach terraform's shutdown first, while the server still answers.
                start_new_session=True,
            )
        assert process.stdout is not None  # noqa: S101  (it is a pipe)
        endpoint = process.stdout.readline().strip()
        if not endpoint:
            process.kill()
            raise PrequelError(
                f"the embedded AWS did not start; see {log}" if log else "the embedded AWS did not start"
            )
        return cls(endpoint, region, process)

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment, changed so that any AWS client, the provider included, uses this AWS only."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return inherited | {
            "AWS_ACCESS_KEY_ID": "embedded",
            "AWS_SECRET_ACCESS_KEY": "embedded",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            # A loopback address has no virtual-host buckets. Terraform reads these; nothing published holds them.
            TESTED_PROVIDER_VARIABLE: "1",
            "TF_CLI_ARGS_init": " ".join(f"-backend-config={name}=true" for name in _BACKEND_ARGUMENTS),
        }

    @property
    def aws(self) -> Aws:
        """New clients for this AWS, whatever the environment says."""
        return _EndpointAws(self.endpoint, self.region, self._session)

    @cached_property
    def _session(self) -> Any:
        """One for all clients: it remembers AWS's service descriptions, which take longer to read than to use."""
        import boto3

        return boto3.Session(
            aws_access_key_id="embedded",
            aws_secret_access_key="embedded",  # noqa: S106  (moto takes any)
            region_name=self.region,
        )

    def stop(self) -> None:
        """Ends the server; twice is once."""
        if self.process is None or self.process.poll() is not None:
            return
        if self.process.stdin is not None:
            self.process.stdin.close()
        else:
            self.process.terminate()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _EndpointAws(Aws):
    """Clients bound to one endpoint."""

    def __init__(self, endpoint: str, region: str, session: Any) -> None:
        super().__init__(region, session=session)
        self._endpoint = endpoint

    def client(self, service: str, **options: Any) -> Any:
        return super().client(service, endpoint_url=self._endpoint, **options)


def seed_shared_infrastructure(
    aws: Aws, *, project_prefix: str = "prequel", domain_name: str = "interviews.example.com", wildcard: bool = True
) -> dict[str, Any]:
    """Makes, in about a second, just what an interview touches of the shared stack.

    Returns the shared values by the names of the template set's variables. For rehearsals and tests; the real shared
    stack is deployed by cdktf.
    """
    vpc = aws.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        aws.ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"{aws.region}{zone}")["Subnet"][
            "SubnetId"
        ]
        for n, zone in enumerate("ab")
    ]
    group = aws.ec2.create_security_group(
        GroupName=f"{project_prefix}-code-server", Description="code-server", VpcId=vpc
    )["GroupId"]
    balancer = aws.elbv2.create_load_balancer(Name=project_prefix, Subnets=subnets)["LoadBalancers"][0]
    listener = aws.elbv2.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
    )["Listeners"][0]["ListenerArn"]
    cluster = aws.ecs.create_cluster(clusterName=project_prefix)["cluster"]["clusterArn"]
    zone = aws.route53.create_hosted_zone(Name=domain_name, CallerReference=project_prefix)["HostedZone"]["Id"]
    key = aws.client("kms").create_key(Description=project_prefix)["KeyMetadata"]["Arn"]
    aws.client("logs").create_log_group(logGroupName=f"/{project_prefix}/interviews")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
    roles = {
        name: aws.client("iam").create_role(
            RoleName=f"{project_prefix}-{name}", AssumeRolePolicyDocument=json.dumps(trust)
        )["Role"]["Arn"]
        for name in ("execution", "task")
    }
    bucket = f"{project_prefix}-instance"
    location = {} if aws.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": aws.region}}
    aws.s3.create_bucket(Bucket=bucket, **location)  # type: ignore[arg-type]
    aws.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    registry = f"{aws.account_id}.dkr.ecr.{aws.region}.amazonaws.com"
    return {
        "aws_account_id": aws.account_id,
        "aws_region": aws.region,
        "project_prefix": project_prefix,
        "environment": "embedded",
        "url_scheme": "http",
        "domain_name": domain_name,
        "create_dns_record": not wildcard,
        "hosted_zone_id": zone.removeprefix("/hostedzone/"),
        "alb_dns_name": balancer["DNSName"],
        "alb_zone_id": balancer["CanonicalHostedZoneId"],
        "listener_arn": listener,
        "vpc_id": vpc,
        "private_subnet_ids": subnets,
        "code_server_security_group_id": group,
        "ecs_cluster_arn": cluster,
        "execution_role_arn": roles["execution"],
        "task_role_arn": roles["task"],
        "kms_key_arn": key,
        "instance_bucket_name": bucket,
        "log_group_name": f"/{project_prefix}/interviews",
        "code_server_cpu": 1024,
        "code_server_memory": 2048,
        "code_server_storage": 21,
        "cpu_architecture": "X86_64",
        "code_server_image": "docker.io/codercom/code-server:4.99.4",
        "code_server_repository_url": f"{registry}/{project_prefix}-code-server",
        "challenge_loader_image": "public.ecr.aws/aws-cli/aws-cli:2.27.0",
        "max_instances": 10,
        "interview_default_minutes": 90,
        "interview_maximum_minutes": 240,
    }
