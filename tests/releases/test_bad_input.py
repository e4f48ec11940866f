"""A bucket that cannot be used is one clear line, and nothing is half done."""

from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ClientError

from scripts.aws.clients import Aws
from scripts.console import Console
from scripts.errors import AwsError
from scripts.releases.publishing import Publisher
from scripts.releases.store import ReleaseStore
from tests.releases.conftest import Cloud
from tests.releases.interleaving import before_each_call, is_write, refusal
from tests.releases.samples import objects, published, release


def refused(store: ReleaseStore) -> str:
    """Tries to publish, and gives the reason why that could not be; the validation is never reached."""

    def nobody(question: str) -> bool:
        raise AssertionError(question)

    with pytest.raises(AwsError) as raised:
        Publisher(store, Console(json_lines=True), nobody).publish(release("x"), Path())
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_missing_bucket(cloud: Cloud) -> None:
    error = refused(ReleaseStore(cloud.operator, "prequel-nowhere-instance"))
    assert error == (
        "there is no bucket prequel-nowhere-instance in account 123456789012; "
        "deploy the shared stack first, or correct project_prefix"
    )


@pytest.mark.parametrize("status", ["Suspended", None])
def test_a_bucket_without_versions(cloud: Cloud, status: str | None) -> None:
    name = "prequel-plain-instance"
    cloud.operator.s3.create_bucket(Bucket=name)
    if status:
        cloud.operator.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Suspended"})
    word = "suspended" if status else "off"
    assert refused(ReleaseStore(cloud.operator, name)).startswith(
        f"versioning of the bucket {name} is {word}, expected enabled"
    )
    assert objects(cloud.operator, name) == {}


def test_a_bucket_in_another_region(cloud: Cloud) -> None:
    name = "prequel-far-instance"
    cloud.operator.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    cloud.operator.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    error = refused(ReleaseStore(cloud.operator, name))
    assert error == f"the bucket {name} is in eu-central-1, expected us-east-1; correct aws_region"


ANSWERS = {
    "another owner or no permission": (403, "AccessDenied", "the bucket belongs to another account"),
    "another region, redirect": (301, "PermanentRedirect", "is not in us-east-1; correct aws_region"),
    "another region, signature": (400, "AuthorizationHeaderMalformed", "is not in us-east-1; correct aws_region"),
    "a wrong clock": (403, "RequestTimeTooSkewed", "this machine's clock differs from AWS's by more than 15 minutes"),
    "an expired token": (400, "ExpiredToken", "sign in again"),
    "a wrong key": (403, "InvalidAccessKeyId", "sign in again"),
}


@pytest.mark.parametrize(("status", "code", "reason"), ANSWERS.values(), ids=ANSWERS.keys())
def test_a_refusal_at_once(served_cloud: Cloud, status: int, code: str, reason: str) -> None:
    store = served_cloud.store()
    before_each_call(store.aws, lambda _: refusal(status, code))
    assert reason in refused(store)
    assert objects(served_cloud.operator, served_cloud.bucket) == {}


@pytest.mark.parametrize("path", ["/releases/", "/instance/main"])
def test_a_caller_that_may_not_write_is_shown_the_key_and_changes_nothing_that_readers_see(
    served_cloud: Cloud, path: str
) -> None:
    before = published(served_cloud.observer(), "before")
    store = served_cloud.store()
    before_each_call(store.aws, _deny_writes(path))
    with pytest.raises(AwsError, match=f"account 123456789012 may not use s3://{store.bucket.name}{path}") as raised:
        published(store, "after")
    assert "s3:PutObject" in str(raised.value)
    pointer = served_cloud.observer().current()
    assert pointer is not None
    assert pointer.digest == before.digest


def _deny_writes(path: str) -> Callable[[AWSPreparedRequest], AWSResponse | None]:
    return lambda request: refusal(403, "AccessDenied") if is_write(request) and path in str(request.url) else None


def test_a_wrong_clock_is_recognised_in_the_words_of_sts(served_cloud: Cloud) -> None:
    aws = served_cloud.new_clients()
    message = "Signature expired: 20261123T000000Z is now earlier than 20261123T090000Z"

    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": "SignatureDoesNotMatch", "Message": message}}, "GetCallerIdentity")

    aws.sts.meta.events.register("before-call.sts", refuse)
    with pytest.raises(AwsError, match="clock differs from AWS's; set the clock"):
        _ = aws.account_id


def test_no_credentials_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import boto3

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    store = ReleaseStore(Aws("us-east-1", session=boto3.Session()), "prequel-instance")
    assert refused(store) == (
        "cannot find out which AWS account this is: there are no AWS credentials; "
        "set AWS_PROFILE, or run `aws configure`"
    )


def test_a_profile_that_is_missing_or_expired_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    (tmp_path / "config").write_text(
        "[profile work]\nregion = us-east-1\nsso_start_url = https://example.com\nsso_region = us-east-1\n"
        "sso_account_id = 123456789012\nsso_role_name = admin\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "wrok")
    with pytest.raises(AwsError, match=r"profile \(wrok\) could not be found; set AWS_PROFILE to one that"):
        Aws("us-east-1")
    monkeypatch.setenv("AWS_PROFILE", "work")
    with pytest.raises(AwsError, match="sign in again, such as with `aws sso login`"):
        _ = Aws("us-east-1").account_id
