"""The containers of an interview's task: one delivers the challenge, one runs the editor, one saves the work.

``text`` are the template's string variables by name.
"""

from typing import Any

from cdktf import Fn

from constructs.aws import SsmParameter
from contract.names import CODE_SERVER_CONTAINER, CODE_SERVER_PORT, SAVER_CONTAINER

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


SESSION_FOLDER = "/run/prequel"
"""Where the editor reads how old the saved work is."""

SAVER_MEMORY_MIB = 128
SAVER_STOP_SECONDS = 60
"""For the last save, after the editor has stopped: ECS stops containers in the reverse order of ``dependsOn``
(https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDependency.html)."""


def volumes() -> list[str]:
    """The names of the task's volumes."""
    return [_HOME["sourceVolume"], _TMP["sourceVolume"], _SESSION["sourceVolume"]]


def challenge_container(text: dict[str, str], image: str, work: str, password: SsmParameter) -> dict[str, Any]:
    """Restores the work at ``work``, or else delivers the challenge, and gives the volumes to the candidate's user.

    Then it is gone. The image must have ``prequel-load`` (image/loader/) on its PATH.
    """
    source = f"s3://{text['instance_bucket_name']}/challenge/{text['challenge']}/"
    return {
        "name": "challenge",
        "image": image,
        "essential": False,
        "entryPoint": ["prequel-load"],
        "environment": [{"name": "CHALLENGE", "value": source}, *_work(text, work)],
        "secrets": [{"name": "PASSWORD", "valueFrom": password.arn}],
        # Root, because Fargate's volumes are root's; nothing of the candidate's runs here.
        "user": "0:0",
        "privileged": False,
        "readonlyRootFilesystem": True,
        "linuxParameters": {"capabilities": {"drop": _NOT_NEEDED_TO_DELIVER}},
        "stopTimeout": STOP_SECONDS,
        "mountPoints": [_HOME, _TMP, _SESSION],
        "logConfiguration": _logs(text),
    }


def saver_container(text: dict[str, str], image: str, work: str, password: SsmParameter) -> dict[str, Any]:
    """Saves what the candidate changes below ``work``, which it can read and not write.

    It has the task role's credentials, and shares with the editor neither processes nor a folder that both can write.
    The image must have ``prequel-save`` (image/saver/) on its PATH.
    """
    return {
        "name": SAVER_CONTAINER,
        "image": image,
        # The session goes on without it, and ECS starts it again.
        "essential": False,
        "restartPolicy": {"enabled": True},
        "dependsOn": [{"containerName": "challenge", "condition": "SUCCESS"}],
        "entryPoint": ["setpriv", "--no-new-privs", "prequel-save"],
        "environment": _work(text, work),
        "secrets": [{"name": "PASSWORD", "valueFrom": password.arn}],
        "user": CANDIDATE_USER,
        "privileged": False,
        "readonlyRootFilesystem": True,
        "linuxParameters": {"capabilities": {"drop": ["ALL"]}},
        "memory": SAVER_MEMORY_MIB,
        "stopTimeout": SAVER_STOP_SECONDS,
        "mountPoints": [_read_only(_HOME), _SESSION],
        "logConfiguration": _logs(text),
    }


def code_server_container(text: dict[str, str], image: str, password: SsmParameter, *, memory: str) -> dict[str, Any]:
    """Runs as an ordinary user on a read-only root, without capabilities and without AWS credentials.

    ``memory`` is its limit in MiB, less than the task's, so that what the candidate runs leaves the saver its share.
    The image must have a shell, ``env``, ``setpriv``, ``dumb-init`` and ``code-server`` on its PATH: both the
    public one and ours do. It must not get a ``healthCheck``: ECS would run it with every variable, readable in
    /proc; the load balancer's checks do.
    """
    return {
        "name": CODE_SERVER_CONTAINER,
        "image": image,
        "essential": True,
        "dependsOn": [
            {"containerName": "challenge", "condition": "SUCCESS"},
            # So that it is stopped before the saver, which then saves the last change.
            {"containerName": SAVER_CONTAINER, "condition": "START"},
        ],
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
        "memory": memory,
        "ulimits": [{"name": "nofile", "softLimit": OPEN_FILES, "hardLimit": OPEN_FILES}],
        "stopTimeout": STOP_SECONDS,
        "portMappings": [{"containerPort": CODE_SERVER_PORT, "protocol": "tcp"}],
        "mountPoints": [_HOME, _TMP, _read_only(_SESSION)],
        "secrets": [{"name": "PASSWORD", "valueFrom": password.arn}],
        "logConfiguration": _logs(text),
    }


_HOME: dict[str, Any] = {"sourceVolume": "home", "containerPath": HOME, "readOnly": False}
_TMP: dict[str, Any] = {"sourceVolume": "tmp", "containerPath": "/tmp", "readOnly": False}  # noqa: S108  (a volume)
_SESSION: dict[str, Any] = {"sourceVolume": "session", "containerPath": SESSION_FOLDER, "readOnly": False}


def _read_only(mount: dict[str, Any]) -> dict[str, Any]:
    return mount | {"readOnly": True}


def _work(text: dict[str, str], work: str) -> list[dict[str, str]]:
    """Where states are kept, and the key that encrypts them."""
    return [
        {"name": "WORK", "value": f"s3://{text['instance_bucket_name']}/{work}"},
        {"name": "WORK_KEY", "value": text["kms_key_arn"]},
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
