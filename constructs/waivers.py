"""Findings of the security scanners that are accepted, each beside its resource."""

from cdktf import TerraformResource


def waive(resource: TerraformResource, check: str, reason: str, link: str) -> None:
    """Accepts checkov's ``check`` for ``resource``, for a ``reason`` that is read up at ``link``.

    What parliament finds in the resource's policy is named by the statement's Sid, a space, and the issue.
    It becomes a comment in the synthesized stack, which tests/security reads; a waiver that is not needed fails there.
    """
    resource.add_override(f"//.waivers.{check}", {"reason": reason, "link": link})


SHORT_RETENTION = (
    "CKV_AWS_338",
    "log_retention_days decides; an interview's logs are of no use after a month, and data on candidates must not be"
    " kept longer than it is needed",
    "https://eur-lex.europa.eu/eli/reg/2016/679/oj#art_5",
)
"""For a log group that keeps less than a year."""

TLS_ENDS_BEFORE = (
    "CKV_AWS_378",
    "TLS ends at the load balancer; behind it, only its security group reaches the container, inside the VPC",
    "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/create-https-listener.html",
)
"""For a target group of containers that speak plain HTTP."""

FUNCTION_OUTSIDE_THE_VPC = [
    (
        "CKV_AWS_116",
        "what fails goes to the queue of the event invoke config, with more detail than a dead letter queue gets",
        "https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html",
    ),
    (
        "CKV_AWS_117",
        "it calls AWS APIs only and accepts no connections; inside the VPC it would depend on the NAT gateway",
        "https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html",
    ),
    (
        "CKV_AWS_272",
        "the archive is packed from the checkout during deployment, and its hash is in the plan",
        "https://docs.aws.amazon.com/lambda/latest/dg/configuration-codesigning.html",
    ),
    (
        "CKV_AWS_50",
        "a call is one function whose one line of log holds what it did; there is no chain to trace",
        "https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html",
    ),
]
"""For every Lambda function."""
