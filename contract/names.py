"""Names that the stacks, the published template set and the operations share."""

LISTENER_PRIORITY_BASE = 1000
"""Listener priority of slot 0; slot n has this plus n. The portal's rules have lower priorities."""

PLACEHOLDERS = ("TERRAFORM_STATE_BUCKET_PLACEHOLDER", "INTERVIEW_ID_PLACEHOLDER", "AWS_REGION_PLACEHOLDER")
"""What a client replaces in ``main.tf``; each occurs there exactly once, in the S3 backend block."""

TEMPLATE_FILES = ("main.tf", "service.tf", "variables.tf", "outputs.tf")
"""The template set, in reading order."""

CLIENT_VARIABLE_NAMES = (
    *("interview_id", "candidate_name", "challenge", "password"),
    *("listener_priority", "expires_at", "image_tag", "release_digest"),
    *("task_cpu", "task_memory", "task_storage", "opened"),
)
"""The variables that only a client sets; the first three are required. Clients and the stack set ``aws_region``."""

SHARED_VALUES_FILE = "shared.auto.tfvars.json"
"""The shared stack's outputs that the template set requires, published beside it."""

LOCAL_STATE_FILE = "terraform.shared.tfstate"
"""The shared stack's state beside terraform.tfvars, if there is no backend.config."""

METRICS_NAMESPACE = "Prequel"
"""CloudWatch namespace of the reaper's metrics, which have the dimension ``Project``."""

IMAGE_ARCHITECTURES = {"X86_64": "amd64", "ARM64": "arm64"}
"""Architecture names in container images, by Fargate's names."""

SOCI_SUFFIX = "-soci"
"""Suffix of the tag of an image with a SOCI index."""

VARIANT_PREFIX = "variant-"
"""Prefix of the tags of images that interviews run only if they ask for them: ``variant-NAME-BUILD``."""

NO_IMAGE = "none"
"""Value of ``image_parameter`` if no image is indexed; Parameter Store does not support empty values."""

LONGEST_RUN_MINUTES = 30
"""Maximum duration of a run. After that, another run may take the interview over."""

CODE_SERVER_PORT = 8443
CODE_SERVER_CONTAINER = "code-server"
SAVER_CONTAINER = "saver"

JOIN_LABEL = "join"
"""Label before the domain of the link that opens an interview without typing; no interview may have it as its id."""

OPEN_PATHS = "/*"
CLOSED_PATHS = "/starting"
"""What an interview's listener rule matches when its editor answers, and before: a path that nobody asks for, because
ECS takes no target group that no rule forwards to, and a rule that matches answers a bare 503 until a target is
healthy. What no rule matches gets the page that waits."""

EDITOR_ICON = "/_static/src/browser/media/favicon.ico"
"""An image that code-server serves without a login; it loads when the editor answers."""

PORTAL_PORT = 3000
"""Port on which the portal listens."""

CURRENT_RELEASE = "instance/"
RELEASES = "releases/"
CHALLENGES = "challenge/"
CHALLENGE_MANIFESTS = "challenge-manifests/"
"""Prefixes of templates and challenges in the instance bucket."""

IMAGE_SOURCES = "image/source/"
"""Prefix of the archives in the instance bucket from which images are built, each named by its SHA-256."""

WORKSPACES = "workspaces/"
STATES = "instances/"
SLOTS = "slots/"
DISPATCHES = "dispatches/"
HISTORY = "history/"
WORK = "work/"
"""Prefixes of interviews' objects in the instance bucket: docs/interviews.md, Objects."""

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
    """The key of Terraform's lock for that state."""
    return f"{state_key(interview_id)}.tflock"


def slot_key(slot: int) -> str:
    """The key of a slot's lease."""
    return f"{SLOTS}{slot}.json"


def dispatch_key(interview_id: str) -> str:
    """The key of the record of an interview's last build."""
    return f"{DISPATCHES}{interview_id}.json"


def passwords_path(project_prefix: str) -> str:
    """The SSM path of all interviews' passwords."""
    return f"/{project_prefix}/interviews"


def password_parameter(project_prefix: str, interview_id: str) -> str:
    """The SSM parameter of an interview's password."""
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
    """The Lambda function that enforces deadlines every minute."""
    return f"{project_prefix}-reaper"


def code_server_repository(project_prefix: str) -> str:
    """The ECR repository of the stack's code-server images."""
    return f"{project_prefix}-code-server"


def image_builder(project_prefix: str) -> str:
    """The CodeBuild project that builds the folder ``image/``."""
    return f"{project_prefix}-image"


def image_source_key(sha256: str) -> str:
    """The key of the archive of the folder ``image/`` with that hash."""
    return f"{IMAGE_SOURCES}{sha256}.zip"


def image_indexer(project_prefix: str) -> str:
    """The CodeBuild project that indexes images, and the prefix of its Lambda functions' names."""
    return f"{project_prefix}-image-indexer"


def image_parameter(project_prefix: str) -> str:
    """The SSM parameter that names the newest indexed image."""
    return f"/{project_prefix}/images/code-server"


def interview_log_group(project_prefix: str) -> str:
    """The log group that receives the interviews' output."""
    return f"/{project_prefix}/interviews"
