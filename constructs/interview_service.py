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
    LbTargetGroup,
    LbTargetGroupHealthCheck,
    Route53Record,
    Route53RecordAlias,
    SsmParameter,
)
from constructs.waivers import TLS_ENDS_BEFORE, waive
from contract.names import CODE_SERVER_CONTAINER, CODE_SERVER_PORT, password_parameter, task_family

HOME = "/home/coder"
CANDIDATE_USER = "1000:1000"
"""User ``coder`` of the public code-server image."""

CHALLENGE_FOLDER = f"{HOME}/challenge"
"""What the candidate's editor opens."""

OPEN_FILES = 65_535
"""Fargate's own limit, written down; the other limits are the operating system's there
(https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Ulimit.html)."""

STOP_SECONDS = 10

_NOT_NEEDED_TO_DELIVER = [
    "AUDIT_WRITE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
]
"""Docker's default capabilities without CHOWN and DAC_OVERRIDE; Fargate lets a task drop some, and add none of them
(https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_KernelCapabilities.html)."""

# Variables are let through by name, because what the ECS agent sets, the way to the task role's credentials included,
# is AWS's to extend. `env` replaces the shell and is replaced in turn, so that /proc/1/environ shows no more than
# that. For the same reason the init process is the image's own: the agent's would keep every variable, readable.
_START = (
    f'exec env -i HOME={HOME} LANG=C.UTF-8 PASSWORD="$PASSWORD" PATH="$PATH" SHELL=/bin/bash USER=coder '
    'setpriv --no-new-privs dumb-init -- "$@"'
)

# An empty prefix copies nothing and succeeds; without the second line the candidate would find an empty editor.
_DELIVER = (
    f'aws s3 cp --recursive --only-show-errors "$CHALLENGE" {CHALLENGE_FOLDER}; '
    f'[ "$(ls -A {CHALLENGE_FOLDER})" ] || {{ echo "nothing at $CHALLENGE" >&2; exit 1; }}; '
    f"chown -R {CANDIDATE_USER} {HOME} /tmp"
)


class InterviewService(Construct):
    """One candidate's code-server on Fargate, reached by host name through the shared load balancer.

    ``variables`` are the template's input variables by name. Outputs: ``hostname`` (an expression), ``service``,
    ``target_group`` and ``listener_rule``.
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
        self.target_group = LbTargetGroup(
            self,
            "target",
            name=interview_id,
            vpc_id=text["vpc_id"],
            target_type="ip",
            port=CODE_SERVER_PORT,
            protocol="HTTP",
            deregistration_delay="5",
            health_check=LbTargetGroupHealthCheck(
                path="/healthz", matcher="200", interval=5, timeout=4, healthy_threshold=2, unhealthy_threshold=3
            ),
        )
        waive(self.target_group, *TLS_ENDS_BEFORE)
        self.listener_rule = LbListenerRule(
            self,
            "rule",
            listener_arn=text["listener_arn"],
            priority=Token.as_number("${var.listener_priority > 0 ? var.listener_priority : null}"),
            action=[LbListenerRuleAction(type="forward", target_group_arn=self.target_group.arn)],
            condition=[
                LbListenerRuleCondition(host_header=LbListenerRuleConditionHostHeader(values=[self.hostname])),
            ],
        )
        task_definition = EcsTaskDefinition(
            self,
            "task",
            family=task_family(text["project_prefix"], interview_id),
            requires_compatibilities=["FARGATE"],
            network_mode="awsvpc",
            cpu=text["code_server_cpu"],
            memory=text["code_server_memory"],
            execution_role_arn=text["execution_role_arn"],
            task_role_arn=text["task_role_arn"],
            runtime_platform=EcsTaskDefinitionRuntimePlatform(
                operating_system_family="LINUX", cpu_architecture=text["cpu_architecture"]
            ),
            ephemeral_storage=EcsTaskDefinitionEphemeralStorage(
                size_in_gib=variables["code_server_storage"].number_value
            ),
            volume=[EcsTaskDefinitionVolume(name="home"), EcsTaskDefinitionVolume(name="tmp")],
            container_definitions=Fn.jsonencode(
                [self._challenge_container(text), self._code_server_container(text, image, password)]
            ),
        )
        self.service = EcsService(
            self,
            "code_server",
            name=interview_id,
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
            self.service,
            "CKV_AWS_332",
            "no platform version is named, which means the latest; the embedded AWS tells an empty one",
            "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/platform-fargate.html",
        )
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

    @staticmethod
    def _challenge_container(text: dict[str, str]) -> dict[str, Any]:
        """Copies this interview's challenge and hands both volumes to the candidate's user; then it is gone."""
        source = f"s3://{text['instance_bucket_name']}/challenge/{text['challenge']}/"
        return {
            "name": "challenge",
            "image": text["challenge_loader_image"],
            "essential": False,
            "entryPoint": ["/bin/sh", "-euc", Fn.raw_string(_DELIVER)],
            "environment": [{"name": "CHALLENGE", "value": source}],
            # Root, because Fargate's volumes are root's; nothing of the candidate's runs here.
            "user": "0:0",
            "privileged": False,
            "readonlyRootFilesystem": True,
            "linuxParameters": {"capabilities": {"drop": _NOT_NEEDED_TO_DELIVER}},
            "stopTimeout": STOP_SECONDS,
            "mountPoints": _mount_points(),
            "logConfiguration": _logs(text),
        }

    @staticmethod
    def _code_server_container(text: dict[str, str], image: str, password: SsmParameter) -> dict[str, Any]:
        """Runs as an ordinary user on a read-only root, without capabilities and without AWS credentials.

        The image must have a shell, ``env``, ``setpriv``, ``dumb-init`` and ``code-server`` on its PATH: both the
        public one and ours do. It must not get a ``healthCheck``: ECS would run it with every variable, readable in
        /proc; the load balancer's checks do.
        """
        return {
            "name": CODE_SERVER_CONTAINER,
            "image": image,
            "essential": True,
            "dependsOn": [{"containerName": "challenge", "condition": "SUCCESS"}],
            "entryPoint": ["/bin/sh", "-euc", Fn.raw_string(_START), "start"],
            "command": [
                "code-server",
                "--bind-addr",
                f"0.0.0.0:{CODE_SERVER_PORT}",
                "--auth",
                "password",
                "--disable-telemetry",
                "--disable-update-check",
                "--disable-workspace-trust",
                "--welcome-text",
                "Your interview",
                CHALLENGE_FOLDER,
            ],
            "user": CANDIDATE_USER,
            "privileged": False,
            "readonlyRootFilesystem": True,
            "linuxParameters": {"capabilities": {"drop": ["ALL"]}},
            "ulimits": [{"name": "nofile", "softLimit": OPEN_FILES, "hardLimit": OPEN_FILES}],
            "stopTimeout": STOP_SECONDS,
            "portMappings": [{"containerPort": CODE_SERVER_PORT, "protocol": "tcp"}],
            "mountPoints": _mount_points(),
            "secrets": [{"name": "PASSWORD", "valueFrom": password.arn}],
            "logConfiguration": _logs(text),
        }


def _mount_points() -> list[dict[str, Any]]:
    return [
        {"sourceVolume": "home", "containerPath": HOME, "readOnly": False},
        {"sourceVolume": "tmp", "containerPath": "/tmp", "readOnly": False},  # noqa: S108  (the container's own volume)
    ]


def _logs(text: dict[str, str]) -> dict[str, Any]:
    return {
        "logDriver": "awslogs",
        "options": {
            "awslogs-group": text["log_group_name"],
            "awslogs-region": text["aws_region"],
            "awslogs-stream-prefix": text["interview_id"],
            # An interview goes on when CloudWatch does not answer.
            "mode": "non-blocking",
            "max-buffer-size": "4m",
        },
    }
