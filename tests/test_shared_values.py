"""The shared stack's outputs: read, complete, and of this place."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from contract.names import LOCAL_STATE_FILE
from scripts.aws.clients import Aws
from scripts.embedded.launcher import ACCOUNT_ID
from scripts.errors import AwsError, SharedValuesError
from scripts.shared_stack.values import (
    SharedValues,
    TemplateVariables,
    check_deployment,
    parse_outputs,
    read_outputs,
)
from stacks.backend_settings import BackendSettings
from stacks.configuration import Configuration
from stacks.settings import Settings

SETTINGS = Settings(aws_region="us-east-1", environment="test", domain_name="")
HERE = {"aws_account_id": ACCOUNT_ID, "aws_region": "us-east-1", "environment": "test"}
VARIABLES = TemplateVariables(
    """
    variable "interview_id" { type = string }
    variable "password" {
      type    = string
      default = ""
    }
    variable "vpc_id" { type = string }
    variable "aws_region" { type = string }
    variable "colour" {
      type    = string
      default = "blue"
    }
    """
)
OUTPUTS: dict[str, Any] = {
    "vpc_id": "vpc-1",
    "aws_region": "us-east-1",
    "max_instances": 10,
    "interview_default_minutes": 90,
    "interview_maximum_minutes": 240,
}


@pytest.fixture
def aws() -> Any:
    with mock_aws():
        yield Aws("us-east-1", session=boto3.Session(aws_access_key_id="test", aws_secret_access_key="test"))


def state(outputs: dict[str, Any], version: int = 4) -> bytes:
    document = {"version": version, "outputs": {name: {"value": v, "type": "string"} for name, v in outputs.items()}}
    return json.dumps(document).encode()


def local(directory: Path) -> Configuration:
    return Configuration(settings=SETTINGS, backend=None, directory=directory)


def remote(region: str = "us-east-1") -> Configuration:
    backend = BackendSettings(bucket="states", key="shared.tfstate", region=region)
    return Configuration(settings=SETTINGS, backend=backend, directory=Path())


def test_outputs_are_read_from_the_local_state(tmp_path: Path, aws: Aws) -> None:
    (tmp_path / LOCAL_STATE_FILE).write_bytes(state(OUTPUTS))
    assert read_outputs(local(tmp_path), aws) == OUTPUTS


def test_outputs_are_read_from_the_s3_backend(aws: Aws) -> None:
    aws.s3.create_bucket(Bucket="states")
    aws.s3.put_object(Bucket="states", Key="shared.tfstate", Body=state(OUTPUTS))
    assert read_outputs(remote(), aws) == OUTPUTS


@pytest.mark.parametrize("as_terraform_writes_it", [True, False])
def test_outputs_are_read_from_a_file_plain_or_as_terraform_writes_them(
    tmp_path: Path, aws: Aws, as_terraform_writes_it: bool
) -> None:
    written = {n: {"value": v, "type": "string", "sensitive": False} for n, v in OUTPUTS.items()}
    path = tmp_path / "outputs.json"
    path.write_text(json.dumps(written if as_terraform_writes_it else OUTPUTS))
    assert read_outputs(local(tmp_path), aws, path) == OUTPUTS


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "is not there; deploy the shared stack first"),
        (b"", "is not JSON"),
        (b"{\xff}", "is not JSON: it is no text in UTF-8"),
        (b"[]", "is not a JSON object"),
        (state(OUTPUTS, version=3), "has state version 3, expected 4"),
        (state({}), "holds no outputs; deploy the shared stack"),
    ],
)
def test_a_state_that_cannot_be_used_is_one_line(tmp_path: Path, aws: Aws, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / LOCAL_STATE_FILE).write_bytes(content)
    with pytest.raises(SharedValuesError, match=reason) as raised:
        read_outputs(local(tmp_path), aws)
    assert "\n" not in str(raised.value)


def test_a_missing_remote_state_is_one_line(aws: Aws) -> None:
    with pytest.raises(SharedValuesError, match=r"s3://states/shared.tfstate is not there; deploy"):
        read_outputs(remote(), aws)


def test_a_refused_remote_state_names_the_address(aws: Aws) -> None:
    aws.s3.meta.events.register("before-call.s3.GetObject", _deny)
    with pytest.raises(AwsError, match=r"cannot read the shared stack's state s3://states/shared.tfstate"):
        read_outputs(remote(), aws)


def _deny(**_: object) -> None:
    from botocore.exceptions import ClientError

    raise ClientError({"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}, "GetObject")


def test_the_clients_own_variables_and_the_limits_are_not_published() -> None:
    values = SharedValues.of(OUTPUTS | {"password": "never", "interview_id": "x", "unknown": 1}, VARIABLES)
    assert values.template == {"vpc_id": "vpc-1", "aws_region": "us-east-1"}
    assert values.limits == {
        "max_instances": 10,
        "interview_default_minutes": 90,
        "interview_maximum_minutes": 240,
    }


def test_an_output_for_an_optional_variable_is_published() -> None:
    assert SharedValues.of(OUTPUTS | {"colour": "red"}, VARIABLES).template["colour"] == "red"


def test_every_missing_output_is_named_at_once() -> None:
    with pytest.raises(SharedValuesError, match="lack vpc_id, aws_region, max_instances; deploy"):
        SharedValues.of({"interview_default_minutes": 90, "interview_maximum_minutes": 240, "vpc_id": None}, VARIABLES)


def test_a_template_that_is_not_hcl_is_one_line() -> None:
    with pytest.raises(SharedValuesError, match=r"variables\.tf is not valid HCL"):
        SharedValues.of(OUTPUTS, TemplateVariables('variable "x" {'))


@pytest.mark.parametrize(
    ("name", "value"),
    [("aws_account_id", "999999999999"), ("aws_region", "eu-central-1"), ("environment", "prod")],
)
def test_values_of_another_place_are_refused(name: str, value: str) -> None:
    good = {"aws_account_id": ACCOUNT_ID, "aws_region": "us-east-1", "environment": "test"}
    check_deployment(good, HERE)
    with pytest.raises(SharedValuesError, match=f"of another deployment: {name} is {value}, expected {good[name]}"):
        check_deployment(good | {name: value}, HERE)


def test_a_value_that_happens_to_be_an_object_is_not_taken_apart() -> None:
    assert parse_outputs(b'{"tags": {"value": "x"}}', "file") == {"tags": {"value": "x"}}
