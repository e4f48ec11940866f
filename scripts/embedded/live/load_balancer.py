"""The load balancers: HAProxy, configured from what the API holds, and the API's target health and requests from it."""

import csv
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from moto.elbv2.models import FakeHealthStatus, FakeTargetGroup

from scripts.embedded.checks.backends import backend, target_groups_in_use
from scripts.embedded.live.certificates import write_certificate
from scripts.embedded.live.haproxy_configuration import Exposed, ProxyConfiguration, backend_name, hash_of
from scripts.embedded.live.request_metrics import RequestMetrics
from scripts.engine.attached import attached, end
from scripts.engine.haproxy import haproxy
from scripts.errors import EngineError

_ADDRESS = "127.0.0.1"
_PREFERRED_OFFSET = 8000
"""A listener's port 80 is 8080 here if that is free: browsers and people remember it."""

_REASONS = {"L7STS": "Target.ResponseCodeMismatch", "L7TOUT": "Target.Timeout", "L4TOUT": "Target.Timeout"}
"""HAProxy's check status by Elastic Load Balancing's reason; all others are Target.FailedHealthChecks."""


Health = tuple[str, str | None, str | None]
"""State, reason and description, as DescribeTargetHealth has them."""

REGISTERING: Health = ("initial", "Elb.RegistrationInProgress", "Target registration is in progress")


class LoadBalancers:
    """One HAProxy for the load balancers of one region. Raises ``EngineError`` when there is none on PATH."""

    def __init__(self, region: str) -> None:
        self._program = haproxy()
        self._elb = backend("elbv2", region)
        self._region = region
        self._directory = Path(tempfile.mkdtemp(prefix="prequel-balancer-"))
        self._ports: dict[str, int] = {}
        self._applied = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._health: dict[tuple[str, str], Health] = {}
        self._passed: set[tuple[str, str]] = set()
        self._requests = RequestMetrics(region)
        self._first_seen: dict[tuple[str, str], float] = {}
        self._answer_health()

    def step(self) -> None:
        """Reads the targets' health and requests, and applies what the API holds now."""
        exposed = self._exposed()
        wanted = ProxyConfiguration(exposed, dict(self._elb.target_groups), self._directory).text
        if self._process is not None:
            self._read_statistics()  # before a reload, which resets them
        if exposed and wanted != self._applied:
            self._apply(wanted)

    def listeners(self) -> list[dict[str, Any]]:
        """Where each listener listens on this machine."""
        return [
            {
                "loadBalancer": one.balancer.name,
                "protocol": one.listener.protocol,
                "port": int(one.listener.port),
                "localPort": one.port,
            }
            for one in self._exposed()
        ]

    def stop(self) -> None:
        """Ends HAProxy and removes its files."""
        if self._process is not None:
            end(self._process)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _exposed(self) -> list[Exposed]:
        return [
            Exposed(balancer, listener, _ADDRESS, self._port(listener), self._certificate(listener))
            for balancer in list(self._elb.load_balancers.values())
            for listener in list(balancer.listeners.values())
        ]

    def _port(self, listener: Any) -> int:
        if listener.arn not in self._ports:
            self._ports[listener.arn] = _free_port(int(listener.port) + _PREFERRED_OFFSET)
        return self._ports[listener.arn]

    def _certificate(self, listener: Any) -> Path | None:
        if listener.protocol != "HTTPS":
            return None
        bundle = backend("acm", self._region)._certificates.get(listener.certificate)
        names = sorted({bundle.common_name, *bundle.sans}) if bundle else ["localhost"]
        path = self._directory / f"{hash_of(','.join(names))}.pem"
        if not path.exists():
            write_certificate(path, names)
        return path

    def _apply(self, wanted: str) -> None:
        file = self._directory / "haproxy.cfg"
        file.write_text(wanted)
        self._applied = wanted
        checked = subprocess.run([self._program, "-c", "-f", str(file)], capture_output=True, text=True, check=False)
        if checked.returncode != 0:
            sys.stderr.write(f"haproxy refuses its configuration: {checked.stderr}\n")
            return
        state = self._directory / "state"
        if self._process is not None:
            with suppress(OSError):
                state.write_text(self._ask("stats.sock", "show servers state"))
                # The workers before it end with their last connection, so that nobody's websocket is cut.
                self._ask("master.sock", "reload")
                return
            end(self._process)
        state.touch()
        master = str(self._directory / "master.sock")
        self._process = attached(
            [self._program, "-W", "-S", master, "-f", str(file)], self._directory / "log", directory=self._directory
        )

    def _ask(self, name: str, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(5)
            asking.connect(str(self._directory / name))
            asking.sendall(f"{command}\n".encode())
            asking.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: asking.recv(65536), b"")).decode()

    def _read_statistics(self) -> None:
        try:
            text = self._ask("stats.sock", "show stat")
        except OSError:
            return  # it starts, or reloads
        rows = {(row["# pxname"], row["svname"]): row for row in csv.DictReader(text.splitlines())}
        found = {}
        for arn, group in list(self._elb.target_groups.items()):
            for target in list(group.targets):
                row = rows.get((backend_name(arn), target))
                if row is not None:
                    self._requests.publish(arn, target, row)
                patience = int(group.health_check_interval_seconds) * int(group.unhealthy_threshold_count)
                found[arn, target] = self._state((arn, target), row, patience)
        self._health = found
        self._passed &= set(found)
        self._first_seen = {key: since for key, since in self._first_seen.items() if key in found}

    def _state(self, key: tuple[str, str], row: Mapping[str, str] | None, patience_seconds: int) -> Health:
        """A target's health by its row of the statistics; failures count only after ``patience_seconds`` at first.

        HAProxy takes a server that was never checked for one that is up, and one that fails at once for one that is
        down. A load balancer of AWS's lets a new target fail as often as the threshold says.
        """
        if row is None:
            return REGISTERING
        since = self._first_seen.setdefault(key, time.monotonic())
        check = row["check_status"].removeprefix("* ")
        if row["status"].startswith("no check"):
            return "unavailable", "Target.HealthCheckDisabled", "Health checks are disabled for this target"
        if row["status"].startswith("UP") and (key in self._passed or check.startswith("L7OK")):
            self._passed.add(key)
            return "healthy", None, None
        if key not in self._passed and time.monotonic() - since < patience_seconds:
            return "initial", "Elb.InitialHealthChecking", "Initial health checks in progress"
        reason = _REASONS.get(check, "Target.FailedHealthChecks")
        texts = {
            "Target.ResponseCodeMismatch": f"Health checks failed with these codes: [{row['check_code']}]",
            "Target.Timeout": "Request timed out",
        }
        return "unhealthy", reason, texts.get(reason, "Health checks failed")

    def _answer_health(self) -> None:
        """Makes DescribeTargetHealth say what HAProxy sees."""
        group_class: Any = FakeTargetGroup
        from_moto, region = group_class.health_for, self._region

        def health_for(group: Any, target: dict[str, Any], ec2: Any) -> Any:
            registered = group.targets.get(target["Id"])
            if registered is None or group.region_name != region:
                return from_moto(group, target, ec2)
            state, reason, text = self._health.get((group.arn, target["Id"]), REGISTERING)
            if not any(group.arn in used for used in target_groups_in_use(region).values()):
                state, reason, text = "unused", "Target.NotInUse", "Target group is not configured to receive traffic"
            return FakeHealthStatus(target["Id"], registered["Port"], group.health_check_port, state, reason, text)

        group_class.health_for = health_for


def _free_port(preferred: int) -> int:
    for port in (preferred, 0):
        with socket.socket() as trying, suppress(OSError):
            trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trying.bind((_ADDRESS, port))
            return int(trying.getsockname()[1])
    raise EngineError(f"no port is free at {_ADDRESS}, not even for one listener")
