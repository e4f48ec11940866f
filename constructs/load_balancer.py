"""The one load balancer: every interview and the portal are rules on its listener."""

from constructs import Construct
from constructs.aws import (
    Lb,
    LbAccessLogs,
    LbListener,
    LbListenerDefaultAction,
    LbListenerDefaultActionFixedResponse,
    LbListenerDefaultActionRedirect,
)
from constructs.storage import ALB_LOG_PREFIX
from constructs.waivers import waive

HTTP_PORT = 80
HTTPS_PORT = 443

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
    """Answers 404 until a listener rule matches; plain HTTP only redirects, unless there is no certificate.

    Outputs: ``listener_arn`` (the one to hang rules on), ``dns_name``, ``zone_id`` and ``arn_suffix`` (its name in
    CloudWatch).
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        name: str,
        subnet_ids: list[str],
        security_group_id: str,
        certificate_arn: str | None,
        log_bucket_name: str,
        deletion_protection: bool,
    ) -> None:
        super().__init__(scope, id)
        balancer = Lb(
            self,
            "alb",
            name=name,
            load_balancer_type="application",
            internal=False,
            subnets=subnet_ids,
            security_groups=[security_group_id],
            drop_invalid_header_fields=True,
            desync_mitigation_mode="defensive",
            enable_http2=True,
            idle_timeout=IDLE_TIMEOUT_SECONDS,
            enable_deletion_protection=deletion_protection,
            access_logs=LbAccessLogs(bucket=log_bucket_name, prefix=ALB_LOG_PREFIX, enabled=True),
        )
        waive(
            balancer,
            "CKV2_AWS_28",
            "what a candidate types into an editor looks like an attack to a firewall's rules; code-server limits"
            " guesses of passwords itself",
            "https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-use-case.html",
        )
        not_found = LbListenerDefaultAction(
            type="fixed-response",
            fixed_response=LbListenerDefaultActionFixedResponse(
                content_type="text/plain", message_body="no such interview", status_code="404"
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
            default_action=[to_https if certificate_arn else not_found],
        )
        self.listener_arn = http.arn
        if certificate_arn:
            https = LbListener(
                self,
                "https",
                load_balancer_arn=balancer.arn,
                port=HTTPS_PORT,
                protocol="HTTPS",
                ssl_policy=TLS_POLICY,
                certificate_arn=certificate_arn,
                routing_http_response_strict_transport_security_header_value=STRICT_TRANSPORT_SECURITY,
                default_action=[not_found],
            )
            self.listener_arn = https.arn
        self.dns_name = balancer.dns_name
        self.zone_id = balancer.zone_id
        self.arn_suffix = balancer.arn_suffix
