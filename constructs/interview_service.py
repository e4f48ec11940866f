"""What one interview creates: a password, a route through the shared load balancer, and a running container."""

from typing import Any

from cdktf import Fn, TerraformLocal, TerraformVariable, Token

from constructs import Construct
from constructs.aws import (
    EcsService,
    EcsServiceDeploymentCircuitBreaker,
    EcsServiceLoadBalancer,
    EcsServiceNetworkConfiguration,
    EcsTaskDefinition,
    EcsTaskDefinitionEphemeralStorage,
    EcsTaskDefinitionRuntimePlatform,
    EcsTaskDefinitionVolume,
    LbListenerRule,
    LbListenerRuleAction,
    LbListenerRuleCondition,
    LbListenerRuleConditionHostHeader,
    LbListenerRuleConditionPathPattern,
    LbTargetGroup,
    LbTargetGroupHealthCheck,
    Route53Record,
    Route53RecordAlias,
    SsmParameter,
)
from constructs.interview_containers import (
    SAVER_MEMORY_MIB,
    challenge_container,
    code_server_container,
    saver_container,
    volumes,
)
from constructs.waivers import TLS_ENDS_BEFORE, waive
from contract.names import (
    CLOSED_PATHS,
    CODE_SERVER_CONTAINER,
    CODE_SERVER_PORT,
    OPEN_PATHS,
    WORK,
    password_parameter,
    task_family,
)

UNHEALTHY_CHECKS = 10
"""The most that a target group allows. In the 50 s that they take, another task would hardly be ready, and it would
lack the last changes: an editor that is only overloaded is worth waiting for
(https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html)."""


class InterviewService(Construct):
    """One candidate's code-server on Fargate, reached by host name through the shared load balancer.

    ``variables`` are the template's input variables by name. Outputs: ``hostname`` and ``work``, the
    prefix of its saved states (both expressions), ``service``, ``target_group`` and ``listener_rule``.
    """

    def __init__(self, scope: Construct, id: str, *, variables: dict[str, TerraformVariable]) -> None:
        super().__init__(scope, id)
        text = {name: variable.string_value for name, variable in variables.items()}
        interview_id = text["interview_id"]
        self.hostname = TerraformLocal(self, "hostname", f"{interview_id}.{text['domain_name']}").as_string
        image = TerraformLocal(
            self,
            "image",
            # Written out, because cdktf's own conditional loses the empty string.
            '${var.image_tag == "" ? var.code_server_image : "${var.code_server_repository_url}:${var.image_tag}"}',
        ).as_string
        loader_image = TerraformLocal(
            self,
            "loader_image",
            '${var.challenge_loader_image == "" ? local.image : var.challenge_loader_image}',
        ).as_string
        editor_memory = TerraformLocal(
            self, "editor_memory", f"${{({_OWN_OR_SHARED.format('memory')}) - {SAVER_MEMORY_MIB}}}"
        ).as_string

        password = SsmParameter(
            self,
            "password",
            name=password_parameter(text["project_prefix"], interview_id),
            description=f"Password of interview {interview_id}",
            type="SecureString",
            key_id=text["kms_key_arn"],
            value_wo=text["password"],
            value_wo_version=1,
        )
        self.target_group = self._target_group(text)
        self.listener_rule = self._listener_rule(text)
        # The ARN that AWS makes up for the target group tells two interviews of the same id apart.
        self.work = TerraformLocal(
            self, "work", f"{WORK}{Fn.trimprefix(self.target_group.arn_suffix, 'targetgroup/')}/"
        ).as_string
        containers = [
            challenge_container(text, loader_image, self.work, password),
            saver_container(text, loader_image, self.work, password),
            code_server_container(text, image, password, memory=editor_memory),
        ]
        task_definition = self._task_definition(text, containers)
        self.service = self._service(variables, text, task_definition)
        self._record(text)

    def _target_group(self, text: dict[str, str]) -> LbTargetGroup:
        target_group = LbTargetGroup(
            self,
            "target",
            name=text["interview_id"],
            vpc_id=text["vpc_id"],
            target_type="ip",
            port=CODE_SERVER_PORT,
            protocol="HTTP",
            deregistration_delay="5",
            health_check=LbTargetGroupHealthCheck(
                path="/healthz",
                matcher="200",
                interval=5,
                timeout=4,
                healthy_threshold=2,
                unhealthy_threshold=UNHEALTHY_CHECKS,
            ),
        )
        waive(target_group, *TLS_ENDS_BEFORE)
        return target_group

    def _listener_rule(self, text: dict[str, str]) -> LbListenerRule:
        paths = TerraformLocal(self, "paths", f'${{var.opened ? "{OPEN_PATHS}" : "{CLOSED_PATHS}"}}').as_string
        return LbListenerRule(
            self,
            "rule",
            listener_arn=text["listener_arn"],
            priority=Token.as_number("${var.listener_priority > 0 ? var.listener_priority : null}"),
            action=[LbListenerRuleAction(type="forward", target_group_arn=self.target_group.arn)],
            condition=[
                LbListenerRuleCondition(host_header=LbListenerRuleConditionHostHeader(values=[self.hostname])),
                LbListenerRuleCondition(path_pattern=LbListenerRuleConditionPathPattern(values=[paths])),
            ],
        )

    def _task_definition(self, text: dict[str, str], containers: list[dict[str, Any]]) -> EcsTaskDefinition:
        return EcsTaskDefinition(
            self,
            "task",
            family=task_family(text["project_prefix"], text["interview_id"]),
            requires_compatibilities=["FARGATE"],
            network_mode="awsvpc",
            cpu=_own_or_shared("cpu"),
            memory=_own_or_shared("memory"),
            execution_role_arn=text["execution_role_arn"],
            task_role_arn=text["task_role_arn"],
            runtime_platform=EcsTaskDefinitionRuntimePlatform(
                operating_system_family="LINUX", cpu_architecture=text["cpu_architecture"]
            ),
            ephemeral_storage=EcsTaskDefinitionEphemeralStorage(size_in_gib=Token.as_number(_own_or_shared("storage"))),
            volume=[EcsTaskDefinitionVolume(name=name) for name in volumes()],
            container_definitions=Fn.jsonencode(containers),
        )

    def _service(
        self, variables: dict[str, TerraformVariable], text: dict[str, str], task_definition: EcsTaskDefinition
    ) -> EcsService:
        service = EcsService(
            self,
            "code_server",
            name=text["interview_id"],
            cluster=text["ecs_cluster_arn"],
            task_definition=task_definition.arn,
            desired_count=1,
            launch_type="FARGATE",
            # One container is one candidate's session: replace it only when it is gone, never beside it.
            deployment_minimum_healthy_percent=0,
            deployment_maximum_percent=100,
            deployment_circuit_breaker=EcsServiceDeploymentCircuitBreaker(enable=True, rollback=False),
            availability_zone_rebalancing="DISABLED",
            health_check_grace_period_seconds=120,
            enable_ecs_managed_tags=True,
            propagate_tags="SERVICE",
            network_configuration=EcsServiceNetworkConfiguration(
                subnets=variables["private_subnet_ids"].list_value,
                security_groups=[text["code_server_security_group_id"]],
                assign_public_ip=False,
            ),
            load_balancer=[
                EcsServiceLoadBalancer(
                    target_group_arn=self.target_group.arn,
                    container_name=CODE_SERVER_CONTAINER,
                    container_port=CODE_SERVER_PORT,
                )
            ],
            # ECS refuses a target group that no listener forwards to.
            depends_on=[self.listener_rule],
        )
        waive(
            service,
            "CKV_AWS_332",
            "no platform version is named, which means the latest; the embedded AWS returns an empty one",
            "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/platform-fargate.html",
        )
        return service

    def _record(self, text: dict[str, str]) -> None:
        record = Route53Record(
            self,
            "record",
            zone_id=text["hosted_zone_id"],
            name=self.hostname,
            type="A",
            alias=Route53RecordAlias(
                name=text["alb_dns_name"], zone_id=text["alb_zone_id"], evaluate_target_health=False
            ),
        )
        record.add_override("count", "${var.create_dns_record ? 1 : 0}")


_OWN_OR_SHARED = "var.task_{0} > 0 ? var.task_{0} : var.code_server_{0}"


def _own_or_shared(dimension: str) -> str:
    """The interview's own size, or else the shared stack's."""
    return f"${{{_OWN_OR_SHARED.format(dimension)}}}"
