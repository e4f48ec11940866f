"""Whether the roles exist through which ECS and Elastic Load Balancing act on the account's network."""

from collections.abc import Iterator

from botocore.exceptions import ClientError

from scripts.aws.clients import error_code
from scripts.preflight.findings import Finding, Subject, warning

LINKED_ROLES = {
    "AWSServiceRoleForECS": "ecs.amazonaws.com",
    "AWSServiceRoleForElasticLoadBalancing": "elasticloadbalancing.amazonaws.com",
}
"""https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html,
https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-service-linked-roles.html"""


def look_at_linked_roles(subject: Subject) -> Iterator[Finding]:
    """Each role exists; otherwise AWS makes it in the background of the first deployment."""
    iam = subject.home.client("iam")
    for role, service in LINKED_ROLES.items():
        try:
            iam.get_role(RoleName=role)
        except ClientError as problem:
            if error_code(problem) != "NoSuchEntity":
                raise
            yield warning(
                f"the account has no role {role} yet; the first deployment makes it, which takes"
                " iam:CreateServiceLinkedRole, and may be too slow for what comes next",
                f"make it now: `aws iam create-service-linked-role --aws-service-name {service}`",
            )
