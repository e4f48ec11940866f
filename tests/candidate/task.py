"""The task of one interview, as the embedded ECS describes it, run by ``tests.candidate.container``."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract.names import PLACEHOLDERS, TEMPLATE_FILES
from scripts.embedded.launcher import EmbeddedAws
from scripts.embedded.seed import seed_shared_infrastructure
from scripts.engine.engine import Engine
from scripts.project import PROJECT
from scripts.terraform.process import Terraform
from tests.candidate.container import Container

PASSWORD = "correct horse $(id) 'battery' \"staple\""
"""Has in it what a shell would trip over."""


@dataclass(frozen=True)
class Interview:
    """An interview that the real Terraform made on ``embedded``; ``credentials_path`` is what the ECS agent sets.

    Its containers are ``image``, in ``network``.
    """

    engine: Engine
    image: str
    network: str
    embedded: EmbeddedAws
    id: str
    values: Mapping[str, Any]
    credentials_path: str

    @property
    def definition(self) -> dict[str, Any]:
        """The task definition that the service runs, from ECS."""
        ecs, cluster = self.embedded.aws.ecs, self.values["ecs_cluster_arn"]
        [service] = ecs.describe_services(cluster=cluster, services=[self.id])["services"]
        described = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
        return dict(described)

    @property
    def service(self) -> dict[str, Any]:
        """The service, from ECS."""
        cluster = self.values["ecs_cluster_arn"]
        [service] = self.embedded.aws.ecs.describe_services(cluster=cluster, services=[self.id])["services"]
        return dict(service)

    @property
    def password(self) -> str:
        """The password, from SSM."""
        name = self._secrets("code-server")["PASSWORD"].partition(":parameter")[2]
        return str(self.embedded.aws.ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])

    def container(self, name: str, directory: Path, *, image: str = "") -> Container:
        """One of its containers; those that get the same ``directory`` share their volumes, as in one task."""
        volumes = {volume["name"]: directory / volume["name"] for volume in self.definition["volumes"]}
        for volume in volumes.values():
            volume.mkdir(mode=0o755, exist_ok=True)
        return Container(
            self.engine,
            self.described(name),
            image or self.image,
            self.network,
            volumes,
            self._agent_environment | dict.fromkeys(self._secrets(name), self.password),
            memory_mib=int(self.definition["memory"]),
            cpu_units=int(self.definition["cpu"]),
        )

    def described(self, name: str) -> dict[str, Any]:
        """One container definition."""
        [found] = (d for d in self.definition["containerDefinitions"] if d["name"] == name)
        return dict(found)

    def _secrets(self, name: str) -> dict[str, str]:
        return {secret["name"]: secret["valueFrom"] for secret in self.described(name).get("secrets", [])}

    @property
    def _agent_environment(self) -> dict[str, str]:
        """What Fargate's agent sets, and the one difference of this AWS: its endpoint.

        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate.html
        """
        return {
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": self.credentials_path,
            "AWS_DEFAULT_REGION": self.embedded.region,
            "AWS_ENDPOINT_URL": self.embedded.endpoint,
            "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
            "AWS_REGION": self.embedded.region,
            "ECS_AGENT_URI": "http://169.254.170.2/api/0123456789abcdef-0123456789",
            "ECS_CONTAINER_METADATA_URI": "http://169.254.170.2/v3/0123456789abcdef-0123456789",
            "ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/0123456789abcdef-0123456789",
        }


def apply_templates(embedded: EmbeddedAws, directory: Path, *, challenge: str) -> dict[str, Any]:
    """Applies ``instance_templates/`` in ``directory``, after uploading ``challenge/`` with plain S3 calls.

    Returns the shared values of the interview ``ada``.
    """
    values = seed_shared_infrastructure(embedded.aws)
    upload_challenges(embedded, values["instance_bucket_name"])
    for name in TEMPLATE_FILES:
        (directory / name).write_text((PROJECT / "instance_templates" / name).read_text())
    main = (directory / "main.tf").read_text()
    for placeholder, value in zip(PLACEHOLDERS, (values["instance_bucket_name"], "ada", embedded.region), strict=True):
        main = main.replace(placeholder, value)
    (directory / "main.tf").write_text(main)
    given = {"interview_id": "ada", "candidate_name": "Ada Lovelace", "challenge": challenge}
    # Terraform warns of values that are not the template's; those are for the operations.
    (directory / "terraform.tfvars.json").write_text(json.dumps(values | given))
    terraform = Terraform(directory, embedded.environment)
    terraform.init()
    terraform.apply(variables={"password": PASSWORD})
    return values


def upload_challenges(embedded: EmbeddedAws, bucket: str) -> None:
    """Puts the project's challenges where an interview looks for them."""
    for path in sorted((PROJECT / "challenge").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            key = path.relative_to(PROJECT).as_posix()
            embedded.aws.s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
