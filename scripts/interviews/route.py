"""The way from the load balancer to an interview's editor."""

from collections.abc import Mapping
from typing import Any

from contract.names import LISTENER_PRIORITY_BASE, OPEN_PATHS
from scripts.aws.clients import explained
from scripts.interviews.context import Context
from scripts.interviews.inventory import hostname, listener_rules, rule_hosts
from scripts.interviews.records import Intent


def open_route(context: Context, intent: Intent, values: Mapping[str, Any]) -> None:
    """Leads requests to the editor that answers by now, where until now the load balancer's page waits.

    The template says so too, by default, so that this is no drift. The rule of a release without ``opened`` has no path
    and is open from the beginning. Raises ``AwsError``.
    """
    host, priority = hostname(intent.id, values), str(LISTENER_PRIORITY_BASE + (intent.slot or 0))
    with explained(f"open the listener rule of interview {intent.id}"):
        for rule in listener_rules(context.aws, values):
            fields = {condition["Field"] for condition in rule["Conditions"]}
            if rule["Priority"] == priority and host in rule_hosts(rule) and "path-pattern" in fields:
                context.aws.elbv2.modify_rule(
                    RuleArn=rule["RuleArn"],
                    Conditions=[
                        {"Field": "host-header", "HostHeaderConfig": {"Values": [host]}},
                        {"Field": "path-pattern", "PathPatternConfig": {"Values": [OPEN_PATHS]}},
                    ],
                )
