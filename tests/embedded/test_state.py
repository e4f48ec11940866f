"""AWS refuses what comes too early, and what something else still uses."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.embedded.conftest import Client, Refusal, refused
from tests.embedded.roles import service_role, settled_role


def succeeds_later(call: Callable[..., Any], seconds: float, **parameters: Any) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            call(**parameters)
        except ClientError:
            time.sleep(0.5)
        else:
            return
    call(**parameters)


def function(name: str, arn: str) -> dict[str, Any]:
    return {"FunctionName": name, "Role": arn, "Code": {"ZipFile": b""}, "Runtime": "python3.12", "Handler": "x.y"}


def project(name: str, arn: str) -> dict[str, Any]:
    environment = {"type": "LINUX_CONTAINER", "image": "x", "computeType": "BUILD_GENERAL1_SMALL"}
    source, artifacts = {"type": "NO_SOURCE"}, {"type": "NO_ARTIFACTS"}
    return {"name": name, "source": source, "artifacts": artifacts, "environment": environment, "serviceRole": arn}


NOT_FOR_LAMBDA: Refusal = (
    "InvalidParameterValueException",
    "The role defined for the function cannot be assumed by Lambda.",
)


def test_a_service_cannot_assume_a_role_in_its_first_seconds(client: Client) -> None:
    functions, projects = (
        service_role(client("iam"), "functions", "lambda.amazonaws.com"),
        service_role(client("iam"), "p", "codebuild.amazonaws.com"),
    )
    assert refused(client("lambda").create_function, **function("early", functions)) == NOT_FOR_LAMBDA
    code, message = refused(client("codebuild").create_project, **project("early", projects))
    assert (code, message) == (
        "InvalidInputException",
        f"CodeBuild is not authorized to perform: sts:AssumeRole on {projects}",
    )
    succeeds_later(client("lambda").create_function, 20, **function("early", functions))
    succeeds_later(client("codebuild").create_project, 20, **project("early", projects))
    assert refused(client("lambda").create_function, **function("other", projects)) == NOT_FOR_LAMBDA


def network(client: Client) -> tuple[str, str, list[str]]:
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName="used", Description="used", VpcId=vpc)["GroupId"]
    zones = enumerate(("us-east-1a", "us-east-1b"))
    return vpc, group, [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{n}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for n, zone in zones
    ]  # fmt: skip


def test_a_nat_gateway_keeps_its_subnet_only_until_it_is_deleted(client: Client) -> None:
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.8.0.0/24")["Subnet"]["SubnetId"]
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    gateway = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]["NatGatewayId"]
    assert refused(ec2.delete_subnet, SubnetId=subnet)[0] == "DependencyViolation"
    ec2.delete_nat_gateway(NatGatewayId=gateway)
    ec2.delete_subnet(SubnetId=subnet)


def test_an_interface_keeps_its_subnet_and_its_group(client: Client) -> None:
    ec2, elb = client("ec2"), client("elbv2")
    vpc, group, subnets = network(client)
    balancer = elb.create_load_balancer(Name="uses", Subnets=subnets, SecurityGroups=[group])["LoadBalancers"][0]
    assert refused(ec2.delete_subnet, SubnetId=subnets[0]) == (
        "DependencyViolation",
        f"The subnet '{subnets[0]}' has dependencies and cannot be deleted.",
    )
    in_use = ("DependencyViolation", f"resource {group} has a dependent object")
    assert refused(ec2.delete_security_group, GroupId=group) == in_use
    elb.delete_load_balancer(LoadBalancerArn=balancer["LoadBalancerArn"])
    other = ec2.create_security_group(GroupName="names", Description="names", VpcId=vpc)["GroupId"]
    rule = [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": group}]}]
    ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=rule)
    assert refused(ec2.delete_security_group, GroupId=group) == in_use
    ec2.delete_security_group(GroupId=other)
    ec2.delete_security_group(GroupId=group)
    for subnet in subnets:
        ec2.delete_subnet(SubnetId=subnet)


def test_a_target_group_without_a_listener_cannot_take_a_service(client: Client) -> None:
    ecs, elb = client("ecs"), client("elbv2")
    vpc, group, subnets = network(client)
    target = elb.create_target_group(Name="alone", Protocol="HTTP", Port=80, TargetType="ip", VpcId=vpc)
    arn = target["TargetGroups"][0]["TargetGroupArn"]
    ecs.create_cluster(clusterName="targets")
    ecs.register_task_definition(family="t", containerDefinitions=[{"name": "x", "image": "x", "memory": 128}])
    wanted = {
        "cluster": "targets",
        "serviceName": "t",
        "taskDefinition": "t",
        "desiredCount": 1,
        "loadBalancers": [{"targetGroupArn": arn, "containerName": "x", "containerPort": 80}],
    }
    assert refused(ecs.create_service, **wanted) == (
        "InvalidParameterException",
        f"The target group with targetGroupArn {arn} does not have an associated load balancer.",
    )
    balancer = elb.create_load_balancer(Name="listens", Subnets=subnets, SecurityGroups=[group])["LoadBalancers"][0]
    action = {"Type": "forward", "TargetGroupArn": arn}
    elb.create_listener(LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=[action])
    ecs.create_service(**wanted)


def test_the_log_group_of_container_insights_comes_back(client: Client) -> None:
    logs, name = client("logs"), "/aws/ecs/containerinsights/back/performance"
    logs.create_log_group(logGroupName=name)
    logs.delete_log_group(logGroupName=name)
    assert refused(logs.create_log_group, logGroupName=name)[0] == "ResourceAlreadyExistsException"


def test_the_inline_policies_of_a_role_have_one_limit_together(client: Client) -> None:
    service_role(client("iam"), "long", "lambda.amazonaws.com")
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::" + "x" * 5000}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    put = client("iam").put_role_policy
    put(RoleName="long", PolicyName="one", PolicyDocument=policy)
    put(RoleName="long", PolicyName="one", PolicyDocument=policy)
    put(
        RoleName="long", PolicyName="two", PolicyDocument=policy.replace("x" * 100, " " * 100, 1).replace(" " * 100, "")
    )
    with pytest.raises(ClientError, match="Maximum policy size of 10240 bytes exceeded for role long"):
        put(RoleName="long", PolicyName="three", PolicyDocument=policy)


def test_a_bucket_can_be_emptied_of_its_delete_markers_after_its_versioning_was_suspended(client: Client) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket="emptied")
    s3.put_bucket_versioning(Bucket="emptied", VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket="emptied", Key="x", Body=b"")["VersionId"]
    marker = s3.delete_object(Bucket="emptied", Key="x")["VersionId"]
    s3.put_bucket_versioning(Bucket="emptied", VersioningConfiguration={"Status": "Suspended"})
    versions = [{"Key": "x", "VersionId": version_id} for version_id in (version, marker)]
    assert "Errors" not in s3.delete_objects(Bucket="emptied", Delete={"Objects": versions})
    s3.delete_bucket(Bucket="emptied")


def test_a_changed_build_project_keeps_what_the_change_does_not_name(client: Client) -> None:
    codebuild = client("codebuild")
    codebuild.create_project(**project("changed", settled_role(client("iam"), "changed", "codebuild.amazonaws.com")))
    (before,) = codebuild.batch_get_projects(names=["changed"])["projects"]
    codebuild.update_project(name="changed", description="new", tags=[{"key": "a", "value": "b"}])
    (after,) = codebuild.batch_get_projects(names=["changed"])["projects"]
    assert (after["description"], after["tags"]) == ("new", [{"key": "a", "value": "b"}])
    assert after["source"] == before["source"]
    assert refused(codebuild.update_project, name="unknown")[0] == "ResourceNotFoundException"
