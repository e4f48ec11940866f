"""What both stacks share: stable Terraform ids and the supported version ranges."""

from collections.abc import Mapping
from typing import ClassVar

import stacks.node  # noqa: F401  (first: it starts the Node.js process of all jsii modules)

# isort: split
import jsii
from cdktf import TerraformElement, TerraformStack

from constructs import Construct, Node
from constructs.aws import AwsProvider, AwsProviderDefaultTags

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
