"""The rehearsal: one interview from the exact bytes of a release, created and destroyed on an AWS of its own.

Only the ids of the shared infrastructure are others, because the embedded AWS has its own; they are given in a file on
Terraform's command line, which wins over ``shared.auto.tfvars.json``.
"""

import json
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scripts.aws.clients import Aws
from scripts.console import Console
from scripts.embedded.launcher import EmbeddedAws
from scripts.embedded.seed import seed_shared_infrastructure
from scripts.errors import TemplateError, TerraformError
from scripts.private_files import private_directory
from scripts.releases.release import Rehearsal, Release, render_main
from scripts.terraform.process import Terraform

INTERVIEW_ID = "rehearsal"

EMBEDDED_VALUES = (
    "aws_account_id",
    "aws_region",
    "hosted_zone_id",
    "alb_dns_name",
    "alb_zone_id",
    "listener_arn",
    "vpc_id",
    "private_subnet_ids",
    "code_server_security_group_id",
    "ecs_cluster_arn",
    "execution_role_arn",
    "task_role_arn",
    "kms_key_arn",
    "instance_bucket_name",
    "log_group_name",
    "code_server_repository_url",
)
"""What only the embedded AWS can know; all other values are rehearsed as published."""

_VALUES_FILE = "rehearsal.tfvars.json"
_REGION = "us-east-1"
"""Of the embedded AWS: its availability zones are the same for everyone, those of other regions are not."""


def rehearse(release: Release, console: Console) -> Rehearsal:
    """Creates, plans again, destroys and looks for leftovers, in 15 s; raises ``TemplateError`` with what failed."""
    start = time.monotonic()
    values = release.shared_values
    with private_directory("rehearsal") as directory:
        with console.step("Rehearsal: starting an embedded AWS"):
            embedded = EmbeddedAws.start(_REGION)
        with embedded:
            seeded = seed_shared_infrastructure(
                embedded.aws,
                project_prefix=values["project_prefix"],
                domain_name=values["domain_name"],
                wildcard=not values["create_dns_record"],
            )
            _prepare(release, directory, {name: seeded[name] for name in EMBEDDED_VALUES if name in values})
            resources, versions = _run(Terraform(directory, embedded.environment), embedded.aws, seeded, console)
    return Rehearsal(
        status="passed",
        at=datetime.now(UTC),
        seconds=round(time.monotonic() - start, 1),
        resources=tuple(resources),
        terraform_version=versions[0],
        provider_version=versions[1],
    )


def _prepare(release: Release, directory: Path, embedded_values: Mapping[str, Any]) -> None:
    release.write(directory)
    place = embedded_values["instance_bucket_name"], INTERVIEW_ID, embedded_values["aws_region"]
    (directory / "main.tf").write_text(render_main(release.files["main.tf"].decode(), *place))
    given = {
        "interview_id": INTERVIEW_ID,
        "candidate_name": "Ada Lovelace",
        "challenge": "python/rate-limiter",
        "expires_at": "2030-01-31T12:00:00Z",
        "release_digest": release.digest,
    }
    (directory / _VALUES_FILE).write_text(json.dumps(given | dict(embedded_values)))


def _run(
    terraform: Terraform, aws: Aws, seeded: Mapping[str, Any], console: Console
) -> tuple[list[str], tuple[str, str]]:
    """The addresses that were created, and the versions of Terraform and the provider."""
    values = f"-var-file={_VALUES_FILE}"
    before = inventory(aws, seeded)
    created: list[str] = []

    def note(event: Mapping[str, Any]) -> None:
        if event.get("type") == "apply_complete" and event["hook"]["action"] == "create":
            created.append(event["hook"]["resource"]["addr"])

    try:
        with console.step("Rehearsal: create"):
            terraform.init()
            terraform.apply(values, on_event=note, variables={"password": secrets.token_urlsafe(12)})
        made = inventory(aws, seeded) - before
        if not made:
            raise TemplateError("the rehearsal's create left nothing on AWS that could be looked for")
        with console.step("Rehearsal: second plan is empty"):
            changes = terraform.changes(values)
            if changes:
                planned = ", ".join(f"{c['address']} ({'/'.join(c['change']['actions'])})" for c in changes)
                raise TemplateError(f"a second plan right after the create would change {planned}")
        with console.step("Rehearsal: destroy, and nothing is left"):
            terraform.destroy(values)
            left = inventory(aws, seeded) - before
            if left:
                raise TemplateError(f"after the rehearsal's destroy something is left: {', '.join(sorted(left))}")
    except TerraformError as error:
        raise TemplateError("\n".join(f"rehearsal: {line}" for line in error.diagnostics or (str(error),))) from error
    return sorted(created), terraform.versions()


def inventory(aws: Aws, seeded: Mapping[str, Any]) -> set[str]:
    """Everything of an interview's kinds that the embedded AWS itself lists, one name for each thing."""
    cluster = seeded["ecs_cluster_arn"]
    services = aws.ecs.list_services(cluster=cluster)["serviceArns"]
    described = aws.ecs.describe_services(cluster=cluster, services=services)["services"] if services else []
    rules = aws.elbv2.describe_rules(ListenerArn=seeded["listener_arn"])["Rules"]
    records = aws.route53.list_resource_record_sets(HostedZoneId=seeded["hosted_zone_id"])["ResourceRecordSets"]
    stored = aws.s3.list_objects_v2(Bucket=seeded["instance_bucket_name"]).get("Contents", [])
    return {
        *(f"service {s['serviceName']}" for s in described if s["status"] != "INACTIVE"),
        *(f"task definition {arn}" for arn in aws.ecs.list_task_definitions(status="ACTIVE")["taskDefinitionArns"]),
        *(f"target group {group['TargetGroupName']}" for group in aws.elbv2.describe_target_groups()["TargetGroups"]),
        *(f"listener rule {rule['RuleArn']}" for rule in rules if not rule["IsDefault"]),
        *(f"parameter {parameter['Name']}" for parameter in aws.ssm.describe_parameters()["Parameters"]),
        *(f"record {record['Name']} {record['Type']}" for record in records),
        *(f"lock {entry['Key']}" for entry in stored if entry["Key"].endswith(".tflock")),
    }
