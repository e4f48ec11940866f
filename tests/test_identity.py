"""Roles, the key, and what each may do."""

from typing import Any

import pytest

from tests.conftest import SharedStackFactory, SynthesizedStack

ALLOWED_ON_ANYTHING = {
    # Signing in to ECR concerns no repository.
    ("execution_permissions", "SignInToRegistry"),
    ("portal_execution_permissions", "SignInToRegistry"),
    ("image_indexing_builder_permissions", "SignInToRegistry"),
    ("image_build_builder_permissions", "SignInToRegistry"),
    # Describing passwords by name, load balancing, and task definitions; tasks of a family in one cluster.
    *(
        (role, sid)
        for role in ("runner_role_permissions", "portal_task_role_permissions")
        for sid in ("DescribeNetwork", "DescribePasswords", "DescribeRoutes", "KnowTaskDefinitions", "ListTasks")
    ),
    # In a key policy "*" is the key itself.
    ("encryption_policy", "AccountAdministration"),
    ("encryption_policy", "LogGroups"),
    ("encryption_policy", "AlarmsToTopic"),
}


def allowing(stack: SynthesizedStack) -> list[tuple[str, dict[str, Any]]]:
    return [
        (name, statement)
        for name, document in stack.document["data"]["aws_iam_policy_document"].items()
        for statement in document["statement"]
        if statement.get("effect", "Allow") == "Allow"
    ]


def test_no_policy_allows_a_wildcard_action(portal_stack: SynthesizedStack) -> None:
    statements = allowing(portal_stack)
    assert len(statements) > 15
    for name, statement in statements:
        assert not [action for action in statement["actions"] if "*" in action], name
        assert "not_actions" not in statement


def test_a_wildcard_resource_stands_only_where_aws_offers_nothing_narrower(portal_stack: SynthesizedStack) -> None:
    found = {(name, s["sid"]) for name, s in allowing(portal_stack) if "*" in s.get("resources", [])}
    assert found == ALLOWED_ON_ANYTHING


def test_no_statement_allows_everyone(portal_stack: SynthesizedStack) -> None:
    for name, statement in allowing(portal_stack):
        for principal in statement.get("principals", []):
            assert "*" not in principal["identifiers"], name


def test_only_resources_of_this_account_assume_a_role(portal_stack: SynthesizedStack) -> None:
    trusts = [statement for name, statement in allowing(portal_stack) if name.endswith("_trust")]
    assert len(trusts) == len(portal_stack.all("aws_iam_role")) == 11
    for trust in trusts:
        conditions = {condition["variable"]: condition["values"] for condition in trust["condition"]}
        assert conditions["aws:SourceAccount"] == ["${data.aws_caller_identity.account_caller.account_id}"]
        (service,) = trust["principals"][0]["identifiers"]
        if service == "lambda.amazonaws.com":
            assert "aws:SourceArn" not in conditions
            continue
        (source,) = conditions["aws:SourceArn"]
        assert ":eu-central-1:${data.aws_caller_identity.account_caller.account_id}:" in source


def test_the_task_role_reads_challenges_creates_encrypted_states_and_nothing_else(
    default_stack: SynthesizedStack,
) -> None:
    statements = default_stack.statements("task_permissions")
    actions = {sid: statement["actions"] for sid, statement in statements.items()}
    assert actions == {
        "ReadChallenges": ["s3:GetObject"],
        "ListChallenges": ["s3:ListBucket"],
        "ReadWork": ["s3:GetObject"],
        "CreateWork": ["s3:PutObject"],
        "MakeDataKeys": ["kms:GenerateDataKey"],
    }
    assert statements["ReadChallenges"]["resources"][0].endswith(":s3:::prequel-instance/challenge/*")
    inside = {"test": "StringEquals", "variable": "aws:SourceVpc", "values": ["${aws_vpc.network_vpc.id}"]}
    only_new = {"test": "Null", "variable": "s3:if-none-match", "values": ["false"]}
    assert statements["CreateWork"]["condition"] == [inside, only_new]
    assert statements["ReadWork"]["condition"] == [inside]
    for sid in ("ReadWork", "CreateWork"):
        assert statements[sid]["resources"][0].endswith(":s3:::prequel-instance/work/*")
    of_work = {"test": "StringLike", "variable": "kms:EncryptionContext:work", "values": ["?*"]}
    assert statements["MakeDataKeys"]["condition"] == [of_work]
    assert statements["ReadChallenges"]["condition"] == [inside]
    assert statements["ListChallenges"]["condition"] == [
        inside,
        {"test": "StringLike", "variable": "s3:prefix", "values": ["challenge/*"]},
    ]


def test_the_execution_role_decrypts_passwords_and_nothing_else(default_stack: SynthesizedStack) -> None:
    statements = default_stack.statements("execution_permissions")
    assert {action for s in statements.values() for action in s["actions"]} == {
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetAuthorizationToken",
        "ecr:GetDownloadUrlForLayer",
        "kms:Decrypt",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "ssm:GetParameters",
    }
    (passwords,) = statements["ReadPassword"]["resources"]
    assert passwords.endswith(":parameter/prequel/interviews/*")
    assert statements["DecryptPassword"]["resources"] == ["${aws_kms_key.encryption_key.arn}"]
    (condition,) = statements["DecryptPassword"]["condition"]
    assert (condition["variable"], condition["values"]) == ("kms:EncryptionContext:PARAMETER_ARN", [passwords])


def test_a_hosted_portal_may_do_to_interviews_what_the_runner_may_and_to_the_bucket_less(
    portal_stack: SynthesizedStack,
) -> None:
    portal = portal_stack.statements("portal_task_role_permissions")
    runner = portal_stack.statements("runner_role_permissions")
    documents = {"ReadReleases", "FetchSource", "IdentifyBucket", "KeepInterviews", "WriteHistory", "WriteLogs"}
    documents |= {"KeepWork", "ListVersions", "ShowSession"}
    assert {sid: portal.get(sid) for sid in runner.keys() - documents} == {
        sid: statement for sid, statement in runner.items() if sid not in documents
    }
    kept = [resource.rpartition("-instance/")[2] for resource in portal["KeepWorkspaces"]["resources"]]
    assert kept == ["workspaces/*", "instances/*"]
    assert portal.keys() - runner.keys() == {"ReadTemplates", "KeepWorkspaces"}


ACCOUNT = "${data.aws_caller_identity.account_caller.account_id}"
PARTITION = "${data.aws_partition.account_partition.partition}"
CLUSTER = ("ArnEquals", "ecs:cluster", f"arn:{PARTITION}:ecs:eu-central-1:{ACCOUNT}:cluster/prequel")
PASSWORDS = f"arn:{PARTITION}:ssm:eu-central-1:{ACCOUNT}:parameter/prequel/interviews/*"
PASSWORD = ("StringLike", "kms:EncryptionContext:PARAMETER_ARN", PASSWORDS)
NEW: list[tuple[str, ...]] = [
    ("StringEquals", "aws:RequestTag/Project", "prequel"),
    ("StringLike", "aws:RequestTag/InterviewId", "?*"),
]
OURS: list[tuple[str, ...]] = [
    ("StringEquals", "aws:ResourceTag/Project", "prequel"),
    ("StringLike", "aws:ResourceTag/InterviewId", "?*"),
]

CONDITIONS: dict[str, dict[str, list[tuple[str, ...]]]] = {
    "runner_role_permissions": {
        "EncryptPassword": [PASSWORD],
        "CreateRoute": NEW,
        "TagRoute": [("StringEquals", "elasticloadbalancing:CreateAction", "CreateRule", "CreateTargetGroup")],
        "ChangeRoute": OURS,
        "RegisterTask": NEW,
        "CreateService": [CLUSTER, *NEW],
        "TagTask": [("StringEquals", "ecs:CreateAction", "CreateService", "RegisterTaskDefinition")],
        "ChangeService": [CLUSTER, *OURS],
        "DescribeServices": [CLUSTER],
        "DescribeTasks": [CLUSTER],
        "ListTasks": [CLUSTER],
        "PassTaskRoles": [("StringEquals", "iam:PassedToService", "ecs-tasks.amazonaws.com")],
        "ChangeRecord": [
            (
                "ForAllValues:StringLike",
                "route53:ChangeResourceRecordSetsNormalizedRecordNames",
                "*.interviews.example.com",
            ),
            ("ForAllValues:StringEquals", "route53:ChangeResourceRecordSetsRecordTypes", "A"),
        ],
    },
    "reaper_role_permissions": {
        "LookAtServices": [CLUSTER],
        "StopOverdueServices": [CLUSTER, OURS[1]],
    },
}
"""Which statements hold under which conditions; all others hold under none."""


@pytest.mark.parametrize("role", CONDITIONS)
def test_what_changes_something_is_held_to_interviews_of_this_project(
    shared_stack: SharedStackFactory, role: str
) -> None:
    statements = shared_stack(wildcard_domain=False).statements(role)
    found = {
        sid: [(c["test"], c["variable"], *c["values"]) for c in statement["condition"]]
        for sid, statement in statements.items()
        if statement.get("condition")
    }
    assert found == CONDITIONS[role]


def test_the_key_rotates_and_serves_this_projects_logs_and_alarms_only(default_stack: SynthesizedStack) -> None:
    assert default_stack.one("aws_kms_key", "encryption_key")["enable_key_rotation"] is True
    statements = default_stack.statements("encryption_policy")
    assert set(statements) == {"AccountAdministration", "LogGroups", "AlarmsToTopic"}
    (condition,) = statements["LogGroups"]["condition"]
    assert condition["variable"] == "kms:EncryptionContext:aws:logs:arn"
    assert [arn.rpartition(":log-group:")[2] for arn in condition["values"]] == [
        "/prequel/*",
        "/aws/ecs/containerinsights/prequel/performance",
        "/aws/lambda/prequel-reaper",
        "/aws/lambda/prequel-image-indexer-*",
    ]


@pytest.mark.parametrize("type", ["aws_cloudwatch_log_group", "aws_ecr_repository", "aws_sns_topic"])
def test_logs_images_and_alarms_use_the_key(portal_stack: SynthesizedStack, type: str) -> None:
    resources = portal_stack.all(type)
    assert resources
    for resource in resources.values():
        assert "${aws_kms_key.encryption_key.arn}" in str(resource)
