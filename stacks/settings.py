"""The settings of ``terraform.tfvars``.

Every field's ``description`` names what it accepts; an error message about the field ends with it.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv4Network
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from contract.limits import (
    AWS_CLI_PATTERN,
    ENVIRONMENT_PATTERN,
    FARGATE_MEMORY_MIB,
    IMAGE_TAG_PATTERN,
    INTERVIEW_MINUTES,
    INTERVIEWS,
    LONGEST_START_EARLY_MINUTES,
    PROJECT_PREFIX_PATTERN,
    START_EARLY_MINUTES,
    STORAGE_GIB,
    TESTED_PROVIDER,
    WORK_RETENTION_DAYS,
)
from contract.subnets import LONGEST_SUBNET_PREFIX, SubnetPlan
from stacks.regions import Region

PORTAL_TASKS = 2
"""One, and its successor while it is being replaced."""

RESERVED_PREFIXES = ("amzn", "aws", "internal", "ssm", "sthree")
"""Bucket, load balancer, log group and parameter names must not begin with them
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html,
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html)."""

STACK_TAGS = ("Name", "Project", "Environment", "InterviewId", "Challenge", "Release", "ExpiresAt")
"""The tags that the stacks set themselves; roles are limited to interviews by InterviewId, so no user may set it."""

_TAG = IMAGE_TAG_PATTERN.removeprefix("^").removesuffix("$")
_IMAGE = rf"^([a-z0-9.-]+(:[0-9]+)?/)?[a-z0-9._/-]+(:{_TAG}|@sha256:[0-9a-f]{{64}})$"
_ECR = re.compile(r"^[0-9]{12}\.dkr[.-]ecr\.(?P<region>[a-z0-9-]+)\.[a-z0-9.-]+/(?P<repository>[^:@]+)")
"""https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html"""

_HOST_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = rf"^({_HOST_LABEL}\.)+[a-z]{{2,63}}$"
"""RFC 1123 labels; a listener rule takes letters only after the last dot
(https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html)."""

LOG_RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"""


_PREFIX = "2 to 20 lower-case letters, digits and single inner hyphens, beginning with a letter"


def _list(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))


def _whole_number(default: int, limits: tuple[int, int], unit: str = "") -> int:
    """A field for a number from the first to the second of ``limits``."""
    lowest, highest = limits
    description = f"a whole number{unit} from {lowest} to {highest}"
    number: int = Field(default=default, ge=lowest, le=highest, description=description)
    return number


SPECIAL_BLOCKS = {
    "0.0.0.0/8": "unspecified",
    "127.0.0.0/8": "loopback",
    "169.254.0.0/16": "link-local",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
}
"""Addresses that no host in a VPC can have
(https://www.iana.org/assignments/iana-ipv4-special-registry, RFC 5771)."""


class Settings(BaseModel):
    """The settings of ``terraform.tfvars`` with their defaults; a validator sees only the fields above its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True)

    aws_region: Region
    environment: str = Field(
        pattern=ENVIRONMENT_PATTERN,
        description="1 to 16 lower-case letters, digits and hyphens, beginning with a letter, such as prod",
    )
    domain_name: str = Field(
        pattern=rf"^$|{_DOMAIN}",
        # The first name of a certificate, https://docs.aws.amazon.com/acm/latest/APIReference/API_RequestCertificate.html;
        # with a 32-character interview id before it, it also fits a listener rule (128) and a DNS name (253, RFC 1035).
        max_length=64,
        description='a lower-case DNS name of at most 64 characters such as interviews.example.com, or "" for none',
    )
    project_prefix: str = Field(default="prequel", pattern=PROJECT_PREFIX_PATTERN, description=_PREFIX)
    hosted_zone_name: str = Field(
        default="",
        pattern=rf"^$|{_DOMAIN}",
        description='the public Route 53 zone that holds domain_name, or "" for domain_name',
    )
    wildcard_domain: bool = Field(default=True, description="true or false")
    availability_zones: int = _whole_number(2, (2, 6))
    availability_zone_names: list[str] = Field(
        default_factory=list,
        description='a list of zones such as ["eu-central-1a", "eu-central-1b"], or [] for the first',
    )
    egress: Literal["single_nat", "nat_per_az"] = Field(default="single_nat", description="single_nat or nat_per_az")
    max_instances: int = _whole_number(10, INTERVIEWS)
    vpc_cidr: str = Field(default="10.0.0.0/16", description="an IPv4 block from /16 to /28 such as 10.0.0.0/16")
    code_server_cpu: int = Field(default=1024, description=f"one of {_list(FARGATE_MEMORY_MIB)} CPU units")
    code_server_memory: int = Field(default=2048, description="a whole number of MiB that Fargate offers")
    code_server_storage: int = _whole_number(21, STORAGE_GIB, " of GiB")
    code_server_image: str = Field(
        default="",
        pattern=rf"^$|{_IMAGE}",
        description='an image with tag or digest, or "" for the newest in the stack\'s own repository',
    )
    challenge_loader_image: str = Field(
        default="",
        pattern=rf"^$|{_IMAGE}",
        description='an image with tag or digest that has prequel-load, or "" for the interview\'s own image',
    )
    cpu_architecture: Literal["X86_64", "ARM64"] = Field(default="X86_64", description="X86_64 or ARM64")
    aws_provider_version: str = Field(
        default=TESTED_PROVIDER,
        pattern=r"^(5\.[1-9][0-9]{2,}|6\.[0-9]+)\.[0-9]+$",
        description="an exact version of the AWS provider from 5.100.0 to 6.x",
    )
    runner_architecture: Literal["X86_64", "ARM64"] = Field(default="X86_64", description="X86_64 or ARM64")
    soci_indexing: bool = Field(default=True, description="true or false")
    interview_default_minutes: int = _whole_number(90, INTERVIEW_MINUTES)
    interview_maximum_minutes: int = _whole_number(240, INTERVIEW_MINUTES)
    start_early_minutes: int = _whole_number(START_EARLY_MINUTES, (0, LONGEST_START_EARLY_MINUTES))
    portal_image: str = Field(
        default="", pattern=rf"^$|{_IMAGE}", description='an image with tag or digest, or "" for no portal'
    )
    alarm_email: str = Field(
        default="", pattern=r"^$|^[^@\s]+@[^@\s]+\.[^@\s]+$", description='an e-mail address, or "" for none'
    )
    log_retention_days: int = Field(default=30, description=f"one of {_list(LOG_RETENTION_DAYS)}")
    history_retention_days: int = _whole_number(180, (1, 3650))
    work_retention_days: int = _whole_number(30, WORK_RETENTION_DAYS)
    deletion_protection: bool = Field(default=True, description="true or false")
    tags: dict[str, str] = Field(default_factory=dict, description='a map of text such as { Team = "hiring" }')

    @field_validator("project_prefix")
    @classmethod
    def _prefix_fits_every_name(cls, prefix: str) -> str:
        # Load balancers' and buckets' names end in no hyphen, and some of AWS's names hold no two in a row.
        if prefix.endswith("-") or "--" in prefix:
            raise ValueError(_PREFIX)
        reserved = next((begin for begin in RESERVED_PREFIXES if prefix.startswith(begin)), None)
        if reserved is not None:
            raise ValueError(f"a name that does not begin with {reserved}, which AWS reserves")
        return prefix

    @field_validator("hosted_zone_name")
    @classmethod
    def _zone_holds_domain(cls, zone: str, info: ValidationInfo) -> str:
        domain = info.data.get("domain_name")
        if zone and domain is not None and domain != zone and not domain.endswith(f".{zone}"):
            raise ValueError(f'a zone that holds domain_name, which is "{domain}"')
        return zone

    @field_validator("availability_zone_names")
    @classmethod
    def _zones_are_of_the_region(cls, names: list[str], info: ValidationInfo) -> list[str]:
        region, zones = info.data.get("aws_region"), info.data.get("availability_zones")
        if not names or region is None or zones is None:
            return names
        if len(set(names)) != len(names) or len(names) != zones:
            raise ValueError(f"{zones} different zones, because availability_zones is {zones}")
        if not all(re.fullmatch(rf"{region}[a-z]", name) for name in names):
            raise ValueError(f"zones of {region}, such as {region}a")
        return names

    @field_validator("vpc_cidr")
    @classmethod
    def _network_has_room(cls, cidr: str, info: ValidationInfo) -> str:
        if not re.fullmatch(r"[0-9.]+/[0-9]{1,2}", cidr):
            raise ValueError("an IPv4 block from /16 to /28 such as 10.0.0.0/16")
        try:
            network = IPv4Network(cidr, strict=False)
        except ValueError:
            raise ValueError("an IPv4 block from /16 to /28 such as 10.0.0.0/16") from None
        if str(network) != cidr:
            raise ValueError(f"a block without host bits, such as {network}")
        if not 16 <= network.prefixlen <= 28:
            raise ValueError("a block from /16 to /28, as a VPC allows")
        special = next((name for block, name in SPECIAL_BLOCKS.items() if network.overlaps(IPv4Network(block))), None)
        if special is not None:
            raise ValueError(f"a block of addresses for hosts such as 10.0.0.0/16; these are {special} addresses")
        zones, interviews = info.data.get("availability_zones"), info.data.get("max_instances")
        if zones is None:
            return cidr
        plan = SubnetPlan.of(cidr, zones)
        if not plan.fits_a_load_balancer:
            raise ValueError(f"a block with room for {2 * zones} subnets of /{LONGEST_SUBNET_PREFIX} or larger")
        usable = plan.container_addresses
        if interviews is not None and usable < interviews + PORTAL_TASKS:
            raise ValueError(
                f"a block with room for max_instances = {interviews}; its private subnets hold {usable} addresses"
            )
        return cidr

    @field_validator("code_server_cpu", "log_retention_days")
    @classmethod
    def _number_is_offered(cls, number: int, info: ValidationInfo) -> int:
        offered = FARGATE_MEMORY_MIB if info.field_name == "code_server_cpu" else LOG_RETENTION_DAYS
        if number not in offered:
            raise ValueError(f"one of {_list(offered)}")
        return number

    @field_validator("code_server_memory")
    @classmethod
    def _memory_is_offered(cls, memory: int, info: ValidationInfo) -> int:
        cpu = info.data.get("code_server_cpu")
        if cpu is not None and memory not in (offered := FARGATE_MEMORY_MIB[cpu]):
            raise ValueError(f"one of {_list(offered)} MiB, as Fargate offers with code_server_cpu = {cpu}")
        return memory

    @field_validator("code_server_image", "challenge_loader_image", "portal_image")
    @classmethod
    def _image_can_be_pulled(cls, image: str, info: ValidationInfo) -> str:
        prefix, region = info.data.get("project_prefix"), info.data.get("aws_region")
        private = _ECR.match(image)
        if private is None or prefix is None or region is None:
            return image
        # All that the execution roles may pull (constructs/identity.py).
        if private["region"] != region or not private["repository"].startswith(f"{prefix}-"):
            raise ValueError(f"a public image or one of this account's repositories {prefix}-* in {region}")
        return image

    @field_validator("challenge_loader_image")
    @classmethod
    def _loader_is_not_the_aws_cli(cls, image: str) -> str:
        if re.search(AWS_CLI_PATTERN, image):
            raise ValueError('an image that has prequel-load, which the AWS CLI of earlier releases has not, or ""')
        return image

    @field_validator("interview_maximum_minutes")
    @classmethod
    def _maximum_holds_default(cls, maximum: int, info: ValidationInfo) -> int:
        default = info.data.get("interview_default_minutes")
        if default is not None and maximum < default:
            raise ValueError(f"at least interview_default_minutes, which is {default}")
        return maximum

    @field_validator("tags")
    @classmethod
    def _tags_are_allowed(cls, tags: dict[str, str]) -> dict[str, str]:
        # https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
        most = 50 - len(STACK_TAGS)
        if len(tags) > most:
            raise ValueError(f"at most {most} tags")
        # IAM's keys are the same in any case (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html).
        taken = {key.lower() for key in STACK_TAGS}
        for key, value in tags.items():
            if key.lower() in taken:
                reason = "which the stack sets itself" if key in STACK_TAGS else "which differs only in case from one"
                raise ValueError(f"tags other than {key}, {reason}")
            taken.add(key.lower())
            if key.lower().startswith("aws:"):
                raise ValueError(f"tags other than {key}, because AWS reserves aws:")
            if not (re.fullmatch(r"[\w +\-=.:/@]{1,128}", key) and re.fullmatch(r"[\w +\-=.:/@]{0,256}", value)):
                raise ValueError(f"letters, digits, spaces and + - = . _ : / @ in {key!r} (128) and its value (256)")
        return tags
