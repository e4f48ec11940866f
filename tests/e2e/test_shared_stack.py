"""The shared stack as AWS sees it after `cdktf deploy`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.project import PROJECT
from scripts.terraform.providers import terraform_environment
from tests.e2e.conftest import Deployed

pytestmark = pytest.mark.e2e


def test_the_outputs_that_the_specification_names_are_there(deployed: Deployed) -> None:
    named = {"ecs_cluster_name", "alb_dns_name", "portal_url", "code_server_security_group_id", "private_subnet_ids"}
    assert named <= deployed.outputs.keys()
    assert deployed.outputs["portal_url"] == "https://interviews.example.com"


def test_after_a_deployment_there_is_no_difference(deployed: Deployed) -> None:
    environment = terraform_environment(deployed.environment)
    environment.pop("TF_CLI_ARGS_init")
    output = deployed.directory / "cdktf.diff"
    diff = subprocess.run(
        ["node_modules/.bin/cdktf", "diff", "shared", "--skip-provider-lock", "--output", str(output)],
        cwd=PROJECT,
        env=environment | {"CI": "1", "PATH": os.pathsep.join((str(Path(sys.executable).parent), environment["PATH"]))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Your infrastructure matches the configuration." in diff.stdout, diff.stdout[-4000:]


def test_containers_accept_connections_from_the_load_balancer_only(deployed: Deployed) -> None:
    ec2 = deployed.embedded.aws.ec2
    group = deployed.outputs["code_server_security_group_id"]
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
    ingress = [rule for rule in rules if not rule["IsEgress"]]
    assert [(rule["FromPort"], rule["ToPort"]) for rule in ingress] == [(8443, 8443)]
    assert "CidrIpv4" not in ingress[0]
    source = ingress[0]["ReferencedGroupInfo"]["GroupId"]
    (balancer,) = deployed.embedded.aws.elbv2.describe_load_balancers()["LoadBalancers"]
    assert balancer["SecurityGroups"] == [source]


def test_containers_run_where_no_route_leads_in_from_the_internet(deployed: Deployed) -> None:
    ec2 = deployed.embedded.aws.ec2
    for subnet in deployed.outputs["private_subnet_ids"]:
        (table,) = ec2.describe_route_tables(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])[
            "RouteTables"
        ]
        assert not [route for route in table["Routes"] if str(route.get("GatewayId", "")).startswith("igw-")]
        assert not ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["MapPublicIpOnLaunch"]


def test_plain_http_is_only_ever_redirected(deployed: Deployed) -> None:
    elbv2 = deployed.embedded.aws.elbv2
    (balancer,) = elbv2.describe_load_balancers()["LoadBalancers"]
    listeners = elbv2.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    by_port = {listener["Port"]: listener for listener in listeners}
    assert by_port.keys() == {80, 443}
    assert by_port[80]["DefaultActions"][0]["Type"] == "redirect"
    assert by_port[443]["DefaultActions"][0]["FixedResponseConfig"]["StatusCode"] == "404"
    assert by_port[443]["ListenerArn"] == deployed.outputs["listener_arn"]


def test_tls_responses_forbid_plain_http_for_a_year(deployed: Deployed) -> None:
    elbv2 = deployed.embedded.aws.elbv2
    attributes = elbv2.describe_listener_attributes(ListenerArn=deployed.outputs["listener_arn"])["Attributes"]
    assert {
        "Key": "routing.http.response.strict_transport_security.header_value",
        "Value": "max-age=31536000",
    } in attributes


def test_alarms_and_dashboard_watch_the_load_balancer_that_was_deployed(deployed: Deployed) -> None:
    cloudwatch = deployed.embedded.aws.client("cloudwatch")
    (balancer,) = deployed.embedded.aws.elbv2.describe_load_balancers()["LoadBalancers"]
    suffix = balancer["LoadBalancerArn"].partition(":loadbalancer/")[2]
    assert suffix in cloudwatch.get_dashboard(DashboardName="prequel")["DashboardBody"]
    alarms = {alarm["AlarmName"]: alarm for alarm in cloudwatch.describe_alarms()["MetricAlarms"]}
    assert f"LoadBalancer = '{suffix}'" in alarms["prequel-unhealthy-hosts"]["Metrics"][0]["Expression"]
    errors = alarms["prequel-load-balancer-errors"]["Metrics"][0]["MetricStat"]["Metric"]["Dimensions"]
    assert errors == [{"Name": "LoadBalancer", "Value": suffix}]


def test_every_bucket_is_versioned_or_logs_and_closed_to_the_public(deployed: Deployed) -> None:
    s3 = deployed.embedded.aws.s3
    for bucket in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
        assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
        policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
        denied = [s for s in policy["Statement"] if s["Effect"] == "Deny"]
        assert any("aws:SecureTransport" in json.dumps(statement["Condition"]) for statement in denied)


def test_no_file_of_the_checkout_was_touched_by_the_deployment(deployed: Deployed) -> None:
    assert deployed.directory.is_relative_to(PROJECT) is False
    assert not (PROJECT / "terraform.shared.tfstate").exists()
