"""The portal, when it is hosted here: a web application on Fargate behind the shared load balancer."""

from cdktf import Fn

from constructs import Construct
from constructs.account import Account
from constructs.aws import (
    DataAwsIamPolicyDocumentStatement,
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
from constructs.encryption import EncryptionKey
from constructs.identity import INTERVIEW_WAIVERS, TaskServiceRole, interview_resources, list_bucket, start_container
from constructs.log_group import LogGroup
from constructs.waivers import TLS_ENDS_BEFORE, waive
from contract.names import portal_service

PORTAL_PORT = 3000
"""Where the Next.js portal listens."""

CPU_UNITS = 512
MEMORY_MIB = 1024
LISTENER_PRIORITY = 1
"""Below every interview's, see LISTENER_PRIORITY_BASE in contract/names.py."""


class Portal(Construct):
    """One container of ``image`` that answers for ``hostname``.

    It is a client of the template contract (docs/template-contract.md), so its role reads the templates, keeps the
    workspaces and state of interviews, and may create and destroy what an interview consists of, as the runner's may.
    Output: ``target_group`` (its name in CloudWatch).
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        project_prefix: str,
        account: Account,
        image: str,
        cpu_architecture: str,
        hostname: str,
        url: str,
        listener_arn: str,
        vpc_id: str,
        subnet_ids: list[str],
        security_group_id: str,
        cluster_arn: str,
        bucket_name: str,
        log_retention_days: int,
        key: EncryptionKey,
        passed_role_arns: list[str],
        domain_name: str,
        hosted_zone_id: str | None,
    ) -> None:
        super().__init__(scope, id)
        name = portal_service(project_prefix)
        log_group_name = f"/{project_prefix}/portal"
        log_group = LogGroup(self, "log", name=log_group_name, retention_days=log_retention_days, key=key)
        execution_role = TaskServiceRole(
            self,
            "execution",
            name=f"{name}-execution",
            description="Starts the portal: image and logs",
            account=account,
            statements=start_container(account, project_prefix=project_prefix, log_group_name=log_group_name),
        )
        task_role = TaskServiceRole(
            self,
            "task_role",
            name=name,
            description="The portal itself: templates, workspaces and interviews",
            account=account,
            statements=[
                *self._documents(account.bucket_arn(bucket_name)),
                *interview_resources(
                    account,
                    project_prefix=project_prefix,
                    kms_key_arn=key.arn,
                    passed_role_arns=passed_role_arns,
                    domain_name=domain_name,
                    hosted_zone_id=hosted_zone_id,
                ),
            ],
        )
        for waiver in INTERVIEW_WAIVERS:
            waive(task_role.policy, *waiver)
        target_group = LbTargetGroup(
            self,
            "target",
            name=name,
            vpc_id=vpc_id,
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
            listener_arn=listener_arn,
            priority=LISTENER_PRIORITY,
            action=[LbListenerRuleAction(type="forward", target_group_arn=target_group.arn)],
            condition=[LbListenerRuleCondition(host_header=LbListenerRuleConditionHostHeader(values=[hostname]))],
        )
        environment = {"AWS_REGION": account.region, "INSTANCE_BUCKET": bucket_name, "PORTAL_URL": url}
        task_definition = EcsTaskDefinition(
            self,
            "task",
            family=name,
            requires_compatibilities=["FARGATE"],
            network_mode="awsvpc",
            cpu=str(CPU_UNITS),
            memory=str(MEMORY_MIB),
            execution_role_arn=execution_role.arn,
            task_role_arn=task_role.arn,
            runtime_platform=EcsTaskDefinitionRuntimePlatform(
                operating_system_family="LINUX", cpu_architecture=cpu_architecture
            ),
            container_definitions=Fn.jsonencode(
                [
                    {
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
                                "awslogs-region": account.region,
                                "awslogs-stream-prefix": "portal",
                            },
                        },
                    }
                ]
            ),
        )
        waive(
            task_definition,
            "CKV_AWS_336",
            "the image is the user's; Next.js, which the portal is made with, writes its cache beside itself",
            "https://nextjs.org/docs/app/guides/self-hosting#caching-and-isr",
        )
        EcsService(
            self,
            "service",
            name=name,
            cluster=cluster_arn,
            task_definition=task_definition.arn,
            desired_count=1,
            launch_type="FARGATE",
            # Said in so many words, because its default differs between versions 5 and 6 of the provider.
            availability_zone_rebalancing="DISABLED",
            deployment_minimum_healthy_percent=100,
            deployment_maximum_percent=200,
            deployment_circuit_breaker=EcsServiceDeploymentCircuitBreaker(enable=True, rollback=True),
            health_check_grace_period_seconds=60,
            enable_ecs_managed_tags=True,
            propagate_tags="SERVICE",
            network_configuration=EcsServiceNetworkConfiguration(
                subnets=subnet_ids, security_groups=[security_group_id], assign_public_ip=False
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

    @staticmethod
    def _documents(bucket: str) -> list[DataAwsIamPolicyDocumentStatement]:
        return [
            DataAwsIamPolicyDocumentStatement(
                sid="ReadTemplates",
                actions=["s3:GetObject"],
                resources=[f"{bucket}/{prefix}/*" for prefix in ("instance", "releases", "challenge")],
            ),
            DataAwsIamPolicyDocumentStatement(
                sid="KeepWorkspaces",
                actions=["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
                resources=[f"{bucket}/{prefix}/*" for prefix in ("workspaces", "instances")],
            ),
            list_bucket(bucket),
        ]
