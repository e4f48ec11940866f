"""The real Terraform, run in one directory, read through its JSON events."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.errors import InterruptedRunError, TerraformError
from scripts.private_files import private_directory
from scripts.terraform.binary import first_error, terraform_binary
from scripts.terraform.environment import own_environment
from scripts.terraform.interrupts import INTERRUPT_GRACE_SECONDS, forward_interrupts, supervised
from scripts.terraform.plugin_cache import filling
from scripts.terraform.providers import REGISTRY, terraform_environment

Event = dict[str, Any]
"""One line of ``terraform -json``; see
https://developer.hashicorp.com/terraform/internals/machine-readable-ui."""


@dataclass
class TerraformRun:
    """The result of one terraform process: ``outputs`` by name, and every ``diagnostics`` message."""

    exit_code: int = 0
    outputs: dict[str, Any] = field(default_factory=dict)
    diagnostics: list[str] = field(default_factory=list)
    stdout: str = ""


class Terraform:
    """Terraform in ``directory``; ``environment`` is the whole environment of its processes.

    Each method raises ``TerraformError`` with Terraform's own message when it fails, and ``InterruptedRunError`` when
    the user pressed ctrl-C: Terraform is then interrupted once, has ``grace_seconds`` to finish what it began and to
    write its state, and is killed after them; a second ctrl-C kills it at once.

    ``inherited`` descriptors stay open in terraform and its provider; ``on_start`` gets each process group's id;
    a process that takes longer than ``timeout_seconds`` is interrupted in the same way, and counts as failed.
    """

    def __init__(
        self,
        directory: Path,
        environment: Mapping[str, str] | None = None,
        *,
        inherited: tuple[int, ...] = (),
        on_start: Callable[[int], None] | None = None,
        timeout_seconds: float | None = None,
        grace_seconds: float = INTERRUPT_GRACE_SECONDS,
    ) -> None:
        self.directory = directory
        self._environment = terraform_environment(
            own_environment(environment if environment is not None else os.environ)
        )
        self._inherited = inherited
        self._on_start = on_start
        self._timeout_seconds = timeout_seconds
        self._grace_seconds = grace_seconds

    def init(self, *arguments: str) -> None:
        """Prepares the directory; ``arguments`` such as ``-backend=false`` are passed on."""
        with filling(self._environment) as lock:
            self._run("init", "-no-color", *arguments, json_events=False, inherited=lock)

    def validate(self) -> None:
        """Checks the configuration."""
        document = json.loads(self._run("validate", "-json", json_events=False, check=False).stdout)
        if not document["valid"]:
            messages = [_one_line(d) for d in document["diagnostics"] if d["severity"] == "error"]
            raise TerraformError(f"terraform validate: {messages[0]}", tuple(messages))

    def apply(
        self,
        *arguments: str,
        on_event: Callable[[Event], None] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Applies without asking and returns the outputs by name; ``variables`` go by the environment, as TF_VAR_."""
        return self._run("apply", "-json", "-auto-approve", *arguments, on_event=on_event, variables=variables).outputs

    def destroy(self, *arguments: str, on_event: Callable[[Event], None] | None = None) -> None:
        """Destroys without asking."""
        self._run("apply", "-destroy", "-json", "-auto-approve", *arguments, on_event=on_event)

    def unformatted(self) -> list[str]:
        """The files that ``terraform fmt`` would change; raises ``TerraformError`` for what it cannot read."""
        run = self._run("fmt", "-check", "-list=true", "-no-color", json_events=False, check=False)
        # 3 says that a file differs (https://developer.hashicorp.com/terraform/cli/commands/fmt).
        if run.exit_code not in (0, 3):
            raise TerraformError(f"terraform fmt: {first_error(run.stdout)}")
        return run.stdout.split()

    def tested_plan(self) -> dict[str, Any]:
        """The plan that the directory's one ``*.tftest.hcl`` makes, as ``changes`` reads it."""
        plans: list[dict[str, Any]] = []

        def keep(event: Event) -> None:
            if event.get("type") == "test_plan":
                plans.append(event["test_plan"])

        self._run("test", "-json", "-verbose", on_event=keep)
        return plans[-1]

    def versions(self) -> tuple[str, str]:
        """Of Terraform, and of the AWS provider that ``init`` chose; empty before it did."""
        document = json.loads(self._run("version", "-json", json_events=False).stdout)
        return document["terraform_version"], document["provider_selections"].get(f"{REGISTRY}/hashicorp/aws", "")

    def forget(self, *addresses: str) -> None:
        """Takes resources out of the state, without touching them."""
        self._run("state", "rm", *addresses, json_events=False)

    def changes(self, *arguments: str, variables: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        """The resource changes that a plan would make, without the no-ops; empty means none.

        Shape: https://developer.hashicorp.com/terraform/internals/json-format#change-representation
        """
        with private_directory("plan") as scratch:
            plan = Path(scratch) / "plan"
            self._run("plan", "-json", f"-out={plan}", *arguments, variables=variables)
            document = json.loads(self._run("show", "-json", str(plan), json_events=False).stdout)
        return [c for c in document.get("resource_changes", []) if c["change"]["actions"] not in (["no-op"], ["read"])]

    def _run(
        self,
        *arguments: str,
        json_events: bool = True,
        check: bool = True,
        on_event: Callable[[Event], None] | None = None,
        variables: Mapping[str, str] | None = None,
        inherited: tuple[int, ...] = (),
    ) -> TerraformRun:
        given = {f"TF_VAR_{name}": value for name, value in (variables or {}).items()}
        run = TerraformRun()
        lines: list[str] = []
        binary = terraform_binary()
        environment = self._environment | given
        if not json_events:  # its output is read whole, without what is logged
            environment = {name: value for name, value in environment.items() if not name.startswith("TF_LOG")}
        with forward_interrupts() as interrupted:
            process = subprocess.Popen(
                [binary, *arguments],
                cwd=self.directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                # Ctrl-C reaches this process alone, which passes it on once (see SupervisedProcess).
                start_new_session=True,
                pass_fds=self._inherited + inherited,
            )
            with supervised(process, interrupted, self._timeout_seconds, self._grace_seconds) as supervisor:
                if self._on_start is not None:
                    self._on_start(process.pid)
                assert process.stdout is not None  # noqa: S101  (it is a pipe)
                for line in process.stdout:
                    lines.append(line)
                    if json_events:
                        self._read_event(line, run, on_event)
                run.exit_code = process.wait()
            stopped = interrupted()
        run.stdout = "".join(lines)
        if run.exit_code < 0:
            # Killed: its provider may still be at work, and nobody would know what it does.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        if stopped:
            raise InterruptedRunError(f"terraform {arguments[0]} was interrupted")
        if supervisor.timed_out:
            how = "killed" if run.exit_code < 0 else "interrupted"
            raise TerraformError(f"terraform {arguments[0]}: not done after {self._timeout_seconds:.0f} s, {how}")
        if check and run.exit_code != 0:
            messages = run.diagnostics or [first_error(run.stdout)]
            raise TerraformError(f"terraform {arguments[0]}: {messages[0]}", tuple(messages))
        return run

    @staticmethod
    def _read_event(line: str, run: TerraformRun, on_event: Callable[[Event], None] | None) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            return
        if event.get("type") == "outputs":
            run.outputs = {name: output.get("value") for name, output in event["outputs"].items()}
        elif event.get("type") == "diagnostic" and event["diagnostic"]["severity"] == "error":
            run.diagnostics.append(_one_line(event["diagnostic"]))
        if on_event is not None:
            on_event(event)


def _one_line(diagnostic: Mapping[str, Any]) -> str:
    text = f"{diagnostic.get('summary', '')}: {diagnostic.get('detail', '')}".rstrip(": ")
    return " ".join(text.split())
