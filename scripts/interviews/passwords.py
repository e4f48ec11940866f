"""The passwords of interviews, which only SSM keeps."""

from collections.abc import Mapping
from typing import Any

from contract.names import password_parameter
from scripts.aws.clients import Aws, explained
from scripts.errors import RefusedError
from scripts.interviews.context import Context


def read_password(aws: Aws, interview_id: str, values: Mapping[str, Any]) -> str | None:
    """The password of an interview, or None; ``values`` are the shared values of its release. Raises ``AwsError``."""
    name = password_parameter(values["project_prefix"], interview_id)
    with explained(f"read the password of interview {interview_id}"):
        try:
            return aws.ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
        except aws.ssm.exceptions.ParameterNotFound:
            return None


def stored_password(context: Context, interview_id: str, project_prefix: str) -> str:
    """The password of an interview; raises ``RefusedError`` when none is stored, ``AwsError`` without the rights."""
    status = context.intents.get(interview_id).status
    found = read_password(context.aws, interview_id, {"project_prefix": project_prefix})
    if found is None:
        raise RefusedError(f"SSM holds no password of interview {interview_id}, which is {status}")
    return found


def write_password(aws: Aws, interview_id: str, values: Mapping[str, Any], password: str) -> None:
    """Stores a password where a later create finds it, whose Terraform adopts the parameter. Raises ``AwsError``."""
    with explained(f"store the password of interview {interview_id}"):
        aws.ssm.put_parameter(
            Name=password_parameter(values["project_prefix"], interview_id),
            Description=f"Password of interview {interview_id}",
            Type="SecureString",
            KeyId=values["kms_key_arn"],
            Value=password,
        )


def keep_key(aws: Aws, interview_id: str, values: Mapping[str, Any]) -> None:
    """Encrypts a password with the stack's key again if it is encrypted with another. Raises ``AwsError``.

    The provider updates a parameter that Terraform has imported without naming its unchanged key, and SSM then takes
    the account's own (https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html, KeyId).
    """
    name, key = password_parameter(values["project_prefix"], interview_id), values["kms_key_arn"]
    with explained(f"look at the key of the password of interview {interview_id}"):
        found = aws.ssm.describe_parameters(ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": [name]}])
    changed = any(parameter.get("KeyId") != key for parameter in found["Parameters"])
    password = read_password(aws, interview_id, values) if changed else None
    if password:
        with explained(f"encrypt the password of interview {interview_id}"):
            aws.ssm.put_parameter(Name=name, Type="SecureString", KeyId=key, Value=password, Overwrite=True)


def delete_password(aws: Aws, interview_id: str, values: Mapping[str, Any]) -> None:
    """Deletes a password; one that is not there is no error. Raises ``AwsError``."""
    with explained(f"delete the password of interview {interview_id}"):
        aws.ssm.delete_parameters(Names=[password_parameter(values["project_prefix"], interview_id)])
