"""What a deployment on an embedded AWS reports while Terraform runs."""

import io

from scripts.console import Console
from scripts.embedded.deployment import Progress

OUTPUT = (
    (0, "shared  Plan: 3 to add, 0 to change, 0 to destroy."),
    (0, "shared  aws_lb.balancer: Creating..."),
    (1, "shared  aws_vpc.network: Creating..."),
    (4, "shared  aws_vpc.network: Creation complete after 3s [id=vpc-1]"),
    (11, "shared  aws_lb.balancer: Still creating... [10s elapsed]"),
    (12, "shared  aws_lb.balancer: Still creating... [11s elapsed]"),
    (61, "shared  aws_lb.balancer: Creation complete after 1m1s [id=arn]"),
    (61, "shared  aws_lb_listener.http: Creating..."),
    (62, "shared  aws_lb_listener.http: Creation complete after 1s [id=arn]"),
)


def test_resources_are_counted_and_the_longest_one_is_named() -> None:
    said, now = io.StringIO(), 0.0
    progress = Progress(Console(err=said), clock=lambda: now)
    for now, line in OUTPUT:  # noqa: B007  (the clock reads it)
        progress.read(line)
    progress.end()
    assert said.getvalue().splitlines() == [
        "  3 resources to create",
        "  1 of 3 resources after 11 s, waiting for aws_lb.balancer (11 s)",
        "  2 of 3 resources after 61 s, waiting for aws_lb_listener.http (0 s)",
        "  3 of 3 resources; the slowest: aws_lb.balancer 61 s, aws_vpc.network 3 s, aws_lb_listener.http 1 s",
    ]
