"""The interview stack: rendered once into the template set that every interview is created from."""

from dataclasses import dataclass
from typing import Any

from cdktf import (
    S3Backend,
    TerraformLocal,
    TerraformOutput,
    TerraformVariable,
    TerraformVariableValidationConfig,
    Token,
)

from constructs import Construct
from constructs.interview_service import InterviewService
from stacks.base import ReadableStack, aws_provider
from stacks.names import (
    CHALLENGE_PATTERN,
    INTERVIEW_ID_PATTERN,
    LISTENER_PRIORITY,
    PASSWORD_LENGTH,
    PLACEHOLDERS,
    RESERVED_ID_PREFIX,
)

REQUIRED = object()
"""Stands for "no default": the client or the shared values must give it."""


@dataclass(frozen=True)
class Variable:
    """One input variable of the template set: ``condition`` and ``error`` are its validation."""

    name: str
    type: str
    description: str
    condition: str
    error: str
    default: Any = REQUIRED
    ephemeral: bool = False

    def define(self, scope: Construct) -> TerraformVariable:
        """The variable in ``scope``."""
        has_default = {} if self.default is REQUIRED else {"default": self.default}
        variable = TerraformVariable(
            scope,
            self.name,
            type=self.type,
            description=self.description,
            nullable=False,
            sensitive=True if self.ephemeral else None,
            validation=[
                TerraformVariableValidationConfig(condition="${" + self.condition + "}", error_message=self.error)
            ],
            **has_default,
        )
        if self.ephemeral:
            variable.add_override("ephemeral", True)
        return variable


def _matches(name: str, type: str, description: str, pattern: str, example: str) -> Variable:
    """A string variable that must match ``pattern``."""
    return Variable(
        name,
        type,
        description,
        f'can(regex("{pattern}", var.{name}))',
        f"{name} must look like {example}.",
    )


CLIENT_VARIABLES = (
    Variable(
        "interview_id",
        "string",
        "Names the interview and its host: a DNS label of at most 32 characters.",
        f'can(regex("{INTERVIEW_ID_PATTERN}", var.interview_id)) '
        f'&& !startswith(var.interview_id, "{RESERVED_ID_PREFIX}")',
        "interview_id must be 1 to 32 lower-case letters, digits and inner hyphens, "
        f"and must not begin with {RESERVED_ID_PREFIX} (Elastic Load Balancing reserves it).",
    ),
    Variable(
        "candidate_name",
        "string",
        "The candidate's name, for people only: it names no resource.",
        "length(var.candidate_name) >= 1 && length(var.candidate_name) <= 200",
        "candidate_name must have 1 to 200 characters.",
    ),
    Variable(
        "challenge",
        "string",
        "The folder below challenge/ in the instance bucket that the candidate gets.",
        f'can(regex("{CHALLENGE_PATTERN}", var.challenge)) && length(var.challenge) <= 128',
        "challenge must be a relative path of letters, digits, hyphens and underscores, such as python/two-sum.",
    ),
    Variable(
        "password",
        "string",
        "Opens the editor; stored in SSM only, never in state or plan. Leave it out to destroy.",
        'var.password == "" || '
        f"(length(var.password) >= {PASSWORD_LENGTH[0]} && length(var.password) <= {PASSWORD_LENGTH[1]})",
        f"password must have {PASSWORD_LENGTH[0]} to {PASSWORD_LENGTH[1]} characters.",
        default="",
        ephemeral=True,
    ),
    _matches("aws_region", "string", "The region of the shared stack.", "^[a-z]{2}(-[a-z]+)+-[0-9]$", "eu-central-1"),
    Variable(
        "listener_priority",
        "number",
        "Priority of the listener rule; 0 or null takes the next free one.",
        f"var.listener_priority >= 0 && var.listener_priority <= {LISTENER_PRIORITY[1]} "
        "&& floor(var.listener_priority) == var.listener_priority",
        f"listener_priority must be a whole number from {LISTENER_PRIORITY[0]} to {LISTENER_PRIORITY[1]}, or 0.",
        default=0,
    ),
    Variable(
        "expires_at",
        "string",
        "When the interview may be destroyed, RFC 3339 in UTC; a tag, not a timer.",
        'var.expires_at == "" || can(formatdate("YYYY", var.expires_at))',
        "expires_at must be an RFC 3339 time such as 2026-01-31T12:00:00Z.",
        default="",
    ),
    Variable(
        "image_tag",
        "string",
        "A tag of the code-server repository to run instead of code_server_image.",
        'var.image_tag == "" || can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", var.image_tag))',
        "image_tag must be a container image tag of at most 128 characters.",
        default="",
    ),
    Variable(
        "release_digest",
        "string",
        "The release that this template set was published as.",
        'var.release_digest == "" || can(regex("^[0-9a-f]{64}$", var.release_digest))',
        "release_digest must be a SHA-256 in lower-case hexadecimal.",
        default="",
    ),
)

_ARN = "arn:aws[a-z-]*"

SHARED_VARIABLES = (
    _matches(
        "aws_account_id",
        "string",
        "The account of the shared stack; any other is refused.",
        "^[0-9]{12}$",
        "123456789012",
    ),
    _matches("project_prefix", "string", "Begins every name.", "^[a-z][a-z0-9-]{1,19}$", "prequel"),
    _matches("environment", "string", "The environment, for tags.", "^[a-z][a-z0-9-]{0,15}$", "prod"),
    _matches("url_scheme", "string", "How candidates reach the load balancer.", "^https?$", "https"),
    _matches(
        "domain_name",
        "string",
        "Interviews live one label below this domain.",
        "^[a-z0-9.-]{1,190}$",
        "interviews.example.com",
    ),
    Variable(
        "create_dns_record",
        "bool",
        "Whether each interview needs a DNS record; false under the shared wildcard record.",
        "contains([true, false], var.create_dns_record)",
        "create_dns_record must be true or false.",
    ),
    Variable(
        "hosted_zone_id",
        "string",
        "The Route 53 zone of domain_name; empty without a domain.",
        'var.hosted_zone_id != "" || !var.create_dns_record',
        "hosted_zone_id is needed when create_dns_record is true.",
    ),
    _matches(
        "alb_dns_name",
        "string",
        "The shared load balancer's own name.",
        "^[A-Za-z0-9.-]+$",
        "prequel-1.eu-central-1.elb.amazonaws.com",
    ),
    _matches("alb_zone_id", "string", "The shared load balancer's hosted zone.", "^[A-Z0-9]+$", "Z215JYRZR1TBD5"),
    _matches(
        "listener_arn",
        "string",
        "The listener that interviews are routed by.",
        f"^{_ARN}:elasticloadbalancing:",
        "arn:aws:elasticloadbalancing:...",
    ),
    _matches("vpc_id", "string", "The shared VPC.", "^vpc-[0-9a-f]+$", "vpc-0123456789abcdef0"),
    Variable(
        "private_subnet_ids",
        "list(string)",
        "Subnets without public addresses, in which the containers run.",
        "length(var.private_subnet_ids) >= 1 && "
        'alltrue([for id in var.private_subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))])',
        "private_subnet_ids must hold at least one id like subnet-0123456789abcdef0.",
    ),
    _matches(
        "code_server_security_group_id",
        "string",
        "Lets in the load balancer only.",
        "^sg-[0-9a-f]+$",
        "sg-0123456789abcdef0",
    ),
    _matches("ecs_cluster_name", "string", "The shared ECS cluster.", "^[A-Za-z0-9_-]{1,255}$", "prequel"),
    _matches(
        "execution_role_arn",
        "string",
        "Pulls the image, reads the password, writes the logs.",
        f"^{_ARN}:iam::[0-9]{{12}}:role/",
        "arn:aws:iam::123456789012:role/prequel-execution",
    ),
    _matches(
        "task_role_arn",
        "string",
        "Reads the challenges; used by the challenge container only.",
        f"^{_ARN}:iam::[0-9]{{12}}:role/",
        "arn:aws:iam::123456789012:role/prequel-task",
    ),
    _matches(
        "kms_key_arn",
        "string",
        "Encrypts the password.",
        f"^{_ARN}:kms:",
        "arn:aws:kms:eu-central-1:123456789012:key/...",
    ),
    _matches(
        "instance_bucket_name", "string", "The bucket that holds challenge/.", "^[a-z0-9.-]{3,63}$", "prequel-instance"
    ),
    _matches(
        "log_group_name",
        "string",
        "Receives the containers' output.",
        "^[A-Za-z0-9_./#-]{1,512}$",
        "/prequel/interviews",
    ),
    Variable(
        "code_server_cpu",
        "number",
        "CPU units of a task; 1024 is one vCPU.",
        "contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.code_server_cpu)",
        "code_server_cpu must be a Fargate size: 256, 512, 1024, 2048, 4096, 8192 or 16384.",
    ),
    Variable(
        "code_server_memory",
        "number",
        "Memory of a task in MiB.",
        "var.code_server_memory >= 512 && var.code_server_memory <= 122880",
        "code_server_memory must be 512 to 122880 MiB, in a pair that Fargate offers with code_server_cpu.",
    ),
    _matches("cpu_architecture", "string", "Of the containers.", "^(X86_64|ARM64)$", "X86_64 or ARM64"),
    _matches(
        "code_server_image",
        "string",
        "The code-server image, with tag or digest.",
        "^[^ ]+[:@][^ ]+$",
        "docker.io/codercom/code-server:4.99.4",
    ),
    _matches(
        "code_server_repository_url",
        "string",
        "Where image_tag is looked up.",
        "^[^ :@]+(:[0-9]+)?/[^ :@]+$",
        "123456789012.dkr.ecr.eu-central-1.amazonaws.com/prequel-code-server",
    ),
    _matches(
        "challenge_loader_image",
        "string",
        "An image with a shell and the AWS CLI.",
        "^[^ ]+[:@][^ ]+$",
        "public.ecr.aws/aws-cli/aws-cli:2.27.0",
    ),
)
"""What ``shared.auto.tfvars.json`` holds: outputs of the shared stack by the same names."""


class InterviewStack(ReadableStack):
    """One interview, independent of any setting: all that varies is a variable."""

    GROUPING_SCOPES = ReadableStack.GROUPING_SCOPES | {"service"}

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        bucket, interview_id, region = PLACEHOLDERS
        S3Backend(self, bucket=bucket, key=f"instances/{interview_id}.tfstate", region=region, encrypt=True)
        self.add_override("terraform.backend.s3.use_lockfile", True)

        inputs = Construct(self, "variables")
        variables = {v.name: v.define(inputs) for v in (*CLIENT_VARIABLES, *SHARED_VARIABLES)}
        text = {name: variable.string_value for name, variable in variables.items()}
        tags = TerraformLocal(
            self,
            "tags",
            {
                "Project": text["project_prefix"],
                "Environment": text["environment"],
                "InterviewId": text["interview_id"],
                "Challenge": text["challenge"],
                "Release": text["release_digest"],
                "ExpiresAt": text["expires_at"],
            },
        )
        aws_provider(
            self,
            region=text["aws_region"],
            account_ids=[text["aws_account_id"]],
            tags=Token.as_string_map("${{ for key, value in " + tags.fqn + ' : key => value if value != "" }}'),
        )
        interview = InterviewService(self, "service", variables=variables)
        outputs = {
            "interview_id": (text["interview_id"], "The interview's id."),
            "candidate_name": (text["candidate_name"], "The candidate's name as given."),
            "challenge": (text["challenge"], "The challenge that the candidate gets."),
            "access_url": (f"{text['url_scheme']}://{interview.hostname}", "Where the candidate opens the editor."),
            "subdomain": (interview.hostname, "The interview's host name."),
            "service_name": (interview.service.name, "The ECS service."),
            "target_group_arn": (interview.target_group.arn, "The target group."),
            "listener_rule_arn": (interview.listener_rule.arn, "The listener rule."),
            "expires_at": (text["expires_at"], "When the interview may be destroyed; empty if never."),
        }
        results = Construct(self, "outputs")
        for name, (value, description) in outputs.items():
            TerraformOutput(results, name, value=value, description=description)
