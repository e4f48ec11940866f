"""The topic of all alarms, and the alarms of what the interviews share."""

from functools import partial

from constructs import Construct
from constructs.alarm import Alarm, AlarmTopic
from constructs.aws import DataAwsIamPolicyDocument, SnsTopic, SnsTopicPolicy, SnsTopicSubscription
from constructs.certificate import Certificate
from constructs.cluster import Cluster
from constructs.load_balancer import LoadBalancer
from constructs.log_group import LogGroup
from constructs.metric import Metric, most_of, share
from constructs.network import Network
from constructs.policy import allow, condition, service
from constructs.portal import Portal
from constructs.project import Project
from constructs.storage import REQUEST_METRICS, InstanceBucket
from contract.names import METRICS_NAMESPACE


class Alarms(Construct):
    """Alarms to one topic, which mails to ``email`` unless that is empty. Output: ``topic``.

    Each names its paragraph in docs/operations.md. The interviews' own target groups come and go: a query finds those
    that exist (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Create_Metrics_Insights_Alarm.html).
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        project: Project,
        email: str,
        load_balancer: LoadBalancer,
        portal: Portal | None,
        certificate: Certificate | None,
        cluster: Cluster,
        network: Network,
        bucket: InstanceBucket,
        interview_logs: LogGroup,
    ) -> None:
        super().__init__(scope, id)
        self.topic = self._topic(project, email)
        self._alarm = partial(Alarm, self, topic=self.topic)
        self._watch_load_balancer(load_balancer)
        if portal is not None:
            self._watch_portal(portal, load_balancer)
        self._watch_cluster(cluster)
        self._watch_bucket(bucket)
        for index, gateway_id in enumerate(network.nat_gateway_ids):
            self._alarm(
                f"nat_{index}_ports",
                "A NAT gateway had no port left for a new connection",
                Metric("AWS/NATGateway", "ErrorPortAllocation", "Sum", {"NatGatewayId": gateway_id}),
                above=0,
                runbook="NAT ports",
            )
        if certificate is not None:
            self._alarm(
                "certificate_expiry",
                # ACM renews 60 days before, or 45 if it is valid for 198
                # (https://docs.aws.amazon.com/acm/latest/userguide/managed-renewal.html).
                "The certificate expires within 30 days, and AWS has not renewed it",
                Metric("AWS/CertificateManager", "DaysToExpiry", "Minimum", {"CertificateArn": certificate.arn}),
                below=30,
                period=24 * 3600,
            )
        self._alarm(
            "interview_log_volume",
            # At $0.50 a GB (us-east-1, November 2026, https://aws.amazon.com/cloudwatch/pricing/), $0.60 an hour.
            "The interviews wrote more than 100 MB of logs within 5 minutes",
            Metric("AWS/Logs", "IncomingBytes", "Sum", {"LogGroupName": interview_logs.name}),
            above=100_000_000,
        )

    def _watch_load_balancer(self, load_balancer: LoadBalancer) -> None:
        dimensions = {"LoadBalancer": load_balancer.arn_suffix}

        def metric(name: str, statistic: str = "Sum") -> Metric:
            return Metric("AWS/ApplicationELB", name, statistic, dimensions)

        requests = metric("RequestCount")
        self._alarm(
            "load_balancer_errors",
            "The load balancer itself answered more than 5 % of requests, and at least 10, with 5xx for 10 minutes",
            metrics={"errors": metric("HTTPCode_ELB_5XX_Count"), "requests": requests},
            # A candidate who reloads while the container starts sees a handful of 503, which is no reason for an alarm.
            # Requests that found no target are not counted as requests.
            expression=share("errors", "FILL(requests, 0) + FILL(errors, 0)", at_least=10),
            above=5,
            periods=2,
        )
        self._alarm(
            "target_errors",
            "Containers answered more than 5 % of requests, and at least 10, with 5xx for 10 minutes",
            metrics={"errors": metric("HTTPCode_Target_5XX_Count"), "requests": requests},
            expression=share("errors", "requests", at_least=10),
            above=5,
            periods=2,
        )
        self._alarm(
            "unhealthy_hosts",
            # An interview begins with a minute or two of it, and the grace period ends that. A container that fails now
            # and then is no better for its candidate than one that fails all the time.
            "A container has failed its health check in 6 of 15 minutes",
            query=most_of("UnHealthyHostCount", "AWS/ApplicationELB", dimensions, each="TargetGroup"),
            above=0,
            period=60,
            periods=15,
            breaching=6,
        )
        self._alarm(
            "slow_responses",
            "1 in 20 requests took more than 3 seconds for 15 minutes, of at least 50 in each 5",
            metrics={"seconds": metric("TargetResponseTime", "p95"), "requests": requests},
            expression="IF(FILL(requests, 0) >= 50, seconds, 0)",
            above=3,
            periods=3,
        )
        self._alarm(
            "rejected_connections",
            "The load balancer had no room for a connection",
            metric("RejectedConnectionCount"),
            above=0,
        )

    def _watch_portal(self, portal: Portal, load_balancer: LoadBalancer) -> None:
        self._alarm(
            "portal_unhealthy",
            "The portal has had no healthy container for 3 minutes",
            Metric(
                "AWS/ApplicationELB",
                "HealthyHostCount",
                "Minimum",
                {"LoadBalancer": load_balancer.arn_suffix, "TargetGroup": portal.target_group},
            ),
            below=1,
            period=60,
            periods=3,
            missing="breaching",
        )

    def _watch_cluster(self, cluster: Cluster) -> None:
        self._alarm(
            "services_below_desired",
            # Counted by the reaper, which knows which interviews are meant to run. A task that is replaced once is back
            # within two or three minutes.
            "An interview's service has run fewer tasks than desired in 6 of 15 minutes",
            Metric(METRICS_NAMESPACE, "BelowDesired", "Maximum", {"Project": self.topic.project_prefix}),
            above=0,
            period=60,
            periods=15,
            breaching=6,
        )
        for kind, name in (("cpu", "Cpu"), ("memory", "Memory")):
            used, reserved = (
                Metric("ECS/ContainerInsights", f"{name}{what}", "Sum", {"ClusterName": cluster.name})
                for what in ("Utilized", "Reserved")
            )
            self._alarm(
                f"cluster_{kind}",
                f"All tasks together have used more than 90 % of their {kind} for 15 minutes",
                metrics={"used": used, "reserved": reserved},
                expression="100 * used / reserved",
                above=90,
                periods=3,
                runbook="Cluster CPU and memory",
            )

    def _watch_bucket(self, bucket: InstanceBucket) -> None:
        for what, code, at_least, percent in (("client", "4xx", 50, 50), ("server", "5xx", 5, 5)):
            errors, requests = (
                Metric("AWS/S3", name, "Sum", {"BucketName": bucket.name, "FilterId": REQUEST_METRICS})
                for name in (f"{code}Errors", "AllRequests")
            )
            self._alarm(
                f"bucket_{what}_errors",
                # Some 4xx belong to normal work: 404 and 412 are part of taking a lease.
                f"The instance bucket refused more than {percent} % of requests, and at least {at_least}, with {code}"
                " for 15 minutes",
                metrics={"errors": errors, "requests": requests},
                expression=share("errors", "requests", at_least=at_least),
                above=percent,
                periods=3,
                runbook="Bucket errors",
            )

    def _topic(self, project: Project, email: str) -> AlarmTopic:
        account = project.account
        name = f"{project.prefix}-alarms"
        topic = SnsTopic(self, "topic", name=name, kms_master_key_id=project.key.arn)
        publishing = DataAwsIamPolicyDocument(
            self,
            "publishing",
            statement=[
                allow(
                    "Alarms",
                    ["sns:Publish"],
                    [account.arn("sns", name)],
                    condition("ArnLike", "aws:SourceArn", account.arn("cloudwatch", f"alarm:{project.prefix}-*")),
                    to=service("cloudwatch.amazonaws.com"),
                )
            ],
        )
        SnsTopicPolicy(self, "topic_policy", arn=topic.arn, policy=publishing.json)
        if email:
            SnsTopicSubscription(self, "email", topic_arn=topic.arn, protocol="email", endpoint=email)
        return AlarmTopic(topic.arn, project.prefix)
