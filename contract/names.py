"""Names that the stacks, the published template set and the operations all agree on."""

LISTENER_PRIORITY_BASE = 1000
"""The priority of the interview in slot 0; slot n has this plus n. The portal's rules lie below."""

PLACEHOLDERS = ("TERRAFORM_STATE_BUCKET_PLACEHOLDER", "INTERVIEW_ID_PLACEHOLDER", "AWS_REGION_PLACEHOLDER")
"""What a client replaces in ``main.tf``; each occurs there exactly once, in the S3 backend block."""

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
"""Of the metrics that the reaper reports, each with the dimension ``Project``."""

IMAGE_ARCHITECTURES = {"X86_64": "amd64", "ARM64": "arm64"}
"""What container images call Fargate's architectures."""

SOCI_SUFFIX = "-soci"
"""Ends the tag of an image that is pushed again with a SOCI index."""

NO_IMAGE = "none"
"""The value of ``image_parameter`` while no image is indexed; Parameter Store keeps no empty values."""

LONGEST_RUN_MINUTES = 30
"""How long a run on one interview may take; after that another run may take the interview over."""

CODE_SERVER_PORT = 8443
CODE_SERVER_CONTAINER = "code-server"

PORTAL_PORT = 3000
"""Where the Next.js portal listens."""

CURRENT_RELEASE = "instance/"
RELEASES = "releases/"
CHALLENGES = "challenge/"
CHALLENGE_MANIFESTS = "challenge-manifests/"
"""Where the instance bucket keeps templates and challenges."""

WORKSPACES = "workspaces/"
STATES = "instances/"
SLOTS = "slots/"
DISPATCHES = "dispatches/"
HISTORY = "history/"
"""Where the instance bucket keeps what it knows of interviews: docs/interviews.md, Objects."""

INTENT_FILE = "interview.json"
"""The record of an interview in its workspace."""


def bucket_name(project_prefix: str) -> str:
    """The bucket of templates, challenges, workspaces and interview state."""
    return f"{project_prefix}-instance"


def workspace_key(interview_id: str, name: str = "") -> str:
    """The key of a workspace's file, or the workspace's prefix."""
    return f"{WORKSPACES}{interview_id}/{name}"


def state_key(interview_id: str) -> str:
    """The key of an interview's Terraform state."""
    return f"{STATES}{interview_id}.tfstate"


def lock_key(interview_id: str) -> str:
    """The key of Terraform's own lock on that state."""
    return f"{state_key(interview_id)}.tflock"


def slot_key(slot: int) -> str:
    """The key of a slot's lease."""
    return f"{SLOTS}{slot}.json"


def dispatch_key(interview_id: str) -> str:
    """The key of the record of an interview's last build."""
    return f"{DISPATCHES}{interview_id}.json"


def passwords_path(project_prefix: str) -> str:
    """The path in SSM below which every interview has its password."""
    return f"/{project_prefix}/interviews"


def password_parameter(project_prefix: str, interview_id: str) -> str:
    """The SSM parameter that holds an interview's password."""
    return f"{passwords_path(project_prefix)}/{interview_id}/password"


def task_family(project_prefix: str, interview_id: str) -> str:
    """The family of an interview's task definitions."""
    return f"{project_prefix}-{interview_id}"


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


def interview_log_group(project_prefix: str) -> str:
    """The log group that receives the interviews' output."""
    return f"/{project_prefix}/interviews"
