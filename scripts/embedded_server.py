"""The process that serves the embedded AWS: moto's server on a free loopback port.

Writes its endpoint as one line to standard output, then serves until standard input closes, so that it never outlives
the process that started it, however that one ends. With ``--detach`` it serves until it is terminated.
"""

import json
import signal
import sys
from types import SimpleNamespace
from typing import Any

_FORGOTTEN_SERVICE_SETTINGS = {
    "availabilityZoneRebalancing": "availability_zone_rebalancing",
    "enableECSManagedTags": "enable_ecs_managed_tags",
    "healthCheckGracePeriodSeconds": "health_check_grace_period_seconds",
}
"""What moto 5.2 accepts in CreateService and does not return, so that every plan would show a change."""

_PLAIN_HTTP = ({"Bool": {"aws:SecureTransport": "false"}}, {"Bool": {"aws:SecureTransport": ["false"]}})


def remember_service_settings() -> None:
    """Makes moto's DescribeServices return the settings that CreateService was given, as AWS does."""
    from moto.ecs.responses import EC2ContainerServiceResponse

    responses: Any = EC2ContainerServiceResponse
    create_service = responses.create_service

    def create_and_remember(response: Any) -> Any:
        answer = create_service(response)
        service = answer.result["service"]
        for parameter, attribute in _FORGOTTEN_SERVICE_SETTINGS.items():
            value = response._get_param(parameter)
            if value is not None:
                setattr(service, attribute, value)
        return answer

    responses.create_service = create_and_remember


def remember_rule_descriptions() -> None:
    """Makes moto's DescribeSecurityGroupRules return the description of a rule whose source is a group."""
    from moto.ec2.models.security_groups import SecurityGroupRule

    rule: Any = SecurityGroupRule
    rule.description = property(
        lambda self: self.ip_range.get("Description") or self.source_group.get("Description"),
    )


def count_loopback_as_tls() -> None:
    """Keeps moto from refusing every request to a bucket whose policy demands TLS.

    moto 5.2 reads such a policy's "deny" without its condition. What comes over loopback leaves this machine as little
    as what comes over TLS can be read on the way.
    """
    from moto.s3.models import FakeBucket

    bucket_class: Any = FakeBucket
    get_permission = bucket_class.get_permission

    def permission_over_tls(bucket: Any, action: str, resource: str) -> Any:
        stored = bucket.policy
        if stored is None:
            return get_permission(bucket, action, resource)
        document = json.loads(stored)
        document["Statement"] = [s for s in document["Statement"] if s.get("Condition") not in _PLAIN_HTTP]
        over_tls = SimpleNamespace(policy=json.dumps(document).encode())
        return get_permission(over_tls, action, resource)

    bucket_class.get_permission = permission_over_tls


def main() -> None:
    """Serve."""
    from moto.server import ThreadedMotoServer

    remember_service_settings()
    remember_rule_descriptions()
    count_loopback_as_tls()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    sys.stdout.write(f"http://{host}:{port}\n")
    sys.stdout.flush()
    if "--detach" in sys.argv[1:]:
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    else:
        sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
