"""HAProxy's configuration for the load balancers that the embedded AWS holds: listeners, rules and target groups.

https://docs.haproxy.org/2.6/configuration.html; what it means is Elastic Load Balancing's:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-listeners.html.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

IDLE_SECONDS = 60
"""Of a load balancer without an attribute of its own
(https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html)."""


@dataclass(frozen=True)
class Exposed:
    """A listener (moto's) of ``balancer`` with the address and port that HAProxy listens at, and its certificate."""

    balancer: Any
    listener: Any
    address: str
    port: int
    certificate: Path | None


def backend_name(target_group_arn: str) -> str:
    """The name of a target group's section, and of its lines in HAProxy's statistics."""
    return target_group_arn.partition(":targetgroup/")[2].replace("/", ".")


@dataclass(frozen=True)
class ProxyConfiguration:
    """The whole file for the listeners that are ``exposed`` and the target ``groups`` (moto's) by ARN.

    ``directory`` is HAProxy's own, and receives the bodies of fixed responses.
    """

    exposed: list[Exposed]
    groups: Mapping[str, Any]
    directory: Path

    @property
    def text(self) -> str:
        """What HAProxy reads."""
        lines = [
            "global",
            f"  stats socket {self.directory}/stats.sock mode 600 level admin expose-fd listeners",
            f"  server-state-file {self.directory}/state",
            "  maxconn 4000",
            "defaults",
            "  mode http",
            "  timeout connect 10s",
            "  option forwardfor",
            "  load-server-state-from-file global",
        ]
        for one in self.exposed:
            lines += self._frontend(one)
        idle = {arn: _idle_seconds(one) for one in self.exposed for arn in _forwarded(one)}
        for arn, group in sorted(self.groups.items()):
            lines += _backend(arn, group, idle.get(arn, IDLE_SECONDS))
        return "\n".join([*lines, ""])

    def _frontend(self, one: Exposed) -> Iterator[str]:
        secure = f" ssl crt {one.certificate} alpn h2,http/1.1" if one.certificate else ""
        yield f"frontend {one.balancer.name}.{one.listener.port}"
        yield f"  bind {one.address}:{one.port}{secure}"
        yield f"  timeout client {_idle_seconds(one)}s"
        yield f"  http-request set-header X-Forwarded-Proto {'https' if secure else 'http'}"
        yield f"  http-request set-header X-Forwarded-Port {one.port}"
        rules = sorted(one.listener.rules.values(), key=lambda rule: (rule.is_default, _priority(rule)))
        for number, rule in enumerate(rules):
            conditions = " ".join(_condition(condition) for condition in rule.conditions)
            yield f"  http-request set-var(txn.rule) int({number}) if !{{ var(txn.rule) -m found }} {conditions}"
        for number, rule in enumerate(rules):
            yield from self._action(one, rule.actions[-1].data, f"if {{ var(txn.rule) -m int {number} }}")

    def _action(self, one: Exposed, action: Mapping[str, Any], chosen: str) -> Iterator[str]:
        kind = action["Type"]
        if kind == "fixed-response":
            given = action["FixedResponseConfig"]
            answer = f"status {given['StatusCode']}"
            if body := given.get("MessageBody"):
                file = self.directory / f"{hash_of(body)}.body"
                file.write_text(body)
                answer += f" content-type {given.get('ContentType', 'text/plain')} file {file}"
            yield f"  http-request return {answer} {chosen}"
        elif kind == "redirect":
            given = action["RedirectConfig"]
            code = str(given["StatusCode"]).removeprefix("HTTP_")
            yield f"  http-request redirect location {_location(given, one, self.exposed)} code {code} {chosen}"
        elif kind == "forward" and (arn := _target_group(action)) in self.groups:
            yield f"  use_backend {backend_name(arn)} {chosen}"


def _idle_seconds(one: Exposed) -> int:
    return int(one.balancer.attrs.get("idle_timeout.timeout_seconds", IDLE_SECONDS))


def _priority(rule: Any) -> int:
    return 0 if rule.is_default else int(rule.priority)


def _target_group(action: Mapping[str, Any]) -> str:
    """The first one: weights between several are not here."""
    return str(action.get("TargetGroupArn") or action["ForwardConfig"]["TargetGroups"][0]["TargetGroupArn"])


def _forwarded(one: Exposed) -> Iterator[str]:
    for rule in list(one.listener.rules.values()):
        yield from (_target_group(action.data) for action in rule.actions if action.type == "forward")


def hash_of(text: str) -> str:
    """A short name for a text."""
    return sha256(text.encode()).hexdigest()[:16]


def _location(given: Mapping[str, str], one: Exposed, exposed: list[Exposed]) -> str:
    """A redirect's target; a port that is one of this load balancer's listeners leads to where that listens here."""
    port = given.get("Port", "#{port}")
    here = next(
        (other.port for other in exposed if other.balancer is one.balancer and str(other.listener.port) == port), port
    )
    protocol = (
        given.get("Protocol", "#{protocol}").lower().replace("#{protocol}", "https" if one.certificate else "http")
    )
    host = given.get("Host", "#{host}").replace("#{host}", "%[req.hdr(host),field(1,:)]")
    path = given.get("Path", "/#{path}").replace("/#{path}", "%[path]")
    query = given.get("Query", "#{query}")
    tail = "%[pathq]" if (path, query) == ("%[path]", "#{query}") else path
    return f"{protocol}://{host}:{str(here).replace('#{port}', str(one.port))}{tail}"


def _condition(condition: Mapping[str, Any]) -> str:
    field = condition["Field"]
    config: Mapping[str, Any] = next((value for key, value in condition.items() if key.endswith("Config")), {})
    values = condition.get("Values") or config.get("Values") or []
    if field == "host-header":
        # Every name under .localhost leads to this machine; .test, of a stack without a domain, leads nowhere.
        hosts = {
            host for value in values for host in (value, f"{value}.localhost", re.sub(r"\.test$", ".localhost", value))
        }
        return f"{{ req.hdr(host),field(1,:) -m reg -i {_pattern(hosts)} }}"
    if field == "path-pattern":
        return f"{{ path -m reg {_pattern(values)} }}"
    if field == "http-header":
        return f"{{ req.hdr({config['HttpHeaderName']}) -m reg -i {_pattern(values)} }}"
    if field == "http-request-method":
        return f"{{ method {' '.join(values)} }}"
    if field == "source-ip":
        return f"{{ src {' '.join(values)} }}"
    return " || ".join(
        f"{{ url_param({pair.get('Key', '')}) -m reg -i {_pattern([pair['Value']])} }}" for pair in values
    )


def _pattern(values: Any) -> str:
    """AWS's wildcards, * and ?, as one regular expression that HAProxy's parser leaves alone."""
    alternatives = ["".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in value) for value in sorted(values)]
    return "'^(" + "|".join(alternatives) + ")$'"


def _backend(arn: str, group: Any, idle_seconds: int) -> Iterator[str]:
    yield f"backend {backend_name(arn)}"
    yield f"  timeout server {idle_seconds}s"
    yield f"  timeout tunnel {idle_seconds}s"
    checked = ""
    if group.health_check_enabled:
        interval = int(group.health_check_interval_seconds)
        yield f"  option httpchk GET {group.health_check_path or '/'}"
        yield f"  http-check expect status {group.matcher['HttpCode']}"
        yield f"  timeout check {group.health_check_timeout_seconds}s"
        checked = f" check inter {interval}s fastinter {min(interval, 5)}s"
        checked += f" rise {group.healthy_threshold_count} fall {group.unhealthy_threshold_count}"
        if str(group.health_check_port) != "traffic-port":
            checked += f" port {group.health_check_port}"
    for target in list(group.targets.values()):
        yield f"  server {target['Id']} {target['Id']}:{target['Port']}{checked}"
