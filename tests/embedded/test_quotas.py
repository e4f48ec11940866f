"""A brand-new account stops what a brand-new account of AWS stops, and says so as AWS does."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scripts.embedded.checks.quotas import QUOTAS
from scripts.embedded.launcher import EmbeddedAws
from tests.embedded.conftest import Client, clients, refused
from tests.embedded.roles import service_role
from tests.embedded.test_state import function, project, succeeds_later


@pytest.fixture(scope="module")
def new() -> Iterator[Client]:
    with EmbeddedAws.start(account="new") as started:
        yield clients(started)


def test_no_build_runs(new: Client) -> None:
    arn = service_role(new("iam"), "builds", "codebuild.amazonaws.com")
    succeeds_later(new("codebuild").create_project, 20, **project("builds", arn))
    assert refused(new("codebuild").start_build, projectName="builds") == (
        "AccountLimitExceededException",
        "Cannot have more than 0 builds in queue for the account",
    )


def test_no_concurrency_can_be_reserved(new: Client) -> None:
    arn = service_role(new("iam"), "functions", "lambda.amazonaws.com")
    succeeds_later(new("lambda").create_function, 20, **function("reserves", arn))
    assert refused(new("lambda").put_function_concurrency, FunctionName="reserves", ReservedConcurrentExecutions=1) == (
        "InvalidParameterValueException",
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below"
        " its minimum value of [10].",
    )
    assert new("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"] == 10


def test_there_are_five_addresses(new: Client) -> None:
    for _ in range(5):
        new("ec2").allocate_address(Domain="vpc")
    assert refused(new("ec2").allocate_address, Domain="vpc") == (
        "AddressLimitExceeded",
        "The maximum number of addresses has been reached.",
    )


def test_the_role_of_ecs_comes_with_the_first_cluster_and_takes_a_while(new: Client) -> None:
    with pytest.raises(ClientError, match="NoSuchEntity"):
        new("iam").get_role(RoleName="AWSServiceRoleForECS")
    new("ecs").create_cluster(clusterName="first")
    providers: dict[str, Any] = {
        "cluster": "first",
        "capacityProviders": ["FARGATE"],
        "defaultCapacityProviderStrategy": [],
    }
    assert refused(new("ecs").put_cluster_capacity_providers, **providers) == (
        "InvalidParameterException",
        "Unable to assume the service linked role. Please verify that the ECS service linked role exists.",
    )
    succeeds_later(new("ecs").put_cluster_capacity_providers, 60, **providers)


def test_fargate_runs_six_vcpu_and_says_why_it_runs_no_more(new: Client) -> None:
    ecs = new("ecs")
    ecs.create_cluster(clusterName="six")
    ecs.register_task_definition(
        family="two",
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="2048",
        memory="4096",
        containerDefinitions=[{"name": "x", "image": "x"}],
    )
    service = {"cluster": "six", "taskDefinition": "two", "desiredCount": 1, "launchType": "FARGATE"}
    succeeds_later(ecs.create_service, 60, **service, serviceName="s0")
    for number in range(1, 4):
        ecs.create_service(**service, serviceName=f"s{number}")
    found = ecs.describe_services(cluster="six", services=[f"s{number}" for number in range(4)])["services"]
    assert [one["runningCount"] for one in found] == [1, 1, 1, 0]
    assert "reached the limit on the number of vCPUs you can run concurrently" in found[3]["events"][0]["message"]
    ecs.update_service(cluster="six", service="s0", desiredCount=0)
    ecs.update_service(cluster="six", service="s3", desiredCount=1)
    assert ecs.describe_services(cluster="six", services=["s3"])["services"][0]["runningCount"] == 1


@pytest.mark.parametrize("quota", QUOTAS, ids=lambda quota: quota.name)
def test_service_quotas_says_each_number(quota: Any, new: Client, client: Client) -> None:
    asked = {"ServiceCode": quota.service, "QuotaCode": quota.code}
    assert new("service-quotas").get_service_quota(**asked)["Quota"]["Value"] == quota.new
    assert client("service-quotas").get_service_quota(**asked)["Quota"]["Value"] == quota.raised
    listed = new("service-quotas").list_service_quotas(ServiceCode=quota.service)["Quotas"]
    assert (quota.code, quota.new) in [(one["QuotaCode"], one["Value"]) for one in listed]


def test_a_load_balancer_forwards_to_a_hundred_target_groups(new: Client) -> None:
    ec2, elb = new("ec2"), new("elbv2")
    vpc = ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.8.{n}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for n, zone in enumerate(("us-east-1a", "us-east-1b"))
    ]
    balancer = elb.create_load_balancer(Name="hundred", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    answer = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]
    listener = elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=answer)
    rule = {"ListenerArn": listener["Listeners"][0]["ListenerArn"]}

    def forward(number: int) -> dict[str, Any]:
        group = elb.create_target_group(Name=f"t{number}", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip")
        arn = group["TargetGroups"][0]["TargetGroupArn"]
        condition = {"Field": "host-header", "Values": [f"{number}.example.com"]}
        return {
            "Priority": number,
            "Conditions": [condition],
            "Actions": [{"Type": "forward", "TargetGroupArn": arn}],
        }

    for number in range(1, 101):
        elb.create_rule(**rule, **forward(number))
    assert refused(elb.create_rule, **rule, **forward(101))[0] == "TooManyUniqueTargetGroupsPerLoadBalancer"
