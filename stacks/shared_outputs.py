"""The shared stack's outputs: what the template set takes as variables, and what people and the operations need."""

from constructs.certificate import Certificate
from constructs.cluster import Cluster
from constructs.interview_roles import InterviewRoles
from constructs.load_balancer import LoadBalancer
from constructs.log_group import LogGroup
from constructs.network import Network
from constructs.project import Project
from constructs.reaper import Reaper
from constructs.registry import Repository
from constructs.runner import Runner
from constructs.security_groups import SecurityGroups
from constructs.storage import InstanceBucket
from stacks.base import Output
from stacks.settings import Settings


def of_network(network: Network, security_groups: SecurityGroups, load_balancer: LoadBalancer) -> dict[str, Output]:
    """Where interviews run and how they are reached."""
    return {
        "vpc_id": (network.vpc_id, "The shared VPC."),
        "private_subnet_ids": (network.private_subnet_ids, "For the placement of ECS tasks."),
        "code_server_security_group_id": (security_groups.code_server_id, "For the interviews' ECS tasks."),
        "alb_dns_name": (load_balancer.dns_name, "The load balancer's own name."),
        "alb_zone_id": (load_balancer.zone_id, "The load balancer's hosted zone, for alias records."),
        "listener_arn": (load_balancer.listener_arn, "The listener that interviews are routed by."),
        "url_scheme": (
            load_balancer.scheme,
            "How candidates reach the load balancer: https, or http without a domain.",
        ),
        "portal_url": (load_balancer.url, "Where the portal is reached when it is hosted here."),
    }


def of_domain(settings: Settings, certificate: Certificate | None) -> dict[str, Output]:
    """How interviews are named in DNS."""
    # RFC 6761 keeps .test from ever existing: without a domain, clients send the Host header themselves.
    domain = settings.domain_name or f"{settings.project_prefix}.test"
    record_each = certificate is not None and not settings.wildcard_domain
    return {
        "domain_name": (domain, "Interviews live one label below it."),
        "create_dns_record": (record_each, "Whether each interview needs a DNS record of its own."),
        "hosted_zone_id": (certificate.zone_id if certificate else "", "The Route 53 zone; empty without a domain."),
    }


def of_interviews(
    project: Project, cluster: Cluster, roles: InterviewRoles, bucket: InstanceBucket, logs: LogGroup
) -> dict[str, Output]:
    """What interviews run on and with."""
    return {
        "ecs_cluster_name": (cluster.name, "For creating ECS services."),
        "ecs_cluster_arn": (cluster.arn, "For creating ECS services."),
        "execution_role_arn": (roles.execution.arn, "Starts interviews."),
        "task_role_arn": (roles.task.arn, "Reads the challenges."),
        "kms_key_arn": (project.key.arn, "Encrypts the passwords."),
        "instance_bucket_name": (bucket.name, "Templates, challenges, workspaces and interview state."),
        "log_group_name": (logs.name, "Receives the containers' output."),
    }


def of_images(settings: Settings, repository: Repository) -> dict[str, Output]:
    """Which images interviews run."""
    return {
        "code_server_repository_url": (repository.url, "Our own code-server images, without a tag."),
        "code_server_image": (
            settings.code_server_image or f"{repository.url}:latest",
            "The code-server image that interviews run.",
        ),
        "challenge_loader_image": (
            settings.challenge_loader_image,
            "Delivers the challenge; empty for the interview's own image.",
        ),
    }


def of_operations(runner: Runner, reaper: Reaper) -> dict[str, Output]:
    """What looks after interviews on AWS."""
    return {
        "runner_project_name": (runner.name, "The CodeBuild project that runs terraform for interviews."),
        "reaper_function_name": (reaper.name, "The Lambda function that ends what is overdue."),
    }


def of_settings(settings: Settings, project: Project) -> dict[str, Output]:
    """The settings that clients need."""
    return {
        "code_server_cpu": (settings.code_server_cpu, "CPU units of an interview."),
        "code_server_memory": (settings.code_server_memory, "Memory of an interview in MiB."),
        "code_server_storage": (settings.code_server_storage, "Ephemeral storage of an interview in GiB."),
        "cpu_architecture": (settings.cpu_architecture, "Of the interviews' containers."),
        "max_instances": (settings.max_instances, "How many interviews may run at a time."),
        "interview_default_minutes": (settings.interview_default_minutes, "How long an interview lasts by default."),
        "interview_maximum_minutes": (settings.interview_maximum_minutes, "How long an interview may last at most."),
        "aws_account_id": (project.account.account_id, "The account that this stack is in."),
        "aws_region": (settings.aws_region, "The region that this stack is in."),
        "project_prefix": (settings.project_prefix, "The prefix of every name."),
        "environment": (settings.environment, "The environment, for tags."),
        "tags": (settings.tags, "Of every resource, the interviews' too."),
    }
