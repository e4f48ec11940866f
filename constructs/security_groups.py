"""Which connections are allowed: of the load balancer, the interviews' containers, and the portal."""

import re
from ipaddress import IPv4Network
from typing import Any

from constructs import Construct
from constructs.aws import SecurityGroup, VpcSecurityGroupEgressRule, VpcSecurityGroupIngressRule
from constructs.network import ANYWHERE, Network
from constructs.project import Project
from constructs.waivers import waive
from contract.names import CODE_SERVER_PORT, PORTAL_PORT

HTTP_PORT = 80
HTTPS_PORT = 443

DESCRIPTION_PATTERN = r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{1,255}"
"""All that EC2 accepts as the description of a group or a rule: no apostrophe
(https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html)."""


def described(text: str) -> str:
    """``text`` if EC2 accepts it as the description of a group or a rule; raises ``ValueError``."""
    if not re.fullmatch(DESCRIPTION_PATTERN, text):
        raise ValueError(f'the description "{text}" is refused by EC2, expected 1 to 255 of {DESCRIPTION_PATTERN}')
    return text


class SecurityGroups(Construct):
    """One group for each kind of network interface, with every rule a resource of its own.

    The internet reaches the load balancer by HTTP, and with ``https`` by HTTPS too. Outputs: ``load_balancer_id``,
    ``code_server_id`` and ``portal_id`` (``None`` without ``portal``).
    """

    def __init__(
        self, scope: Construct, id: str, *, project: Project, network: Network, https: bool, portal: bool
    ) -> None:
        super().__init__(scope, id)
        self._name = project.prefix
        self._vpc_id = network.vpc_id
        # https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html
        self._resolver = f"{IPv4Network(network.cidr).network_address + 2}/32"

        self.load_balancer_id = self._group("load_balancer", "The shared load balancer").id
        for port in (HTTP_PORT, HTTPS_PORT) if https else (HTTP_PORT,):
            rule = VpcSecurityGroupIngressRule(
                self,
                f"load_balancer_from_anywhere_{port}",
                security_group_id=self.load_balancer_id,
                cidr_ipv4=ANYWHERE,
                **_connections(f"Browsers on port {port}", port),
            )
            if port == HTTP_PORT:
                waive(
                    rule,
                    "CKV_AWS_260",
                    "port 80 answers with a redirect to HTTPS, and serves only where there is no domain",
                    "https://www.rfc-editor.org/rfc/rfc6797#section-7.2",
                )
        code_server = self._group("code_server", "Containers of the interviews")
        waive(
            code_server,
            "CKV2_AWS_5",
            "the service of each interview uses it, which another stack creates",
            "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-networking-awsvpc.html",
        )
        self.code_server_id = code_server.id
        self._let_load_balancer_reach("code_server", self.code_server_id, CODE_SERVER_PORT)
        self._let_out("code_server", self.code_server_id, web_ports=[HTTPS_PORT, HTTP_PORT])
        self.portal_id: str | None = None
        if portal:
            self.portal_id = self._group("portal", "The portal").id
            self._let_load_balancer_reach("portal", self.portal_id, PORTAL_PORT)
            self._let_out("portal", self.portal_id, web_ports=[HTTPS_PORT])

    def _group(self, label: str, description: str) -> SecurityGroup:
        name = f"{self._name}-{label.replace('_', '-')}"
        return SecurityGroup(
            self, label, name=name, description=described(description), vpc_id=self._vpc_id, tags={"Name": name}
        )

    def _let_load_balancer_reach(self, label: str, group_id: str, port: int) -> None:
        VpcSecurityGroupEgressRule(
            self,
            f"load_balancer_to_{label}",
            security_group_id=self.load_balancer_id,
            referenced_security_group_id=group_id,
            **_connections(f"Requests and health checks to {label.replace('_', '-')}", port),
        )
        VpcSecurityGroupIngressRule(
            self,
            f"{label}_from_load_balancer",
            security_group_id=group_id,
            referenced_security_group_id=self.load_balancer_id,
            **_connections("Requests and health checks from the load balancer", port),
        )

    def _let_out(self, label: str, group_id: str, *, web_ports: list[int]) -> None:
        targets = [("web", "Packages, images and AWS APIs", ANYWHERE, "tcp", port) for port in web_ports]
        targets += [("dns", "DNS resolver of the VPC", self._resolver, protocol, 53) for protocol in ("tcp", "udp")]
        for kind, description, cidr, protocol, port in targets:
            VpcSecurityGroupEgressRule(
                self,
                f"{label}_to_{kind}_{protocol}_{port}",
                security_group_id=group_id,
                cidr_ipv4=cidr,
                **_connections(f"{description}, {protocol} port {port}", port, protocol),
            )


def _connections(description: str, port: int, protocol: str = "tcp") -> dict[str, Any]:
    """What the rules for one port have in common."""
    return {"description": described(description), "ip_protocol": protocol, "from_port": port, "to_port": port}
