"""The policies that `prequel preflight --policy` prints: valid, complete, and no wider than AWS allows."""

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from parliament import analyze_policy_string, iam_definition

from scripts.errors import PrequelError
from scripts.preflight import policies
from scripts.preflight.checks import CHECKS
from scripts.preflight.policies import (
    LARGEST_POLICY,
    client_policies,
    deployment_policies,
    permissions,
    size,
)
from stacks.configuration import Configuration, load_settings
from tests.conftest import SharedStackFactory

_NETWORK = "parliament also wants network load balancers' resources, which AWS takes in the place of ours"
ACCEPTED = {
    ("Elasticloadbalancing", "RESOURCE_MISMATCH"): _NETWORK,
    ("CreateRoute", "RESOURCE_MISMATCH"): _NETWORK,
    ("ChangeRoute", "RESOURCE_MISMATCH"): _NETWORK,
    ("MakeStateBucket", "RESOURCE_POLICY_PRIVILEGE_ESCALATION"): "who makes the bucket sets its policy",
    ("TagRoute", "UNKNOWN_CONDITION_FOR_ACTION"): "parliament looks among the conditions of Classic Load Balancers",
    ("ListTasks", "RESOURCE_STAR"): "AWS offers container instances for it, which Fargate has not",
}
"""What parliament finds by statement, and why it is no fault; constructs/identity.py names AWS's pages."""


def configuration(directory: Path, **changes: Any) -> Configuration:
    given = {
        "aws_region": "eu-central-1",
        "environment": "prod",
        "domain_name": "interviews.example.com",
        "portal_image": "ghcr.io/example/portal:1.0.0",
        "alarm_email": "ops@example.com",
        "wildcard_domain": False,
    } | changes
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in given.items()]
    (directory / "terraform.tfvars").write_text("".join(lines))
    (directory / "backend.config").write_text('bucket = "states"\nkey = "shared.tfstate"\nregion = "eu-central-1"\n')
    return load_settings(directory, {})


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, dict[str, Any]]]:
    """Every policy for the largest configuration, by purpose and name."""
    found = configuration(tmp_path_factory.mktemp("configuration"))
    return {"deploy": deployment_policies(found), "create": client_policies(found)}


def statements(documents: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [statement for document in documents.values() for statement in document["Statement"]]


@pytest.mark.slow
@pytest.mark.parametrize("purpose", ["deploy", "create"])
def test_every_policy_is_valid_and_fits_into_a_managed_policy(
    printed: dict[str, dict[str, dict[str, Any]]], purpose: str
) -> None:
    for name, document in printed[purpose].items():
        assert re.fullmatch(rf"prequel-{purpose}-[1-9]", name)
        assert size(document) <= LARGEST_POLICY
        assert "${" not in json.dumps(document)
        assert "{prefix}" not in json.dumps(document)
        issues = {(one["Sid"], issue) for one in document["Statement"] for issue in found_by_parliament([one])}
        assert issues - ACCEPTED.keys() == set()
        together = found_by_parliament(document["Statement"])
        assert together - {issue for _, issue in ACCEPTED} == set()


def found_by_parliament(statements: list[dict[str, Any]]) -> set[str]:
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    return {finding.issue for finding in analyze_policy_string(document).findings}


def test_every_resource_type_of_the_stacks_is_in_the_table(
    shared_stack: SharedStackFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    development = {"domain_name": "", "hosted_zone_name": ""}
    for stack in (shared_stack(portal_image="ghcr.io/a/b:1"), shared_stack(**development), shared_stack()):
        assert stack.document["resource"].keys() - permissions()["resources"].keys() == set()
        assert stack.document["data"].keys() - permissions()["data_sources"].keys() == set()
    unheard_of: dict[str, Any] = {"resource": {"aws_lex_bot": {}}, "data": {}}
    monkeypatch.setattr(policies, "synthesized", lambda *_: (unheard_of, {}))
    with pytest.raises(PrequelError, match=r"permissions\.toml does not know aws_lex_bot"):
        deployment_policies(configuration(tmp_path))


def test_the_table_has_no_resource_type_that_no_stack_has(shared_stack: SharedStackFactory) -> None:
    most = {"portal_image": "ghcr.io/a/b:1", "alarm_email": "ops@example.com"}
    stacks = [shared_stack(**most), shared_stack(domain_name="", hosted_zone_name="")]
    used = set[str]().union(*(stack.document["resource"] for stack in stacks))
    assert permissions()["resources"].keys() - used == set()


def test_every_action_exists_and_is_held_to_resources_wherever_aws_offers_some() -> None:
    """Of what may be allowed on everything, AWS says that it takes no resource."""
    known = {
        f"{service['prefix']}:{privilege['privilege']}".lower(): [
            kind["resource_type"] for kind in privilege["resource_types"] if kind["resource_type"]
        ]
        for service in iam_definition
        for privilege in service["privileges"]
    }
    table = permissions()
    parts = [*table["resources"].values(), *table["data_sources"].values()]
    actions = {action for part in parts for action in part} | {a for check in CHECKS for a in check.permissions}
    for name in ("statements", "state_statements", "client_statements"):
        actions |= {action for statement in table[name] for action in statement["actions"]}
    assert {action for action in actions if action.lower() not in known} == set()
    free = set(table["unscoped"]) | set(table["everywhere"])
    by_resource = {action for action in actions if action not in free}
    assert {action for action in by_resource if not known[action.lower()]} == set()
    assert {action for action in free if known[action.lower()]} <= MORE_THAN_AWS_SAYS.keys()


MORE_THAN_AWS_SAYS: dict[str, str] = {}
"""Actions on everything although AWS offers a resource, with the reason."""


@pytest.mark.slow
def test_nothing_is_allowed_beyond_the_prefix_but_what_has_no_name(
    printed: dict[str, dict[str, dict[str, Any]]],
) -> None:
    nameless = re.compile(
        r"^arn:aws:(acm:eu-central-1:\*:certificate/\*|ec2:eu-central-1:\*:\*|kms:eu-central-1:\*:key/\*"
        r"|route53:::(change|hostedzone)/\*|iam::\*:role/aws-service-role/.*|s3:::states(/shared\.tfstate(\.tflock)?)?)$"
    )
    for statement in statements(printed["deploy"]):
        if statement["Resource"] == ["*"]:
            in_region = statement.get("Condition") == {"StringEquals": {"aws:RequestedRegion": "eu-central-1"}}
            assert in_region or statement["Sid"] in {"Everywhere", "SignInToRegistry"}
            continue
        for resource in statement["Resource"]:
            assert nameless.match(resource) or "prequel" in resource, resource


@pytest.mark.slow
def test_roles_are_passed_only_to_the_services_that_assume_them(
    printed: dict[str, dict[str, dict[str, Any]]], shared_stack: SharedStackFactory
) -> None:
    stack = shared_stack(portal_image="ghcr.io/example/portal:1.0.0")
    trusted = {
        identifier
        for name, document in stack.document["data"]["aws_iam_policy_document"].items()
        if name.endswith("_trust")
        for statement in document["statement"]
        for principal in statement["principals"]
        for identifier in principal["identifiers"]
    }
    passing = [one for one in statements(printed["deploy"]) if "iam:PassRole" in one["Action"]]
    assert [set(one["Condition"]["StringEquals"]["iam:PassedToService"]) for one in passing] == [trusted]


@pytest.mark.slow
def test_a_long_prefix_takes_more_policies_and_loses_no_action(
    printed: dict[str, dict[str, dict[str, Any]]], tmp_path: Path
) -> None:
    longer = deployment_policies(configuration(tmp_path, project_prefix="a-prefix-of-20-chars"))
    assert all(size(document) <= LARGEST_POLICY for document in longer.values())
    assert len(longer) <= 10  # managed policies of a role

    def actions(documents: dict[str, dict[str, Any]]) -> set[str]:
        return {action for statement in statements(documents) for action in statement["Action"]}

    assert actions(longer) == actions(printed["deploy"])


@pytest.mark.slow
def test_every_resource_with_a_name_is_within_a_scope(
    printed: dict[str, dict[str, dict[str, Any]]], shared_stack: SharedStackFactory
) -> None:
    stack = shared_stack(portal_image="ghcr.io/example/portal:1.0.0")
    arns = {
        "aws_cloudwatch_event_rule": ("name", "arn:aws:events:eu-central-1:1:rule/{}"),
        "aws_cloudwatch_log_group": ("name", "arn:aws:logs:eu-central-1:1:log-group:{}"),
        "aws_cloudwatch_metric_alarm": ("alarm_name", "arn:aws:cloudwatch:eu-central-1:1:alarm:{}"),
        "aws_cloudwatch_dashboard": ("dashboard_name", "arn:aws:cloudwatch::1:dashboard/{}"),
        "aws_codebuild_project": ("name", "arn:aws:codebuild:eu-central-1:1:project/{}"),
        "aws_ecr_repository": ("name", "arn:aws:ecr:eu-central-1:1:repository/{}"),
        "aws_ecs_cluster": ("name", "arn:aws:ecs:eu-central-1:1:cluster/{}"),
        "aws_ecs_service": ("name", "arn:aws:ecs:eu-central-1:1:service/prequel/{}"),
        "aws_ecs_task_definition": ("family", "arn:aws:ecs:eu-central-1:1:task-definition/{}:1"),
        "aws_iam_role": ("name", "arn:aws:iam::1:role/{}"),
        "aws_kms_alias": ("name", "arn:aws:kms:eu-central-1:1:{}"),
        "aws_lambda_function": ("function_name", "arn:aws:lambda:eu-central-1:1:function:{}"),
        "aws_lb": ("name", "arn:aws:elasticloadbalancing:eu-central-1:1:loadbalancer/app/{}/50dc6c495c0c9188"),
        "aws_lb_target_group": ("name", "arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/{}/50dc6c495c0c9188"),
        "aws_s3_bucket": ("bucket", "arn:aws:s3:::{}"),
        "aws_sns_topic": ("name", "arn:aws:sns:eu-central-1:1:{}"),
        "aws_sqs_queue": ("name", "arn:aws:sqs:eu-central-1:1:{}"),
        "aws_ssm_parameter": ("name", "arn:aws:ssm:eu-central-1:1:parameter{}"),
    }
    allowed = [resource for statement in statements(printed["deploy"]) for resource in statement["Resource"]]
    narrow = [resource for resource in allowed if "prequel" in resource]
    for kind, (key, pattern) in arns.items():
        for name, resource in stack.all(kind).items():
            arn = pattern.format(re.sub(r"\$\{[^}]*\}", "1", resource[key]))
            assert any(fnmatchcase(arn, scope) for scope in narrow), f"{kind}.{name}: {arn}"
