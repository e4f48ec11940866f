"""VPC flow logs."""

from constructs import Construct
from constructs.aws import FlowLog
from constructs.identity import ServiceRole
from constructs.log_group import LogGroup
from constructs.network import Network
from constructs.policy import allow
from constructs.project import Project


class FlowLogs(Construct):
    """Logs every connection in the VPC, accepted or rejected."""

    def __init__(self, scope: Construct, id: str, *, project: Project, network: Network) -> None:
        super().__init__(scope, id)
        account = project.account
        name = f"/{project.prefix}/flow-logs"
        log_group = LogGroup(self, "log", project=project, name=name)
        # https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html
        writer = ServiceRole(
            self,
            "writer",
            name=f"{project.prefix}-flow-logs",
            description="Writes VPC flow logs",
            service="vpc-flow-logs.amazonaws.com",
            account=account,
            source_arn=account.arn("ec2", "vpc-flow-log/*"),
            statements=[
                allow(
                    "WriteLogs",
                    ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                    [account.arn("logs", f"log-group:{name}:*")],
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
            tags={"Name": project.prefix},
            # Without them, the first records are lost.
            depends_on=[writer.policy],
        )
