"""The shared stack: everything that is set up once and that every interview uses."""

from cdktf import LocalBackend, S3Backend, TerraformOutput

from constructs import Construct
from constructs.account import Account
from constructs.alarms import Alarms
from constructs.certificate import Certificate, LoadBalancerRecords
from constructs.cluster import Cluster, insights_log_group_name
from constructs.dashboard import Dashboard
from constructs.encryption import EncryptionKey
from constructs.flow_logs import FlowLogs
from constructs.function import function_log_group
from constructs.identity import InterviewExecutionRole, InterviewTaskRole
from constructs.image_indexing import ImageIndexing
from constructs.load_balancer import HTTP_PORT, HTTPS_PORT, LoadBalancer
from constructs.log_group import LogGroup
from constructs.network import Network
from constructs.portal import PORTAL_PORT, Portal
from constructs.reaper import Reaper
from constructs.registry import Repository
from constructs.runner import Runner
from constructs.security_groups import SecurityGroups
from constructs.storage import InstanceBucket, LogBucket
from contract.names import (
    CODE_SERVER_PORT,
    LOCAL_STATE_FILE,
    bucket_name,
    code_server_repository,
    image_indexer,
    reaper_function,
)
from contract.prices import BASE_REGION, PRICED_ON, interview_per_hour, is_priced, standing_per_day
from contract.subnets import SubnetPlan
from stacks.base import ReadableStack, aws_provider
from stacks.configuration import Configuration
from stacks.programs import Programs


class SharedStack(ReadableStack):
    """The shared infrastructure as ``configuration`` wants it, with ``programs`` on AWS.

    Without a domain name it serves plain HTTP.
    """

    def __init__(self, scope: Construct, id: str, *, configuration: Configuration, programs: Programs) -> None:
        super().__init__(scope, id)
        self._keep_state(configuration)
        settings = configuration.settings
        prefix = settings.project_prefix
        domain = settings.domain_name
        subnets = SubnetPlan.of(settings.vpc_cidr, settings.availability_zones)
        retention_days = settings.log_retention_days
        disposable = not settings.deletion_protection
        aws_provider(
            self,
            region=settings.aws_region,
            tags={"Project": prefix, "Environment": settings.environment, **settings.tags},
        )
        account = Account(self, "account", region=settings.aws_region)

        key = EncryptionKey(
            self,
            "encryption",
            name=prefix,
            account=account,
            log_group_names=[
                f"/{prefix}/*",
                insights_log_group_name(prefix),
                function_log_group(reaper_function(prefix)),
                *([function_log_group(f"{image_indexer(prefix)}-*")] if settings.soci_indexing else []),
            ],
            # The longest and the shortest time that KMS offers to think again.
            deletion_window_days=7 if disposable else 30,
        )
        instance_bucket = InstanceBucket(
            self, "storage", name=bucket_name(prefix), account=account, force_destroy=disposable
        )
        log_bucket = LogBucket(
            self,
            "access_logs",
            # Bucket names are global; the instance bucket's is the specification's, this one is ours to make unique.
            name=f"{prefix}-logs-{account.account_id}",
            account=account,
            logged_bucket_arn=instance_bucket.arn,
            retention_days=retention_days,
            force_destroy=disposable,
        )
        instance_bucket.log_to(log_bucket)
        network = Network(
            self,
            "network",
            name=prefix,
            region=settings.aws_region,
            vpc_cidr=settings.vpc_cidr,
            public_cidrs=subnets.public,
            private_cidrs=subnets.private,
            nat_in_each_zone=settings.egress == "nat_per_az",
        )
        FlowLogs(
            self,
            "flow_logs",
            project_prefix=prefix,
            account=account,
            network=network,
            key=key,
            retention_days=retention_days,
        )
        security_groups = SecurityGroups(
            self,
            "security",
            name=prefix,
            vpc_id=network.vpc_id,
            vpc_cidr=settings.vpc_cidr,
            listener_ports=[HTTP_PORT, HTTPS_PORT] if domain else [HTTP_PORT],
            code_server_port=CODE_SERVER_PORT,
            portal_port=PORTAL_PORT if settings.portal_image else None,
        )
        certificate = (
            Certificate(self, "domain", domain_name=domain, hosted_zone_name=settings.hosted_zone_name or domain)
            if domain
            else None
        )
        load_balancer = LoadBalancer(
            self,
            "load_balancer",
            name=prefix,
            subnet_ids=network.public_subnet_ids,
            security_group_id=security_groups.load_balancer_id,
            certificate_arn=certificate.arn if certificate else None,
            log_bucket_name=log_bucket.name,
            deletion_protection=settings.deletion_protection,
        )
        if certificate:
            LoadBalancerRecords(
                self,
                "records",
                names={"apex": domain} | ({"wildcard": f"*.{domain}"} if settings.wildcard_domain else {}),
                zone_id=certificate.zone_id,
                load_balancer_dns_name=load_balancer.dns_name,
                load_balancer_zone_id=load_balancer.zone_id,
            )
        cluster = Cluster(self, "cluster", name=prefix, log_retention_days=retention_days, kms_key_arn=key.arn)
        repository = Repository(
            self, "code_server", name=code_server_repository(prefix), kms_key_arn=key.arn, force_delete=disposable
        )
        interview_logs_name = f"/{prefix}/interviews"
        interview_logs = LogGroup(
            self, "interview_log", name=interview_logs_name, retention_days=retention_days, key=key
        )
        execution_role = InterviewExecutionRole(
            self,
            "execution",
            project_prefix=prefix,
            account=account,
            log_group_name=interview_logs_name,
            kms_key_arn=key.arn,
        )
        task_role = InterviewTaskRole(
            self,
            "task",
            project_prefix=prefix,
            account=account,
            bucket_name=bucket_name(prefix),
            vpc_id=network.vpc_id,
        )
        # Whoever creates interviews hands these two to ECS, and writes records only where the wildcard does not serve.
        passed_role_arns = [execution_role.arn, task_role.arn]
        record_zone_id = certificate.zone_id if certificate and not settings.wildcard_domain else None
        portal_host = domain or load_balancer.dns_name
        url_scheme = "https" if domain else "http"
        portal_url = f"{url_scheme}://{portal_host}"
        portal = (
            Portal(
                self,
                "portal",
                project_prefix=prefix,
                account=account,
                image=settings.portal_image,
                cpu_architecture=settings.cpu_architecture,
                hostname=portal_host,
                url=portal_url,
                listener_arn=load_balancer.listener_arn,
                vpc_id=network.vpc_id,
                subnet_ids=network.private_subnet_ids,
                security_group_id=security_groups.portal_id,
                cluster_arn=cluster.arn,
                bucket_name=bucket_name(prefix),
                log_retention_days=retention_days,
                key=key,
                passed_role_arns=passed_role_arns,
                domain_name=domain,
                hosted_zone_id=record_zone_id,
            )
            if security_groups.portal_id
            else None
        )
        alarms = Alarms(
            self,
            "alarms",
            project_prefix=prefix,
            account=account,
            key=key,
            email=settings.alarm_email,
            load_balancer=load_balancer,
            portal=portal,
            certificate=certificate,
            cluster=cluster,
            network=network,
            bucket=instance_bucket,
            interview_logs=interview_logs,
        )
        runner = Runner(
            self,
            "runner",
            program=programs.runner,
            project_prefix=prefix,
            account=account,
            architecture=settings.runner_architecture,
            settings={
                "aws_region": settings.aws_region,
                "environment": settings.environment,
                "domain_name": domain,
                "project_prefix": prefix,
            },
            bucket=instance_bucket,
            key=key,
            log_retention_days=retention_days,
            passed_role_arns=passed_role_arns,
            domain_name=domain,
            hosted_zone_id=record_zone_id,
            alarm_topic=alarms.topic,
        )
        reaper = Reaper(
            self,
            "reaper",
            program=programs.reaper,
            project_prefix=prefix,
            account=account,
            bucket=instance_bucket,
            key=key,
            max_instances=settings.max_instances,
            log_retention_days=retention_days,
            alarm_topic=alarms.topic,
        )
        if settings.soci_indexing:
            ImageIndexing(
                self,
                "image_indexing",
                starter=programs.image_starter,
                recorder=programs.image_recorder,
                project_prefix=prefix,
                account=account,
                repository=repository,
                key=key,
                cpu_architecture=settings.cpu_architecture,
                log_retention_days=retention_days,
                alarm_topic=alarms.topic,
            )
        priced_region = settings.aws_region if is_priced(settings.aws_region) else BASE_REGION
        Dashboard(
            self,
            "dashboard",
            project_prefix=prefix,
            region=settings.aws_region,
            load_balancer=load_balancer,
            cluster=cluster,
            interview_logs=interview_logs,
            reaper=reaper,
            runner=runner,
            interview_dollars_per_hour=interview_per_hour(
                cpu=settings.code_server_cpu,
                memory=settings.code_server_memory,
                architecture=settings.cpu_architecture,
                storage=settings.code_server_storage,
                region=priced_region,
            ),
            standing_dollars_per_day=standing_per_day(
                nat_gateways=len(network.nat_gateway_ids),
                zones=settings.availability_zones,
                region=priced_region,
            ),
            price_list=f"list prices of {PRICED_ON} in {priced_region}",
        )

        outputs = {
            "ecs_cluster_name": (cluster.name, "For creating ECS services."),
            "ecs_cluster_arn": (cluster.arn, "For creating ECS services."),
            "alb_dns_name": (load_balancer.dns_name, "The load balancer's own name."),
            "alb_zone_id": (load_balancer.zone_id, "The load balancer's hosted zone, for alias records."),
            "portal_url": (portal_url, "Where the portal is reached when it is hosted here."),
            "code_server_security_group_id": (security_groups.code_server_id, "For the interviews' ECS tasks."),
            "private_subnet_ids": (network.private_subnet_ids, "For the placement of ECS tasks."),
            "vpc_id": (network.vpc_id, "The shared VPC."),
            "listener_arn": (load_balancer.listener_arn, "The listener that interviews are routed by."),
            "url_scheme": (url_scheme, "How candidates reach the load balancer: https, or http without a domain."),
            # RFC 6761 keeps .test from ever existing: without a domain, clients send the Host header themselves.
            "domain_name": (domain or f"{prefix}.test", "Interviews live one label below it."),
            "create_dns_record": (
                bool(domain) and not settings.wildcard_domain,
                "Whether each interview needs a DNS record of its own.",
            ),
            "hosted_zone_id": (
                certificate.zone_id if certificate else "",
                "The Route 53 zone; empty without a domain.",
            ),
            "execution_role_arn": (execution_role.arn, "Starts interviews."),
            "task_role_arn": (task_role.arn, "Reads the challenges."),
            "kms_key_arn": (key.arn, "Encrypts the passwords."),
            "instance_bucket_name": (instance_bucket.name, "Templates, challenges, workspaces and interview state."),
            "runner_project_name": (runner.name, "The CodeBuild project that runs terraform for interviews."),
            "reaper_function_name": (reaper.name, "The Lambda function that ends what is overdue."),
            "log_group_name": (interview_logs.name, "Receives the containers' output."),
            "code_server_repository_url": (repository.url, "Our own code-server images, without a tag."),
            "code_server_image": (
                settings.code_server_image or f"{repository.url}:latest",
                "The code-server image that interviews run.",
            ),
            "challenge_loader_image": (settings.challenge_loader_image, "Copies the challenge into an interview."),
            "code_server_cpu": (settings.code_server_cpu, "CPU units of an interview."),
            "code_server_memory": (settings.code_server_memory, "Memory of an interview in MiB."),
            "code_server_storage": (settings.code_server_storage, "Ephemeral storage of an interview in GiB."),
            "cpu_architecture": (settings.cpu_architecture, "Of the interviews' containers."),
            "max_instances": (settings.max_instances, "How many interviews may run at a time."),
            "interview_default_minutes": (
                settings.interview_default_minutes,
                "How long an interview lasts unless told.",
            ),
            "interview_maximum_minutes": (
                settings.interview_maximum_minutes,
                "How long an interview may last at most.",
            ),
            "aws_account_id": (account.account_id, "The account that this stack is in."),
            "aws_region": (settings.aws_region, "The region that this stack is in."),
            "project_prefix": (prefix, "Begins every name."),
            "environment": (settings.environment, "The environment, for tags."),
            "tags": (settings.tags, "Of every resource, the interviews' too."),
        }
        results = Construct(self, "outputs")
        for name, (value, description) in outputs.items():
            TerraformOutput(results, name, value=value, description=description)

    def _keep_state(self, configuration: Configuration) -> None:
        """State goes where backend.config says; without one, beside the configuration."""
        backend = configuration.backend
        if backend is None:
            LocalBackend(self, path=str(configuration.directory.resolve() / LOCAL_STATE_FILE))
            return
        S3Backend(self, bucket=backend.bucket, key=backend.key, region=backend.region)
        for name, value in backend.model_dump(exclude_none=True, exclude={"bucket", "key", "region"}).items():
            self.add_override(f"terraform.backend.s3.{name}", value)
