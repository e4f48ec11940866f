"""What an embedded AWS still has of interviews, as AWS lists it and not as our own records say."""

from scripts.embedded.launcher import EmbeddedAws
from scripts.embedded.live.ownership import containers, owner
from scripts.engine.engine import Engine


def leftovers(embedded: EmbeddedAws) -> dict[str, list[str]]:
    """The names of what is left, by kind; kinds of which nothing is left are not in it."""
    aws = embedded.aws
    services = [
        service["serviceName"]
        for cluster in aws.ecs.list_clusters()["clusterArns"]
        for arn in aws.ecs.list_services(cluster=cluster)["serviceArns"]
        for service in aws.ecs.describe_services(cluster=cluster, services=[arn])["services"]
        if service["status"] != "INACTIVE"
    ]
    groups = [group["TargetGroupName"] for group in aws.elbv2.describe_target_groups()["TargetGroups"]]
    passwords = [one["Name"] for one in aws.ssm.describe_parameters()["Parameters"] if "/interviews/" in one["Name"]]
    running: list[str] = []
    if embedded.live and embedded.process:
        with Engine.find() as engine:
            running = containers(engine, owner(embedded.process.pid))
    found = {"services": services, "target groups": groups, "passwords": passwords, "containers": running}
    return {kind: names for kind, names in found.items() if names}
