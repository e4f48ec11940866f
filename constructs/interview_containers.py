"""The two containers of an interview's task: one delivers the challenge, then the other runs the editor.

``text`` are the template's string variables by name.
"""

from typing import Any

from cdktf import Fn

from constructs.aws import SsmParameter
from contract.names import CODE_SERVER_CONTAINER, CODE_SERVER_PORT

HOME = "/home/coder"
CANDIDATE_USER = "1000:1000"
"""User ``coder`` of the public code-server image."""

CHALLENGE_FOLDER = f"{HOME}/challenge"
"""What the candidate's editor opens."""

OPEN_FILES = 65_535
"""Fargate's own limit, made explicit; the other limits are the operating system's
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


def challenge_container(text: dict[str, str], image: str) -> dict[str, Any]:
    """Delivers this interview's challenge and gives both volumes to the candidate's user; then it is gone.

    The image must have ``prequel-load`` (image/loader/) on its PATH.
    """
    source = f"s3://{text['instance_bucket_name']}/challenge/{text['challenge']}/"
    return {
        "name": "challenge",
        "image": image,
        "essential": False,
        "entryPoint": ["prequel-load"],
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


def code_server_container(text: dict[str, str], image: str, password: SsmParameter) -> dict[str, Any]:
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
