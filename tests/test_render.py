import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from cdktf import (
    App,
    DataResource,
    Fn,
    LocalExecProvisioner,
    Postcondition,
    Precondition,
    TerraformIterator,
    TerraformLocal,
    TerraformOutput,
    TerraformResourceLifecycle,
    TerraformStack,
    TerraformVariable,
    TerraformVariableValidationConfig,
)
from moto.server import ThreadedMotoServer

from constructs import Construct
from constructs.aws import (
    AwsProvider,
    EcsTaskDefinition,
    EcsTaskDefinitionVolume,
    LbTargetGroup,
    LbTargetGroupHealthCheck,
    SsmParameter,
)
from contract.names import PLACEHOLDERS, TEMPLATE_FILES
from scripts.dev import render as renderer
from scripts.dev.blocks import RenderError
from scripts.dev.render import difference, main, render
from scripts.terraform.providers import terraform_environment
from stacks.base import ReadableStack, aws_provider
from stacks.interview import InterviewStack

COMMITTED = Path(__file__).parents[1] / "instance_templates"

Define = Callable[[Construct], object]


@pytest.fixture(scope="session")
def interview() -> InterviewStack:
    return InterviewStack(App(), "interview")


@pytest.fixture(scope="session")
def rendered(interview: InterviewStack) -> dict[str, str]:
    return render(interview)


class TinyStack(ReadableStack):
    """What ``define`` declares, without any provider."""

    def __init__(self, define: Define) -> None:
        super().__init__(App(), "tiny")
        self.add_override("terraform.required_providers", None)
        define(self)


def hcl(define: Define) -> str:
    """The main.tf of a tiny stack, its runs of spaces made one so that alignment does not matter."""
    return re.sub(r"(?<=\S) +", " ", render(TinyStack(define))["main.tf"])


# The committed template set.


def test_committed_templates_are_what_the_stack_renders(rendered: dict[str, str]) -> None:
    diff = difference(rendered, COMMITTED)
    assert not diff, f"instance_templates/ is out of date: run `make synth`\n{diff}"


def test_template_set_has_no_other_terraform_file() -> None:
    assert sorted(path.name for path in COMMITTED.glob("*.tf*")) == sorted(TEMPLATE_FILES)


def test_committed_templates_are_formatted() -> None:
    terraform("fmt", "-check", "-diff", directory=COMMITTED)


def test_each_placeholder_occurs_once_and_in_the_backend(rendered: dict[str, str]) -> None:
    backend = re.search(r'^  backend "s3" {\n.*?^  }\n', rendered["main.tf"], re.DOTALL | re.MULTILINE)
    assert backend
    for placeholder in PLACEHOLDERS:
        assert "".join(rendered.values()).count(placeholder) == backend[0].count(placeholder) == 1


def test_templates_name_no_path_of_this_machine(rendered: dict[str, str]) -> None:
    for path in (COMMITTED.parent, Path.home(), Path(sys.prefix)):
        assert str(path) not in "".join(rendered.values())


def test_no_name_ends_in_a_hash(rendered: dict[str, str]) -> None:
    names = re.findall(r'^\w+ (?:"\w+" )?"(\w+)" {$', "".join(rendered.values()), re.MULTILINE)
    assert len(names) > 40
    assert not [name for name in names if re.search(r"_[0-9A-Fa-f]{8}$", name)]


def test_every_file_says_where_it_comes_from(rendered: dict[str, str]) -> None:
    for name, text in rendered.items():
        assert "`make synth` from stacks/interview.py" in text.splitlines()[1], name


def test_container_definitions_read_like_hand_written_hcl(rendered: dict[str, str]) -> None:
    service = rendered["service.tf"]
    assert "  container_definitions = jsonencode([\n    {\n      name " in service
    assert 'drop = ["ALL"]\n' in service
    assert '      secrets = [{ name = "PASSWORD", valueFrom = aws_ssm_parameter.password.arn }]\n' in service


# The command.


@pytest.fixture
def checkout(tmp_path: Path, rendered: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(renderer, "TEMPLATE_DIRECTORY", tmp_path / "instance_templates")
    monkeypatch.setattr(renderer, "render_interview", lambda: rendered)
    return tmp_path / "instance_templates"


def test_command_writes_what_changed_and_nothing_else(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out.splitlines() == [f"wrote instance_templates/{name}" for name in TEMPLATE_FILES]
    (checkout / "outputs.tf").write_text("")
    assert main([]) == 0
    assert capsys.readouterr().out == "wrote instance_templates/outputs.tf\n"
    assert main([]) == 0
    assert capsys.readouterr().out == "instance_templates unchanged\n"


def test_check_shows_the_difference_and_changes_nothing(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    assert main(["--check"]) == 0
    edited = (checkout / "service.tf").read_text().replace('path                = "/healthz"', 'path = "/"')
    (checkout / "service.tf").write_text(edited)
    capsys.readouterr()
    assert main(["--check"]) == 1
    output = capsys.readouterr()
    assert '-    path = "/"\n' in output.out
    assert '+    path                = "/healthz"\n' in output.out
    assert output.err == "error: the templates are not what stacks/interview.py defines: run `make synth`\n"
    assert (checkout / "service.tf").read_text() == edited


def test_failure_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    stack = TinyStack(lambda stack: LbTargetGroup(stack, "group").add_override("vpc_id", "${local.x"))
    monkeypatch.setattr(renderer, "render_interview", lambda: render(stack))
    assert main([]) == 1
    assert capsys.readouterr().err == "error: tiny/group: vpc_id has unbalanced brackets or quotes: ${local.x\n"


# Edge cases.


def test_first_scope_of_a_construct_decides_its_file() -> None:
    def define(stack: Construct) -> None:
        TerraformVariable(Construct(stack, "variables"), "size")
        TerraformOutput(Construct(stack, "outputs"), "size", value="${var.size}")
        service = Construct(stack, "service")
        DataResource(service, "thing")
        TerraformLocal(service, "one", 1)
        TerraformLocal(service, "two", 2)
        TerraformLocal(Construct(stack, "elsewhere"), "three", 3)

    files = render(TinyStack(define))
    assert 'variable "size"' in files["variables.tf"]
    assert 'output "size"' in files["outputs.tf"]
    assert 'resource "terraform_data"' in files["service.tf"]
    assert "locals {\n  service_one = 1\n  service_two = 2\n}\n" in files["service.tf"]
    assert "locals {\n  elsewhere_three = 3\n}\n" in files["main.tf"]


@pytest.mark.parametrize("default", ["", 0, False, [], {}])
def test_falsy_default_survives(default: object) -> None:
    assert f"default = {json.dumps(default)}\n" in hcl(lambda stack: TerraformVariable(stack, "v", default=default))


def test_variable_reads_type_first_and_validation_last() -> None:
    def define(stack: Construct) -> None:
        variable = TerraformVariable(
            stack,
            "password",
            nullable=False,
            sensitive=True,
            default="",
            description="Opens the editor.",
            type="string",
            validation=[
                TerraformVariableValidationConfig(
                    condition='${var.password == "" || length(var.password) > 7}', error_message="too short"
                ),
                TerraformVariableValidationConfig(
                    condition="${length(var.password) < 129}", error_message="${length(var.password)} is too long"
                ),
            ],
        )
        variable.add_override("ephemeral", True)

    assert hcl(define).endswith(
        """
variable "password" {
  type = string
  description = "Opens the editor."
  default = ""
  nullable = false
  sensitive = true
  ephemeral = true

  validation {
    condition = var.password == "" || length(var.password) > 7
    error_message = "too short"
  }

  validation {
    condition = length(var.password) < 129
    error_message = "${length(var.password)} is too long"
  }
}
"""
    )


def test_variable_type_is_an_expression() -> None:
    text = hcl(lambda stack: TerraformVariable(stack, "v", type="list(object({ name = string, size = number }))"))
    assert "type = list(object({\n    name = string\n    size = number\n  }))\n" in text


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("${local.a}", "local.a"),
        ('say "${upper("x")}" \\ twice', r'"say \"${upper("x")}\" \\ twice"'),
        ('${join("}", ["{"])}-${local.a}', '"${join("}", ["{"])}-${local.a}"'),
        ("$${literal} 100% %%{literal}", '"$${literal} 100% %%{literal}"'),
        ("two\nlines\tand \x07", r'"two\nlines\tand \u0007"'),
        ("naïve \N{SNOWMAN}", '"naïve \N{SNOWMAN}"'),
        ("${true ?\n 1 :\n 2}", "(true ?\n    1 :\n  2)"),
    ],
)
def test_string_is_quoted_outside_its_interpolations_only(value: str, written: str) -> None:
    assert f"output = {written}\n".replace("output", "value") in hcl(
        lambda stack: TerraformOutput(stack, "o", value=value)
    )


def test_description_and_default_are_not_evaluated() -> None:
    text = hcl(lambda stack: TerraformVariable(stack, "v", default="${a}", description="write $${b} or %{c}"))
    assert 'default = "$${a}"\n' in text
    assert 'description = "write $$${b} or %%{c}"\n' in text


def test_required_version_is_a_plain_argument() -> None:
    assert 'terraform {\n  required_version = ">= 1.11"\n\n  backend "local" {' in hcl(lambda _: None)


def test_lifecycle_conditions_and_dependencies_close_the_resource() -> None:
    def define(stack: Construct) -> None:
        first = DataResource(stack, "first")
        second = DataResource(
            stack,
            "second",
            depends_on=[first],
            input={"a": 1},
            lifecycle=TerraformResourceLifecycle(
                prevent_destroy=False,
                ignore_changes=["input"],
                replace_triggered_by=[first],
                precondition=[Precondition(condition="${1 < 2}", error_message="odd")],
                postcondition=[Postcondition(condition='${self.input.a == "x"}', error_message='not "x"')],
            ),
        )
        second.add_override("count", "${local.many ? 1 : 0}")

    assert hcl(define).endswith(
        """
resource "terraform_data" "second" {
  count = local.many ? 1 : 0

  input = {
    a = 1
  }

  depends_on = [terraform_data.first]

  lifecycle {
    ignore_changes = [input]
    prevent_destroy = false
    replace_triggered_by = [terraform_data.first]

    precondition {
      condition = 1 < 2
      error_message = "odd"
    }

    postcondition {
      condition = self.input.a == "x"
      error_message = "not \\"x\\""
    }
  }
}
"""
    )


def test_ignoring_all_changes_is_a_keyword() -> None:
    lifecycle = TerraformResourceLifecycle(ignore_changes="all")
    assert "ignore_changes = all\n" in hcl(lambda stack: DataResource(stack, "d", lifecycle=lifecycle))


def test_provisioner_carries_its_type() -> None:
    provisioner = LocalExecProvisioner(type="local-exec", command='echo "done"', when="destroy")
    text = hcl(lambda stack: DataResource(stack, "d", provisioners=[provisioner]))
    assert 'provisioner "local-exec" {\n    command = "echo \\"done\\""\n    when = destroy\n  }' in text


def test_for_each_may_be_a_map() -> None:
    text = hcl(lambda stack: DataResource(stack, "d").add_override("for_each", {"a b": 1, "c": "${local.x}"}))
    assert 'for_each = {\n    "a b" = 1\n    c = local.x\n  }' in text


def test_computed_key_of_a_map_is_an_expression() -> None:
    text = hcl(lambda stack: TerraformOutput(stack, "o", value={"${local.a}": 1, "b-${local.a}": 2, "for": 3}))
    assert 'value = {\n    (local.a) = 1\n    "b-${local.a}" = 2\n    "for" = 3\n  }' in text


def test_jsonencode_is_laid_out_by_its_nesting() -> None:
    document = [{"name": "x", "deep": [[1, 2], [3]], "empty": [], "none": {}, "args": ["--flag=a,b", "}"]}]
    text = render(TinyStack(lambda stack: TerraformLocal(stack, "l", Fn.jsonencode(document))))["main.tf"]
    assert text.endswith(
        """
locals {
  l = jsonencode([
    {
      name  = "x"
      deep  = [[1, 2], [3]]
      empty = []
      none  = {}
      args  = ["--flag=a,b", "}"]
    },
  ])
}
"""
    )


def test_map_is_an_argument_and_default_tags_a_block() -> None:
    def define(stack: Construct) -> None:
        aws_provider(stack, region="eu-central-1", tags={"Project": "prequel"})
        SsmParameter(stack, "p", name="n", type="String", insecure_value="", tags={"aws:x": "y"})

    text = hcl(define)
    assert 'default_tags {\n    tags = {\n      Project = "prequel"\n    }\n  }' in text
    assert 'insecure_value = ""\n\n  tags = {\n    "aws:x" = "y"\n  }' in text


def test_two_blocks_of_a_type_stay_two() -> None:
    volumes = [EcsTaskDefinitionVolume(name="home"), EcsTaskDefinitionVolume(name="tmp")]
    text = hcl(lambda stack: EcsTaskDefinition(stack, "t", family="f", container_definitions="[]", volume=volumes))
    assert 'volume {\n    name = "home"\n  }\n\n  volume {\n    name = "tmp"\n  }' in text


def test_dynamic_block_has_its_content() -> None:
    names = TerraformIterator.from_list(["home", "tmp"])
    volume = names.dynamic({"name": names.value})
    text = hcl(lambda stack: EcsTaskDefinition(stack, "t", family="f", container_definitions="[]", volume=volume))
    assert (
        'dynamic "volume" {\n    for_each = toset(["home", "tmp"])\n    iterator = each\n\n'
        "    content {\n      name = each.value\n    }\n  }"
    ) in text


@pytest.mark.parametrize(
    ("override", "value", "complaint"),
    [
        ("tags", {"a": "b"}, "tiny/group: tags may be a block or a map: set it by the binding, not by an override"),
        ("health_check", [{"path": "/"}], "tiny/group: health_check may be a block or a map: set it by the binding"),
        ("vpc_id", "${f(local.x}", "tiny/group: vpc_id has unbalanced brackets or quotes: ${f(local.x}"),
    ],
)
def test_what_cannot_be_written_surely_is_refused(override: str, value: object, complaint: str) -> None:
    def define(stack: Construct) -> None:
        check = LbTargetGroupHealthCheck(path="/") if override == "health_check" else None
        LbTargetGroup(stack, "group", health_check=check).add_override(override, value)

    with pytest.raises(RenderError, match=re.escape(complaint)):
        hcl(define)


def test_nothing_of_the_stack_is_left_out_silently() -> None:
    stack = TinyStack(lambda _: None)
    stack.add_override("check.health.assert", {"condition": "${true}", "error_message": "ill"})
    with pytest.raises(RenderError, match="tiny: no way to write check"):
        render(stack)


# Both forms mean the same to Terraform.


def terraform(*arguments: str, directory: Path, env: dict[str, str] | None = None) -> str:
    environment = terraform_environment(os.environ | (env or {}) | {"TF_CLI_ARGS": "-no-color"})
    result = subprocess.run(
        ["terraform", *arguments], cwd=directory, env=environment, check=False, capture_output=True, text=True
    )
    assert result.returncode == 0, f"terraform {' '.join(arguments)}:\n{result.stdout}{result.stderr}"
    return result.stdout


@pytest.fixture(scope="session")
def both_forms(tmp_path_factory: pytest.TempPathFactory) -> Callable[[TerraformStack], list[Path]]:
    """Initialized directories of a stack's JSON form and its HCL form, with state on the disk."""

    def initialize(stack: TerraformStack) -> list[Path]:
        files = render(stack)
        directories = []
        for form in ({"cdk.tf.json": json.dumps(stack.to_terraform(), indent=1)}, files):
            directory = tmp_path_factory.mktemp(stack.node.id)
            for name, text in {**form, "backend_override.tf": 'terraform {\n  backend "local" {}\n}\n'}.items():
                (directory / name).write_text(text, encoding="utf-8")
            terraform("init", directory=directory)
            directories.append(directory)
        return directories

    return initialize


def plan(directory: Path, values: dict[str, Any] | None = None, env: dict[str, str] | None = None) -> dict[str, Any]:
    """What Terraform plans, and the configuration that it read.

    Left out are the time of day and constants in the configuration: reading JSON, Terraform takes anything for one.
    """
    (directory / "values.auto.tfvars.json").write_text(json.dumps(values or {}))
    terraform("plan", "-out=plan", "-input=false", directory=directory, env=env)
    shown: dict[str, Any] = json.loads(terraform("show", "-json", "plan", directory=directory, env=env))
    del shown["timestamp"]
    shown.get("relevant_attributes", []).sort(key=json.dumps)  # Terraform keeps no order
    return shown | {"configuration": without_constants(shown["configuration"])}


def without_constants(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: without_constants(value) for key, value in node.items() if key != "constant_value"}
    return [without_constants(item) for item in node] if isinstance(node, list) else node


FRAGMENTS = ("text", '"', "\\", "\n", "\t", "$", "%", "$${a}", "%%{a}", "é☃", '${upper("}\\"{")}', "${local.word}", "")


def edge_cases(stack: Construct) -> None:
    variables, outputs = Construct(stack, "variables"), Construct(stack, "outputs")
    TerraformLocal(stack, "word", "w")
    secret = TerraformVariable(variables, "secret", type="string", default="s", sensitive=True)
    secret.add_override("ephemeral", True)
    defaults = {
        "constants": ["".join(parts) for parts in product((*FRAGMENTS, "${", "%{"), repeat=3)],
        "text": "",
        "number": 0,
        "flag": False,
        "list": [],
        "map": {},
    }
    for name, default in defaults.items():
        TerraformVariable(variables, name, default=default, nullable=False, description="${not.evaluated} $${nor.this}")
        TerraformOutput(outputs, name, value=f"${{var.{name}}}", description="%{not.evaluated}")
    values = {
        "strings": ["".join(parts) for parts in product(FRAGMENTS, repeat=3)],
        "directives": ['%{if true}"${local.word}"%{endif}', "x ${~ local.word ~} y", "${~ local.word ~}"],
        "keys": {"${local.word}": 1, "x-${local.word}": {"a b": [1, {"for": 2}]}, "true": 3, "//": 4},
        "document": Fn.jsonencode({"a": [{"b": ["c", "d=e,f"], "h:i": "}"}], "j": "k\n", "l-m": {}, "n": [[]]}),
    }
    for name, value in values.items():
        TerraformOutput(outputs, name, value=value)
    TerraformOutput(outputs, "hidden", value="${sensitive(1)}", sensitive=True)
    one = DataResource(stack, "one", input={"nested": {"list": [1, [2, {"k k": '"v"'}]]}})
    two = DataResource(
        stack,
        "two",
        depends_on=[one],
        triggers_replace={"a": "${local.word}"},
        lifecycle=TerraformResourceLifecycle(
            create_before_destroy=True,
            ignore_changes=["input"],
            replace_triggered_by=["terraform_data.one"],  # given a construct, cdktf writes JSON that Terraform refuses
            precondition=[Precondition(condition='${local.word == "w"}', error_message='${local.word} is "wrong"')],
            postcondition=[Postcondition(condition="${self.id != null}", error_message="no id")],
        ),
        provisioners=[LocalExecProvisioner(type="local-exec", command="exit 1", when="destroy")],
    )
    two.add_override("for_each", "${toset([local.word])}")
    DataResource(stack, "none").add_override("count", 0)


def test_every_edge_case_plans_alike_from_json_and_hcl(both_forms: Callable[[TerraformStack], list[Path]]) -> None:
    from_json, from_hcl = map(plan, both_forms(TinyStack(edge_cases)))
    assert len(from_json["planned_values"]["outputs"]["strings"]["value"]) == len(FRAGMENTS) ** 3
    assert from_hcl == from_json


@pytest.fixture(scope="session")
def emulator() -> Iterator[dict[str, str]]:
    """The environment in which terraform finds an emulated AWS with account 123456789012."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "eu-central-1",
    }
    server.stop()


_ARN = "arn:aws:{}:eu-central-1:123456789012:{}"
VALUES = {
    "interview_id": "ada-2026",
    "candidate_name": 'Ada "the first" Lovelace',
    "challenge": "python/rate-limiter",
    "password": "correct horse",
    "aws_region": "eu-central-1",
    "aws_account_id": "123456789012",
    "project_prefix": "prequel",
    "environment": "test",
    "url_scheme": "https",
    "domain_name": "interviews.example.com",
    "hosted_zone_id": "Z0123456789ABCDEFGHIJ",
    "alb_dns_name": "prequel-1.eu-central-1.elb.amazonaws.com",
    "alb_zone_id": "Z215JYRZR1TBD5",
    "listener_arn": _ARN.format("elasticloadbalancing", "listener/app/prequel/0123456789abcdef/0123456789abcdef"),
    "vpc_id": "vpc-0123456789abcdef0",
    "private_subnet_ids": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
    "code_server_security_group_id": "sg-0123456789abcdef0",
    "ecs_cluster_arn": _ARN.format("ecs", "cluster/prequel"),
    "execution_role_arn": "arn:aws:iam::123456789012:role/prequel-execution",
    "task_role_arn": "arn:aws:iam::123456789012:role/prequel-task",
    "kms_key_arn": _ARN.format("kms", "key/01234567-89ab-cdef-0123-456789abcdef"),
    "instance_bucket_name": "prequel-instance",
    "log_group_name": "/prequel/interviews",
    "code_server_cpu": 1024,
    "code_server_memory": 2048,
    "cpu_architecture": "X86_64",
    "code_server_image": "docker.io/codercom/code-server:4.99.4",
    "code_server_repository_url": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/prequel-code-server",
}


@pytest.fixture(scope="session")
def interview_forms(interview: InterviewStack, both_forms: Callable[[TerraformStack], list[Path]]) -> list[Path]:
    return both_forms(interview)


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("choices", "resources"),
    [
        ({"create_dns_record": True}, 6),
        (
            {
                "create_dns_record": False,
                "listener_priority": 1007,
                "image_tag": "v1-soci",
                "expires_at": "2026-01-31T12:00:00Z",
                "release_digest": "0" * 64,
                "task_cpu": 2048,
                "task_memory": 8192,
                "task_storage": 40,
                "opened": False,
                "challenge_loader_image": "ghcr.io/example/loader:1",
            },
            5,
        ),
    ],
    ids=["own-record", "every-option"],
)
def test_interview_plans_alike_from_json_and_hcl(
    interview_forms: list[Path], emulator: dict[str, str], choices: dict[str, Any], resources: int
) -> None:
    from_json, from_hcl = (plan(directory, VALUES | choices, emulator) for directory in interview_forms)
    assert len(from_json["planned_values"]["root_module"]["resources"]) == resources
    assert from_hcl == from_json


@pytest.mark.e2e
def test_every_resource_of_an_interview_carries_the_shared_stacks_tags_and_its_own_win(
    interview_forms: list[Path], emulator: dict[str, str]
) -> None:
    tags = {"tags": {"Team": "hiring", "Challenge": "theirs"}, "create_dns_record": False}
    planned = plan(interview_forms[1], VALUES | tags, emulator)["planned_values"]["root_module"]["resources"]
    carried = [resource["values"]["tags_all"] for resource in planned]
    assert {tags["Team"] for tags in carried} == {"hiring"}
    assert {tags["Challenge"] for tags in carried} == {VALUES["challenge"]}


@pytest.mark.e2e
def test_committed_templates_are_valid(tmp_path: Path) -> None:
    for name in TEMPLATE_FILES:
        shutil.copy(COMMITTED / name, tmp_path)
    terraform("init", "-backend=false", directory=tmp_path)
    terraform("validate", directory=tmp_path)


@pytest.mark.e2e
def test_blocks_and_maps_of_the_provider_are_valid(tmp_path: Path) -> None:
    class ProviderStack(ReadableStack):
        pass

    stack = ProviderStack(App(), "provider")
    aws_provider(stack, region="eu-central-1", tags={"Project": "prequel"})
    other = AwsProvider(stack, "other", alias="other", region="eu-west-1")
    names = TerraformIterator.from_list(["home", "tmp"])
    EcsTaskDefinition(
        stack,
        "task",
        provider=other,
        family="f",
        container_definitions=Fn.jsonencode([{"name": "x", "image": "y"}]),
        volume=names.dynamic({"name": names.value}),
        requires_compatibilities=[],
        tags={"a:b": '${upper("c")}'},
    )
    LbTargetGroup(stack, "group", slow_start=0, health_check=LbTargetGroupHealthCheck(path="/", enabled=False))
    for name, text in render(stack).items():
        (tmp_path / name).write_text(text)
    terraform("init", "-backend=false", directory=tmp_path)
    terraform("validate", directory=tmp_path)
