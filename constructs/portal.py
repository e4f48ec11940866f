"""The portal, when it is hosted here: a web application on Fargate behind the shared load balancer."""

from cdktf import Fn

from constructs import Construct
from constructs.aws import (
    EcsService,
    EcsServiceDeploymentCircuitBreaker,
    EcsServiceLoadBalancer,
    EcsServiceNetworkConfiguration,
    EcsTaskDefinition,
    EcsTaskDefinitionRuntimePlatform,
    LbListenerRule,
    LbListenerRuleAction,
    LbListenerRuleCondition,
    LbListenerRuleConditionHostHeader,
    LbTargetGroup,
    LbTargetGroupHealthCheck,
)
from constructs.cluster import Cluster
from constructs.identity import TaskServiceRole, list_bucket, start_container
from constructs.interview_permissions import InterviewPermissions
from constructs.load_balancer import LoadBalancer
from constructs.log_group import LogGroup
from constructs.network import Network
from constructs.policy import Statement, allow
from constructs.project import Project
from constructs.storage import InstanceBucket
from constructs.waivers import TLS_ENDS_BEFORE, waive
from contract.names import PORTAL_PORT, bucket_name, portal_service

CPU_UNITS = 512
MEMORY_MIB = 1024
LISTENER_PRIORITY = 1
"""Before every interview's, see LISTENER_PRIORITY_BASE in contract/names.py."""


class Portal(Construct):
    """One container of ``image`` that answers for the load balancer's host.

    It is a client of the template contract (docs/template-contract.md), so its role reads the templates, keeps the
    workspaces and state of interviews, and has the ``permissions`` to create and destroy interviews.
    Output: ``target_group`` (its name in CloudWatch).
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        project: Project,
        image: str,
        cpu_architecture: str,
        load_balancer: LoadBalancer,
        network: Network,
        security_group_id: str,
        cluster: Cluster,
        bucket: InstanceBucket,
        permissions: InterviewPermissions,
    ) -> None:
        super().__init__(scope, id)
        account, project_prefix = project.account, project.prefix
        self._name = portal_service(project_prefix)
        log_group_name = f"/{project_prefix}/portal"
        log_group = LogGroup(self, "log", project=project, name=log_group_name)
        execution_role = TaskServiceRole(
            self,
            "execution",
            name=f"{self._name}-execution",
            description="Starts the portal: image and logs",
            account=account,
            statements=start_container(account, project_prefix=project_prefix, log_group_name=log_group_name),
        )
        task_role = TaskServiceRole(
            self,
            "task_role",
            name=self._name,
            description="The portal itself: templates, workspaces and interviews",
            account=account,
            statements=[*_documents(bucket), *permissions.statements],
        )
        permissions.waive_findings(task_role)
        target_group, rule = self._route(load_balancer, network)
        task_definition = self._task_definition(
            image,
            cpu_architecture,
            execution_role=execution_role,
            task_role=task_role,
            log_group=log_group,
            region=account.region,
            environment={
                "AWS_REGION": account.region,
                "INSTANCE_BUCKET": bucket_name(project_prefix),
                "PORTAL_URL": load_balancer.url,
            },
        )
        EcsService(
            self,
            "service",
            name=self._name,
            cluster=cluster.arn,
            task_definition=task_definition.arn,
            desired_count=1,
            launch_type="FARGATE",
            # Explicit, because its default differs between versions 5 and 6 of the provider.
            availability_zone_rebalancing="DISABLED",
            deployment_minimum_healthy_percent=100,
            deployment_maximum_percent=200,
            deployment_circuit_breaker=EcsServiceDeploymentCircuitBreaker(enable=True, rollback=True),
            health_check_grace_period_seconds=60,
            enable_ecs_managed_tags=True,
            propagate_tags="SERVICE",
            network_configuration=EcsServiceNetworkConfiguration(
                subnets=network.private_subnet_ids, security_groups=[security_group_id], assign_public_ip=False
            ),
            load_balancer=[
                EcsServiceLoadBalancer(
                    target_group_arn=target_group.arn, container_name="portal", container_port=PORTAL_PORT
                )
            ],
            # ECS refuses a target group that no listener forwards to.
            depends_on=[rule],
        )
        self.target_group = target_group.arn_suffix

    def _route(self, load_balancer: LoadBalancer, network: Network) -> tuple[LbTargetGroup, LbListenerRule]:
        target_group = LbTargetGroup(
            self,
            "target",
            name=self._name,
            vpc_id=network.vpc_id,
            target_type="ip",
            port=PORTAL_PORT,
            protocol="HTTP",
            deregistration_delay="30",
            health_check=LbTargetGroupHealthCheck(
                path="/", matcher="200-399", interval=15, timeout=5, healthy_threshold=2, unhealthy_threshold=3
            ),
        )
        waive(target_group, *TLS_ENDS_BEFORE)
        rule = LbListenerRule(
            self,
            "rule",
            listener_arn=load_balancer.listener_arn,
            priority=LISTENER_PRIORITY,
            action=[LbListenerRuleAction(type="forward", target_group_arn=target_group.arn)],
            condition=[
                LbListenerRuleCondition(host_header=LbListenerRuleConditionHostHeader(values=[load_balancer.host]))
            ],
        )
        return target_group, rule

    def _task_definition(
        self,
        image: str,
        cpu_architecture: str,
        *,
        execution_role: TaskServiceRole,
        task_role: TaskServiceRole,
        log_group: LogGroup,
        region: str,
        environment: dict[str, str],
    ) -> EcsTaskDefinition:
        container = {
            "name": "portal",
            "image": image,
            "essential": True,
            "privileged": False,
            "linuxParameters": {"capabilities": {"drop": ["ALL"]}},
            "portMappings": [{"containerPort": PORTAL_PORT, "protocol": "tcp"}],
            "environment": [{"name": key, "value": value} for key, value in environment.items()],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": log_group.name,
                    "awslogs-region": region,
                    "awslogs-stream-prefix": "portal",
                },
            },
        }
        task_definition = EcsTaskDefinition(
            self,
            "task",
            family=self._name,
            requires_compatibilities=["FARGATE"],
            network_mode="awsvpc",
            cpu=str(CPU_UNITS),
            memory=str(MEMORY_MIB),
            execution_role_arn=execution_role.arn,
            task_role_arn=task_role.arn,
            runtime_platform=EcsTaskDefinitionRuntimePlatform(
                operating_system_family="LINUX", cpu_architecture=cpu_architecture
            ),
            container_definitions=Fn.jsonencode([container]),
        )
        waive(
            task_definition,
            "CKV_AWS_336",
            "the image is the user's; Next.js, which the portal is made with, writes its cache beside itself",
            "https://nextjs.org/docs/app/guides/self-hosting#caching-and-isr",
        )
        return task_definition


def _documents(bucket: InstanceBucket) -> list[Statement]:
    """The templates to read, and the workspaces and states to keep."""
    return [
        allow(
            "ReadTemplates",
            ["s3:GetObject"],
            [f"{bucket.arn}/{prefix}/*" for prefix in ("instance", "releases", "challenge")],
        ),
        allow(
            "KeepWorkspaces",
            ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
            [f"{bucket.arn}/{prefix}/*" for prefix in ("workspaces", "instances")],
        ),
        list_bucket(bucket.arn),
    ]
