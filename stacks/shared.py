"""The shared stack: everything that is set up once and that every interview uses."""

from constructs import Construct
from constructs.account import Account
from constructs.alarms import Alarms
from constructs.certificate import Certificate
from constructs.cluster import Cluster, insights_log_group_name
from constructs.dashboard import Dashboard
from constructs.encryption import EncryptionKey
from constructs.flow_logs import FlowLogs
from constructs.function import function_log_group
from constructs.image_build import ImageBuild
from constructs.image_indexing import ImageIndexing
from constructs.interview_permissions import InterviewPermissions
from constructs.interview_roles import InterviewExecutionRole, InterviewRoles, InterviewTaskRole
from constructs.load_balancer import LoadBalancer, LoadBalancerRecords
from constructs.log_group import LogGroup
from constructs.network import Network
from constructs.portal import Portal
from constructs.project import Project
from constructs.reaper import Reaper
from constructs.registry import Repository
from constructs.runner import Runner
from constructs.security_groups import SecurityGroups
from constructs.storage import InstanceBucket, LogBucket
from contract.names import code_server_repository, image_indexer, interview_log_group, reaper_function
from contract.prices import interview_per_hour, price_list, standing_per_day
from stacks import shared_outputs as outputs
from stacks.base import Output, ReadableStack, aws_provider, define_outputs, keep_state
from stacks.configuration import Configuration
from stacks.programs import Programs
from stacks.settings import Settings


class SharedStack(ReadableStack):
    """The shared infrastructure as ``configuration`` wants it, with ``programs`` on AWS.

    Without a domain name it serves plain HTTP.
    """

    def __init__(self, scope: Construct, id: str, *, configuration: Configuration, programs: Programs) -> None:
        super().__init__(scope, id)
        settings = configuration.settings
        self.add_override("terraform.required_providers.aws.version", settings.aws_provider_version)
        keep_state(self, configuration)
        self._project = self._add_project(settings)
        self._add_buckets(settings)
        self._add_network(settings)
        self._add_load_balancer(settings)
        self._add_interviews(settings)
        self._portal = self._add_portal(settings)
        self._add_operations(settings, programs)
        self._add_dashboard(settings)
        define_outputs(self, self._outputs(settings))

    def _add_project(self, settings: Settings) -> Project:
        prefix = settings.project_prefix
        tags = {"Project": prefix, "Environment": settings.environment, **settings.tags}
        aws_provider(self, region=settings.aws_region, tags=tags)
        account = Account(self, "account", region=settings.aws_region)
        logs = [f"/{prefix}/*", insights_log_group_name(prefix), function_log_group(reaper_function(prefix))]
        if settings.soci_indexing:
            logs.append(function_log_group(f"{image_indexer(prefix)}-*"))
        return Project(
            prefix=prefix,
            account=account,
            key=EncryptionKey(
                self,
                "encryption",
                name=prefix,
                account=account,
                log_group_names=logs,
                # The longest and the shortest waiting period that KMS offers.
                deletion_window_days=30 if settings.deletion_protection else 7,
            ),
            log_retention_days=settings.log_retention_days,
            deletion_protection=settings.deletion_protection,
        )

    def _add_buckets(self, settings: Settings) -> None:
        self._bucket = InstanceBucket(
            self,
            "storage",
            project=self._project,
            history_retention_days=settings.history_retention_days,
            work_retention_days=settings.work_retention_days,
        )
        self._log_bucket = LogBucket(self, "access_logs", project=self._project, logged_bucket=self._bucket)
        self._bucket.log_to(self._log_bucket)

    def _add_network(self, settings: Settings) -> None:
        self._network = Network(
            self,
            "network",
            project=self._project,
            cidr=settings.vpc_cidr,
            zones=settings.availability_zones,
            zone_names=settings.availability_zone_names,
            nat_in_each_zone=settings.egress == "nat_per_az",
        )
        FlowLogs(self, "flow_logs", project=self._project, network=self._network)
        self._security_groups = SecurityGroups(
            self,
            "security",
            project=self._project,
            network=self._network,
            https=bool(settings.domain_name),
            portal=bool(settings.portal_image),
        )

    def _add_load_balancer(self, settings: Settings) -> None:
        domain = settings.domain_name
        zone = settings.hosted_zone_name or domain
        self._certificate = Certificate(self, "domain", domain_name=domain, hosted_zone_name=zone) if domain else None
        self._load_balancer = LoadBalancer(
            self,
            "load_balancer",
            project=self._project,
            network=self._network,
            security_groups=self._security_groups,
            certificate=self._certificate,
            log_bucket=self._log_bucket,
        )
        if self._certificate:
            LoadBalancerRecords(
                self,
                "records",
                load_balancer=self._load_balancer,
                certificate=self._certificate,
                wildcard=settings.wildcard_domain,
            )

    def _add_interviews(self, settings: Settings) -> None:
        """What interviews run on, their roles, and the permissions to create them."""
        project = self._project
        self._cluster = Cluster(self, "cluster", project=project)
        self._repository = Repository(self, "code_server", project=project, name=code_server_repository(project.prefix))
        self._logs = LogGroup(self, "interview_log", project=project, name=interview_log_group(project.prefix))
        self._roles = InterviewRoles(
            execution=InterviewExecutionRole(self, "execution", project=project),
            task=InterviewTaskRole(self, "task", project=project, bucket=self._bucket, network=self._network),
        )
        # Interviews have DNS records of their own only where the wildcard does not serve.
        record_domain = None if settings.wildcard_domain else self._certificate
        self._permissions = InterviewPermissions(project, self._roles, record_domain)

    def _add_portal(self, settings: Settings) -> Portal | None:
        if not self._security_groups.portal_id:
            return None
        return Portal(
            self,
            "portal",
            project=self._project,
            image=settings.portal_image,
            cpu_architecture=settings.cpu_architecture,
            load_balancer=self._load_balancer,
            network=self._network,
            security_group_id=self._security_groups.portal_id,
            cluster=self._cluster,
            bucket=self._bucket,
            permissions=self._permissions,
        )

    def _add_operations(self, settings: Settings, programs: Programs) -> None:
        """What runs ``programs``, and the alarms for when something fails."""
        project = self._project
        alarms = Alarms(
            self,
            "alarms",
            project=project,
            email=settings.alarm_email,
            load_balancer=self._load_balancer,
            portal=self._portal,
            certificate=self._certificate,
            cluster=self._cluster,
            network=self._network,
            bucket=self._bucket,
            interview_logs=self._logs,
        )
        self._runner = Runner(
            self,
            "runner",
            project=project,
            program=programs.runner,
            bucket=self._bucket,
            architecture=settings.runner_architecture,
            settings=settings.model_dump(
                include={"aws_region", "environment", "domain_name", "project_prefix", "work_retention_days"}
            ),
            permissions=self._permissions,
            alarm_topic=alarms.topic,
        )
        self._reaper = Reaper(
            self,
            "reaper",
            project=project,
            program=programs.reaper,
            bucket=self._bucket,
            max_instances=settings.max_instances,
            alarm_topic=alarms.topic,
        )
        self._add_images(settings, programs, alarms)

    def _add_images(self, settings: Settings, programs: Programs, alarms: Alarms) -> None:
        """What builds and indexes the images of interviews."""
        ImageBuild(
            self,
            "image_build",
            project=self._project,
            bucket=self._bucket,
            repository=self._repository,
            cpu_architecture=settings.cpu_architecture,
        )
        if settings.soci_indexing:
            ImageIndexing(
                self,
                "image_indexing",
                project=self._project,
                starter=programs.image_starter,
                recorder=programs.image_recorder,
                repository=self._repository,
                cpu_architecture=settings.cpu_architecture,
                alarm_topic=alarms.topic,
            )

    def _add_dashboard(self, settings: Settings) -> None:
        Dashboard(
            self,
            "dashboard",
            project=self._project,
            load_balancer=self._load_balancer,
            cluster=self._cluster,
            interview_logs=self._logs,
            reaper=self._reaper,
            runner=self._runner,
            interview_dollars_per_hour=interview_per_hour(
                cpu=settings.code_server_cpu,
                memory=settings.code_server_memory,
                architecture=settings.cpu_architecture,
                storage=settings.code_server_storage,
                region=settings.aws_region,
            ),
            standing_dollars_per_day=standing_per_day(
                nat_gateways=len(self._network.nat_gateway_ids),
                zones=settings.availability_zones,
                region=settings.aws_region,
            ),
            price_list=price_list(settings.aws_region),
        )

    def _outputs(self, settings: Settings) -> dict[str, Output]:
        return (
            outputs.of_network(self._network, self._security_groups, self._load_balancer)
            | outputs.of_domain(settings, self._certificate)
            | outputs.of_interviews(self._project, self._cluster, self._roles, self._bucket, self._logs)
            | outputs.of_images(settings, self._repository)
            | outputs.of_operations(self._runner, self._reaper)
            | outputs.of_settings(settings, self._project)
        )
