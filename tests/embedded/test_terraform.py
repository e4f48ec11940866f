"""What once would have stopped a deployment in a new account is refused to the real Terraform in AWS's words."""

import zipfile
from pathlib import Path

import pytest

from scripts.embedded.launcher import EmbeddedAws
from scripts.errors import TerraformError
from scripts.terraform.process import Terraform

MISTAKES = """
provider "aws" {
  region = "us-east-1"
}
resource "aws_vpc" "vpc" {
  cidr_block = "10.0.0.0/16"
}
resource "aws_security_group" "group" {
  name   = "interviews"
  vpc_id = aws_vpc.vpc.id
}
resource "aws_vpc_security_group_egress_rule" "resolver" {
  security_group_id = aws_security_group.group.id
  ip_protocol       = "udp"
  from_port         = 53
  to_port           = 53
  cidr_ipv4         = "10.0.0.2/32"
  description       = "The VPC's DNS resolver"
}
resource "aws_iam_role" "function" {
  name = "function"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }]
  })
}
resource "aws_lambda_function" "function" {
  function_name                  = "function"
  role                           = aws_iam_role.function.arn
  runtime                        = "python3.13"
  handler                        = "function.handle"
  filename                       = "function.zip"
  reserved_concurrent_executions = 1
}
resource "aws_eip" "address" {
  count  = 6
  domain = "vpc"
}
resource "aws_ecs_cluster" "cluster" {
  name = "cluster"
}
resource "aws_ecs_cluster_capacity_providers" "capacity" {
  cluster_name       = aws_ecs_cluster.cluster.name
  capacity_providers = ["FARGATE"]
}
"""

REFUSALS = (
    "InvalidParameterValue: Invalid rule description.",
    "UnreservedConcurrentExecution below its minimum value of [10].",
    "AddressLimitExceeded: The maximum number of addresses has been reached.",
    "InvalidParameterException: Unable to assume the service linked role.",
)


@pytest.mark.e2e
def test_each_mistake_of_a_first_deployment_is_refused_as_aws_refuses_it(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(MISTAKES)
    with zipfile.ZipFile(tmp_path / "function.zip", "w") as archive:
        archive.writestr("function.py", "")
    with EmbeddedAws.start(account="new") as embedded:
        environment = {name: value for name, value in embedded.environment.items() if name != "TF_CLI_ARGS_init"}
        run = Terraform(tmp_path, environment)
        run.init()
        with pytest.raises(TerraformError) as raised:
            run.apply()
        roles = [role["RoleName"] for role in embedded.aws.client("iam").list_roles()["Roles"]]
    messages = raised.value.diagnostics
    assert len(messages) == len(REFUSALS), messages
    for refusal in REFUSALS:
        assert [refusal in message for message in messages].count(True) == 1, (refusal, messages)
    assert "function" in roles  # Terraform waited for it, as it does on AWS
