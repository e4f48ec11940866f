"""Log groups, and the right to write to them."""

from constructs import Construct
from constructs.account import Account
from constructs.aws import CloudwatchLogGroup
from constructs.policy import Statement, allow
from constructs.project import Project
from constructs.waivers import SHORT_RETENTION, waive


class LogGroup(Construct):
    """A log group whose entries expire, encrypted with our key.

    Outputs: ``name``, ``arn`` and ``resource`` (for whoever must wait for it).
    """

    def __init__(self, scope: Construct, id: str, *, project: Project, name: str) -> None:
        super().__init__(scope, id)
        self.resource = CloudwatchLogGroup(
            self, "group", name=name, retention_in_days=project.log_retention_days, kms_key_id=project.key.arn
        )
        if project.log_retention_days < 365:
            waive(self.resource, *SHORT_RETENTION)
        self.name = self.resource.name
        self.arn = self.resource.arn


def write_logs(account: Account, log_group_name: str) -> Statement:
    """Allows to write to one log group that exists."""
    return allow(
        "WriteLogs",
        ["logs:CreateLogStream", "logs:PutLogEvents"],
        [account.arn("logs", f"log-group:{log_group_name}:*")],
    )
