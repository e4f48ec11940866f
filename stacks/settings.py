"""The one configuration: ``terraform.tfvars``, ``backend.config`` and the environment, validated as a whole.

Every field's ``description`` says what it accepts, and is what the user reads when a value is something else.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from stacks.tfvars import UnreadableFileError, Unusable, read_assignments

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_Model = TypeVar("_Model", bound=BaseModel)

SETTINGS_FILE = "terraform.tfvars"
BACKEND_FILE = "backend.config"
ENVIRONMENT_PREFIX = "PREQUEL_"

FARGATE_MEMORY_MIB = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4096 + 1, 1024)),
    1024: tuple(range(2048, 8192 + 1, 1024)),
    2048: tuple(range(4096, 16384 + 1, 1024)),
    4096: tuple(range(8192, 30720 + 1, 1024)),
    8192: tuple(range(16384, 61440 + 1, 4096)),
    16384: tuple(range(32768, 122880 + 1, 8192)),
}
"""Memory by CPU units, https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html."""

LONGEST_SUBNET_PREFIX = 27
"""What an Application Load Balancer needs of each of its subnets
(https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html)."""

RESERVED_ADDRESSES = 5
"""In each subnet, https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html."""

PORTAL_TASKS = 2
"""One, and its successor while it is being replaced."""

RESERVED_PREFIXES = ("amzn", "aws", "internal", "ssm", "sthree")
"""Bucket, load balancer, log group and parameter names must not begin with them
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html,
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html)."""

STACK_TAGS = ("Name", "Project", "Environment", "InterviewId", "Challenge", "Release", "ExpiresAt")
"""The tags that the stacks set themselves; roles are held to interviews by InterviewId, so nobody else may set it."""

_IMAGE = r"^([a-z0-9.-]+(:[0-9]+)?/)?[a-z0-9._/-]+(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|@sha256:[0-9a-f]{64})$"
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


def _list(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))


class SettingsError(Exception):
    """The configuration cannot be used; ``problems`` says why, each in one line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Settings(BaseModel):
    """What ``terraform.tfvars`` may say, with its defaults; the order lets later fields be checked against earlier."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True)

    aws_region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$", description="an AWS region such as eu-central-1")
    environment: str = Field(
        pattern=r"^[a-z][a-z0-9-]{0,15}$",
        description="1 to 16 lower-case letters, digits and hyphens, beginning with a letter, such as prod",
    )
    domain_name: str = Field(
        pattern=rf"^$|{_DOMAIN}",
        # The first name of a certificate, https://docs.aws.amazon.com/acm/latest/APIReference/API_RequestCertificate.html;
        # with a 32-character interview id before it, it also fits a listener rule (128) and a DNS name (253, RFC 1035).
        max_length=64,
        description='a lower-case DNS name of at most 64 characters such as interviews.example.com, or "" for none',
    )
    project_prefix: str = Field(
        default="prequel",
        # At most 20, so that a load balancer's and a target group's name (32) have room for what follows.
        pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$",
        min_length=2,
        max_length=20,
        description="2 to 20 lower-case letters, digits and single inner hyphens, beginning with a letter",
    )
    hosted_zone_name: str = Field(
        default="",
        pattern=rf"^$|{_DOMAIN}",
        description='the public Route 53 zone that holds domain_name, or "" for domain_name',
    )
    wildcard_domain: bool = Field(default=True, description="true or false")
    availability_zones: int = Field(default=2, ge=2, le=6, description="a whole number from 2 to 6")
    egress: Literal["single_nat", "nat_per_az"] = Field(default="single_nat", description="single_nat or nat_per_az")
    # One target group each, of the 100 that a load balancer holds; one is the portal's
    # (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html).
    max_instances: int = Field(default=10, ge=1, le=99, description="a whole number from 1 to 99")
    vpc_cidr: str = Field(default="10.0.0.0/16", description="an IPv4 block from /16 to /28 such as 10.0.0.0/16")
    code_server_cpu: int = Field(default=1024, description=f"one of {_list(FARGATE_MEMORY_MIB)} CPU units")
    code_server_memory: int = Field(default=2048, description="a whole number of MiB that Fargate offers")
    # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_EphemeralStorage.html
    code_server_storage: int = Field(default=21, ge=21, le=200, description="a whole number of GiB from 21 to 200")
    code_server_image: str = Field(
        default="docker.io/codercom/code-server:4.99.4",
        pattern=rf"^$|{_IMAGE}",
        description='an image with tag or digest, or "" for the newest in the stack\'s own repository',
    )
    challenge_loader_image: str = Field(
        default="public.ecr.aws/aws-cli/aws-cli:2.27.0", pattern=_IMAGE, description="an image with tag or digest"
    )
    cpu_architecture: Literal["X86_64", "ARM64"] = Field(default="X86_64", description="X86_64 or ARM64")
    runner_architecture: Literal["X86_64", "ARM64"] = Field(default="X86_64", description="X86_64 or ARM64")
    soci_indexing: bool = Field(default=True, description="true or false")
    # A day at most: an interview is not a workstation.
    interview_default_minutes: int = Field(default=90, ge=1, le=1440, description="a whole number from 1 to 1440")
    interview_maximum_minutes: int = Field(default=240, ge=1, le=1440, description="a whole number from 1 to 1440")
    portal_image: str = Field(
        default="", pattern=rf"^$|{_IMAGE}", description='an image with tag or digest, or "" for no portal'
    )
    alarm_email: str = Field(
        default="", pattern=r"^$|^[^@\s]+@[^@\s]+\.[^@\s]+$", description='an e-mail address, or "" for none'
    )
    log_retention_days: int = Field(default=30, description=f"one of {_list(LOG_RETENTION_DAYS)}")
    deletion_protection: bool = Field(default=True, description="true or false")
    tags: dict[str, str] = Field(default_factory=dict, description='a map of text such as { Team = "hiring" }')

    @field_validator("project_prefix")
    @classmethod
    def _prefix_is_not_reserved(cls, prefix: str) -> str:
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
        zones, interviews = info.data.get("availability_zones"), info.data.get("max_instances")
        if zones is None:
            return cidr
        private = SubnetPlan.of(cidr, zones).private
        if IPv4Network(private[0]).prefixlen > LONGEST_SUBNET_PREFIX:
            raise ValueError(f"a block with room for {2 * zones} subnets of /{LONGEST_SUBNET_PREFIX} or larger")
        usable = sum(IPv4Network(subnet).num_addresses - RESERVED_ADDRESSES for subnet in private)
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


class BackendSettings(BaseModel):
    """What ``backend.config`` may say: Terraform's S3 backend, without credentials
    (https://developer.hashicorp.com/terraform/language/backend/s3).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    bucket: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="the name of an existing bucket")
    key: str = Field(min_length=1, max_length=1024, description="the state's key in the bucket")
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$", description="the bucket's region, such as eu-central-1")
    encrypt: bool = Field(default=True, description="true or false")
    use_lockfile: bool = Field(default=True, description="true or false")
    kms_key_id: str | None = Field(default=None, min_length=1, description="the ARN of a KMS key")
    profile: str | None = Field(default=None, min_length=1, description="a profile of the AWS configuration")
    use_path_style: bool | None = Field(default=None, description="true or false")
    skip_credentials_validation: bool | None = Field(default=None, description="true or false")
    skip_metadata_api_check: bool | None = Field(default=None, description="true or false")
    skip_region_validation: bool | None = Field(default=None, description="true or false")
    skip_requesting_account_id: bool | None = Field(default=None, description="true or false")
    skip_s3_checksum: bool | None = Field(default=None, description="true or false")


@dataclass(frozen=True)
class Configuration:
    """Validated ``settings``, the ``backend`` (``None``: state beside the configuration), and their ``directory``."""

    settings: Settings
    backend: BackendSettings | None
    directory: Path


@dataclass(frozen=True)
class SubnetPlan:
    """The CIDR blocks of the ``public`` and ``private`` subnets, one each per availability zone."""

    public: list[str]
    private: list[str]

    @classmethod
    def of(cls, vpc_cidr: str, zones: int) -> "SubnetPlan":
        """Cuts ``vpc_cidr`` into equal blocks; the private subnets are the first ones, the public begin halfway.

        Sixteen blocks wherever the load balancer's minimum allows them, so that a later rise of ``zones`` moves no
        subnet; in a smaller VPC as few as do. ``zones`` is at most 8.
        """
        network = IPv4Network(vpc_cidr)
        bits = 4 if network.prefixlen + 4 <= LONGEST_SUBNET_PREFIX else (2 * zones - 1).bit_length()
        blocks = [str(block) for block in network.subnets(new_prefix=min(network.prefixlen + bits, 32))]
        half = len(blocks) // 2
        return cls(public=blocks[half : half + zones], private=blocks[:zones])


def load_settings(directory: Path, environment: Mapping[str, str]) -> Configuration:
    """The configuration in ``directory``, where ``PREQUEL_<KEY>`` in ``environment`` overrides a setting.

    Raises ``SettingsError`` with everything that is wrong in either file and in the environment.
    """
    problems: list[str] = []
    settings = backend = None
    try:
        given = {key: (SETTINGS_FILE, value) for key, value in read_assignments(directory / SETTINGS_FILE).items()}
    except FileNotFoundError:
        problems.append(
            f"{SETTINGS_FILE}: not found in {directory}; go to the directory that has it, name that in "
            f"PREQUEL_CONFIG_DIR, or copy {SETTINGS_FILE}.example from the repository"
        )
    except UnreadableFileError as error:
        problems.append(str(error))
    else:
        settings = _validated(Settings, given | _overrides(environment), SETTINGS_FILE, problems)
    try:
        given = {key: (BACKEND_FILE, value) for key, value in read_assignments(directory / BACKEND_FILE).items()}
    except FileNotFoundError:
        pass
    except UnreadableFileError as error:
        problems.append(str(error))
    else:
        backend = _validated(BackendSettings, given, BACKEND_FILE, problems)
    if settings is None or problems:
        raise SettingsError(problems)
    return Configuration(settings=settings, backend=backend, directory=directory)


def _overrides(environment: Mapping[str, str]) -> dict[str, tuple[str, Any]]:
    """The settings in ``environment`` with the variable that each came from."""
    found: dict[str, tuple[str, Any]] = {}
    for key, field in Settings.model_fields.items():
        variable = ENVIRONMENT_PREFIX + key.upper()
        if variable in environment:
            text = environment[variable]
            found[key] = (variable, _tags(text) if key == "tags" else _typed(text, field.annotation))
    return found


def _typed(text: str, annotation: Any) -> Any:
    """``text`` as the number or boolean that it spells where the field is not text; else as it is."""
    if annotation is bool and text in ("true", "false"):
        return text == "true"
    if annotation is int and re.fullmatch(r"-?[0-9]{1,9}", text):
        return int(text)
    return text


def _tags(text: str) -> Any:
    """A map from JSON or from ``Key=value,Other=value``; anything else as it is."""
    try:
        return json.loads(text)
    except ValueError:
        pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
        return {key.strip(): value.strip() for key, equals, value in pairs} if all(p[1] for p in pairs) else text


def _validated(
    model: type[_Model], given: Mapping[str, tuple[str, Any]], file: str, problems: list[str]
) -> _Model | None:
    """The model of the values in ``given``, which holds their source too, or ``None`` after adding to ``problems``."""
    try:
        return model.model_validate({key: value for key, (_, value) in given.items()})
    except ValidationError as error:
        # One line a key: its first problem is the one to solve first.
        details = {str(detail["loc"][0]): detail for detail in reversed(error.errors(include_url=False))}
        keys = [*given, *(key for key in model.model_fields if key not in given)]
        problems += [_problem(model, key, details[key], given, file) for key in keys if key in details]
        return None


def _problem(
    model: type[BaseModel], key: str, detail: "ErrorDetails", given: Mapping[str, tuple[str, Any]], file: str
) -> str:
    """One line: where ``key`` came from, its value, and what is accepted."""
    if detail["type"] == "extra_forbidden":
        near = get_close_matches(key, model.model_fields, n=1)
        hint = f"did you mean {near[0]}?" if near else f"{file}.example lists them all"
        return f"{file}: {key} is not a setting, {hint}"
    if detail["type"] == "missing":
        return f"{file}: {key} is missing, expected {model.model_fields[key].description}"
    source, value = given.get(key, (file, model.model_fields[key].default))
    if isinstance(value, Unusable):
        return f"{source}: {key} {value.reason}"
    # The checks above say in their own words what they expect; for all others the field says it.
    in_own_words = detail["type"] == "value_error"
    expected = detail.get("ctx", {}).get("error") if in_own_words else model.model_fields[key].description
    return f"{source}: {key} is {_shown(value)}, expected {expected}"


def _shown(value: Any) -> str:
    """``value`` as one would write it in HCL, in one line and not too long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else f"{text[:97]}..."
