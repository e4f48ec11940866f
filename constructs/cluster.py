"""The ECS cluster that interviews and the portal run in."""

from constructs import Construct
from constructs.aws import (
    CloudwatchLogGroup,
    EcsCluster,
    EcsClusterCapacityProviders,
    EcsClusterCapacityProvidersDefaultCapacityProviderStrategy,
    EcsClusterSetting,
)
from constructs.project import Project
from constructs.waivers import SHORT_RETENTION, waive


def insights_log_group_name(cluster_name: str) -> str:
    """Where ECS writes Container Insights
    (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/cloudwatch-container-insights.html).
    """
    return f"/aws/ecs/containerinsights/{cluster_name}/performance"


class Cluster(Construct):
    """Fargate and Fargate Spot, with Container Insights. Outputs: ``name`` and ``arn``."""

    def __init__(self, scope: Construct, id: str, *, project: Project) -> None:
        super().__init__(scope, id)
        name = project.prefix
        # ECS would create it by itself, never to expire and with a key that is not ours.
        insights = CloudwatchLogGroup(
            self,
            "insights",
            name=insights_log_group_name(name),
            retention_in_days=project.log_retention_days,
            kms_key_id=project.key.arn,
        )
        if project.log_retention_days < 365:
            waive(insights, *SHORT_RETENTION)
        cluster = EcsCluster(
            self,
            "fargate",
            name=name,
            setting=[EcsClusterSetting(name="containerInsights", value="enabled")],
            depends_on=[insights],
        )
        EcsClusterCapacityProviders(
            self,
            "capacity",
            cluster_name=cluster.name,
            capacity_providers=["FARGATE", "FARGATE_SPOT"],
            # AWS can stop a Spot task with two minutes' notice, so a service must ask for Spot.
            default_capacity_provider_strategy=[
                EcsClusterCapacityProvidersDefaultCapacityProviderStrategy(capacity_provider="FARGATE", weight=1)
            ],
        )
        self.name = cluster.name
        self.arn = cluster.arn
