"""The ECS cluster that interviews and the portal run in."""

from cdktf import TerraformStack

from constructs import Construct
from constructs.aws import CloudwatchLogGroup, DataAwsCloudwatchLogGroups, EcsCluster, EcsClusterSetting
from constructs.project import Project
from constructs.waivers import SHORT_RETENTION, waive


def insights_log_group_name(cluster_name: str) -> str:
    """Where ECS writes Container Insights
    (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/cloudwatch-container-insights.html).
    """
    return f"/aws/ecs/containerinsights/{cluster_name}/performance"


class Cluster(Construct):
    """A cluster for Fargate, with Container Insights. Outputs: ``name`` and ``arn``.

    It has no capacity providers: each service names Fargate as its launch type. In an account whose first cluster this
    is, ECS refuses them until the service-linked role exists.
    """

    def __init__(self, scope: Construct, id: str, *, project: Project) -> None:
        super().__init__(scope, id)
        name = project.prefix
        insights = self._insights(project)
        cluster = EcsCluster(
            self,
            "fargate",
            name=name,
            setting=[EcsClusterSetting(name="containerInsights", value="enabled")],
            depends_on=[insights],
        )
        # Clusters of release 0.1.0 keep theirs.
        TerraformStack.of(self).add_override(
            "removed",
            [{"from": "aws_ecs_cluster_capacity_providers.cluster_capacity", "lifecycle": {"destroy": False}}],
        )
        self.name = cluster.name
        self.arn = cluster.arn

    def _insights(self, project: Project) -> CloudwatchLogGroup:
        """The log group of Container Insights, which Terraform adopts when it exists already.

        ECS creates it by itself, never to expire and with a key that is not ours: once more after a destroy, for the
        last of the metrics (docs/decisions/0061-adopted-log-group.md).
        """
        name = insights_log_group_name(project.prefix)
        insights = CloudwatchLogGroup(
            self, "insights", name=name, retention_in_days=project.log_retention_days, kms_key_id=project.key.arn
        )
        if project.log_retention_days < 365:
            waive(insights, *SHORT_RETENTION)
        existing = DataAwsCloudwatchLogGroups(self, "existing", log_group_name_prefix=name)
        names = f"data.{existing.terraform_resource_type}.{existing.friendly_unique_id}.log_group_names"
        TerraformStack.of(self).add_override(
            "import",
            [
                {
                    "for_each": f'${{toset([for name in {names} : name if name == "{name}"])}}',
                    "to": f"{insights.terraform_resource_type}.{insights.friendly_unique_id}",
                    "id": "${each.value}",
                }
            ],
        )
        return insights
