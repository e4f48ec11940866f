"""The buckets."""

import re

import pytest

from tests.conftest import SharedStackFactory, SynthesizedStack

BUCKETS = ["storage", "access_logs"]


@pytest.mark.parametrize("bucket", BUCKETS)
def test_every_bucket_is_private_and_encrypted(default_stack: SynthesizedStack, bucket: str) -> None:
    block = default_stack.one("aws_s3_bucket_public_access_block", f"{bucket}_public_access")
    for way in ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"):
        assert block[way] is True
    ownership = default_stack.one("aws_s3_bucket_ownership_controls", f"{bucket}_ownership")
    assert ownership["rule"] == {"object_ownership": "BucketOwnerEnforced"}
    (rule,) = default_stack.one("aws_s3_bucket_server_side_encryption_configuration", f"{bucket}_encryption")["rule"]
    assert rule["apply_server_side_encryption_by_default"] == {"sse_algorithm": "AES256"}


@pytest.mark.parametrize("bucket", BUCKETS)
def test_a_bucket_is_reached_over_tls_only(default_stack: SynthesizedStack, bucket: str) -> None:
    statement = default_stack.statements(f"{bucket}_permissions")["OnlyOverTls"]
    assert (statement["effect"], statement["actions"]) == ("Deny", ["s3:*"])
    assert statement["condition"] == [{"test": "Bool", "variable": "aws:SecureTransport", "values": ["false"]}]
    assert len(statement["resources"]) == 2


def test_the_log_bucket_admits_the_two_log_deliverers_only(default_stack: SynthesizedStack) -> None:
    statements = default_stack.statements("access_logs_permissions")
    allowed = {
        principal
        for statement in statements.values()
        if statement.get("effect", "Allow") == "Allow"
        for entry in statement["principals"]
        for principal in entry["identifiers"]
    }
    assert allowed == {"logdelivery.elasticloadbalancing.amazonaws.com", "logging.s3.amazonaws.com"}
    assert statements["LoadBalancerLogs"]["resources"][0].endswith(
        "/alb/AWSLogs/${data.aws_caller_identity.account_caller.account_id}/*"
    )
    assert {c["variable"] for c in statements["BucketLogs"]["condition"]} == {"aws:SourceAccount", "aws:SourceArn"}
    (of_balancers,) = statements["LoadBalancerLogs"]["condition"]
    assert of_balancers["variable"] == "aws:SourceArn"
    assert re.search(r":eu-central-1:\$\{.+account_id\}:loadbalancer/\*$", of_balancers["values"][0])


def test_requests_to_the_instance_bucket_are_logged(default_stack: SynthesizedStack) -> None:
    logging = default_stack.one("aws_s3_bucket_logging", "storage_access_logs")
    assert logging["bucket"] == "${aws_s3_bucket.storage_bucket.id}"
    assert logging["target_bucket"] == "${aws_s3_bucket_policy.access_logs_policy.bucket}"


def test_of_the_instance_bucket_only_the_history_and_saved_work_expire(
    default_stack: SynthesizedStack, shared_stack: SharedStackFactory
) -> None:
    versions, history, *work = default_stack.one("aws_s3_bucket_lifecycle_configuration", "storage_lifecycle")["rule"]
    assert "expiration" not in versions
    assert versions["noncurrent_version_expiration"] == [{"noncurrent_days": 90}]
    assert history["filter"] == [{"prefix": "history/"}]
    assert history["expiration"] == [{"days": 180}]
    assert history["noncurrent_version_expiration"] == [{"noncurrent_days": 1}]
    assert {rule["filter"][0]["prefix"] for rule in work} == {"work/"}
    versioning = default_stack.one("aws_s3_bucket_versioning", "storage_versioning")
    assert versioning["versioning_configuration"] == {"status": "Enabled"}
    shorter = shared_stack(history_retention_days=30)
    _, history, *_ = shorter.one("aws_s3_bucket_lifecycle_configuration", "storage_lifecycle")["rule"]
    assert history["expiration"] == [{"days": 30}]


@pytest.mark.parametrize(("kept", "days"), [(30, 30), (3650, 3650), (0, 2)])
def test_saved_work_expires_with_all_versions(shared_stack: SharedStackFactory, kept: int, days: int) -> None:
    stack = shared_stack(work_retention_days=kept)
    *_, work, markers = stack.one("aws_s3_bucket_lifecycle_configuration", "storage_lifecycle")["rule"]
    assert work["expiration"] == [{"days": days}]
    assert work["noncurrent_version_expiration"] == [{"noncurrent_days": 1}]
    assert markers["expiration"] == [{"expired_object_delete_marker": True}]


def test_access_logs_expire_with_all_other_logs(shared_stack: SharedStackFactory) -> None:
    stack = shared_stack(log_retention_days=7)
    (rule,) = stack.one("aws_s3_bucket_lifecycle_configuration", "access_logs_lifecycle")["rule"]
    assert rule["expiration"] == [{"days": 7}]
    assert {group["retention_in_days"] for group in stack.all("aws_cloudwatch_log_group").values()} == {7}


def test_bucket_names_follow_the_prefix(shared_stack: SharedStackFactory) -> None:
    buckets = shared_stack(project_prefix="hiring").all("aws_s3_bucket")
    assert {bucket["bucket"] for bucket in buckets.values()} == {
        "hiring-instance",
        "hiring-logs-${data.aws_caller_identity.account_caller.account_id}",
    }
