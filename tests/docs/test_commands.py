"""Every documented command is run by a test, here or elsewhere, or has a reason why no test can run it.

All commands, including those in sentences, are parsed by their parsers.
"""

import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import typer
from typer._click.exceptions import MissingParameter, UsageError  # typer's own parser has no public name for these

from scripts.cli.app import app
from scripts.project import PROJECT
from scripts.terraform.providers import terraform_environment
from stacks.configuration import load_settings
from tests.docs.book import PAGES, Command, mentioned_commands, shown_commands
from tests.interviews.conftest import Place, PlaceFactory

REFERENCE = PROJECT / "docs" / "cli.md"
"""Its examples are only parsed; each command has its own tests."""

SHOWN = [command for page in PAGES for command in shown_commands(page)]
ALL = [*SHOWN, *(command for page in PAGES for command in mentioned_commands(page))]

STORY = (
    "cp terraform.tfvars.example terraform.tfvars",
    "cp backend.config.example backend.config",
    "prequel backend create",
    "prequel challenge publish challenge --dry-run",
    "prequel challenge publish challenge",
    "prequel challenge publish",
    "prequel challenge list",
    'prequel interview create --challenge python/rate-limiter --candidate "Ada Lovelace" --duration 90m',
    "prequel interview list",
    "prequel interview password ID",
    "prequel interview extend ID --by 30m",
    "aws s3api list-object-versions --bucket prequel-instance --prefix workspaces/ID/",
    "aws s3api copy-object --bucket prequel-instance --key workspaces/ID/interview.json --copy-source"
    ' "prequel-instance/workspaces/ID/interview.json?versionId=VERSION"',
    "prequel interview show ID",
    "prequel interview destroy ID",
    "prequel doctor",
    "python main.py",
    "terraform -chdir=cdktf.out/stacks/shared init",
    "terraform -chdir=cdktf.out/stacks/shared import aws_s3_bucket.storage_bucket prequel-instance",
)
"""Run in this order on one embedded AWS."""

RUN_ELSEWHERE = {
    "make deploy": "tests/e2e/test_shared_stack.py::test_the_outputs_that_the_specification_names_are_there",
    "make diff": "tests/e2e/test_shared_stack.py::test_after_a_deployment_there_is_no_difference",
    "prequel challenge try challenge/python/rate-limiter": "tests/challenges/test_trial.py"
    "::test_a_sample_fails_as_it_comes_and_passes_with_its_solution",
    "prequel challenge try challenge/python/rate-limiter --work review/ada": "tests/challenges/test_trial.py"
    "::test_a_candidates_work_is_tested_by_the_challenges_own_command",
    "prequel templates publish": "tests/releases/test_rehearsal.py"
    "::test_the_committed_templates_are_rehearsed_and_published_from_the_command_line",
    'prequel interview create --challenge python/rate-limiter --candidate "Ada Lovelace"'
    " --at 2026-12-01T14:00+01:00": "tests/interviews/test_commands.py"
    "::test_a_scheduled_interview_shows_its_url_and_its_start",
    "prequel interview list --watch": "tests/interviews/test_commands.py"
    "::test_a_watched_list_goes_on_until_ctrl_c_which_is_no_failure",
    "prequel interview create --from interviews.csv": "tests/interviews/test_bulk.py"
    "::test_many_at_once_are_all_created_with_slots_of_their_own",
    "prequel image build": "tests/images/test_image_build.py"
    "::test_a_build_uploads_the_source_pushes_the_image_and_ends_when_it_is_current",
    "prequel image build --rebuild": "tests/images/test_image_build.py"
    "::test_the_same_content_is_built_once_and_again_only_with_rebuild",
    "prequel image build --variant go": "tests/images/test_image_build.py"
    "::test_a_variant_is_indexed_never_current_and_run_by_its_name",
    "prequel image status": "tests/images/test_commands.py"
    "::test_status_shows_tag_index_size_and_age_and_marks_the_current_one",
    "prequel image promote TAG": "tests/images/test_commands.py"
    "::test_promote_makes_the_index_current_by_digest_and_a_dry_run_changes_nothing",
    **{
        f"prequel interview work ID{options}": f"tests/interviews/test_work.py::test_{name}"
        for options, name in (
            ("", "the_command_lists_fetches_and_deletes"),
            (" --to review/ada", "the_command_lists_fetches_and_deletes"),
            (" --delete", "the_command_lists_fetches_and_deletes"),
            (" --diff", "the_difference_to_the_challenge_is_what_the_candidate_changed"),
            (" --log", "the_log_shows_what_changed_from_state_to_state"),
        )
    },
    "prequel interview watch ID": "tests/interviews/test_work.py"
    "::test_the_command_that_watches_ends_at_ctrl_c_without_failure",
    "prequel preflight": "tests/preflight/test_checks.py::test_the_command_exits_with_1_and_says_the_same_to_machines",
    "prequel preflight --policy deploy > policies.json": "tests/lifecycle/test_policies.py"
    "::test_the_policies_for_deploying_deploy_upgrade_and_destroy_the_shared_stack",
    "prequel preflight --policy create": "tests/lifecycle/test_policies.py"
    "::test_the_policy_for_creating_interviews_takes_one_from_its_creation_to_its_end",
    "prequel --config environments/staging interview list": "tests/test_cli.py"
    "::test_two_environments_live_in_one_checkout_each_in_its_directory",
    "prequel --config ../../environments/prod preflight --policy deploy > policies.json": "tests/test_cli.py"
    "::test_two_environments_live_in_one_checkout_each_in_its_directory",
}
"""Commands that need a separate environment, and the tests that run them."""

NOT_RUN = {
    "git pull": "the tests have no remote",
    "source .venv/bin/activate": "the tests already run in that environment",
    "make setup": "would change the environment that the tests run in",
    "make publish": "runs three commands, each of which is run by a test",
    "make demo": "takes minutes; tests/e2e starts it, and runs each of its steps",
    "make test": "runs this test",
    "make destroy": "asks for approval, and takes minutes to delete what tests/e2e created",
    "PREQUEL_CONFIG_DIR=environments/staging make deploy": "asks for approval; tests/e2e deploys with the variable",
    **dict.fromkeys(
        (
            "jq -r 'keys[]' policies.json | while read -r name; do",
            "jq --arg name \"$name\" '.[$name]' policies.json > policy.json",
            'arn=$(aws iam create-policy --policy-name "$name" --policy-document file://policy.json'
            " --query Policy.Arn --output text)",
            'aws iam attach-role-policy --role-name YOUR-ROLE --policy-arn "$arn"',
            "done",
        ),
        "a loop of the shell's, with jq and the AWS CLI; tests/lifecycle attaches the policies",
    ),
    **dict.fromkeys(
        (
            "aws configure sso --profile interviews",
            "aws sso login --profile interviews",
            "export AWS_PROFILE=interviews",
            "aws service-quotas request-service-quota-increase --service-code codebuild --quota-code L-9D07B6EF"
            " --desired-value 10",
        ),
        "needs an organization's sign-in page, or an account at AWS",
    ),
    'prequel interview list --json | jq -r \'select(.event == "result").result[] | [.id, .candidate_name, .deadline]'
    " | @csv'": "needs jq; tests/interviews runs the list",
    **dict.fromkeys(
        ("cd docs/ci", "terraform init", "terraform apply -var repository=acme/interviews"),
        "needs the account's identity provider; tests/preflight checks the role's file",
    ),
    "aws ecs describe-tasks --cluster PREFIX --tasks TASK --query 'tasks[0].[pullStartedAt,pullStoppedAt]'": "needs a"
    " task on AWS",
}
"""Commands that no test can run, and the reasons."""


def test_every_documented_command_is_run_by_a_test_or_has_a_reason() -> None:
    shown = {command.line for command in SHOWN if command.page != REFERENCE}
    known = {*STORY, *RUN_ELSEWHERE, *NOT_RUN}
    assert shown - known == set(), "add it to STORY, to RUN_ELSEWHERE, or to NOT_RUN with the reason"
    assert known - shown == set(), "remove it, because no page shows it"


@pytest.mark.parametrize("test", RUN_ELSEWHERE.values())
def test_the_tests_that_run_other_commands_exist(test: str) -> None:
    file, _, name = test.partition("::")
    assert re.search(rf"^def {name}\(", (PROJECT / file).read_text(), re.MULTILINE)


# Commands that are not run must exist.


def calls(line: str) -> list[list[str]]:
    """The words of each command in a line, including those in ``eval "$(...)"``."""
    parts = [part for whole in line.split("&&") for part in re.findall(r"\$\((.*?)\)", whole) or [whole]]
    return [shlex.split(part) for part in parts]


def tree(words: list[str], command: Any) -> Iterator[tuple[list[str], Any]]:
    """``command`` and all below it with the words that call each (Typer ships its parser without types)."""
    yield words, command
    for name, child in getattr(command, "commands", {}).items():
        yield from tree([*words, name], child)


TREE = list(tree(["prequel"], typer.main.get_command(app)))


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory with the files that the documented commands name."""
    for name in ("interviews.csv", "outputs.json", "terraform.tfvars"):
        (tmp_path / name).touch()
    for name in ("challenge", "instance_templates"):
        (tmp_path / name).symlink_to(PROJECT / name)
    monkeypatch.chdir(tmp_path)


def given_to_the_parser(words: list[str]) -> None:
    commands: dict[tuple[str, ...], Any] = {tuple(path): command for path, command in TREE}
    words = list(itertools.takewhile(lambda word: word not in (">", "|"), words))  # the shell's own
    if words[1:2] == ["--config"]:
        words = [words[0], *words[3:]]
    path = max((path for path in commands if tuple(words[: len(path)]) == path), key=len)
    rest = words[len(path) :]
    if hasattr(commands[path], "commands"):
        assert not rest, f"{' '.join(path)} has no command {rest[0]}"
    else:
        commands[path].make_context(path[-1], list(rest), parent=typer.Context(commands["prequel",]))


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize("command", [one for one in SHOWN if one.line.startswith("prequel")], ids=str)
def test_every_documented_prequel_command_parses(command: Command) -> None:
    for words in calls(command.line):
        try:
            given_to_the_parser(words)
        except UsageError as error:
            pytest.fail(f"{command}: {error.format_message()}")


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize("page", [page for page in PAGES if page != REFERENCE], ids=lambda page: page.name)
def test_every_prequel_command_in_a_sentence_parses_except_for_omitted_arguments(page: Path) -> None:
    for command in mentioned_commands(page):
        if not command.line.startswith("prequel") or "|" in command.line:
            continue
        try:
            given_to_the_parser(shlex.split(command.line))
        except MissingParameter:
            continue
        except UsageError as error:
            pytest.fail(f"{command}: {error.format_message()}")


@pytest.mark.usefixtures("reader")
def test_an_unknown_prequel_command_does_not_parse() -> None:
    with pytest.raises(UsageError):
        given_to_the_parser(["prequel", "interview", "list", "--wach"])
    with pytest.raises(AssertionError, match="no command lst"):
        given_to_the_parser(["prequel", "interview", "lst"])


def commands() -> dict[str, Any]:
    return {" ".join(words): command for words, command in TREE if not hasattr(command, "commands")}


def test_every_command_supports_json_and_every_writing_command_except_doctor_dry_run() -> None:
    takes = {name: {option for p in command.params for option in p.opts} for name, command in commands().items()}
    assert [name for name, options in takes.items() if "--json" not in options] == []
    reading = {
        "list",
        "show",
        "password",
        "diff",
        "logs",
        "drift",
        "watch",
        "status",
        "env",
        "cost",
        "doctor",
        "preflight",
        "try",
    }
    assert {name for name, options in takes.items() if "--dry-run" not in options} == {
        name for name in takes if name.split()[-1] in reading
    }
    assert "--fix" in takes["prequel doctor"]


def test_help_at_80_columns_truncates_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for words, command in TREE:
        if hasattr(command, "commands"):
            said = command.get_help(typer.Context(command, info_name=" ".join(words)))
            assert [line for line in said.splitlines() if line.endswith("...") and "Usage:" not in line] == []


def test_every_parameter_has_a_name_for_its_value() -> None:
    typed = [
        f"{name} {parameter.name}"
        for name, command in commands().items()
        for parameter in command.params
        if parameter.metavar is None and not getattr(parameter, "is_flag", False)
    ]
    assert typed == []


def test_every_event_is_documented() -> None:
    sources = [path.read_text() for path in (PROJECT / "scripts").rglob("*.py")]
    emitted = {name for text in sources for name in re.findall(r"\.(?:event|part|progress)\(\s*\"([a-z-]+)\"", text)}
    assert {"resource", "retry", "step"} < emitted
    described = (PROJECT / "docs" / "interviews.md").read_text().partition("## Events")[2]
    assert [name for name in sorted(emitted) if f"`{name}`" not in described] == []


def targets() -> set[str]:
    """The targets of the Makefile."""
    return set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))


def test_every_documented_make_target_exists() -> None:
    named = commands_of("make")
    assert {"demo", "docs"} <= named
    assert named <= targets()


def commands_of(program: str) -> set[str]:
    """The first argument, other than options, of each ``program`` command."""
    calls = [words for command in ALL if (words := command.line.split())[0] == program]
    return {next(word for word in words[1:] if not word.startswith("-")) for words in calls}


@pytest.mark.slow
def test_every_cdktf_command_in_the_makefile_and_the_documentation_exists() -> None:
    named = set(re.findall(r"^\tcdktf (\w+) shared$", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    assert {"diff", "deploy", "output", "destroy"} == named
    binary = PROJECT / "node_modules" / ".bin" / "cdktf"
    known = subprocess.run([binary, "--help"], capture_output=True, text=True, check=True)
    assert named | commands_of("cdktf") <= set(
        re.findall(r"^\s+cdktf (\w+)", known.stdout + known.stderr, re.MULTILINE)
    )


def test_every_documented_terraform_command_exists() -> None:
    known = subprocess.run(["terraform", "-help"], capture_output=True, text=True, check=True)
    assert commands_of("terraform") <= set(re.findall(r"^  ([\w-]+) ", known.stdout, re.MULTILINE))


@pytest.mark.parametrize("command", [one for one in ALL if one.line.startswith("aws ")], ids=str)
def test_every_documented_aws_cli_command_names_an_operation_and_its_parameters(command: Command) -> None:
    _, service, operation, *rest = shlex.split(command.line)
    if (service, operation) in {("s3", "cp"), ("configure", "sso"), ("sso", "login")}:  # the CLI's own commands
        return
    assert {word for word in rest if word.startswith("--")} <= parameters(service, operation).keys() | {"--query"}


def parameters(service: str, operation: str) -> dict[str, str]:
    """The AWS CLI's options for an operation, each with the parameter's name in the service model."""
    model = botocore.session.get_session().get_service_model(service.removesuffix("api"))
    shape = model.operation_model("".join(word.capitalize() for word in operation.split("-"))).input_shape
    members = shape.members if shape else {}
    return {f"--{re.sub('(?<=[a-z])(?=[A-Z])', '-', name).lower()}": name for name in members}


# Commands that are run.


class Reader:
    """A reader who runs the documented commands in a separate directory, with the placeholders replaced."""

    def __init__(self, place: Place, directory: Path) -> None:
        self._place = place
        self._directory = directory
        self._filled: dict[str, str] = {}

    def types(self, line: str) -> str:
        """Runs one line and returns its output; the documented bucket name is replaced with this test's."""
        line = line.replace("prequel-instance", f"{self._place.prefix}-instance")
        for word, value in self._filled.items():
            line = re.sub(rf"\b{word}\b", value, line)
        words = shlex.split(line)
        if words[0] == "aws":
            return self._asks_aws(words)
        if words[:3] == ["prequel", "interview", "destroy"]:
            words.append("--yes")  # a person answers the question; a test has no terminal
        in_repository = words[0] == "python" or words[:3] == ["prequel", "challenge", "publish"]
        done = subprocess.run(
            words,
            cwd=PROJECT if in_repository else self._directory,
            env=terraform_environment(self._environment(words[0])),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def fills(self, word: str, value: str) -> None:
        """Replaces ``word`` with ``value`` in later lines."""
        self._filled[word] = value

    def _environment(self, program: str) -> dict[str, str]:
        given = self._place.environment | {
            "PREQUEL_CONFIG_DIR": str(self._place.directory),
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        }
        if program == "python":
            given["CDKTF_OUTDIR"] = str(self._directory / "cdktf.out")
        if program == "terraform":
            given.pop("TF_CLI_ARGS_init", None)  # options for S3, which the local backend rejects
        return given

    def _asks_aws(self, words: list[str]) -> str:
        """Runs an AWS CLI command by its operation and options in the service model."""
        client = self._place.embedded.aws.client(words[1].removesuffix("api"))
        options = dict(zip(words[3::2], words[4::2], strict=True))
        names = parameters(words[1], words[2])
        answer = getattr(client, words[2].replace("-", "_"))(**{names[name]: text for name, text in options.items()})
        if "Versions" in answer:
            (last,) = [one for one in answer["Versions"] if one["IsLatest"] and one["Key"].endswith("/interview.json")]
            self.fills("VERSION", last["VersionId"])
        return str(answer)


def test_the_documented_commands_run_in_order(new_place: PlaceFactory, tmp_path: Path) -> None:
    place = new_place()
    directory = tmp_path / "reader"
    directory.mkdir()
    for example in PROJECT.glob("*.example"):
        shutil.copy(example, directory)
    reader, said = Reader(place, directory), {}
    for line in STORY:
        if line.startswith("prequel backend"):
            settings = load_settings(directory, {})
            assert settings.backend is not None
            shutil.copy(directory / "backend.config", place.directory)
        if line == "python main.py":
            (place.directory / "backend.config").unlink()
        said[line] = reader.types(line)
        if line.startswith("prequel interview create"):
            (interview,) = {key.split("/")[1] for key in place.objects("workspaces/")}
            reader.fills("ID", interview)
            assert set(place.live(interview)) == {"service", "target group", "rule", "task definition", "password"}
        if line.startswith("prequel interview destroy"):
            assert place.live(interview) == {}
    assert interview in said["prequel interview list"]
    assert "Ada Lovelace" in said["prequel interview show ID"]
    assert "Import successful" in said[STORY[-1]]
