"""Patterns and limits of values that the configuration, the template set and the operations validate.

Patterns use only syntax that RE2 (Terraform's ``regex``) and Python's ``re`` share. A pair of numbers is the lowest and
the highest allowed value.
"""

REGION_PATTERN = "^([abd-z][a-z]|c[a-mo-z])-[a-z]+-[0-9]{1,2}$"
"""A region of the partition aws, such as eu-central-1; a test compares it with botocore's data. The names of the other
partitions' regions begin with cn or have a fourth word: us-gov-west-1, eusc-de-east-1
(https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html)."""

REGION_DESCRIPTION = "a region of the partition aws such as eu-central-1"

TESTED_PROVIDER = "5.100.0"
"""Of the AWS provider: what the tests and every embedded AWS run, and deployments by default (docs/decisions/0090)."""

ENVIRONMENT_PATTERN = "^[a-z][a-z0-9-]{0,15}$"

PROJECT_PREFIX_PATTERN = "^[a-z][a-z0-9-]{1,19}$"
"""At most 20 characters, because names of load balancers and target groups, which begin with it, have at most 32."""

IMAGE_TAG_PATTERN = "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"
"""https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests"""

AWS_CLI_PATTERN = "(^|/)aws-cli[:@]"
"""The image that delivered challenges up to release 0.2; it has no ``prequel-load``."""

INTERVIEW_ID_PATTERN = "^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$"
"""A DNS label (RFC 1123) that also fits a target group's name: 32 characters at most
(https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html)."""

RESERVED_ID_PREFIX = "internal-"
"""Elastic Load Balancing rejects target group names with this prefix (same page)."""

CHALLENGE_PATTERN = "^[A-Za-z0-9][A-Za-z0-9_-]*(/[A-Za-z0-9][A-Za-z0-9_-]*)*$"
"""A relative S3 prefix without dots, so that it cannot leave ``challenge/``."""

PASSWORD_LENGTH = (8, 128)
"""Length of an interview's password in characters."""

INTERVIEWS = (1, 99)
"""Concurrent interviews. A load balancer supports 100 target groups: one per interview, and one for the portal
(https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html)."""

INTERVIEW_MINUTES = (1, 24 * 60)
"""Duration of an interview in minutes; at most a day, because it is not a workstation."""

START_EARLY_MINUTES = 5
"""How long before its start an interview is created by default: a start on AWS takes a minute or two
(docs/performance.md), and more with a retry."""

LONGEST_START_EARLY_MINUTES = 60
"""What is created earlier costs more than it is worth."""

WORK_RETENTION_DAYS = (0, 3650)
"""How long candidates' saved work is kept; 0 deletes it with the interview."""

LISTENER_PRIORITY = (1, 50_000)
"""https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateRule.html"""

FARGATE_MEMORY_MIB = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4096 + 1, 1024)),
    1024: tuple(range(2048, 8192 + 1, 1024)),
    2048: tuple(range(4096, 16384 + 1, 1024)),
    4096: tuple(range(8192, 30720 + 1, 1024)),
    8192: tuple(range(16384, 61440 + 1, 4096)),
    16384: tuple(range(32768, 122880 + 1, 8192)),
}
"""Supported memory in MiB by CPU units, https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html."""

BUILD_QUOTAS = {
    "X86_64": ("L-9D07B6EF", "Concurrently running builds for Linux/Small environment"),
    "ARM64": ("L-5ED1D25B", "Concurrently running builds for ARM/Small environment"),
}
"""Code and name of CodeBuild's quota by architecture, https://docs.aws.amazon.com/general/latest/gr/codebuild.html. New
accounts may have 0 or 1 (https://github.com/awslabs/landing-zone-accelerator-on-aws/issues/1013)."""

STORAGE_GIB = (21, 200)
"""Ephemeral storage of a Fargate task in GiB, https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_EphemeralStorage.html."""
