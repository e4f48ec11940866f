"""What ECS says about the services of interviews.

Nothing but the standard library and boto3 is imported here, because the reaper's Lambda function holds no packages
(docs/decisions/0040-a-reaper-without-packages.md).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scripts.aws.clients import Aws


def described_services(aws: Aws, cluster: str, names: Sequence[str], **options: Any) -> Iterator[Mapping[str, Any]]:
    """Each service of ``names`` (or ARNs) that ECS knows, gone ones too; ``options`` are those of DescribeServices."""
    for start in range(0, len(names), 10):  # as many as ECS describes at once
        asked = list(names[start : start + 10])
        yield from aws.ecs.describe_services(cluster=cluster, services=asked, **options)["services"]


def stopped_services(aws: Aws, cluster: str, names: Sequence[str]) -> frozenset[str]:
    """The services of ``names`` that exist and are set to 0 tasks."""
    return frozenset(
        service["serviceName"]
        for service in described_services(aws, cluster, names)
        if service["status"] == "ACTIVE" and service["desiredCount"] == 0
    )
