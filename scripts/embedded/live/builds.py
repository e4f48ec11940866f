"""CodeBuild: a build runs its project's build spec in a directory of its own, under the project's role."""

import io
import json
import os
import re
import shlex
import signal
import subprocess
import tempfile
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any

from botocore.exceptions import ClientError
from moto.codebuild.models import CodeBuildBackend
from moto.codebuild.responses import CodeBuildResponse

from scripts.embedded.checks.backends import backend
from scripts.embedded.live.clean_environment import CleanEnvironment
from scripts.embedded.live.role_sessions import RoleSessions

_PHASES = ("INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD")
_MARK = "\x02PHASE "
_TIMEOUT_MINUTES = 60
"""CodeBuild's default."""


@dataclass
class RunningBuild:
    """One build: moto's ``metadata``, which is what the API answers, and how to stop it."""

    metadata: dict[str, Any]
    stopped: Event = field(default_factory=Event)


class Builds:
    """Runs the builds of one region's CodeBuild."""

    def __init__(self, sessions: RoleSessions, region: str, clean: CleanEnvironment) -> None:
        self._sessions = sessions
        self._region = region
        self._clean = clean
        self._running: dict[str, RunningBuild] = {}
        self._tokens: dict[str, str] = {}

    def answer(self) -> None:
        """Makes StartBuild, StopBuild and BatchGetBuilds speak of real builds."""
        self._answer_start()
        builds = self
        backend_class: Any = CodeBuildBackend
        stop_build = backend_class.stop_build

        def get(self: Any, ids: list[str]) -> list[dict[str, Any]]:
            return [one for history in self.build_metadata_history.values() for one in history if one["id"] in ids]

        def stop(self: Any, build_id: str) -> Any:
            running = builds._running.get(build_id)
            if running is None:
                return stop_build(self, build_id)
            running.stopped.set()
            return running.metadata

        backend_class.batch_get_builds, backend_class.stop_build = get, stop

    def stop(self) -> None:
        """Stops all of them."""
        for running in list(self._running.values()):
            running.stopped.set()

    def _answer_start(self) -> None:
        builds = self
        responses: Any = CodeBuildResponse
        start_build = responses.start_build

        def start(response: Any) -> Any:
            token = response._get_param("idempotencyToken")
            known = builds._tokens.get(token) if token else None
            if known is not None:
                return type(start_build(response))({"build": builds._metadata(known)})
            answer = start_build(response)
            metadata = answer.result["build"]
            if token:
                builds._tokens[token] = metadata["id"]
            if response.region == builds._region:
                overrides = response._get_param("environmentVariablesOverride") or []
                builds._start(metadata, overrides)
            return answer

        responses.start_build = start

    def _metadata(self, build_id: str) -> dict[str, Any]:
        [found] = backend("codebuild", self._region).batch_get_builds([build_id])
        return dict(found)

    def _start(self, metadata: dict[str, Any], overrides: list[dict[str, str]]) -> None:
        project = backend("codebuild", self._region).codebuild_projects[metadata["projectName"]]
        given = project.project_metadata
        metadata |= {
            "source": given["source"],
            "environment": given["environment"],
            "timeoutInMinutes": given.get("timeoutInMinutes") or _TIMEOUT_MINUTES,
            "serviceRole": given["serviceRole"],
        }
        if given["environment"].get("privilegedMode"):
            # Docker within a build is not here; ``scripts.embedded.images`` has pushed what it would have built.
            _enter(metadata, "COMPLETED")
            metadata |= {"buildComplete": True, "endTime": _now(), "buildStatus": "SUCCEEDED"}
            return
        running = RunningBuild(metadata)
        self._running[metadata["id"]] = running
        variables = [*given["environment"].get("environmentVariables", []), *overrides]
        Thread(target=self._run, args=(running, given, variables), daemon=True).start()

    def _run(self, running: RunningBuild, project: Mapping[str, Any], variables: list[dict[str, str]]) -> None:
        log = BuildLog(running.metadata, project, self._region)
        try:
            with tempfile.TemporaryDirectory(prefix="prequel-build-") as scratch:
                status = self._build(running, project, variables, Path(scratch), log)
        except (ClientError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            log.write(f"[Container] {error}")
            status = "FAILED"
        _enter(running.metadata, "COMPLETED", status)
        running.metadata |= {"buildComplete": True, "endTime": _now(), "buildStatus": status}
        del self._running[running.metadata["id"]]

    def _build(
        self,
        running: RunningBuild,
        project: Mapping[str, Any],
        variables: list[dict[str, str]],
        scratch: Path,
        log: "BuildLog",
    ) -> str:
        metadata, source = running.metadata, scratch / "src"
        home = scratch / "home"
        home.mkdir()
        source.mkdir()
        _enter(metadata, "DOWNLOAD_SOURCE")
        session = self._sessions.session(project["serviceRole"], self._region, "build")
        if project["source"]["type"] == "S3":
            bucket, _, key = project["source"]["location"].partition("/")
            body = session.client("s3", endpoint_url=self._sessions.endpoint).get_object(Bucket=bucket, Key=key)["Body"]
            with zipfile.ZipFile(io.BytesIO(body.read())) as archive:
                archive.extractall(source)
        text = project["source"].get("buildspec") or (source / "buildspec.json").read_text()
        spec = json.loads(text)  # YAML is a superset; what Terraform's jsonencode gives is enough here
        environment = self._environment(metadata, project, {**_plain(spec), **_values(variables)}, home, source)
        process = subprocess.Popen(
            ["bash", "-c", _script(spec)],
            cwd=source,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        seconds = 60 * int(metadata["timeoutInMinutes"])
        watching = Thread(target=_end_when_told, args=(process, running.stopped, seconds), daemon=True)
        watching.start()
        assert process.stdout is not None  # noqa: S101  (it is a pipe)
        for line in process.stdout:
            if line.startswith(_MARK):
                _enter(metadata, line.removeprefix(_MARK).strip())
                log.write(f"[Container] Entering phase {metadata['currentPhase']}")
            else:
                log.write(line.rstrip("\n"))
        code = process.wait()
        watching.join()
        if running.stopped.is_set():
            return "STOPPED"
        return "SUCCEEDED" if code == 0 else ("TIMED_OUT" if code == -signal.SIGKILL else "FAILED")

    def _environment(
        self,
        metadata: Mapping[str, Any],
        project: Mapping[str, Any],
        given: Mapping[str, str],
        home: Path,
        source: Path,
    ) -> dict[str, str]:
        return {
            **self._clean.variables(home),
            "CODEBUILD_BUILD_ARN": metadata["arn"],
            "CODEBUILD_BUILD_ID": metadata["id"],
            "CODEBUILD_INITIATOR": metadata["initiator"],
            "CODEBUILD_SRC_DIR": str(source),
            **given,
            **self._clean.terraform,
            **self._sessions.environment(project["serviceRole"], self._region, "build"),
        }


class BuildLog:
    """A build's stream in the project's log group, if that exists."""

    def __init__(self, metadata: dict[str, Any], project: Mapping[str, Any], region: str) -> None:
        configured = (project.get("logsConfig") or {}).get("cloudWatchLogs") or {}
        self._logs = backend("logs", region)
        self._group = configured.get("groupName") or f"/aws/codebuild/{metadata['projectName']}"
        prefix = f"{configured['streamName']}/" if configured.get("streamName") else ""
        self._stream = prefix + metadata["id"].partition(":")[2]
        self._exists = self._group in self._logs.groups
        if self._exists:
            self._logs.create_log_stream(self._group, self._stream)
            metadata["logs"] = metadata["logs"] | {"groupName": self._group, "streamName": self._stream}

    def write(self, line: str) -> None:
        """Appends a line."""
        if self._exists and self._group in self._logs.groups and line:
            event = {"timestamp": int(datetime.now(UTC).timestamp() * 1000), "message": line}
            self._logs.put_log_events(self._group, self._stream, [event])


def _script(spec: Mapping[str, Any]) -> str:
    """All phases in one shell, as from version 0.2 on; a command that fails ends it, after ``post_build`` if built
    (https://docs.aws.amazon.com/codebuild/latest/userguide/view-build-details-phases.html)."""
    lines = ["set -o pipefail", "failed=0"]
    for phase in _PHASES:
        commands = (spec.get("phases") or {}).get(phase.lower(), {}).get("commands", [])
        always = phase == "POST_BUILD"
        opening = "true" if always else "[ $failed = 0 ]"
        lines.append(f"if {opening}; then printf '{_MARK}%s\\n' {phase}")
        for command in commands:
            said = shlex.quote(f"[Container] Running command {command}")
            guard = "" if always else "[ $failed = 0 ] && "
            lines.append(f"{guard}{{ echo {said}; {{ {command}\n}} || failed=$?; }}")
        if phase in ("INSTALL", "PRE_BUILD"):
            lines.append("[ $failed = 0 ] || exit $failed")
        lines.append("true; fi")
    return "\n".join([*lines, "exit $failed"])


def _plain(spec: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in ((spec.get("env") or {}).get("variables") or {}).items()}


def _values(variables: list[dict[str, str]]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in variables if one.get("type", "PLAINTEXT") == "PLAINTEXT"}


def _end_when_told(process: "subprocess.Popen[str]", stopped: Event, seconds: float) -> None:
    waited = 0.0
    while process.poll() is None and waited < seconds and not stopped.wait(0.5):
        waited += 0.5
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _enter(metadata: dict[str, Any], phase: str, status: str = "SUCCEEDED") -> None:
    """Ends the current phase with ``status`` and begins ``phase``."""
    for one in metadata["phases"]:
        if "endTime" not in one:
            one |= {"phaseStatus": status, "endTime": _now(), "durationInSeconds": 0}
    metadata["phases"].append({"phaseType": phase, "startTime": _now()})
    metadata["currentPhase"] = phase


def _now() -> str:
    return re.sub(r"\d{3}\+00:00$", "Z", datetime.now(UTC).isoformat())
