"""What AWS refuses because of what exists, or because something is too new.

Sources are beside each check. The times are shorter than AWS's, which gives none: long enough that a client which does
not wait is refused, short enough that a deployment does not wait for nothing.
"""

import json
from collections.abc import Callable
from datetime import timedelta

import regex

from scripts.embedded.checks.backends import (
    age,
    backend,
    interfaces,
    role,
    target_groups_in_use,
    trusted_services,
)
from scripts.embedded.checks.call import Call, Refusal

ROLE_SETTLES = timedelta(seconds=5)
"""IAM is eventually consistent: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html."""

LINKED_ROLE_SETTLES = timedelta(seconds=20)
"""ECS creates its role in the background (baseline-environment-on-aws#238), and takes longer than Terraform's provider
waits for a new cluster, which is 10 seconds.
"""

_INSIGHTS = regex.compile(r"/aws/ecs/containerinsights/(?P<cluster>[^/]+)/performance")


def check(call: Call) -> None:
    """Raises ``Refusal`` where what exists forbids ``call``."""
    found = _CHECKS.get(call.name)
    if found is not None:
        found(call)


def after(call: Call) -> None:
    """What AWS itself does once ``call`` has succeeded."""
    # ECS delivers the last metrics after the deletion, into a new group: opg-digideps#1325.
    if call.name == "logs:DeleteLogGroup" and _INSIGHTS.fullmatch(call.parameters["logGroupName"]):
        backend("logs", call.region).create_log_group(call.parameters["logGroupName"], {})


def _assumable(arn: str, service: str) -> bool:
    found = role(arn)
    return found is not None and age(found) > ROLE_SETTLES and service in trusted_services(found)


def _function(call: Call) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-deployment.html."""
    arn = call.parameters.get("Role")
    if arn and not _assumable(arn, "lambda.amazonaws.com"):
        raise Refusal(
            "InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda."
        )


def _project(call: Call) -> None:
    """terraform-provider-aws#4233; the provider tries again, as it does for Lambda."""
    arn = call.parameters.get("serviceRole")
    if arn and not _assumable(arn, "codebuild.amazonaws.com"):
        raise Refusal("InvalidInputException", f"CodeBuild is not authorized to perform: sts:AssumeRole on {arn}")


def _flow_log(call: Call) -> None:
    """https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html."""
    arn = call.parameters.get("DeliverLogsPermissionArn")
    if arn and not _assumable(arn, "vpc-flow-logs.amazonaws.com"):
        raise Refusal("InvalidParameter", "Unable to assume given IAM role")


def _subnet(call: Call) -> None:
    """https://docs.aws.amazon.com/vpc/latest/userguide/subnet-deleting.html."""
    subnet = call.parameters["SubnetId"]
    if any(subnet in subnets for subnets, _ in interfaces(call.region)):
        raise Refusal("DependencyViolation", f"The subnet '{subnet}' has dependencies and cannot be deleted.")


def _security_group(call: Call) -> None:
    """https://docs.aws.amazon.com/vpc/latest/userguide/deleting-security-groups.html."""
    group = call.parameters.get("GroupId")
    in_use = any(group in groups for _, groups in interfaces(call.region))
    if group and (in_use or _named_by_another_group(group, call.region)):
        raise Refusal("DependencyViolation", f"resource {group} has a dependent object")


def _named_by_another_group(group: str, region: str) -> bool:
    groups = [one for by_id in list(backend("ec2", region).groups.values()) for one in list(by_id.values())]
    return any(
        rule.source_group.get("GroupId") == group
        for other in groups
        if other.id != group
        for rule in [*other.ingress_rules, *other.egress_rules]
    )


def _ecs_service(call: Call) -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/troubleshoot-service-load-balancers.html."""
    _linked_role(call)
    used: set[str] = set().union(*target_groups_in_use(call.region).values())
    for balancer in call.parameters.get("loadBalancers", []):
        arn = balancer.get("targetGroupArn")
        if arn and arn not in used:
            raise Refusal(
                "InvalidParameterException",
                f"The target group with targetGroupArn {arn} does not have an associated load balancer.",
            )


def _cluster(call: Call) -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html."""
    _create_linked_role("ecs.amazonaws.com", "AWSServiceRoleForECS")
    if call.parameters.get("capacityProviders"):
        _linked_role(call)


def _load_balancer(_: Call) -> None:
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-service-linked-roles.html."""
    _create_linked_role("elasticloadbalancing.amazonaws.com", "AWSServiceRoleForElasticLoadBalancing")


def _create_linked_role(service: str, name: str) -> None:
    iam = backend("iam")
    if all(role.name != name for role in list(iam.roles.values())):
        iam.create_service_linked_role(service, "", "")


def _linked_role(_: Call) -> None:
    found = next((role for role in list(backend("iam").roles.values()) if role.name == "AWSServiceRoleForECS"), None)
    if found is None or age(found) < LINKED_ROLE_SETTLES:
        raise Refusal(
            "InvalidParameterException",
            "Unable to assume the service linked role. Please verify that the ECS service linked role exists.",
        )


def _inline_policies(call: Call) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: all of a role's together."""
    name, policy = call.parameters["RoleName"], call.parameters["PolicyName"]
    found = next((role for role in list(backend("iam").roles.values()) if role.name == name), None)
    if found is None:
        return
    documents = {**found.policies, policy: call.parameters["PolicyDocument"]}
    if sum(len(regex.sub(r"\s", "", _text(document))) for document in documents.values()) > 10240:
        raise Refusal("LimitExceeded", f"Maximum policy size of 10240 bytes exceeded for role {name}")


def _text(document: object) -> str:
    return document if isinstance(document, str) else json.dumps(document)


_CHECKS: dict[str, Callable[[Call], None]] = {
    "codebuild:CreateProject": _project,
    "codebuild:UpdateProject": _project,
    "ec2:CreateFlowLogs": _flow_log,
    "ec2:DeleteSecurityGroup": _security_group,
    "ec2:DeleteSubnet": _subnet,
    "ecs:CreateCluster": _cluster,
    "ecs:CreateService": _ecs_service,
    "ecs:PutClusterCapacityProviders": _linked_role,
    "elbv2:CreateLoadBalancer": _load_balancer,
    "iam:PutRolePolicy": _inline_policies,
    "lambda:CreateFunction": _function,
    "lambda:UpdateFunctionConfiguration": _function,
}
