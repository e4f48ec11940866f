"""The one load balancer: every interview and the portal are rules on its listener."""

from constructs import Construct
from constructs.aws import (
    Lb,
    LbAccessLogs,
    LbListener,
    LbListenerDefaultAction,
    LbListenerDefaultActionFixedResponse,
    LbListenerDefaultActionRedirect,
    Route53Record,
    Route53RecordAlias,
)
from constructs.certificate import Certificate
from constructs.network import Network
from constructs.project import Project
from constructs.security_groups import HTTP_PORT, HTTPS_PORT, SecurityGroups
from constructs.storage import ALB_LOG_PREFIX, LogBucket
from constructs.waiting_page import WAITING_PAGE
from constructs.waivers import waive
from contract.names import JOIN_LABEL

IDLE_TIMEOUT_SECONDS = 3600
"""An editor's session is one websocket. Browsers slow a tab in the background down to one timer a minute
(https://developer.chrome.com/blog/timer-throttling-in-chrome-88), so keep-alives would race the default of 60 seconds,
and a candidate who reads for a while would find the editor reconnecting. At most 4000."""

TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"
"""TLS 1.3 and 1.2 with forward secrecy and authenticated ciphers only, and a post-quantum key exchange for browsers
that know one: what AWS recommends and its console takes, November 2026
(https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html)."""

STRICT_TRANSPORT_SECURITY = "max-age=31536000"
"""A year. Not ``includeSubDomains``: other hosts below the domain are not ours to speak for (RFC 6797)."""


class LoadBalancer(Construct):
    """Shows a page that waits, with status 404, until a listener rule matches; with a certificate, HTTP redirects.

    Outputs: ``listener_arn`` (of the listener that takes the rules), ``dns_name``, ``zone_id``, ``arn_suffix`` (its
    name in CloudWatch), ``scheme``, ``host`` (the domain, or without one the load balancer's own name) and ``url``.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        project: Project,
        network: Network,
        security_groups: SecurityGroups,
        certificate: Certificate | None,
        log_bucket: LogBucket,
    ) -> None:
        super().__init__(scope, id)
        balancer = Lb(
            self,
            "alb",
            name=project.prefix,
            load_balancer_type="application",
            internal=False,
            subnets=network.public_subnet_ids,
            security_groups=[security_groups.load_balancer_id],
            drop_invalid_header_fields=True,
            desync_mitigation_mode="defensive",
            enable_http2=True,
            idle_timeout=IDLE_TIMEOUT_SECONDS,
            enable_deletion_protection=project.deletion_protection,
            access_logs=LbAccessLogs(bucket=log_bucket.name, prefix=ALB_LOG_PREFIX, enabled=True),
        )
        waive(
            balancer,
            "CKV2_AWS_28",
            "what a candidate types into an editor looks like an attack to a firewall's rules; code-server limits"
            " guesses of passwords itself",
            "https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-use-case.html",
        )
        waiting = LbListenerDefaultAction(
            type="fixed-response",
            fixed_response=LbListenerDefaultActionFixedResponse(
                content_type="text/html", message_body=WAITING_PAGE, status_code="404"
            ),
        )
        to_https = LbListenerDefaultAction(
            type="redirect",
            redirect=LbListenerDefaultActionRedirect(port=str(HTTPS_PORT), protocol="HTTPS", status_code="HTTP_301"),
        )
        http = LbListener(
            self,
            "http",
            load_balancer_arn=balancer.arn,
            port=HTTP_PORT,
            protocol="HTTP",
            default_action=[to_https if certificate else waiting],
        )
        self.listener_arn = http.arn
        if certificate:
            https = LbListener(
                self,
                "https",
                load_balancer_arn=balancer.arn,
                port=HTTPS_PORT,
                protocol="HTTPS",
                ssl_policy=TLS_POLICY,
                certificate_arn=certificate.arn,
                routing_http_response_strict_transport_security_header_value=STRICT_TRANSPORT_SECURITY,
                default_action=[waiting],
            )
            self.listener_arn = https.arn
        self.dns_name = balancer.dns_name
        self.zone_id = balancer.zone_id
        self.arn_suffix = balancer.arn_suffix
        self.scheme = "https" if certificate else "http"
        self.host = certificate.domain_name if certificate else balancer.dns_name
        self.url = f"{self.scheme}://{self.host}"


class LoadBalancerRecords(Construct):
    """Leads the certificate's domain to the load balancer, with ``wildcard`` every name one label below it too.

    Without it, at least the links that candidates get lead there.
    """

    def __init__(
        self, scope: Construct, id: str, *, load_balancer: LoadBalancer, certificate: Certificate, wildcard: bool
    ) -> None:
        super().__init__(scope, id)
        self._record("apex", certificate.domain_name, load_balancer, certificate)
        label, name = ("wildcard", "*") if wildcard else (JOIN_LABEL, JOIN_LABEL)
        self._record(label, f"{name}.{certificate.domain_name}", load_balancer, certificate)

    def _record(self, label: str, name: str, load_balancer: LoadBalancer, certificate: Certificate) -> None:
        Route53Record(
            self,
            label,
            zone_id=certificate.zone_id,
            name=name,
            type="A",
            alias=Route53RecordAlias(
                name=load_balancer.dns_name, zone_id=load_balancer.zone_id, evaluate_target_health=False
            ),
        )
