"""Rights that a service asks of its caller besides the action itself, checked when the caller is an assumed role.

Sources: the dependent actions of the Service Authorization Reference
(https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html),
https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-api-permissions.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html,
https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html and
https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#aws-managed-key.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from scripts.embedded.checks.backends import ACCOUNT, backend
from scripts.embedded.checks.call import Call, Parameters, Refusal
from scripts.embedded.checks.policies import allowed, role_policies


@dataclass(frozen=True)
class Right:
    """One action on one resource, with the condition keys that the service gives."""

    action: str
    resource: str = "*"
    context: dict[str, str] = field(default_factory=dict)


Rights = Callable[[Call], Iterator[Right]]


def check(call: Call) -> None:
    """Raises ``Refusal`` for the first right that the role behind ``call`` lacks."""
    found = _NEEDED.get(call.name, ())
    role = _assumed(call.access_key) if found else None
    if role is None:
        return
    documents = role_policies(role.role_arn)
    for needed in found:
        for right in needed(call):
            if not allowed(documents, right.action, right.resource, right.context):
                name = role.role_arn.rsplit("/", 1)[-1]
                who = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{role.session_name}"
                raise Refusal(
                    "AccessDenied" if call.model.service_model.protocol == "query" else "AccessDeniedException",
                    f"User: {who} is not authorized to perform: {right.action} on resource: {right.resource} because no"
                    f" identity-based policy allows the {right.action} action",
                    status=400 if call.model.service_model.protocol == "json" else 403,
                )


def _assumed(access_key: str) -> Any:
    roles = list(backend("sts").assumed_roles)
    return next((role for role in roles if role.access_key_id == access_key), None)


def _ec2(*actions: str) -> Rights:
    def needed(_: Call) -> Iterator[Right]:
        yield from (Right(f"ec2:{action}") for action in actions)

    return needed


def _pass_role(service: str, *members: str) -> Rights:
    def needed(call: Call) -> Iterator[Right]:
        for member in members:
            if call.parameters.get(member):
                yield _passing(call.parameters[member], service)

    return needed


def _passing(role: str, service: str) -> Right:
    arn = role if role.startswith("arn:") else f"arn:aws:iam::{ACCOUNT}:role/{role}"
    return Right("iam:PassRole", arn, {"iam:PassedToService": service})


def _task_roles(call: Call) -> Iterator[Right]:
    """The roles of the task definition that is to run."""
    name = call.parameters.get("taskDefinition")
    if name:
        definition = backend("ecs", call.region).describe_task_definition(name)
        for role in (definition.task_role_arn, definition.execution_role_arn):
            if role:
                yield _passing(role, "ecs-tasks.amazonaws.com")


def _target_roles(call: Call) -> Iterator[Right]:
    for target in call.parameters["Targets"]:
        if target.get("RoleArn"):
            yield _passing(target["RoleArn"], "events.amazonaws.com")


def _tagging(action: str, member: str = "tags", key: str = "") -> Rights:
    """What creates with tags also tags: ``key`` is the condition key that says what is being created."""

    def needed(call: Call) -> Iterator[Right]:
        if call.parameters.get(member):
            yield Right(action, "", {key: call.operation} if key else {})

    return needed


def _encryption(call: Call) -> Iterator[Right]:
    if call.parameters.get("Type") == "SecureString":
        yield from _by_parameter_store(
            "kms:Encrypt", call.parameters["Name"], call.parameters.get("KeyId"), call.region
        )


def _decryption(call: Call) -> Iterator[Right]:
    given: Parameters = call.parameters
    if not given.get("WithDecryption"):
        return
    for name in given.get("Names") or [given["Name"]]:
        stored = backend("ssm", call.region).get_parameter(name)
        if stored is not None and stored.parameter_type == "SecureString":
            yield from _by_parameter_store("kms:Decrypt", name, stored.keyid, call.region)


def _by_parameter_store(action: str, name: str, key: str | None, region: str) -> Iterator[Right]:
    """AWS's own key asks nobody: its policy lets in whoever in the account may use Parameter Store."""
    arn = f"arn:aws:ssm:{region}:{ACCOUNT}:parameter/{name.lstrip('/')}"
    context = {"kms:ViaService": f"ssm.{region}.amazonaws.com", "kms:EncryptionContext:PARAMETER_ARN": arn}
    named = key or "alias/aws/ssm"
    if named.rpartition(":")[2].startswith("alias/aws/"):
        return
    if named.startswith("alias/"):
        named = backend("kms", region).get_key_id_from_alias(named) or named
    yield Right(action, named if named.startswith("arn:") else f"arn:aws:kms:{region}:{ACCOUNT}:key/{named}", context)


_NEEDED: dict[str, tuple[Rights, ...]] = {
    "codebuild:CreateProject": (_pass_role("codebuild.amazonaws.com", "serviceRole"),),
    "codebuild:UpdateProject": (_pass_role("codebuild.amazonaws.com", "serviceRole"),),
    "ec2:CreateFlowLogs": (_pass_role("vpc-flow-logs.amazonaws.com", "DeliverLogsPermissionArn"),),
    "ecs:CreateCluster": (_tagging("ecs:TagResource", key="ecs:CreateAction"),),
    "ecs:CreateService": (_task_roles, _tagging("ecs:TagResource", key="ecs:CreateAction")),
    "ecs:RegisterTaskDefinition": (
        _pass_role("ecs-tasks.amazonaws.com", "taskRoleArn", "executionRoleArn"),
        _tagging("ecs:TagResource", key="ecs:CreateAction"),
    ),
    "ecs:RunTask": (_task_roles, _tagging("ecs:TagResource", key="ecs:CreateAction")),
    "elbv2:CreateListener": (_tagging("elasticloadbalancing:AddTags", "Tags", "elasticloadbalancing:CreateAction"),),
    "elbv2:CreateLoadBalancer": (
        _ec2(
            "DescribeAccountAttributes",
            "DescribeAddresses",
            "DescribeInternetGateways",
            "DescribeSecurityGroups",
            "DescribeSubnets",
            "DescribeVpcs",
        ),
        _tagging("elasticloadbalancing:AddTags", "Tags", "elasticloadbalancing:CreateAction"),
    ),
    "elbv2:CreateRule": (_tagging("elasticloadbalancing:AddTags", "Tags", "elasticloadbalancing:CreateAction"),),
    "elbv2:CreateTargetGroup": (
        _ec2("DescribeInternetGateways", "DescribeVpcs"),
        _tagging("elasticloadbalancing:AddTags", "Tags", "elasticloadbalancing:CreateAction"),
    ),
    "elbv2:RegisterTargets": (
        _ec2("DescribeInstances", "DescribeInternetGateways", "DescribeSubnets", "DescribeVpcs"),
    ),
    "elbv2:SetSubnets": (_ec2("DescribeSubnets"),),
    "events:PutTargets": (_target_roles,),
    "iam:CreateRole": (_tagging("iam:TagRole", "Tags"),),
    "lambda:CreateFunction": (_pass_role("lambda.amazonaws.com", "Role"), _tagging("lambda:TagResource", "Tags")),
    "lambda:UpdateFunctionConfiguration": (_pass_role("lambda.amazonaws.com", "Role"),),
    "logs:CreateLogGroup": (_tagging("logs:TagResource"),),
    "s3:PutObject": (_tagging("s3:PutObjectTagging", "Tagging"),),
    "sqs:CreateQueue": (_tagging("sqs:TagQueue"),),
    "ssm:GetParameter": (_decryption,),
    "ssm:GetParameters": (_decryption,),
    "ssm:PutParameter": (_encryption, _tagging("ssm:AddTagsToResource", "Tags")),
}
