"""The real Terraform, run in one directory, heard through its JSON events."""

import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from scripts.errors import InterruptedRunError, MissingToolError, TerraformError

MINIMUM_VERSION = (1, 11)
"""Write-only arguments and S3-native locking, https://developer.hashicorp.com/terraform/language/upgrade-guides."""

TESTED_PROVIDER = "5.100.0"
"""The AWS provider that our tests run, and with a registry every embedded AWS; docs/decisions/0090-one-provider.md."""

TESTED_PROVIDER_VARIABLE = "PREQUEL_TESTED_PROVIDER"
"""An environment variable: with any value, a provider from the registry is ``TESTED_PROVIDER``."""

PROVIDER_FILE = "prequel_provider_override.tf"
"""Terraform merges it over main.tf (https://developer.hashicorp.com/terraform/language/files/override)."""

_PROVIDER_PATH = Path("registry.terraform.io", "hashicorp", "aws")
_REGISTRY = "registry.terraform.io"
INTERRUPT_GRACE_SECONDS = 120.0
"""What terraform is given to finish what it began and to write its state, before it is killed."""

_WATCH_SECONDS = 0.2

Event = dict[str, Any]
"""One line of ``terraform -json``; see
https://developer.hashicorp.com/terraform/internals/machine-readable-ui."""


@cache
def terraform_binary() -> str:
    """The path of terraform; raises ``MissingToolError`` when there is none or it is older than 1.11."""
    binary = shutil.which("terraform")
    wanted = ".".join(map(str, MINIMUM_VERSION))
    how = "install it from https://developer.hashicorp.com/terraform/install"
    if binary is None:
        raise MissingToolError(f"terraform is not on PATH; {how} ({wanted} or later)")
    text = subprocess.run(
        [binary, "version"], capture_output=True, text=True, check=False, env=_quiet(os.environ)
    ).stdout
    found = re.search(r"Terraform v(\d+)\.(\d+)", text)
    if found is None or (int(found[1]), int(found[2])) < MINIMUM_VERSION:
        raise MissingToolError(
            f"{binary} is {found[0] if found else 'no Terraform'}, expected {wanted} or later; {how}"
        )
    return binary


def provider_mirror(environment: Mapping[str, str]) -> Path | None:
    """A local mirror that holds the AWS provider, or ``None`` when the registry is to be used.

    ``PREQUEL_TF_MIRROR`` wins; else Terraform's implied mirror directories
    (https://developer.hashicorp.com/terraform/cli/config/config-file#implied-local-mirror-directories) and what lies
    under ``/opt`` are searched, but only when the registry cannot be reached. Raises ``MissingToolError`` when
    ``PREQUEL_TF_MIRROR`` holds no AWS provider.
    """
    named = environment.get("PREQUEL_TF_MIRROR")
    if named:
        if not (Path(named) / _PROVIDER_PATH).is_dir():
            raise MissingToolError(f"PREQUEL_TF_MIRROR is {named}, expected a directory that holds {_PROVIDER_PATH}")
        return Path(named)
    if _registry_answers():
        return None
    home = Path(environment.get("HOME", "/nonexistent"))
    data = Path(environment.get("XDG_DATA_HOME") or home / ".local/share")
    implied = [home / ".terraform.d/plugins", data / "terraform/plugins"]
    shared = [Path("/usr/local/share/terraform/plugins"), Path("/usr/share/terraform/plugins")]
    others = sorted(Path("/opt").glob("*")) if Path("/opt").is_dir() else []
    return next((path for path in (*implied, *shared, *others) if (path / _PROVIDER_PATH).is_dir()), None)


def terraform_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment``, made fit for unattended runs that find the provider with or without a registry."""
    prepared = _quiet(environment)
    configured = Path(environment.get("TF_CLI_CONFIG_FILE") or Path(environment.get("HOME", "/")) / ".terraformrc")
    if configured.exists() and not environment.get("PREQUEL_TF_MIRROR"):
        return prepared
    mirror = provider_mirror(environment)
    if mirror is None and environment.get(TESTED_PROVIDER_VARIABLE):
        mirror = tested_provider()
    prepared["TF_CLI_CONFIG_FILE"] = str(_cli_config(mirror))
    return prepared


def _quiet(environment: Mapping[str, str]) -> dict[str, str]:
    quiet = dict(environment) | {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}
    configured = quiet.get("TF_CLI_CONFIG_FILE")
    if configured and not Path(configured).exists():
        del quiet["TF_CLI_CONFIG_FILE"]
    return quiet


@cache
def _registry_answers() -> bool:
    try:
        with socket.create_connection((_REGISTRY, 443), timeout=2):
            return True
    except OSError:
        return False


@cache
def tested_provider() -> Path:
    """A mirror that holds ``TESTED_PROVIDER`` alone, downloaded when it is first asked for.

    Raises ``TerraformError`` when it cannot be had.
    """
    mirror = _cache_home() / f"aws-provider-{TESTED_PROVIDER}"
    environment = {name: value for name, value in os.environ.items() if name != TESTED_PROVIDER_VARIABLE}
    with _alone(mirror), tempfile.TemporaryDirectory(dir=_cache_home()) as scratch:
        if not mirror.is_dir():
            # Terraform's cache has a mirror's layout.
            cache = Path(scratch, "mirror")
            cache.mkdir()
            terraform = Terraform(Path(scratch), environment | {"TF_PLUGIN_CACHE_DIR": str(cache)})
            terraform.pin_provider(TESTED_PROVIDER)
            terraform.init()
            cache.rename(mirror)
    return mirror


@cache
def _cli_config(mirror: Path | None) -> Path:
    """A Terraform CLI configuration for ``mirror``, or for the registry with a plugin cache for all workspaces."""
    if mirror is None:
        plugins = _plugin_cache()
        plugins.mkdir(parents=True, exist_ok=True)
        text = f'plugin_cache_dir = "{plugins}"\nplugin_cache_may_break_dependency_lock_file = true\n'
    else:
        text = f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n'
    # Named after its content, so that no run changes it under another.
    name = hashlib.sha256(text.encode()).hexdigest()[:12]
    path = _cache_home() / f"terraform-{name}.tfrc"
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=_cache_home(), delete=False) as draft:
            draft.write(text)
        Path(draft.name).replace(path)
    return path


def _cache_home() -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "prequel"
    home.mkdir(parents=True, exist_ok=True)
    return home


def _plugin_cache() -> Path:
    return _cache_home() / "terraform-plugins"


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """While open, no other process of ours fills ``directory``: Terraform's plugin cache is not made for two
    (https://github.com/hashicorp/terraform/issues/31964).
    """
    with (directory.parent / f"{directory.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@dataclass
class Run:
    """What one terraform process said: ``outputs`` by name, every ``diagnostics`` message, and its exit code."""

    exit_code: int = 0
    outputs: dict[str, Any] = field(default_factory=dict)
    diagnostics: list[str] = field(default_factory=list)
    stdout: str = ""


class Terraform:
    """Terraform in ``directory``; ``environment`` is the whole environment of its processes.

    Each method raises ``TerraformError`` with Terraform's own message when it fails, and ``InterruptedRunError`` when
    the user pressed ctrl-C: Terraform is then told once, has ``grace_seconds`` to finish what it began and to write its
    state, and is killed after them; a second ctrl-C kills it at once.

    ``inherited`` descriptors stay open in terraform and its provider; ``on_start`` hears each process group's id;
    a process that takes longer than ``timeout_seconds`` is told to end in the same way, and counts as failed.
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
        self._environment = terraform_environment(environment if environment is not None else os.environ)
        self._inherited = inherited
        self._on_start = on_start
        self._timeout_seconds = timeout_seconds
        self._grace_seconds = grace_seconds

    def init(self, *arguments: str) -> None:
        """Prepares the directory; ``arguments`` such as ``-backend=false`` are passed on."""
        cached = self._environment.get("TF_CLI_CONFIG_FILE") == str(_cli_config(None))
        with _alone(_plugin_cache()) if cached else nullcontext():
            self._run("init", "-no-color", *arguments, json_events=False)

    def pin_provider(self, version: str) -> None:
        """Makes ``init`` choose exactly this version of the AWS provider, whatever the range of the configuration."""
        (self.directory / PROVIDER_FILE).write_text(f"""\
terraform {{
  required_providers {{
    aws = {{
      source  = "hashicorp/aws"
      version = "{version}"
    }}
  }}
}}
""")

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
        """Applies without asking and returns the outputs by name, read from the event stream.

        ``variables`` travel in the environment (``TF_VAR_``), never in the process's arguments.
        """
        run = self._run("apply", "-json", "-auto-approve", *arguments, on_event=on_event, variables=variables)
        return run.outputs

    def destroy(self, *arguments: str, on_event: Callable[[Event], None] | None = None) -> None:
        """Destroys without asking."""
        self._run("apply", "-destroy", "-json", "-auto-approve", *arguments, on_event=on_event)

    def unformatted(self) -> list[str]:
        """The files that ``terraform fmt`` would change; raises ``TerraformError`` for what it cannot read."""
        run = self._run("fmt", "-check", "-list=true", "-no-color", json_events=False, check=False)
        # 3 says that a file differs (https://developer.hashicorp.com/terraform/cli/commands/fmt).
        if run.exit_code not in (0, 3):
            raise TerraformError(f"terraform fmt: {_first_error(run.stdout)}")
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
        return document["terraform_version"], document["provider_selections"].get(f"{_REGISTRY}/hashicorp/aws", "")

    def forget(self, *addresses: str) -> None:
        """Takes resources out of the state, without touching them."""
        self._run("state", "rm", *addresses, json_events=False)

    def changes(self, *arguments: str, variables: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        """The resource changes that a plan would make, without the no-ops; empty means none.

        Shape: https://developer.hashicorp.com/terraform/internals/json-format#change-representation
        """
        with tempfile.TemporaryDirectory() as scratch:
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
    ) -> Run:
        given = {f"TF_VAR_{name}": value for name, value in (variables or {}).items()}
        run = Run()
        lines: list[str] = []
        binary = terraform_binary()
        with heeding_interrupts() as interrupted:
            process = subprocess.Popen(
                [binary, *arguments],
                cwd=self.directory,
                env=self._environment | given,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                # ctrl-C reaches this process alone, which passes it on once (see _Watched).
                start_new_session=True,
                pass_fds=self._inherited,
            )
            with _watched(process, interrupted, self._timeout_seconds, self._grace_seconds) as watched:
                if self._on_start is not None:
                    self._on_start(process.pid)
                assert process.stdout is not None  # noqa: S101  (it is a pipe)
                for line in process.stdout:
                    lines.append(line)
                    if json_events:
                        self._hear(line, run, on_event)
                run.exit_code = process.wait()
            stopped = interrupted()
        run.stdout = "".join(lines)
        if run.exit_code < 0:
            # Killed: its provider may still be at work, and nobody would know what it does.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        if stopped:
            raise InterruptedRunError(f"terraform {arguments[0]} was interrupted")
        if watched.late:
            how = "killed" if run.exit_code < 0 else "interrupted"
            raise TerraformError(f"terraform {arguments[0]}: not done after {self._timeout_seconds:.0f} s, {how}")
        if check and run.exit_code != 0:
            messages = run.diagnostics or [_first_error(run.stdout)]
            raise TerraformError(f"terraform {arguments[0]}: {messages[0]}", tuple(messages))
        return run

    @staticmethod
    def _hear(line: str, run: Run, on_event: Callable[[Event], None] | None) -> None:
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


class _Watched:
    """A running terraform that is told to end once, and is killed with its provider when the grace is over."""

    def __init__(self, process: subprocess.Popen[str], timeout_seconds: float | None, grace_seconds: float) -> None:
        self._process = process
        self._grace_seconds = grace_seconds
        self._due = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        self._telling = threading.Lock()
        self._ended = threading.Event()
        self._interrupts = 0
        self.late = False

    def tell(self) -> None:
        """Sends SIGINT, the first time only: terraform takes a second one for the order to end at once."""
        # Never released. A signal handler must not wait for a lock, and this takes it without waiting.
        if self._telling.acquire(blocking=False):
            self._due = time.monotonic() + self._grace_seconds
            self._process.send_signal(signal.SIGINT)

    def interrupt(self) -> None:
        """Passes on a ctrl-C: tells it, and from its second one on kills it."""
        self._interrupts += 1
        if self._interrupts == 1:
            self.tell()
        else:
            self.kill()

    def kill(self) -> None:
        """Ends its process group, which holds the provider too."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def watch(self) -> None:
        """Tells it when its time is over, and kills it when the grace is, until ``end``."""
        while not self._ended.wait(_WATCH_SECONDS):
            if self._due is None or time.monotonic() < self._due:
                continue
            if self._telling.locked():
                self.kill()
            else:
                self.late = True
                self.tell()

    def end(self) -> None:
        """Waits until it has ended, told if it has to be."""
        if self._process.poll() is None:
            self.tell()
            self._process.wait()
        self._ended.set()


class _Interrupts:
    """The terraform processes that are running now, and the signals received meanwhile."""

    def __init__(self) -> None:
        self.running: set[_Watched] = set()
        self.received = 0
        self.heeded = False

    def receive(self, *_: object) -> None:
        """Passes a signal on: a process's first as SIGINT, from its second on as SIGKILL.

        So the second one kills what was told before, and only tells a clean-up that has begun since.
        """
        self.received += 1
        for watched in list(self.running):
            watched.interrupt()


_interrupts = _Interrupts()


def interrupted() -> bool:
    """Whether a signal came to the ``heeding_interrupts`` that is open now, for threads that wait for something."""
    return _interrupts.heeded and _interrupts.received > 0


@contextmanager
def heeding_interrupts() -> Iterator[Callable[[], bool]]:
    """While open, SIGINT and SIGTERM go to every terraform that this process runs, in whatever thread.

    Only for the main thread, which alone receives signals; elsewhere, and inside another one, it does nothing. Gives a
    function that tells whether a signal came.
    """
    before = _interrupts.received
    if _interrupts.heeded or threading.current_thread() is not threading.main_thread():
        yield lambda: _interrupts.received > before
        return
    _interrupts.received, before, _interrupts.heeded = 0, 0, True
    previous = {number: signal.signal(number, _interrupts.receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: _interrupts.received > 0
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        _interrupts.heeded = False


@contextmanager
def _watched(
    process: subprocess.Popen[str],
    interrupted: Callable[[], bool],
    timeout_seconds: float | None,
    grace_seconds: float,
) -> Iterator[_Watched]:
    """While open, signals go to ``process``, which outlives neither the block nor its time."""
    watched = _Watched(process, timeout_seconds, grace_seconds)
    threading.Thread(target=watched.watch, daemon=True).start()
    _interrupts.running.add(watched)
    try:
        if interrupted():
            watched.tell()  # the signal came while it was being started
        yield watched
    finally:
        watched.end()
        _interrupts.running.discard(watched)


def _one_line(diagnostic: Mapping[str, Any]) -> str:
    text = f"{diagnostic.get('summary', '')}: {diagnostic.get('detail', '')}".rstrip(": ")
    return " ".join(text.split())


def _first_error(output: str) -> str:
    """The first error of Terraform's human output, on one line."""
    plain = re.sub(r"\x1b\[[0-9;]*m|[╷│╵]", "", output)
    found = re.search(r"Error: (.+)", plain, re.DOTALL)
    return " ".join((found[1] if found else plain).split())[:500]
