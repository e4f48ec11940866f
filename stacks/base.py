"""What both stacks share: stable Terraform ids, the supported version ranges, state and outputs."""

from collections.abc import Mapping
from typing import Any, ClassVar

import stacks.node  # noqa: F401  (first: it starts the Node.js process of all jsii modules)

# isort: split
import jsii
from cdktf import LocalBackend, S3Backend, TerraformElement, TerraformOutput, TerraformStack

from constructs import Construct, Node
from constructs.aws import AwsProvider, AwsProviderDefaultTags
from contract.names import LOCAL_STATE_FILE
from stacks.configuration import Configuration

TERRAFORM_VERSIONS = ">= 1.11"
"""1.11 brought write-only arguments and S3-native state locking."""

AWS_PROVIDER_VERSIONS = ">= 5.100.0, < 7.0.0"
"""docs/decisions/0004-provider-range.md"""


class ReadableStack(TerraformStack):
    """A stack whose Terraform ids are construct paths joined by underscores, without a hash.

    ``GROUPING_SCOPES`` are the construct ids that only keep namespaces apart and do not enter a Terraform id.
    """

    GROUPING_SCOPES: ClassVar[frozenset[str]] = frozenset({"variables", "outputs"})

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        self.add_override("terraform.required_version", TERRAFORM_VERSIONS)
        self.add_override("terraform.required_providers.aws.source", "hashicorp/aws")
        self.add_override("terraform.required_providers.aws.version", AWS_PROVIDER_VERSIONS)

    @jsii.member(jsii_name="allocateLogicalId")
    def _allocate_logical_id(self, tf_element: TerraformElement | Node) -> str:
        node = tf_element if isinstance(tf_element, Node) else tf_element.node
        below_stack = [scope.node.id for scope in node.scopes][2:]
        return "_".join(name for name in below_stack if name not in self.GROUPING_SCOPES).replace("-", "_")


def aws_provider(
    scope: Construct, *, region: str, tags: Mapping[str, str], account_ids: list[str] | None = None
) -> AwsProvider:
    """The AWS provider with default tags on every resource; ``account_ids`` makes it refuse any other account."""
    return AwsProvider(
        scope, "aws", region=region, allowed_account_ids=account_ids, default_tags=[AwsProviderDefaultTags(tags=tags)]
    )


def keep_state(stack: TerraformStack, configuration: Configuration) -> None:
    """Keeps the state of ``stack`` where backend.config says; without one, in a file beside the configuration."""
    backend = configuration.backend
    if backend is None:
        LocalBackend(stack, path=str(configuration.directory.resolve() / LOCAL_STATE_FILE))
        return
    S3Backend(stack, bucket=backend.bucket, key=backend.key, region=backend.region)
    for name, value in backend.model_dump(exclude_none=True, exclude={"bucket", "key", "region"}).items():
        stack.add_override(f"terraform.backend.s3.{name}", value)


Output = tuple[Any, str]
"""An output's value and its description."""


def define_outputs(scope: Construct, outputs: Mapping[str, Output]) -> None:
    """Defines the ``outputs`` of the stack ``scope``, by name."""
    group = Construct(scope, "outputs")
    for name, (value, description) in outputs.items():
        TerraformOutput(group, name, value=value, description=description)
