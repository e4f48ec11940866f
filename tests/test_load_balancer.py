"""The load balancer, its certificate and its records."""

from typing import Any

from constructs.waiting_page import WAITING_PAGE
from tests.conftest import SharedStackFactory, SynthesizedStack

NOT_FOUND = {"content_type": "text/html", "message_body": WAITING_PAGE, "status_code": "404"}


def default_action(stack: SynthesizedStack, listener: str) -> dict[str, Any]:
    (action,) = stack.one("aws_lb_listener", f"load_balancer_{listener}")["default_action"]
    found: dict[str, Any] = action
    return found


def test_plain_http_only_redirects(default_stack: SynthesizedStack) -> None:
    assert default_action(default_stack, "http")["redirect"] == {
        "port": "443",
        "protocol": "HTTPS",
        "status_code": "HTTP_301",
    }


def test_a_host_without_an_interview_gets_404(portal_stack: SynthesizedStack) -> None:
    action = default_action(portal_stack, "https")
    assert (action["type"], action["fixed_response"]) == ("fixed-response", NOT_FOUND)


def test_without_a_domain_http_serves(development_stack: SynthesizedStack) -> None:
    assert default_action(development_stack, "http")["fixed_response"] == NOT_FOUND
    assert set(development_stack.all("aws_lb_listener")) == {"load_balancer_http"}
    assert not [address for address in development_stack.addresses if "acm" in address or "route53" in address]


def test_tls_is_1_2_or_newer(default_stack: SynthesizedStack) -> None:
    listener = default_stack.one("aws_lb_listener", "load_balancer_https")
    assert listener["ssl_policy"].startswith("ELBSecurityPolicy-TLS13-1-2-Res")
    assert listener["certificate_arn"] == "${aws_acm_certificate_validation.domain_validated.certificate_arn}"


def test_browsers_never_try_plain_http_again(default_stack: SynthesizedStack) -> None:
    header = "routing_http_response_strict_transport_security_header_value"
    assert default_stack.one("aws_lb_listener", "load_balancer_https")[header] == "max-age=31536000"
    assert header not in default_stack.one("aws_lb_listener", "load_balancer_http")


def test_the_load_balancer_drops_what_is_malformed_and_logs_the_rest(default_stack: SynthesizedStack) -> None:
    balancer = default_stack.one("aws_lb", "load_balancer_alb")
    assert balancer["drop_invalid_header_fields"] is True
    assert balancer["desync_mitigation_mode"] == "defensive"
    assert balancer["enable_http2"] is True
    assert balancer["access_logs"] == {
        # Taken from the policy, so that the load balancer waits for it.
        "bucket": "${aws_s3_bucket_policy.access_logs_policy.bucket}",
        "prefix": "alb",
        "enabled": True,
    }


def test_an_idle_editor_keeps_its_connection_for_more_than_a_minute(default_stack: SynthesizedStack) -> None:
    assert 60 < default_stack.one("aws_lb", "load_balancer_alb")["idle_timeout"] <= 4000


def test_the_certificate_holds_for_the_domain_and_every_interview(default_stack: SynthesizedStack) -> None:
    certificate = default_stack.one("aws_acm_certificate", "domain_certificate")
    assert certificate["domain_name"] == "interviews.example.com"
    assert certificate["subject_alternative_names"] == ["*.interviews.example.com"]
    assert certificate["lifecycle"] == {"create_before_destroy": True}
    assert len([name for name in default_stack.all("aws_route53_record") if "validation" in name]) == 1


def test_records_lead_domain_and_wildcard_to_the_load_balancer(default_stack: SynthesizedStack) -> None:
    records = default_stack.all("aws_route53_record")
    aliases = {record["name"] for record in records.values() if "alias" in record}
    assert aliases == {"interviews.example.com", "*.interviews.example.com"}


def test_without_the_wildcard_the_domain_and_the_candidates_links_have_records(
    shared_stack: SharedStackFactory,
) -> None:
    stack = shared_stack(wildcard_domain=False)
    assert set(stack.all("aws_route53_record")) == {"domain_validation", "records_apex", "records_join"}
    assert stack.one("aws_route53_record", "records_join")["name"] == "join.interviews.example.com"
    assert stack.outputs["create_dns_record"] is True


def test_the_zone_is_the_domain_itself_unless_named(shared_stack: SharedStackFactory) -> None:
    zones = {
        stack.document["data"]["aws_route53_zone"]["domain_zone"]["name"]
        for stack in (shared_stack(hosted_zone_name=""), shared_stack())
    }
    assert zones == {"interviews.example.com", "example.com"}
