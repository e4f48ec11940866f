"""Who holds the credentials of the role that all interviews' tasks share gets nobody's work, and harms none."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from contract.names import WORK
from image.saver.cipher import CipherError, StateName, decrypt, kms_key, password_key
from image.saver.prequel_save import Saver
from image.saver.session import SavedSession
from tests.lifecycle.conftest import VPC, Assumed, RecordingAws, Shared, assume
from tests.lifecycle.iam import allows

OURS, VICTIM = "mallory/00000000000000aa", "ada/00000000000000bb"
PASSWORD = "mallory's own password"


@pytest.fixture
def thief(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> Assumed:
    return assume(shared, f"{shared.place.prefix}-thief", shared.policy("task_permissions"), monkeypatch)


def saved(shared: Shared, directory: Path, incarnation: str, password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two states of an interview's work, written by its own saver."""
    folder, session = directory / incarnation / "challenge", directory / incarnation / "session"
    for path in (folder, session):
        path.mkdir(parents=True)
    values = shared.place.values
    for name, value in shared.place.embedded.variables.items():
        monkeypatch.setenv(name, value)
    work = f"s3://{values['instance_bucket_name']}/{WORK}{incarnation}/"
    variables = {"WORK": work, "WORK_KEY": values["kms_key_arn"], "PASSWORD": password}
    saver = Saver(SavedSession(variables, folder, session))
    for text in ("first", "second"):
        (folder / "solution.py").write_text(text)
        assert saver.save()


def allowed(shared: Shared, call: dict[str, Any], network: dict[str, list[str]]) -> bool:
    """Whether the synthesized policy allows ``call``, its conditions included."""
    return allows(shared.policy("task_permissions"), call, network)


@contextmanager
def refused_by(recording: RecordingAws, shared: Shared, role: Assumed, attempt: str) -> Iterator[None]:
    """Asserts that what ``role`` calls inside is refused, whether moto can match the condition or not."""
    before = len(recording.calls(role.key))
    with recording.enforcing():
        try:
            yield
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403, attempt  # noqa: PT017
    calls = recording.calls(role.key)[before:]
    assert calls, attempt
    assert not [call for call in calls if allowed(shared, call, {"aws:SourceVpc": [VPC]})], attempt


@pytest.mark.e2e
def test_a_holder_of_the_task_role_can_neither_overwrite_nor_delete_nor_list_nor_decrypt_states(
    recording: RecordingAws, shared: Shared, thief: Assumed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, key_arn = shared.place.values["instance_bucket_name"], shared.place.values["kms_key_arn"]
    admin, s3, kms = shared.place.aws.s3, thief.aws.s3, thief.aws.client("kms")
    for incarnation, password in ((OURS, PASSWORD), (VICTIM, "ada's")):
        saved(shared, tmp_path, incarnation, password, monkeypatch)
    versions = admin.list_object_versions(Bucket=bucket, Prefix=WORK)["Versions"]
    content = {one["Key"]: admin.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in versions}
    assert len(content) == 4

    def another(at: dict[str, str]) -> Any:
        return at | {"Key": next(key for key in content if key != at["Key"])}

    attempts: dict[str, Callable[..., Any]] = {
        "overwrite": lambda at, _: s3.put_object(**at, Body=b"forged"),
        "copy over": lambda at, _: s3.copy_object(**at, CopySource=another(at)),
        "tag": lambda at, _: s3.put_object_tagging(**at, Tagging={"TagSet": []}),
        "delete": lambda at, _: s3.delete_object(**at),
        "delete for good": lambda at, version: s3.delete_object(**at, VersionId=version),
        "delete several": lambda at, _: s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": at["Key"]}]}),
        "list": lambda at, _: s3.list_objects_v2(Bucket=bucket, Prefix=at["Key"]),
        "list versions": lambda at, _: s3.list_object_versions(Bucket=bucket, Prefix=at["Key"]),
        "decrypt": lambda at, _: kms.decrypt(CiphertextBlob=content[at["Key"]][:200], KeyId=key_arn),
    }
    for version in versions:
        for name, attempt in attempts.items():
            with refused_by(recording, shared, thief, f"{name} {version['Key']}"):
                attempt({"Bucket": bucket, "Key": version["Key"]}, version["VersionId"])
            # moto knows no conditions, so that it lets a write pass which the policy refuses.
            admin.put_object(Bucket=bucket, Key=version["Key"], Body=content[version["Key"]])


@pytest.mark.e2e
def test_what_the_task_role_lets_its_holder_do_to_anothers_work_is_of_no_use(
    recording: RecordingAws, shared: Shared, thief: Assumed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, key_arn = shared.place.values["instance_bucket_name"], shared.place.values["kms_key_arn"]
    saved(shared, tmp_path, VICTIM, "ada's", monkeypatch)
    at = {"Bucket": bucket, "Key": f"{WORK}{VICTIM}/000002"}
    with recording.enforcing():
        stored = thief.aws.s3.get_object(**at)["Body"].read()
        with pytest.raises(ClientError, match="PreconditionFailed"):
            thief.aws.s3.put_object(**at, Body=b"forged", IfNoneMatch="*")
        for key in (kms_key(thief.aws.client("kms"), key_arn), password_key(PASSWORD, VICTIM)):
            with pytest.raises(CipherError):
                decrypt(io.BytesIO(stored), io.BytesIO(), StateName(VICTIM, 2), key)
    assert shared.place.aws.s3.get_object(**at)["Body"].read() == stored
    calls = recording.calls(thief.key)
    assert {call["action"] for call in calls if not call["allowed"]} == {"kms:Decrypt"}
    of_s3 = [call for call in calls if call["action"].startswith("s3:")]
    assert [allowed(shared, call, {"aws:SourceVpc": [VPC]}) for call in of_s3] == [True, True]
    assert [allowed(shared, call, {}) for call in of_s3] == [False, False]  # from outside of the VPC, not even that
