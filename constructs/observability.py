"""Log groups, VPC flow logs, and alarms to one topic."""

from constructs import Construct
from constructs.account import Account
from constructs.aws import (
    CloudwatchLogGroup,
    CloudwatchMetricAlarm,
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


class LogGroup(Construct):
    """A log group with an end to its retention, encrypted with our key.

    Outputs: ``name``, ``arn`` and ``resource`` (for whoever must wait for it).
    """

    def __init__(self, scope: Construct, id: str, *, name: str, retention_days: int, kms_key_arn: str) -> None:
        super().__init__(scope, id)
        self.resource = CloudwatchLogGroup(
            self, "group", name=name, retention_in_days=retention_days, kms_key_id=kms_key_arn
        )
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
        )


class Alarms(Construct):
    """Alarms to one topic, which mails to ``email`` unless that is empty. Output: ``topic_arn``.

    ``portal_target_group`` is the target group's name in CloudWatch, ``None`` without a portal. The interviews' own
    target groups come and go and are watched by their ECS services instead.
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
    ) -> None:
        super().__init__(scope, id)
        topic = SnsTopic(self, "topic", name=f"{project_prefix}-alarms", kms_master_key_id=kms_key_arn)
        self.topic_arn = topic.arn
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
                    resources=[account.arn("sns", f"{project_prefix}-alarms")],
                    condition=[
                        DataAwsIamPolicyDocumentStatementCondition(
                            test="ArnLike",
                            variable="aws:SourceArn",
                            values=[account.arn("cloudwatch", f"alarm:{project_prefix}-*")],
                        )
                    ],
                )
            ],
        )
        SnsTopicPolicy(self, "topic_policy", arn=self.topic_arn, policy=publishing.json)
        if email:
            SnsTopicSubscription(self, "email", topic_arn=self.topic_arn, protocol="email", endpoint=email)

        CloudwatchMetricAlarm(
            self,
            "load_balancer_errors",
            alarm_name=f"{project_prefix}-load-balancer-errors",
            alarm_description="The load balancer itself answered 5xx at least 10 times in each of two 5 minute periods",
            namespace="AWS/ApplicationELB",
            metric_name="HTTPCode_ELB_5XX_Count",
            dimensions={"LoadBalancer": load_balancer},
            statistic="Sum",
            period=300,
            evaluation_periods=2,
            comparison_operator="GreaterThanOrEqualToThreshold",
            # A candidate who reloads while the container starts sees a handful of 503; that is nobody's alarm.
            threshold=10,
            treat_missing_data="notBreaching",
            alarm_actions=[self.topic_arn],
            ok_actions=[self.topic_arn],
        )
        if portal_target_group is not None:
            CloudwatchMetricAlarm(
                self,
                "portal_unhealthy",
                alarm_name=f"{project_prefix}-portal-unhealthy",
                alarm_description="The portal has had no healthy container for 3 minutes",
                namespace="AWS/ApplicationELB",
                metric_name="HealthyHostCount",
                dimensions={"LoadBalancer": load_balancer, "TargetGroup": portal_target_group},
                statistic="Minimum",
                period=60,
                evaluation_periods=3,
                comparison_operator="LessThanThreshold",
                threshold=1,
                treat_missing_data="breaching",
                alarm_actions=[self.topic_arn],
                ok_actions=[self.topic_arn],
            )
