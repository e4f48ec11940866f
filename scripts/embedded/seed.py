"""What an interview needs of the shared stack, created by API calls in about a second."""

import json
from typing import Any

from contract.names import bucket_name, code_server_repository, interview_log_group
from scripts.aws.clients import Aws

_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def seed_shared_infrastructure(
    aws: Aws, *, project_prefix: str = "prequel", domain_name: str = "interviews.example.com", wildcard: bool = True
) -> dict[str, Any]:
    """Creates what an interview refers to, on an embedded AWS, for rehearsals and tests.

    Returns the shared values by the names of the template set's variables. The whole shared stack is deployed by cdktf.
    """
    registry = f"{aws.account_id}.dkr.ecr.{aws.region}.amazonaws.com"
    zone = aws.route53.create_hosted_zone(Name=domain_name, CallerReference=project_prefix)["HostedZone"]["Id"]
    aws.client("logs").create_log_group(logGroupName=interview_log_group(project_prefix))
    return {
        "aws_account_id": aws.account_id,
        "aws_region": aws.region,
        "project_prefix": project_prefix,
        "environment": "embedded",
        "url_scheme": "http",
        "domain_name": domain_name,
        "create_dns_record": not wildcard,
        "hosted_zone_id": zone.removeprefix("/hostedzone/"),
        **_network(aws, project_prefix),
        "ecs_cluster_arn": aws.ecs.create_cluster(clusterName=project_prefix)["cluster"]["clusterArn"],
        "execution_role_arn": _role(aws, f"{project_prefix}-execution", "kms:Decrypt", "ssm:GetParameters"),
        "task_role_arn": _role(aws, f"{project_prefix}-task", "s3:GetObject", "s3:ListBucket"),
        "kms_key_arn": aws.client("kms").create_key(Description=project_prefix)["KeyMetadata"]["Arn"],
        "instance_bucket_name": _bucket(aws, bucket_name(project_prefix)),
        "log_group_name": interview_log_group(project_prefix),
        "code_server_cpu": 1024,
        "code_server_memory": 2048,
        "code_server_storage": 21,
        "cpu_architecture": "X86_64",
        "code_server_image": "docker.io/codercom/code-server:4.99.4",
        "code_server_repository_url": f"{registry}/{code_server_repository(project_prefix)}",
        "challenge_loader_image": "",
        "max_instances": 10,
        "interview_default_minutes": 90,
        "interview_maximum_minutes": 240,
    }


def _network(aws: Aws, name: str) -> dict[str, Any]:
    vpc = aws.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        aws.ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"{aws.region}{zone}")
        for n, zone in enumerate("ab")
    ]
    subnet_ids = [subnet["Subnet"]["SubnetId"] for subnet in subnets]
    group = aws.ec2.create_security_group(GroupName=f"{name}-code-server", Description="code-server", VpcId=vpc)
    balancer = aws.elbv2.create_load_balancer(Name=name, Subnets=subnet_ids)["LoadBalancers"][0]
    listener = aws.elbv2.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
    )
    return {
        "vpc_id": vpc,
        "private_subnet_ids": subnet_ids,
        "code_server_security_group_id": group["GroupId"],
        "alb_dns_name": balancer["DNSName"],
        "alb_zone_id": balancer["CanonicalHostedZoneId"],
        "listener_arn": listener["Listeners"][0]["ListenerArn"],
    }


def _role(aws: Aws, name: str, *actions: str) -> str:
    iam = aws.client("iam")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(_TRUST))
    allowed = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=document)
    return str(role["Role"]["Arn"])


def _bucket(aws: Aws, name: str) -> str:
    # us-east-1 is where S3 creates a bucket without a location, and the one location that it refuses.
    location = {} if aws.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": aws.region}}
    aws.s3.create_bucket(Bucket=name, **location)  # type: ignore[arg-type]
    aws.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name
