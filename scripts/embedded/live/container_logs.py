"""awslogs: what a container writes goes to its stream in CloudWatch Logs."""

import sys
import time
from collections.abc import Iterator, Mapping
from threading import Thread
from typing import Any

import requests
from docker.errors import DockerException
from docker.models.containers import Container

from scripts.embedded.checks.backends import backend


def log_stream(definition: Mapping[str, Any], task_id: str) -> str:
    """The name that the awslogs driver gives
    (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html)."""
    prefix = definition["logConfiguration"]["options"].get("awslogs-stream-prefix", "ecs")
    return f"{prefix}/{definition['name']}/{task_id}"


def forward_logs(container: Container, definition: Mapping[str, Any], task_id: str) -> Thread | None:
    """Starts a thread that forwards until the container ends; None when its definition has no awslogs."""
    configured = definition.get("logConfiguration") or {}
    if configured.get("logDriver") != "awslogs":
        return None
    options = configured["options"]
    logs = backend("logs", options["awslogs-region"])
    group, stream = options["awslogs-group"], log_stream(definition, task_id)
    if group not in logs.groups:
        raise LogGroupError(
            "ResourceInitializationError: failed to validate logger args: The specified log group does not exist."
        )
    logs.create_log_stream(group, stream)

    def forward() -> None:
        try:
            for line in _lines(container.logs(stream=True, follow=True)):
                event = {"timestamp": int(time.time() * 1000), "message": line}
                if group in logs.groups and stream in logs.groups[group].streams:
                    logs.put_log_events(group, stream, [event])
        except (DockerException, requests.RequestException, OSError) as error:
            sys.stderr.write(f"the log of {stream} ends: {error}\n")

    thread = Thread(target=forward, daemon=True)
    thread.start()
    return thread


class LogGroupError(Exception):
    """A container's log cannot be written; the message is what ECS says."""


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line.decode(errors="replace") for line in lines if line)
    if rest:
        yield rest.decode(errors="replace")
