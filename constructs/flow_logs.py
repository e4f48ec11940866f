"""VPC flow logs."""

from constructs import Construct
from constructs.account import Account
from constructs.aws import DataAwsIamPolicyDocumentStatement, FlowLog
from constructs.encryption import EncryptionKey
from constructs.identity import ServiceRole
from constructs.log_group import LogGroup
from constructs.network import Network


class FlowLogs(Construct):
    """Logs every connection in the VPC, accepted or rejected."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        project_prefix: str,
        account: Account,
        network: Network,
        key: EncryptionKey,
        retention_days: int,
    ) -> None:
        super().__init__(scope, id)
        name = f"/{project_prefix}/flow-logs"
        log_group = LogGroup(self, "log", name=name, retention_days=retention_days, key=key)
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
            vpc_id=network.vpc_id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=log_group.arn,
            iam_role_arn=writer.arn,
            tags={"Name": project_prefix},
            # Without them, the first records are lost.
            depends_on=[writer.policy],
        )
