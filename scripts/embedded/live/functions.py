"""Lambda: a function's archive runs in a process of its own, under its role's credentials."""

import base64
import io
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from moto.awslambda.models import LambdaFunction

from scripts.embedded.checks.backends import backend
from scripts.embedded.live.clean_environment import CleanEnvironment
from scripts.embedded.live.role_sessions import RoleSessions

# What Lambda's own runtime does with a handler, its event and its context.
_RUNTIME = """
import importlib, json, sys, types
handler, result, request, name = sys.argv[1:5]
module, _, function = handler.rpartition(".")
context = types.SimpleNamespace(
    aws_request_id=request, function_name=name, get_remaining_time_in_millis=lambda: 60000
)
answer = getattr(importlib.import_module(module.replace("/", ".")), function)(json.load(sys.stdin), context)
with open(result, "w") as file:
    json.dump(answer, file)
"""


@dataclass(frozen=True)
class Invocation:
    """How one call of a function ended; ``payload`` is JSON, and an error's when ``failed``."""

    payload: str
    failed: bool
    log: str


class Functions:
    """Runs the functions of one region's Lambda."""

    def __init__(self, sessions: RoleSessions, region: str, clean: CleanEnvironment) -> None:
        self._sessions = sessions
        self._region = region
        self._clean = clean

    def find(self, arn: str) -> Any:
        """moto's function of that ARN, or None."""
        functions = backend("lambda", self._region).list_functions()
        return next((one for one in functions if arn.startswith(one.function_arn)), None)

    def invoke(self, function: Any, event: Any) -> Invocation:
        """Calls it, waits for the end or its timeout, and writes its log."""
        request = str(uuid4())
        with tempfile.TemporaryDirectory(prefix="prequel-function-") as scratch:
            code, result = Path(scratch) / "code", Path(scratch) / "result.json"
            with zipfile.ZipFile(io.BytesIO(function.code_bytes)) as archive:
                archive.extractall(code)
            environment = self._clean.variables(Path(scratch), code) | {
                "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
                "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.run_time}",
            }
            environment |= self._sessions.environment(function.role, self._region, function.function_name)
            environment |= function.environment_vars
            started = time.monotonic()
            try:
                done = subprocess.run(
                    [sys.executable, "-c", _RUNTIME, function.handler, str(result), request, function.function_name],
                    input=json.dumps(event),
                    capture_output=True,
                    text=True,
                    cwd=code,
                    env=environment,
                    timeout=int(function.timeout),
                    check=False,
                )
                output, code_of_exit = done.stdout + done.stderr, done.returncode
            except subprocess.TimeoutExpired:
                output, code_of_exit = f"{request} Task timed out after {function.timeout}.00 seconds\n", 1
            if code_of_exit == 0:
                ended = Invocation(result.read_text(), failed=False, log=output)
            else:
                last = (output.strip().splitlines() or ["no output"])[-1]
                ended = Invocation(json.dumps({"errorMessage": last}), failed=True, log=output)
        milliseconds = (time.monotonic() - started) * 1000
        self._write_log(function, request, output, milliseconds)
        return ended

    def answer_invoke(self) -> None:
        """Makes the Invoke call run functions so, where moto would look for Docker."""
        functions = self

        def invoke(function: Any, body: str, request_headers: Any, response_headers: Any) -> Any:
            done = functions.invoke(function, json.loads(body) if body else {})
            if done.failed:
                response_headers["x-amz-function-error"] = "Unhandled"
            if request_headers.get("x-amz-invocation-type", "RequestResponse") != "RequestResponse":
                return done.payload
            response_headers["x-amz-log-result"] = base64.b64encode(done.log.encode()[-4096:]).decode()
            return done.payload.encode()

        function_class: Any = LambdaFunction
        function_class.invoke = invoke

    def _write_log(self, function: Any, request: str, output: str, milliseconds: float) -> None:
        logs, group = backend("logs", self._region), f"/aws/lambda/{function.function_name}"
        if group not in logs.groups:
            return
        now = datetime.now(UTC)
        stream = f"{now:%Y/%m/%d}/[$LATEST]{request.replace('-', '')}"
        lines = [
            f"START RequestId: {request} Version: $LATEST",
            *output.splitlines(),
            f"END RequestId: {request}",
            f"REPORT RequestId: {request}\tDuration: {milliseconds:.2f} ms",
        ]
        logs.create_log_stream(group, stream)
        moment = int(now.timestamp() * 1000)
        logs.put_log_events(group, stream, [{"timestamp": moment, "message": line} for line in lines])
