"""A role needs the rights that a service asks of its caller on the way, not only the right to call it."""

import json
from itertools import count
from typing import Any

import pytest

from scripts.embedded.launcher import ACCOUNT_ID, EmbeddedAws
from tests.embedded.conftest import Client, clients, refused

_numbers = count()
PASSED = f"arn:aws:iam::{ACCOUNT_ID}:role/passed"


def allow(action: str, resource: str = "*", **condition: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource} | ({"Condition": condition} if condition else {})


@pytest.fixture
def role(embedded: EmbeddedAws, client: Client) -> Any:
    """Clients of a new role with the given statements."""

    def assumed(*statements: dict[str, Any]) -> Client:
        name = f"caller{next(_numbers)}"
        trust = {"Version": "2012-10-17", "Statement": []}
        iam = client("iam")
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_role_policy(RoleName=name, PolicyName="x", PolicyDocument=policy)
        return clients(embedded, **client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"])

    return assumed


def missing(call: Any, **parameters: Any) -> str:
    """The right that a refusal says is missing."""
    code, message = refused(call, **parameters)
    assert code in ("AccessDenied", "AccessDeniedException")
    assert message.startswith(f"User: arn:aws:sts::{ACCOUNT_ID}:assumed-role/caller")
    return message.partition("is not authorized to perform: ")[2].partition(" on resource")[0]


def test_a_target_group_takes_the_rights_to_look_at_the_network(role: Any) -> None:
    create = {"Name": "rights", "Protocol": "HTTP", "Port": 80, "TargetType": "ip"}
    elb = role(allow("elasticloadbalancing:*"))("elbv2")
    assert missing(elb.create_target_group, **create) == "ec2:DescribeInternetGateways"
    elb = role(allow("elasticloadbalancing:*"), allow("ec2:DescribeInternetGateways"))("elbv2")
    assert missing(elb.create_target_group, **create) == "ec2:DescribeVpcs"
    role(allow("elasticloadbalancing:*"), allow("ec2:Describe*"))("elbv2").describe_target_groups()


@pytest.mark.parametrize(
    ("service", "method", "parameters", "passed_to"),
    [
        (
            "ecs",
            "register_task_definition",
            {
                "family": "x",
                "containerDefinitions": [{"name": "x", "image": "x", "memory": 128}],
                "executionRoleArn": PASSED,
            },
            "ecs-tasks.amazonaws.com",
        ),
        (
            "lambda",
            "create_function",
            {"FunctionName": "x", "Role": PASSED, "Code": {"ZipFile": b""}, "Runtime": "python3.12", "Handler": "x.y"},
            "lambda.amazonaws.com",
        ),
        (
            "codebuild",
            "create_project",
            {
                "name": "passes",
                "source": {"type": "NO_SOURCE"},
                "artifacts": {"type": "NO_ARTIFACTS"},
                "environment": {"type": "LINUX_CONTAINER", "image": "x", "computeType": "BUILD_GENERAL1_SMALL"},
                "serviceRole": PASSED,
            },
            "codebuild.amazonaws.com",
        ),
        (
            "ec2",
            "create_flow_logs",
            {"ResourceIds": ["vpc-1"], "ResourceType": "VPC", "DeliverLogsPermissionArn": PASSED},
            "vpc-flow-logs.amazonaws.com",
        ),
    ],
)
def test_a_role_is_passed_only_by_who_may_pass_it_to_that_service(
    role: Any, service: str, method: str, parameters: dict[str, Any], passed_to: str
) -> None:
    def call(*rights: dict[str, Any]) -> Any:
        return getattr(role(allow(f"{service}:*"), *rights)(service), method)

    def passing(resource: str, to: str) -> dict[str, Any]:
        return allow("iam:PassRole", resource, StringEquals={"iam:PassedToService": to})

    assert missing(call(), **parameters) == "iam:PassRole"
    assert missing(call(passing(f"{PASSED}-other", passed_to)), **parameters) == "iam:PassRole"
    assert missing(call(passing(PASSED, "ec2.amazonaws.com")), **parameters) == "iam:PassRole"
    if service == "ecs":
        call(passing(PASSED, passed_to))(**parameters)
    else:  # the role does not exist, which the service finds next
        assert "PassRole" not in refused(call(passing(PASSED, passed_to)), **parameters)[1]


def test_what_is_created_with_tags_takes_the_right_to_tag(role: Any) -> None:
    right = allow("ecs:TagResource", "*", StringEquals={"ecs:CreateAction": "CreateService"})
    ecs = role(allow("ecs:CreateCluster"), right)("ecs")
    assert missing(ecs.create_cluster, clusterName="x", tags=[{"key": "a", "value": "b"}]) == "ecs:TagResource"
    ecs.create_cluster(clusterName="x")


def test_a_secret_parameter_takes_rights_on_its_key(role: Any, client: Client) -> None:
    key = client("kms").create_key()["KeyMetadata"]["Arn"]
    parameter = f"arn:aws:ssm:us-east-1:{ACCOUNT_ID}:parameter/mine/a"
    put = {"Name": "/mine/a", "Value": "x", "Type": "SecureString", "KeyId": key}
    assert missing(role(allow("ssm:*"))("ssm").put_parameter, **put) == "kms:Encrypt"
    condition = {"StringLike": {"kms:EncryptionContext:PARAMETER_ARN": f"{parameter}*"}}
    role(allow("ssm:*"), allow("kms:Encrypt", key, **condition))("ssm").put_parameter(**put)
    reader = role(allow("ssm:*"))("ssm")
    assert missing(reader.get_parameter, Name="/mine/a", WithDecryption=True) == "kms:Decrypt"
    reader.get_parameter(Name="/mine/a")
    role(allow("ssm:*"), allow("kms:Decrypt", key))("ssm").get_parameter(Name="/mine/a", WithDecryption=True)


@pytest.mark.parametrize("key", [{}, {"KeyId": "alias/aws/ssm"}])
def test_a_secret_parameter_takes_no_right_on_awss_own_key(role: Any, key: dict[str, str]) -> None:
    ssm = role(allow("ssm:*"))("ssm")
    ssm.put_parameter(Name="/mine/own", Value="x", Type="SecureString", Overwrite=True, **key)
    assert ssm.get_parameter(Name="/mine/own", WithDecryption=True)["Parameter"]["Value"] == "x"


def test_a_parameter_that_is_overwritten_without_a_key_gets_awss_own(client: Client) -> None:
    key, ssm = client("kms").create_key()["KeyMetadata"]["Arn"], client("ssm")
    put = {"Name": "/mine/kept", "Value": "x", "Type": "SecureString", "Overwrite": True}
    ssm.put_parameter(KeyId=key, **put)
    ssm.put_parameter(**put)
    by_name = {"Key": "Name", "Option": "Equals", "Values": ["/mine/kept"]}
    (found,) = ssm.describe_parameters(ParameterFilters=[by_name])["Parameters"]
    assert found["KeyId"] == "alias/aws/ssm"


def test_a_deny_wins(role: Any) -> None:
    denied = allow("ec2:DescribeVpcs") | {"Effect": "Deny"}
    elb = role(allow("*"), denied)("elbv2")
    assert missing(elb.create_target_group, Name="denied", Protocol="HTTP", Port=80) == "ec2:DescribeVpcs"


def test_the_account_itself_needs_no_policy(client: Client) -> None:
    client("elbv2").create_target_group(Name="root", TargetType="lambda")
