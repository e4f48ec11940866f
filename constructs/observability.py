"""Log groups, VPC flow logs, and alarms to one topic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from constructs import Construct
from constructs.account import Account
from constructs.aws import (
    CloudwatchLogGroup,
    CloudwatchMetricAlarm,
    CloudwatchMetricAlarmMetricQuery,
    CloudwatchMetricAlarmMetricQueryMetric,
    DataAwsIamPolicyDocument,
    DataAwsIamPolicyDocumentStatement,
    DataAwsIamPolicyDocumentStatementCondition,
    DataAwsIamPolicyDocumentStatementPrincipals,
    FlowLog,
    SnsTopic,
    SnsTopicPolicy,
    SnsTopicSubscription,
)
from constructs.identity import ServiceRole
from constructs.storage import REQUEST_METRICS
from constructs.waivers import SHORT_RETENTION, waive
from contract.names import METRICS_NAMESPACE


class LogGroup(Construct):
    """A log group with an end to its retention, encrypted with our key.

    Outputs: ``name``, ``arn`` and ``resource`` (for whoever must wait for it).
    """

    def __init__(self, scope: Construct, id: str, *, name: str, retention_days: int, kms_key_arn: str) -> None:
        super().__init__(scope, id)
        self.resource = CloudwatchLogGroup(
            self, "group", name=name, retention_in_days=retention_days, kms_key_id=kms_key_arn
        )
        if retention_days < 365:
            waive(self.resource, *SHORT_RETENTION)
        self.name = self.resource.name
        self.arn = self.resource.arn


class FlowLogs(Construct):
    """Writes down every connection in the VPC, accepted or rejected."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        project_prefix: str,
        account: Account,
        vpc_id: str,
        retention_days: int,
        kms_key_arn: str,
    ) -> None:
        super().__init__(scope, id)
        name = f"/{project_prefix}/flow-logs"
        log_group = LogGroup(self, "log", name=name, retention_days=retention_days, kms_key_arn=kms_key_arn)
        # https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html
        writer = ServiceRole(
            self,
            "writer",
            name=f"{project_prefix}-flow-logs",
            description="Writes VPC flow logs",
            service="vpc-flow-logs.amazonaws.com",
            account=account,
            source_arn=account.arn("ec2", "vpc-flow-log/*"),
            statements=[
                DataAwsIamPolicyDocumentStatement(
                    sid="WriteLogs",
                    actions=["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                    resources=[account.arn("logs", f"log-group:{name}:*")],
                )
            ],
        )
        FlowLog(
            self,
            "vpc",
            vpc_id=vpc_id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=log_group.arn,
            iam_role_arn=writer.arn,
            tags={"Name": project_prefix},
            # Without them, the first records are lost.
            depends_on=[writer.policy],
        )


@dataclass(frozen=True)
class Metric:
    """One CloudWatch metric with its ``dimensions``, and the ``statistic`` to be taken of it, such as Sum or p95."""

    namespace: str
    name: str
    statistic: str
    dimensions: Mapping[str, str]


def share(part: str, whole: str, *, at_least: int) -> str:
    """Metric math: ``part`` in percent of ``whole``, and 0 while ``part`` is fewer than ``at_least``.

    What is never counted, such as errors on a good day, has no data points: FILL makes them 0.
    """
    return f"IF(FILL({part}, 0) >= {at_least}, 100 * FILL({part}, 0) / ({whole}), 0)"


def _query(metric: str, namespace: str, where: Mapping[str, str], *, each: str) -> str:
    """A Metrics Insights query for the most of ``metric``, one series for each value of the dimension ``each``."""
    dimensions = ", ".join([*where, each])
    conditions = " AND ".join(f"{name} = '{value}'" for name, value in where.items())
    return (
        f'SELECT MAX({metric}) FROM SCHEMA("{namespace}", {dimensions})'  # noqa: S608  (no SQL database)
        f" WHERE {conditions} GROUP BY {each} ORDER BY MAX() DESC"
    )


class Alarm(CloudwatchMetricAlarm):
    """Rings when a ``metric``, an ``expression`` of ``metrics`` or a ``query`` is ``above`` or ``below`` a number.

    ``period`` is in seconds; of the last ``periods``, all or ``breaching`` must agree. ``topic_arn`` hears when it
    begins and when it ends. It is called by its ``name``, by default the id; ``runbook`` is the heading of its
    paragraph in docs/operations.md, by default the name in words.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        description: str,
        metric: Metric | None = None,
        *,
        project_prefix: str,
        topic_arn: str,
        name: str = "",
        metrics: Mapping[str, Metric] | None = None,
        expression: str = "",
        query: str = "",
        above: float | None = None,
        below: float | None = None,
        period: int = 300,
        periods: int = 1,
        breaching: int | None = None,
        missing: str = "notBreaching",
        runbook: str = "",
    ) -> None:
        name = name or id
        queries = [
            CloudwatchMetricAlarmMetricQuery(
                id=metric_id,
                metric=CloudwatchMetricAlarmMetricQueryMetric(
                    namespace=part.namespace,
                    metric_name=part.name,
                    stat=part.statistic,
                    period=period,
                    dimensions=dict(part.dimensions),
                ),
                return_data=False,
            )
            for metric_id, part in (metrics or {}).items()
        ]
        if expression:
            queries.append(CloudwatchMetricAlarmMetricQuery(id="result", expression=expression, return_data=True))
        if query:
            queries.append(
                CloudwatchMetricAlarmMetricQuery(id="result", expression=query, period=period, return_data=True)
            )
        super().__init__(
            scope,
            id,
            alarm_name=f"{project_prefix}-{name.replace('_', '-')}",
            alarm_description=f"{description}; docs/operations.md, {runbook or name.replace('_', ' ').capitalize()}",
            namespace=metric.namespace if metric else None,
            metric_name=metric.name if metric else None,
            statistic=metric.statistic if metric else None,
            dimensions=dict(metric.dimensions) if metric else None,
            period=period if metric else None,
            metric_query=queries or None,
            comparison_operator="GreaterThanThreshold" if below is None else "LessThanThreshold",
            threshold=above if below is None else below,
            evaluation_periods=periods,
            datapoints_to_alarm=breaching,
            treat_missing_data=missing,
            alarm_actions=[topic_arn],
            ok_actions=[topic_arn],
        )


class Alarms(Construct):
    """Alarms to one topic, which mails to ``email`` unless that is empty. Output: ``topic_arn``.

    Each names its paragraph in docs/operations.md. ``load_balancer`` and ``portal_target_group`` (``None`` without a
    portal) are names in CloudWatch; ``certificate_arn`` is ``None`` without a domain. The interviews' own target groups
    come and go: a query finds those that are there
    (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Create_Metrics_Insights_Alarm.html).
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        project_prefix: str,
        account: Account,
        kms_key_arn: str,
        email: str,
        load_balancer: str,
        portal_target_group: str | None,
        certificate_arn: str | None,
        cluster_name: str,
        nat_gateway_ids: Sequence[str],
        bucket_name: str,
        interview_log_group_name: str,
    ) -> None:
        super().__init__(scope, id)
        self._project_prefix = project_prefix
        self.topic_arn = self._topic(account, kms_key_arn, email)
        self._alarm = partial(Alarm, self, project_prefix=project_prefix, topic_arn=self.topic_arn)
        self._watch_load_balancer(load_balancer)
        if portal_target_group is not None:
            self._alarm(
                "portal_unhealthy",
                "The portal has had no healthy container for 3 minutes",
                Metric(
                    "AWS/ApplicationELB",
                    "HealthyHostCount",
                    "Minimum",
                    {"LoadBalancer": load_balancer, "TargetGroup": portal_target_group},
                ),
                below=1,
                period=60,
                periods=3,
                missing="breaching",
            )
        self._watch_cluster(cluster_name)
        self._watch_bucket(bucket_name)
        for index, gateway_id in enumerate(nat_gateway_ids):
            self._alarm(
                f"nat_{index}_ports",
                "A NAT gateway had no port left for a new connection",
                Metric("AWS/NATGateway", "ErrorPortAllocation", "Sum", {"NatGatewayId": gateway_id}),
                above=0,
                runbook="NAT ports",
            )
        if certificate_arn is not None:
            self._alarm(
                "certificate_expiry",
                # ACM renews 60 days before, or 45 if it is valid for 198
                # (https://docs.aws.amazon.com/acm/latest/userguide/managed-renewal.html).
                "The certificate expires within 30 days, and AWS has not renewed it",
                Metric("AWS/CertificateManager", "DaysToExpiry", "Minimum", {"CertificateArn": certificate_arn}),
                below=30,
                period=24 * 3600,
            )
        self._alarm(
            "interview_log_volume",
            # At $0.50 a GB (us-east-1, November 2026, https://aws.amazon.com/cloudwatch/pricing/), $0.60 an hour.
            "The interviews wrote more than 100 MB of logs within 5 minutes",
            Metric("AWS/Logs", "IncomingBytes", "Sum", {"LogGroupName": interview_log_group_name}),
            above=100_000_000,
        )

    def _watch_load_balancer(self, load_balancer: str) -> None:
        def metric(name: str, statistic: str = "Sum") -> Metric:
            return Metric("AWS/ApplicationELB", name, statistic, {"LoadBalancer": load_balancer})

        requests = metric("RequestCount")
        self._alarm(
            "load_balancer_errors",
            "The load balancer itself answered more than 5 % of requests, and at least 10, with 5xx for 10 minutes",
            metrics={"errors": metric("HTTPCode_ELB_5XX_Count"), "requests": requests},
            # A candidate who reloads while the container starts sees a handful of 503; that is nobody's alarm. What
            # found no target is missing among the requests.
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
            # A minute or two is how an interview begins, and the grace period ends it. One that comes and goes is no
            # better for its candidate than one that stays away.
            "A container has failed its health check in 6 of 15 minutes",
            query=_query(
                "UnHealthyHostCount", "AWS/ApplicationELB", {"LoadBalancer": load_balancer}, each="TargetGroup"
            ),
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

    def _watch_cluster(self, cluster_name: str) -> None:
        self._alarm(
            "services_below_desired",
            # Counted by the reaper, which knows which interviews are meant to run. A task that is replaced once is back
            # within two or three minutes.
            "An interview's service has run fewer tasks than desired in 6 of 15 minutes",
            Metric(METRICS_NAMESPACE, "BelowDesired", "Maximum", {"Project": self._project_prefix}),
            above=0,
            period=60,
            periods=15,
            breaching=6,
        )
        for kind, name in (("cpu", "Cpu"), ("memory", "Memory")):
            used, reserved = (
                Metric("ECS/ContainerInsights", f"{name}{what}", "Sum", {"ClusterName": cluster_name})
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

    def _watch_bucket(self, bucket_name: str) -> None:
        for what, code, at_least, percent in (("client", "4xx", 50, 50), ("server", "5xx", 5, 5)):
            errors, requests = (
                Metric("AWS/S3", name, "Sum", {"BucketName": bucket_name, "FilterId": REQUEST_METRICS})
                for name in (f"{code}Errors", "AllRequests")
            )
            self._alarm(
                f"bucket_{what}_errors",
                # Some 4xx belong to normal work: 404 and 412 are how leases are told from free slots.
                f"The instance bucket refused more than {percent} % of requests, and at least {at_least}, with {code}"
                " for 15 minutes",
                metrics={"errors": errors, "requests": requests},
                expression=share("errors", "requests", at_least=at_least),
                above=percent,
                periods=3,
                runbook="Bucket errors",
            )

    def _topic(self, account: Account, kms_key_arn: str, email: str) -> str:
        name = f"{self._project_prefix}-alarms"
        topic = SnsTopic(self, "topic", name=name, kms_master_key_id=kms_key_arn)
        publishing = DataAwsIamPolicyDocument(
            self,
            "publishing",
            statement=[
                DataAwsIamPolicyDocumentStatement(
                    sid="Alarms",
                    principals=[
                        DataAwsIamPolicyDocumentStatementPrincipals(
                            type="Service", identifiers=["cloudwatch.amazonaws.com"]
                        )
                    ],
                    actions=["sns:Publish"],
                    resources=[account.arn("sns", name)],
                    condition=[
                        DataAwsIamPolicyDocumentStatementCondition(
                            test="ArnLike",
                            variable="aws:SourceArn",
                            values=[account.arn("cloudwatch", f"alarm:{self._project_prefix}-*")],
                        )
                    ],
                )
            ],
        )
        SnsTopicPolicy(self, "topic_policy", arn=topic.arn, policy=publishing.json)
        if email:
            SnsTopicSubscription(self, "email", topic_arn=topic.arn, protocol="email", endpoint=email)
        return topic.arn
