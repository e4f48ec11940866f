"""The input variables of the interview template set, with their validations."""

from contract.limits import (
    CHALLENGE_PATTERN,
    ENVIRONMENT_PATTERN,
    FARGATE_MEMORY_MIB,
    IMAGE_TAG_PATTERN,
    INTERVIEW_ID_PATTERN,
    LISTENER_PRIORITY,
    PASSWORD_LENGTH,
    PROJECT_PREFIX_PATTERN,
    REGION_DESCRIPTION,
    REGION_PATTERN,
    RESERVED_ID_PREFIX,
    STORAGE_GIB,
)
from stacks.input_variable import InputVariable, Rule, number_variable, text_variable, variable

_CPU_UNITS = list(FARGATE_MEMORY_MIB)
_MEMORY_MIB = (min(map(min, FARGATE_MEMORY_MIB.values())), max(map(max, FARGATE_MEMORY_MIB.values())))


def _optional_size(name: str, description: str, limits: tuple[int, int], expected: str) -> InputVariable:
    """A whole number within ``limits``, or 0."""
    low, high = limits
    within = Rule(f"var.{name} == 0 || (var.{name} >= {low} && var.{name} <= {high})", f"{name} must be {expected}.")
    whole = Rule(f"floor(var.{name}) == var.{name}", f"{name} must be a whole number.")
    return variable(name, "number", description, within, whole, default=0)


CLIENT_VARIABLES = (
    text_variable(
        "interview_id",
        "Names the interview and its host: a DNS label of at most 32 characters.",
        INTERVIEW_ID_PATTERN,
        "1 to 32 lower-case letters, digits and inner hyphens",
        Rule(
            f'!startswith(var.interview_id, "{RESERVED_ID_PREFIX}")',
            f"interview_id must not begin with {RESERVED_ID_PREFIX}, which Elastic Load Balancing reserves.",
        ),
    ),
    variable(
        "candidate_name",
        "string",
        "The candidate's name, for people only: it names no resource.",
        Rule(
            "length(var.candidate_name) >= 1 && length(var.candidate_name) <= 200",
            "candidate_name must have 1 to 200 characters.",
        ),
    ),
    text_variable(
        "challenge",
        "The folder below challenge/ in the instance bucket that the candidate gets.",
        CHALLENGE_PATTERN,
        "a relative path of letters, digits, hyphens and underscores, such as python/rate-limiter",
        Rule("length(var.challenge) <= 128", "challenge must have at most 128 characters."),
    ),
    variable(
        "password",
        "string",
        "Opens the editor; stored in SSM only, never in state or plan. Leave it out to destroy.",
        Rule(
            f'var.password == "" || length(var.password) >= {PASSWORD_LENGTH[0]}',
            f"password must have at least {PASSWORD_LENGTH[0]} characters.",
        ),
        Rule(
            f"length(var.password) <= {PASSWORD_LENGTH[1]}",
            f"password must have at most {PASSWORD_LENGTH[1]} characters.",
        ),
        # code-server trims what is typed, and then it is another password (its routes/login.ts, sanitizeString).
        Rule("trimspace(var.password) == var.password", "password must not begin or end with white space."),
        default="",
        ephemeral=True,
    ),
    text_variable("aws_region", "The region of the shared stack.", REGION_PATTERN, REGION_DESCRIPTION),
    number_variable(
        "listener_priority",
        "Priority of the listener rule; 0 or null takes the next free one.",
        (0, LISTENER_PRIORITY[1]),
        f"{LISTENER_PRIORITY[0]} to {LISTENER_PRIORITY[1]}, or 0 for the next free one",
        default=0,
    ),
    variable(
        "expires_at",
        "string",
        "When the interview may be destroyed, RFC 3339 in UTC; a tag, not a timer.",
        Rule(
            'var.expires_at == "" || can(formatdate("YYYY", var.expires_at))',
            "expires_at must be an RFC 3339 time such as 2026-01-31T12:00:00Z.",
        ),
        default="",
    ),
    text_variable(
        "image_tag",
        "A tag of the code-server repository to run instead of code_server_image.",
        IMAGE_TAG_PATTERN,
        "a container image tag of at most 128 characters",
        default="",
    ),
    text_variable(
        "release_digest",
        "The release that this template set was published as.",
        "^[0-9a-f]{64}$",
        "a SHA-256 in lower-case hexadecimal",
        default="",
    ),
    variable(
        "task_cpu",
        "number",
        "CPU units of this interview's task; 0 takes code_server_cpu.",
        Rule(
            f"contains({[0, *_CPU_UNITS]}, var.task_cpu)",
            f"task_cpu must be 0 or a Fargate size: {', '.join(map(str, _CPU_UNITS[:-1]))} or {_CPU_UNITS[-1]}.",
        ),
        default=0,
    ),
    _optional_size(
        "task_memory",
        "Memory of this interview's task in MiB; 0 takes code_server_memory.",
        _MEMORY_MIB,
        f"0 or {_MEMORY_MIB[0]} to {_MEMORY_MIB[1]} MiB, in a pair that Fargate offers with task_cpu",
    ),
    _optional_size(
        "task_storage",
        "Disk of this interview's task in GiB; 0 takes code_server_storage.",
        STORAGE_GIB,
        f"0 or {STORAGE_GIB[0]} to {STORAGE_GIB[1]} GiB",
    ),
    variable(
        "opened",
        "bool",
        "Whether requests reach the editor; false while it starts, for a client that opens the rule afterwards.",
        default=True,
    ),
)

_ARN = "^arn:aws[a-z-]*"
_ROLE = _ARN + ":iam::[0-9]{12}:role/"
_IMAGE = "^[^ ]+[:@][^ ]+$"
SHARED_VARIABLES = (
    text_variable(
        "aws_account_id", "The account of the shared stack; any other is refused.", "^[0-9]{12}$", "12 digits"
    ),
    text_variable(
        "project_prefix",
        "What every name in the account begins with.",
        PROJECT_PREFIX_PATTERN,
        "2 to 20 lower-case letters, digits and hyphens, beginning with a letter",
    ),
    text_variable(
        "environment",
        "The environment, for tags.",
        ENVIRONMENT_PATTERN,
        "1 to 16 lower-case letters, digits and hyphens, beginning with a letter",
    ),
    variable(
        "tags",
        "map(string)",
        "The shared stack's tags, for every resource; the interview's own win.",
        Rule(
            "alltrue([for key, value in var.tags : length(key) <= 128 && length(value) <= 256])",
            "tags must have keys of at most 128 characters and values of at most 256.",
        ),
        default={},
    ),
    text_variable("url_scheme", "How candidates reach the load balancer.", "^https?$", "http or https"),
    text_variable(
        "domain_name",
        "Interviews live one label below this domain.",
        "^[a-z0-9.-]{1,190}$",
        "a lower-case DNS name such as interviews.example.com",
    ),
    variable(
        "create_dns_record",
        "bool",
        "Whether the interview needs a DNS record of its own; false under the shared wildcard record.",
        Rule('!var.create_dns_record || var.hosted_zone_id != ""', "create_dns_record needs hosted_zone_id."),
    ),
    text_variable(
        "hosted_zone_id",
        "The Route 53 zone of domain_name; empty without a domain.",
        "^[A-Z0-9]*$",
        "a zone id such as Z215JYRZR1TBD5",
    ),
    text_variable("alb_dns_name", "The shared load balancer's own name.", "^[A-Za-z0-9.-]+$", "a DNS name"),
    text_variable(
        "alb_zone_id", "The shared load balancer's hosted zone.", "^[A-Z0-9]+$", "a zone id such as Z215JYRZR1TBD5"
    ),
    text_variable(
        "listener_arn",
        "The listener that interviews are routed by.",
        _ARN + ":elasticloadbalancing:",
        "the ARN of a listener",
    ),
    text_variable("vpc_id", "The shared VPC.", "^vpc-[0-9a-f]+$", "an id such as vpc-0123456789abcdef0"),
    variable(
        "private_subnet_ids",
        "list(string)",
        "Subnets without public addresses, in which the containers run.",
        Rule("length(var.private_subnet_ids) >= 1", "private_subnet_ids must hold at least one id."),
        Rule(
            'alltrue([for id in var.private_subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))])',
            "private_subnet_ids must hold ids such as subnet-0123456789abcdef0.",
        ),
    ),
    text_variable(
        "code_server_security_group_id",
        "Lets in the load balancer only.",
        "^sg-[0-9a-f]+$",
        "an id such as sg-0123456789abcdef0",
    ),
    text_variable(
        "ecs_cluster_arn",
        "The shared ECS cluster; AWS names a service's cluster so, and Terraform compares.",
        _ARN + ":ecs:[a-z0-9-]+:[0-9]{12}:cluster/[A-Za-z0-9_-]+$",
        "the ARN of an ECS cluster",
    ),
    text_variable(
        "execution_role_arn", "Pulls the images, reads the password, writes the logs.", _ROLE, "the ARN of an IAM role"
    ),
    text_variable(
        "task_role_arn", "Reads the challenge, for the challenge container only.", _ROLE, "the ARN of an IAM role"
    ),
    text_variable("kms_key_arn", "The key that encrypts the password.", _ARN + ":kms:", "the ARN of a KMS key"),
    text_variable(
        "instance_bucket_name", "The bucket that holds challenge/.", "^[a-z0-9.-]{3,63}$", "the name of a bucket"
    ),
    text_variable(
        "log_group_name", "Receives the containers' output.", "^[A-Za-z0-9_./#-]{1,512}$", "the name of a log group"
    ),
    variable(
        "code_server_cpu",
        "number",
        "CPU units of a task; 1024 is one vCPU.",
        Rule(
            f"contains({_CPU_UNITS}, var.code_server_cpu)",
            f"code_server_cpu must be a Fargate size: {', '.join(map(str, _CPU_UNITS[:-1]))} or {_CPU_UNITS[-1]}.",
        ),
    ),
    number_variable(
        "code_server_memory",
        "Memory of a task in MiB.",
        _MEMORY_MIB,
        f"{_MEMORY_MIB[0]} to {_MEMORY_MIB[1]} MiB, in a pair that Fargate offers with code_server_cpu",
    ),
    number_variable(
        "code_server_storage",
        "Disk of a task in GiB, shared by the images and the candidate's files.",
        STORAGE_GIB,
        f"{STORAGE_GIB[0]} to {STORAGE_GIB[1]} GiB",
        default=STORAGE_GIB[0],
    ),
    text_variable("cpu_architecture", "What the containers run on.", "^(X86_64|ARM64)$", "X86_64 or ARM64"),
    text_variable("code_server_image", "The code-server image.", _IMAGE, "an image with a tag or a digest"),
    text_variable(
        "code_server_repository_url",
        "The repository in which image_tag is looked up.",
        "^[^ :@]+(:[0-9]+)?/[^ :@]+$",
        "a repository without a tag",
    ),
    text_variable(
        "challenge_loader_image",
        "The image that delivers the challenge with prequel-load; empty for the interview's own image.",
        _IMAGE,
        "an image with a tag or a digest",
        default="",
    ),
)
"""What ``shared.auto.tfvars.json`` holds: outputs of the shared stack by the same names."""
