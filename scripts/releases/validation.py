"""What a template set must pass before it may be published: the exact bytes, checked without AWS."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import hcl2

from contract.limits import AWS_CLI_PATTERN
from contract.names import PLACEHOLDERS
from scripts.console import Console
from scripts.errors import ReleaseError, TemplateError, TerraformError
from scripts.private_files import private_directory
from scripts.releases.policy import POLICIES, SENTINEL_PASSWORD, Plan
from scripts.releases.release import Release
from scripts.secrets_scan import find_secrets
from scripts.shared_stack.values import TemplateVariables
from scripts.terraform.process import Terraform

CLIENT_INPUTS = {"interview_id": "validation", "candidate_name": "Ada Lovelace", "challenge": "python/rate-limiter"}
"""What every client gives."""

CONTRACT_VARIABLES = frozenset({*CLIENT_INPUTS, "password", "aws_region"})
CONTRACT_OUTPUTS = frozenset(
    {
        "interview_id",
        "service_name",
        "access_url",
        "target_group_arn",
        "listener_rule_arn",
        "candidate_name",
        "challenge",
        "subdomain",
        "expires_at",
    }
)
"""What clients rely on, whichever release they run."""

_LITERAL_SECRET = re.compile(
    r'"?\b\w*(?:password|passwd|secret|secret_?access_?key|token|api_?key)"?\s*[=:]\s*"(?!\$\{)[^"\s]{4,}"',
    re.IGNORECASE,
)

_TARGET_GROUP = "targetgroup/validation/0123456789abcdef"
_MOCKED_PLAN = "validation.tftest.hcl"
_ACCOUNT = "123456789012"


def check(release: Release, console: Console) -> tuple[str, ...]:
    """Every check, in about 7 s; returns their names, or raises ``TemplateError`` with a line for each problem."""
    _warn_of_images(release, console)
    names = ["placeholders", "contract with clients", "no secrets", "formatted", "valid"]
    with private_directory("validation") as directory, _as_problems():
        release.write(directory)
        terraform = Terraform(directory)
        with console.step("Checking the text: placeholders, contract, secrets, format"):
            _refuse([*_placeholders(release), *_contract(release), *_secrets(release)])
            _refuse([f"{name} is not formatted; run `terraform fmt`" for name in terraform.unformatted()])
        with console.step("Validating with the AWS provider"):
            terraform.init("-backend=false")
            terraform.validate()
        with console.step(f"Checking {len(POLICIES)} policies on a plan with the shared values"):
            plan = _plan(terraform, release)
            _refuse([f"{problem} ({name})" for name, policy in POLICIES.items() for problem in policy(plan)])
    return (*names, *POLICIES)


def version_ranges(release: Release) -> tuple[str, str]:
    """The ranges of Terraform and of the AWS provider that main.tf accepts; raises ``TemplateError`` without them."""
    settings = hcl2.loads(release.files["main.tf"].decode()).get("terraform", [{}])[0]
    providers = settings.get("required_providers", [{}])[0]
    terraform = settings.get("required_version", "").strip('"')
    provider = (providers.get("aws") or {}).get("version", "").strip('"')
    if not terraform or not provider:
        raise TemplateError("main.tf does not say which versions of Terraform and hashicorp/aws it is made for")
    return terraform, provider


@contextmanager
def _as_problems() -> Iterator[None]:
    try:
        yield
    except TerraformError as error:
        raise TemplateError("\n".join(dict.fromkeys(error.diagnostics)) or str(error)) from error


def _refuse(problems: list[str]) -> None:
    if problems:
        raise TemplateError("\n".join(problems))


def _placeholders(release: Release) -> Iterator[str]:
    for placeholder in PLACEHOLDERS:
        for name, content in release.files.items():
            count, wanted = content.count(placeholder.encode()), int(name == "main.tf")
            if count != wanted:
                yield f"{name} holds {placeholder} {count} times, expected {wanted}"


def _contract(release: Release) -> Iterator[str]:
    variables = TemplateVariables(release.files["variables.tf"].decode()).with_default
    for name in sorted(CONTRACT_VARIABLES - variables.keys()):
        yield f"variables.tf has no variable {name}, which clients give"
    for name, has_default in variables.items():
        if not has_default and name not in CLIENT_INPUTS and name not in release.shared_values:
            yield f"variables.tf has a variable {name} that has no default and no value"
    loader = str(release.shared_values.get("challenge_loader_image", ""))
    if re.search(AWS_CLI_PATTERN, loader):
        yield (
            f"challenge_loader_image is {loader}, expected an image that has prequel-load; "
            "remove it from terraform.tfvars and deploy the shared stack"
        )
    outputs = re.findall(r'^output "(\w+)"', release.files["outputs.tf"].decode(), re.MULTILINE)
    for name in sorted(CONTRACT_OUTPUTS - set(outputs)):
        yield f"outputs.tf has no output {name}, which clients read"
    if "password" in outputs:
        yield "outputs.tf has an output password, which would put it into the state"


def _warn_of_images(release: Release, console: Console) -> None:
    """The public code-server image starts, but it cannot deliver a challenge."""
    image = str(release.shared_values.get("code_server_image", ""))
    if re.search(r"(^|/)codercom/code-server[:@]", image) and not release.shared_values.get("challenge_loader_image"):
        console.warn(
            f"{image} has no prequel-load, without which no interview starts; run `prequel image build` "
            'and set code_server_image = "", or set challenge_loader_image (docs/template-contract.md)'
        )


def _secrets(release: Release) -> Iterator[str]:
    for name, content in release.files.items():
        found = {finding.line: finding.kind for finding in find_secrets(content)}
        for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
            kind = found.get(number) or ("literal secret" if _LITERAL_SECRET.search(line) else "")
            if kind:
                yield f"{name} line {number} looks like a credential ({kind}); take it out"


def _plan(terraform: Terraform, release: Release) -> Plan:
    """A plan with the published values themselves, so that the template's own validations judge them too.

    A mocked provider makes it without credentials and without AWS
    (https://developer.hashicorp.com/terraform/language/tests/mocking), and lets the two ARNs be known that the
    container definitions hold.
    """
    inputs = CLIENT_INPUTS | {"password": SENTINEL_PASSWORD}
    arguments = "\n".join(f'    {name} = "{value}"' for name, value in inputs.items())
    region, account = release.shared_values.get("aws_region", ""), release.shared_values.get("aws_account_id", _ACCOUNT)
    (terraform.directory / _MOCKED_PLAN).write_text(f"""\
mock_provider "aws" {{
  mock_resource "aws_ssm_parameter" {{
    override_during = plan
    defaults        = {{ arn = "arn:aws:ssm:{region}:{account}:parameter/validation", value = "", insecure_value = "" }}
  }}
  mock_resource "aws_lb_target_group" {{
    override_during = plan
    defaults = {{
      arn        = "arn:aws:elasticloadbalancing:{region}:{account}:{_TARGET_GROUP}"
      arn_suffix = "{_TARGET_GROUP}"
    }}
  }}
}}

run "plan" {{
  command = plan
  variables {{
{arguments}
  }}
}}
""")
    changes = terraform.tested_plan().get("resource_changes")
    if not changes:
        raise ReleaseError("the plan of the template set makes nothing, so that no policy could be checked")
    return Plan(changes)
