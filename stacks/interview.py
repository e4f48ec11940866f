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
from contract.names import (
    CHALLENGE_PATTERN,
    INTERVIEW_ID_PATTERN,
    LISTENER_PRIORITY,
    PASSWORD_LENGTH,
    PLACEHOLDERS,
    RESERVED_ID_PREFIX,
)
from stacks.base import ReadableStack, aws_provider

REQUIRED = object()
"""Stands for "no default": the client or the shared values must give it."""


@dataclass(frozen=True)
class Rule:
    """One validation: ``condition`` is an HCL expression, ``error`` what Terraform says when it is false."""

    condition: str
    error: str


@dataclass(frozen=True)
class Variable:
    """One input variable of the template set."""

    name: str
    type: str
    description: str
    rules: tuple[Rule, ...]
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
                TerraformVariableValidationConfig(condition="${" + rule.condition + "}", error_message=rule.error)
                for rule in self.rules
            ],
            **has_default,
        )
        if self.ephemeral:
            variable.add_override("ephemeral", True)
        return variable


def _text(name: str, description: str, pattern: str, expected: str, *rules: Rule, default: Any = REQUIRED) -> Variable:
    """A string that matches ``pattern``; with an empty default it may also be left out."""
    left_out = f'var.{name} == "" || ' if default == "" else ""
    matches = Rule(f'{left_out}can(regex("{pattern}", var.{name}))', f"{name} must be {expected}.")
    return Variable(name, "string", description, (matches, *rules), default)


def _number(name: str, description: str, low: int, high: int, expected: str, *, default: Any = REQUIRED) -> Variable:
    """A whole number from ``low`` to ``high``."""
    rules = (
        Rule(f"var.{name} >= {low} && var.{name} <= {high}", f"{name} must be {expected}."),
        Rule(f"floor(var.{name}) == var.{name}", f"{name} must be a whole number."),
    )
    return Variable(name, "number", description, rules, default)


CLIENT_VARIABLES = (
    _text(
        "interview_id",
        "Names the interview and its host: a DNS label of at most 32 characters.",
        INTERVIEW_ID_PATTERN,
        "1 to 32 lower-case letters, digits and inner hyphens",
        Rule(
            f'!startswith(var.interview_id, "{RESERVED_ID_PREFIX}")',
            f"interview_id must not begin with {RESERVED_ID_PREFIX}, which Elastic Load Balancing reserves.",
        ),
    ),
    Variable(
        "candidate_name",
        "string",
        "The candidate's name, for people only: it names no resource.",
        (
            Rule(
                "length(var.candidate_name) >= 1 && length(var.candidate_name) <= 200",
                "candidate_name must have 1 to 200 characters.",
            ),
        ),
    ),
    _text(
        "challenge",
        "The folder below challenge/ in the instance bucket that the candidate gets.",
        CHALLENGE_PATTERN,
        "a relative path of letters, digits, hyphens and underscores, such as python/rate-limiter",
        Rule("length(var.challenge) <= 128", "challenge must have at most 128 characters."),
    ),
    Variable(
        "password",
        "string",
        "Opens the editor; stored in SSM only, never in state or plan. Leave it out to destroy.",
        (
            Rule(
                f'var.password == "" || length(var.password) >= {PASSWORD_LENGTH[0]}',
                f"password must have at least {PASSWORD_LENGTH[0]} characters.",
            ),
            Rule(
                f"length(var.password) <= {PASSWORD_LENGTH[1]}",
                f"password must have at most {PASSWORD_LENGTH[1]} characters.",
            ),
        ),
        default="",
        ephemeral=True,
    ),
    _text(
        "aws_region",
        "The region of the shared stack.",
        "^[a-z]{2}(-[a-z]+)+-[0-9]$",
        "a region such as eu-central-1",
    ),
    _number(
        "listener_priority",
        "Priority of the listener rule; 0 or null takes the next free one.",
        0,
        LISTENER_PRIORITY[1],
        f"{LISTENER_PRIORITY[0]} to {LISTENER_PRIORITY[1]}, or 0 for the next free one",
        default=0,
    ),
    Variable(
        "expires_at",
        "string",
        "When the interview may be destroyed, RFC 3339 in UTC; a tag, not a timer.",
        (
            Rule(
                'var.expires_at == "" || can(formatdate("YYYY", var.expires_at))',
                "expires_at must be an RFC 3339 time such as 2026-01-31T12:00:00Z.",
            ),
        ),
        default="",
    ),
    _text(
        "image_tag",
        "A tag of the code-server repository to run instead of code_server_image.",
        "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$",
        "a container image tag of at most 128 characters",
        default="",
    ),
    _text(
        "release_digest",
        "The release that this template set was published as.",
        "^[0-9a-f]{64}$",
        "a SHA-256 in lower-case hexadecimal",
        default="",
    ),
)

_ARN = "^arn:aws[a-z-]*"
_ROLE = _ARN + ":iam::[0-9]{12}:role/"
_IMAGE = "^[^ ]+[:@][^ ]+$"

SHARED_VARIABLES = (
    _text("aws_account_id", "The account of the shared stack; any other is refused.", "^[0-9]{12}$", "12 digits"),
    _text(
        "project_prefix",
        "What every name in the account begins with.",
        "^[a-z][a-z0-9-]{1,19}$",
        "2 to 20 lower-case letters, digits and hyphens, beginning with a letter",
    ),
    _text(
        "environment",
        "The environment, for tags.",
        "^[a-z][a-z0-9-]{0,15}$",
        "1 to 16 lower-case letters, digits and hyphens, beginning with a letter",
    ),
    Variable(
        "tags",
        "map(string)",
        "The shared stack's tags, for every resource; the interview's own win.",
        (
            Rule(
                "alltrue([for key, value in var.tags : length(key) <= 128 && length(value) <= 256])",
                "tags must have keys of at most 128 characters and values of at most 256.",
            ),
        ),
        default={},
    ),
    _text("url_scheme", "How candidates reach the load balancer.", "^https?$", "http or https"),
    _text(
        "domain_name",
        "Interviews live one label below this domain.",
        "^[a-z0-9.-]{1,190}$",
        "a lower-case DNS name such as interviews.example.com",
    ),
    Variable(
        "create_dns_record",
        "bool",
        "Whether the interview needs a DNS record of its own; false under the shared wildcard record.",
        (
            Rule(
                '!var.create_dns_record || var.hosted_zone_id != ""',
                "create_dns_record needs hosted_zone_id.",
            ),
        ),
    ),
    _text(
        "hosted_zone_id",
        "The Route 53 zone of domain_name; empty without a domain.",
        "^[A-Z0-9]*$",
        "a zone id such as Z215JYRZR1TBD5",
    ),
    _text("alb_dns_name", "The shared load balancer's own name.", "^[A-Za-z0-9.-]+$", "a DNS name"),
    _text("alb_zone_id", "The shared load balancer's hosted zone.", "^[A-Z0-9]+$", "a zone id such as Z215JYRZR1TBD5"),
    _text(
        "listener_arn",
        "The listener that interviews are routed by.",
        _ARN + ":elasticloadbalancing:",
        "the ARN of a listener",
    ),
    _text("vpc_id", "The shared VPC.", "^vpc-[0-9a-f]+$", "an id such as vpc-0123456789abcdef0"),
    Variable(
        "private_subnet_ids",
        "list(string)",
        "Subnets without public addresses, in which the containers run.",
        (
            Rule("length(var.private_subnet_ids) >= 1", "private_subnet_ids must hold at least one id."),
            Rule(
                'alltrue([for id in var.private_subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))])',
                "private_subnet_ids must hold ids such as subnet-0123456789abcdef0.",
            ),
        ),
    ),
    _text(
        "code_server_security_group_id",
        "Lets in the load balancer only.",
        "^sg-[0-9a-f]+$",
        "an id such as sg-0123456789abcdef0",
    ),
    _text(
        "ecs_cluster_arn",
        "The shared ECS cluster; AWS names a service's cluster so, and Terraform compares.",
        _ARN + ":ecs:[a-z0-9-]+:[0-9]{12}:cluster/[A-Za-z0-9_-]+$",
        "the ARN of an ECS cluster",
    ),
    _text(
        "execution_role_arn", "Pulls the images, reads the password, writes the logs.", _ROLE, "the ARN of an IAM role"
    ),
    _text("task_role_arn", "Reads the challenge, for the challenge container only.", _ROLE, "the ARN of an IAM role"),
    _text("kms_key_arn", "The key that encrypts the password.", _ARN + ":kms:", "the ARN of a KMS key"),
    _text("instance_bucket_name", "The bucket that holds challenge/.", "^[a-z0-9.-]{3,63}$", "the name of a bucket"),
    _text("log_group_name", "Receives the containers' output.", "^[A-Za-z0-9_./#-]{1,512}$", "the name of a log group"),
    Variable(
        "code_server_cpu",
        "number",
        "CPU units of a task; 1024 is one vCPU.",
        (
            Rule(
                "contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.code_server_cpu)",
                "code_server_cpu must be a Fargate size: 256, 512, 1024, 2048, 4096, 8192 or 16384.",
            ),
        ),
    ),
    _number(
        "code_server_memory",
        "Memory of a task in MiB.",
        512,
        122880,
        "512 to 122880 MiB, in a pair that Fargate offers with code_server_cpu",
    ),
    # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_EphemeralStorage.html
    _number(
        "code_server_storage",
        "Disk of a task in GiB, shared by the images and the candidate's files.",
        21,
        200,
        "21 to 200 GiB",
        default=21,
    ),
    _text("cpu_architecture", "What the containers run on.", "^(X86_64|ARM64)$", "X86_64 or ARM64"),
    _text("code_server_image", "The code-server image.", _IMAGE, "an image with a tag or a digest"),
    _text(
        "code_server_repository_url",
        "The repository in which image_tag is looked up.",
        "^[^ :@]+(:[0-9]+)?/[^ :@]+$",
        "a repository without a tag",
    ),
    _text(
        "challenge_loader_image",
        "The image that copies the challenge; it needs a shell and the AWS CLI.",
        _IMAGE,
        "an image with a tag or a digest",
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
            tags=Token.as_string_map(
                "${merge(var.tags, { for key, value in " + tags.fqn + ' : key => value if value != "" })}'
            ),
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
