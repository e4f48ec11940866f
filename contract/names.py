"""Names and patterns that the stacks, the published template set and the operations all agree on.

A pattern here is used twice: in the template's variable validations and in the operations' own checks, so it stays in
the syntax that RE2 (Terraform's ``regex``) and Python's ``re`` share.
"""

INTERVIEW_ID_PATTERN = "^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$"
"""A DNS label (RFC 1123) that also fits a target group's name: 32 characters at most
(https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html)."""

RESERVED_ID_PREFIX = "internal-"
"""Elastic Load Balancing refuses target group names that begin with it (same page)."""

CHALLENGE_PATTERN = "^[A-Za-z0-9][A-Za-z0-9_-]*(/[A-Za-z0-9][A-Za-z0-9_-]*)*$"
"""A relative S3 prefix without dots, so that it cannot leave ``challenge/``."""

PASSWORD_LENGTH = (8, 128)
"""Shortest and longest password of an interview, in characters."""

LISTENER_PRIORITY = (1, 50_000)
"""https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateRule.html"""

LISTENER_PRIORITY_BASE = 1000
"""The priority of the interview in slot 0; slot n has this plus n. The portal's rules lie below."""

PLACEHOLDERS = ("TERRAFORM_STATE_BUCKET_PLACEHOLDER", "INTERVIEW_ID_PLACEHOLDER", "AWS_REGION_PLACEHOLDER")
"""What a client replaces in ``main.tf``; each stands there exactly once, in the S3 backend block."""

TEMPLATE_FILES = ("main.tf", "service.tf", "variables.tf", "outputs.tf")
"""The template set, in the order in which a reader wants it."""

CLIENT_VARIABLE_NAMES = (
    *("interview_id", "candidate_name", "challenge", "password"),
    *("listener_priority", "expires_at", "image_tag", "release_digest"),
)
"""The template's variables that only a client can give; the first three it must. Everybody gives ``aws_region``."""

SHARED_VALUES_FILE = "shared.auto.tfvars.json"
"""The shared stack's outputs that the template set takes, published beside it."""

LOCAL_STATE_FILE = "terraform.shared.tfstate"
"""The shared stack's state beside terraform.tfvars, where there is no backend.config."""

METRICS_NAMESPACE = "Prequel"
"""Of the metrics that the reaper tells, each with the dimension ``Project``."""

IMAGE_ARCHITECTURES = {"X86_64": "amd64", "ARM64": "arm64"}
"""What container images call Fargate's architectures."""

CODE_SERVER_PORT = 8443
CODE_SERVER_CONTAINER = "code-server"


def bucket_name(project_prefix: str) -> str:
    """The bucket of templates, challenges, workspaces and interview state."""
    return f"{project_prefix}-instance"


def password_parameter(project_prefix: str, interview_id: str) -> str:
    """The SSM parameter that holds an interview's password."""
    return f"/{project_prefix}/interviews/{interview_id}/password"


def portal_service(project_prefix: str) -> str:
    """The portal's service, target group and task family."""
    return f"{project_prefix}-portal"


def runner_project(project_prefix: str) -> str:
    """The CodeBuild project that runs terraform for interviews."""
    return f"{project_prefix}-runner"


def reaper_function(project_prefix: str) -> str:
    """The Lambda function that looks after deadlines every minute."""
    return f"{project_prefix}-reaper"


def code_server_repository(project_prefix: str) -> str:
    """The ECR repository of our own code-server images."""
    return f"{project_prefix}-code-server"


def image_indexer(project_prefix: str) -> str:
    """The CodeBuild project that indexes those images, and what the names of its Lambda functions begin with."""
    return f"{project_prefix}-image-indexer"


def image_parameter(project_prefix: str) -> str:
    """The SSM parameter that names the newest indexed image."""
    return f"/{project_prefix}/images/code-server"
