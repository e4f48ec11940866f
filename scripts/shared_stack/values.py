"""The shared stack's outputs, as the template set takes them: from its state or a file, and complete."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hcl2
from botocore.exceptions import ClientError

from contract.names import CLIENT_VARIABLE_NAMES, LOCAL_STATE_FILE
from scripts.aws.clients import Aws, error_code, explained
from scripts.errors import SharedValuesError
from scripts.shared_stack.state_bucket import backend_aws

if TYPE_CHECKING:
    from stacks.configuration import Configuration

LIMITS = ("max_instances", "interview_default_minutes", "interview_maximum_minutes")
"""Outputs for the operations alone: they go into a release's manifest and not to the template."""

STATE_VERSION = 4
"""Of Terraform's state format since 0.12."""

Outputs = dict[str, Any]

_ABSENT = "is not there; deploy the shared stack first with `make deploy`, or give --outputs-file"


@dataclass(frozen=True)
class TemplateVariables:
    """The variables of a variables.tf's ``text``; properties raise ``SharedValuesError`` for HCL they cannot read."""

    text: str

    @cached_property
    def with_default(self) -> dict[str, bool]:
        """Whether each variable has a default."""
        return {name: "default" in body for name, body in self._blocks.items()}

    @property
    def descriptions(self) -> dict[str, str]:
        """What each variable is for."""
        return {name: str(body.get("description", "")).strip('"') for name, body in self._blocks.items()}

    @property
    def not_of_clients(self) -> list[str]:
        """What the shared stack may give."""
        return [name for name in self.with_default if name not in CLIENT_VARIABLE_NAMES]

    @property
    def shared(self) -> list[str]:
        """What the shared stack must give."""
        return [name for name in self.not_of_clients if not self.with_default[name]]

    @cached_property
    def _blocks(self) -> dict[str, dict[str, Any]]:
        try:
            blocks = hcl2.loads(self.text).get("variable", [])
        except Exception as error:  # the parser's own exceptions have no common base
            reason = str(error).splitlines()[0]
            raise SharedValuesError(f"variables.tf is not valid HCL: {reason}") from error
        return {name.strip('"'): body for block in blocks for name, body in block.items()}


@dataclass(frozen=True)
class SharedValues:
    """``template``: values of the template's variables by name; ``limits``: those of ``LIMITS``."""

    template: Outputs
    limits: Outputs

    @classmethod
    def of(cls, outputs: Mapping[str, Any], variables: TemplateVariables) -> "SharedValues":
        """What of ``outputs`` is published; raises ``SharedValuesError`` naming everything that is missing."""
        wanted = [*variables.shared, *LIMITS]
        missing = [name for name in wanted if outputs.get(name) is None]
        if missing:
            raise SharedValuesError(
                f"the shared stack's outputs lack {', '.join(missing)}; deploy it again with `make deploy`"
            )
        published = [name for name in variables.not_of_clients if outputs.get(name) is not None]
        return cls({name: outputs[name] for name in published}, {name: outputs[name] for name in LIMITS})


def check_deployment(values: Mapping[str, Any], here: Mapping[str, str]) -> None:
    """Raises ``SharedValuesError`` when ``values`` are of another account, region or environment than ``here``.

    ``here`` holds those of ``aws_account_id``, ``aws_region`` and ``environment`` that matter.
    """
    differing = [
        f"{name} is {values.get(name)}, expected {expected}"
        for name, expected in here.items()
        if values.get(name) != expected
    ]
    if differing:
        raise SharedValuesError(f"the shared values are of another deployment: {'; '.join(differing)}")


def read_outputs(configuration: "Configuration", aws: Aws, outputs_file: Path | None = None) -> Outputs:
    """The deployed shared stack's outputs by name, from ``outputs_file`` if given, else from its Terraform state.

    ``outputs_file`` is what ``terraform output -json`` writes, or a plain JSON object. Raises ``SharedValuesError``
    when there is nothing to read or it is something else, and ``AwsError`` when S3 refuses the state.
    """
    if outputs_file is not None:
        return parse_outputs(_read(outputs_file, "the outputs file"), str(outputs_file))
    backend = configuration.backend
    if backend is None:
        path = configuration.directory / LOCAL_STATE_FILE
        return _parse_state(_read(path, "the shared stack's state"), str(path))
    address = f"s3://{backend.bucket}/{backend.key}"
    elsewhere = backend.profile is not None or backend.region != aws.region
    reader = backend_aws(backend) if elsewhere else aws
    with explained(f"read the shared stack's state {address}"):
        try:
            content = reader.s3.get_object(Bucket=backend.bucket, Key=backend.key)["Body"].read()
        except ClientError as error:
            if error_code(error) in {"NoSuchKey", "NoSuchBucket"}:
                raise SharedValuesError(f"{address} {_ABSENT}") from error
            raise
    return _parse_state(content, address)


def _parse_state(content: bytes, source: str) -> Outputs:
    document = _object(content, source)
    if document.get("version") != STATE_VERSION:
        raise SharedValuesError(
            f"{source} has state version {document.get('version')}, expected {STATE_VERSION}; is it a Terraform state?"
        )
    outputs = document.get("outputs") or {}
    if not outputs:
        raise SharedValuesError(f"{source} holds no outputs; deploy the shared stack with `make deploy`")
    return {name: output.get("value") for name, output in outputs.items()}


def parse_outputs(content: bytes, source: str) -> Outputs:
    """The outputs in a JSON object, plain or from ``terraform output -json``; raises ``SharedValuesError``."""
    document = _object(content, source)
    return {
        name: value["value"] if isinstance(value, dict) and {"value", "type"} <= value.keys() else value
        for name, value in document.items()
    }


def _object(content: bytes, source: str) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except UnicodeDecodeError as error:
        raise SharedValuesError(f"{source} is not JSON: it is no text in UTF-8") from error
    except ValueError as error:
        raise SharedValuesError(f"{source} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise SharedValuesError(f"{source} is not a JSON object")
    return document


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise SharedValuesError(f"{what} {path} {_ABSENT}") from error
    except OSError as error:
        raise SharedValuesError(f"{what} {path} cannot be read: {error.strerror}") from error
