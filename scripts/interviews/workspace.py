"""One interview's Terraform directory on this machine: filled from its release, private, and gone afterwards."""

import json
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from contract.names import LISTENER_PRIORITY_BASE, SHARED_VALUES_FILE, TEMPLATE_FILES, workspace_key
from scripts.errors import AlteredReleaseError, PrequelError, RefusedError, TerraformError, reason
from scripts.interviews.context import Context
from scripts.interviews.inventory import Inventory
from scripts.interviews.records import LONGEST_RUN, Intent, timestamp
from scripts.interviews.run_lock import RunLock
from scripts.interviews.state import (
    clear_own_state_lock,
    clear_stale_state_lock,
    state_addresses,
)
from scripts.interviews.store import LOG_FILE
from scripts.private_files import lock_of, private_directory
from scripts.releases.release import ReleaseManifest, render_main
from scripts.shared_stack.values import check_deployment
from scripts.terraform.process import Event, Terraform
from scripts.terraform.providers import pin_provider

LONGEST_LOG = 20_000
"""Bytes of log kept in the workspace, which may hold 50 kB in all."""

_Result = TypeVar("_Result")

ADOPTION_FILE = "prequel_adoption.tf"


def hcl_string(text: str) -> str:
    """``text`` as an HCL string literal (https://developer.hashicorp.com/terraform/language/expressions/strings)."""
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    characters = (escapes.get(c) or (f"\\u{ord(c):04x}" if unicodedata.category(c) == "Cc" else c) for c in text)
    return '"' + "".join(characters).replace("${", "$${").replace("%{", "%%{") + '"'


def render_tfvars(intent: Intent, region: str) -> str:
    """``terraform.tfvars``: all that the template takes of an interview, and never a secret."""
    values: dict[str, str | int] = {
        "interview_id": intent.id,
        "candidate_name": intent.inputs.candidate_name,
        "challenge": intent.inputs.challenge,
        "aws_region": region,
        "listener_priority": 0 if intent.slot is None else LISTENER_PRIORITY_BASE + intent.slot,
        "expires_at": timestamp(intent.expires_at),
        "image_tag": intent.inputs.image_tag,
        "release_digest": intent.release_digest,
        **intent.inputs.size,
    }
    width = max(map(len, values))
    lines = [f"{k:<{width}} = {v if isinstance(v, int) else hcl_string(v)}" for k, v in values.items()]
    return "\n".join(lines) + "\n"


class Workspace:
    """The directory, its files, and terraform in it. ``values`` are the release's shared values."""

    def __init__(self, context: Context, directory: Path, manifest: ReleaseManifest | None) -> None:
        self._context = context
        self.directory = directory
        self._manifest = manifest
        self._log: list[str] = []
        self._started: dict[str, float] = {}
        self._secrets: list[str] = []
        self._initialized = False

    @property
    def manifest(self) -> ReleaseManifest:
        """The release's manifest; raises ``AlteredReleaseError`` when the release could not be read."""
        if self._manifest is None:
            raise AlteredReleaseError(f"{self.directory} holds a copy of templates whose release cannot be read")
        return self._manifest

    @cached_property
    def values(self) -> dict[str, Any]:
        """The shared values by name."""
        values: dict[str, Any] = json.loads((self.directory / SHARED_VALUES_FILE).read_text())
        return values

    @cached_property
    def extracts_archives(self) -> bool:
        """Whether the release delivers a challenge with `prequel-load`; those of version 0.2 copy plain files."""
        return 'variable "task_cpu"' in (self.directory / "variables.tf").read_text()

    def render(self, intent: Intent) -> None:
        """Makes the release this interview's own."""
        main = self.directory / "main.tf"
        main.write_text(render_main(main.read_text(), self._context.bucket, intent.id, self._context.aws.region))
        self.render_inputs(intent)

    def render_inputs(self, intent: Intent) -> None:
        """Writes ``terraform.tfvars``."""
        (self.directory / "terraform.tfvars").write_text(render_tfvars(intent, self._context.aws.region))

    def upload(self, interview_id: str) -> None:
        """Keeps the files in the bucket, so that any client can go on with the interview."""
        names = (*TEMPLATE_FILES, SHARED_VALUES_FILE, "terraform.tfvars")
        files = {workspace_key(interview_id, name): (self.directory / name).read_bytes() for name in names}
        self._context.objects.write_all(files)

    def init(self, run: RunLock | None = None) -> None:
        """Runs `terraform init`, once, with the provider that the release was rehearsed with, if it was."""
        if not self._initialized:
            terraform = self._terraform(run)
            if self._manifest and self._manifest.rehearsal.provider_version:
                pin_provider(self.directory, self._manifest.rehearsal.provider_version)
            terraform.init()
            self._initialized = True

    def apply(self, run: RunLock, password: str, *arguments: str, opened: bool = True) -> dict[str, Any]:
        """Creates or completes the interview and returns its outputs; with ``opened`` requests reach the editor."""
        self._secrets.append(password)
        report = partial(self._report, run.intent.id)

        def work(terraform: Terraform) -> dict[str, Any]:
            variables = {"password": password, "opened": str(opened).lower()}
            return terraform.apply(*arguments, on_event=report, variables=variables)

        return self._change(run, work, share=0.5)  # the other half is for taking back what this began

    def destroy(self, run: RunLock) -> None:
        """Destroys what the state holds."""
        report = partial(self._report, run.intent.id)
        self._change(run, lambda terraform: terraform.destroy(on_event=report))

    def changes(self) -> list[dict[str, Any]]:
        """What a plan would change, read-only: without a lock, so that it disturbs nobody."""
        self.init()
        return self._terraform(None).changes("-lock=false")

    def reconcile(self, run: RunLock, found: Inventory) -> dict[str, str]:
        """Makes the next apply know what AWS said exists, and nothing that it said is gone.

        What the state lost is declared for import, and returned as id by address. What is gone is taken out of the
        state: the provider would wait two minutes for a deleted service to come back.
        """
        known = state_addresses(self._context, run.intent.id)
        gone = sorted(known & {item.address for item in found.items if item.gone})
        lost = {address: identity for address, identity in found.live.items() if address not in known}
        if gone:
            self._change(run, lambda terraform: terraform.forget(*gone))
        if lost:
            blocks = [
                f"import {{\n  to = {address}\n  id = {hcl_string(found)}\n}}\n" for address, found in lost.items()
            ]
            (self.directory / ADOPTION_FILE).write_text("\n".join(blocks))
        if gone or lost:
            self._context.console.event("reconciled", interview=run.intent.id, adopted=sorted(lost), forgotten=gone)
        return lost

    def adopted(self) -> bool:
        """Takes the imports away again, if any; Terraform does not accept them for what is already in its state."""
        adoption = self.directory / ADOPTION_FILE
        found = adoption.exists()
        adoption.unlink(missing_ok=True)
        return found

    @property
    def log(self) -> str:
        """What the last runs said, redacted and bounded."""
        text = "\n".join(self._log)
        for secret in filter(None, self._secrets):
            text = text.replace(secret, "(redacted)")
        return text.encode()[-LONGEST_LOG:].decode(errors="ignore")

    def _change(self, run: RunLock, work: Callable[[Terraform], _Result], *, share: float = 1.0) -> _Result:
        """Runs ``work``, which may change the held interview's state; failing to keep the log is no failure."""
        self.init(run)
        clear_stale_state_lock(self._context, run)
        began = datetime.now(UTC)
        try:
            try:
                return work(self._terraform(run, share=share))
            except TerraformError as error:
                if "state lock" not in str(error) or not clear_own_state_lock(self._context, run, began):
                    raise
            return work(self._terraform(run, share=share))
        finally:
            if self._log:
                self._save_log(run.intent.id)

    def _save_log(self, interview_id: str) -> None:
        try:
            self._context.objects.write(workspace_key(interview_id, LOG_FILE), (self.log + "\n").encode())
        except (PrequelError, OSError) as error:
            self._context.console.warn(f"the log is not kept: {reason(error)}")

    def _terraform(self, run: RunLock | None, *, share: float = 1.0) -> Terraform:
        # Without Terraform's debug logs, which hold whole requests, the one with the password included.
        environment = {k: value for k, value in self._context.environment.items() if not k.startswith("TF_LOG")}
        return Terraform(
            self.directory,
            # Terraform and its provider collect garbage most of the time: this saves a third of a create's CPU time
            # for some 150 MB more memory (measured; the caller's own GOGC wins).
            {"GOGC": "400"} | environment,
            inherited=(*((run.files.terraform_lock,) if run else ()), *lock_of(self.directory)),
            on_start=run.files.note_terraform if run else None,
            timeout_seconds=run.seconds_for_terraform(share) if run else LONGEST_RUN.total_seconds(),
        )

    def _report(self, interview_id: str, event: Event) -> None:
        """Keeps an event of terraform's in the log, and prints what happens to a resource."""
        message = " ".join(str(event.get("@message", "")).split())
        self._log.append(f"{event.get('@timestamp', '')} {message}")
        kind, hook, console = str(event.get("type")), event.get("hook", {}), self._context.console
        address, action = hook.get("resource", {}).get("addr", ""), hook.get("action", "")
        done = _PAST.get(action, "changed")
        fields = {"interview": interview_id, "address": address, "action": action}
        if kind == "apply_start":
            self._started[address] = time.monotonic()
        elif kind == "apply_progress":
            # Every ten seconds while a resource takes its time.
            seconds = hook.get("elapsed_seconds", 0)
            text = f"  … {address} is being {done}, {seconds} s so far"
            console.progress("resource", text, **fields, state="running", seconds=seconds)
        elif kind in {"apply_complete", "apply_errored"}:
            seconds = time.monotonic() - self._started.pop(address, time.monotonic())
            state = "failed" if kind == "apply_errored" else "done"
            console.event("resource", **fields, state=state, seconds=round(seconds, 3))
            if state == "done" and not console.json_lines:
                console.done(f"{done} {address}", seconds)


_PAST = {"create": "created", "update": "updated", "delete": "destroyed", "replace": "replaced"}


@contextmanager
def current_workspace(context: Context) -> Iterator[Workspace]:
    """The current release in a directory, for no interview; raises ``RefusedError`` when no templates are published."""
    pointer = context.current_release()
    with private_directory() as directory:
        yield Workspace(context, directory, context.releases.download(pointer.digest, directory))


def check_here(context: Context, values: Mapping[str, Any]) -> None:
    """Raises ``SharedValuesError`` unless ``values`` are of the account and region that ``context`` asks.

    In another region nothing of an interview would be found, which must not pass for a proof that it is gone.
    """
    check_deployment(values, {"aws_account_id": context.aws.account_id, "aws_region": context.aws.region})


@contextmanager
def workspace_of(context: Context, intent: Intent, *, to_destroy: bool = False) -> Iterator[Workspace]:
    """The workspace of an existing interview, with its pinned release.

    When the release can no longer be read, a destroy uses the copy that the interview's create left in the bucket,
    which nobody can verify: it must not hang on that, and removes what the state holds, whatever the copy says. Raises
    ``AlteredReleaseError`` for anything else, ``RefusedError`` when there is no copy, and as ``check_here`` does.
    """
    with private_directory() as directory:
        manifest = None
        try:
            manifest = context.releases.download(intent.release_digest, directory)
        except PrequelError as error:
            if not to_destroy:
                raise
            _download_copy(context, intent, directory, error)
            context.console.warn(f"{error}; using the interview's own copy of its templates")
            workspace = Workspace(context, directory, None)
            workspace.render_inputs(intent)
        else:
            workspace = Workspace(context, directory, manifest)
            workspace.render(intent)
        check_here(context, workspace.values)
        yield workspace


def _download_copy(context: Context, intent: Intent, directory: Path, reason: PrequelError) -> None:
    for name in (*TEMPLATE_FILES, SHARED_VALUES_FILE):
        found = context.objects.read(workspace_key(intent.id, name))
        if found is None:
            raise RefusedError(
                f"{reason}; and interview {intent.id} has no own copy of {name}: restore the release from the "
                "bucket's versions, or destroy its resources by hand"
            )
        (directory / name).write_bytes(found.body)
