"""What the command line says to a person and to a machine."""

import io
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import boto3
import pytest

from scripts.cli.tables import Column, Grid, card
from scripts.console import Console
from scripts.embedded.launcher import EmbeddedAws
from scripts.project import PROJECT


def prequel(
    *arguments: str, directory: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The command, as a user runs it in ``directory``."""
    return subprocess.run(
        [sys.executable, "-m", "scripts", *arguments],
        cwd=PROJECT,
        env=(environment or dict(os.environ)) | {"PREQUEL_CONFIG_DIR": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    (tmp_path / "terraform.tfvars").write_text(
        'aws_region = "us-east-1"\nenvironment = "test"\ndomain_name = "example.com"\n'
    )
    (tmp_path / "backend.config").write_text('bucket = "state"\nkey = "shared.tfstate"\nregion = "us-east-1"\n')
    return tmp_path


def test_help_names_every_group_of_commands(tmp_path: Path) -> None:
    said = prequel("--help", directory=tmp_path).stdout
    for group in ("templates", "interview", "local", "backend"):
        assert f"  {group} " in said


def test_help_loads_neither_cdktf_nor_boto3() -> None:
    heavy = "('cdktf', 'boto3', 'rich', 'hcl2')"
    code = f"import sys; import scripts.cli.app; print([m for m in {heavy} if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


INTERRUPTED = """
import os, signal, sys
from scripts.__main__ import main

def count_down(event, _):
    global left
    left -= event == "import"
    if left == 0:
        left = -1
        os.kill(os.getpid(), signal.SIGINT)

left = int(sys.argv.pop())
sys.addaudithook(count_down)
main()
"""


@pytest.mark.parametrize(
    ("imports", "options", "said"),
    [
        (1, [], ("", "error: interrupted\n")),
        (70, ["--json"], ('"event": "error", "message": "interrupted"}\n', "")),
        (140, [], ("", "error: interrupted\n")),
    ],
)
def test_ctrl_c_while_the_command_is_still_imported_is_one_line(
    imports: int, options: list[str], said: tuple[str, str]
) -> None:
    command = [sys.executable, "-c", INTERRUPTED, *options, "--help", str(imports)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert (done.stdout.partition(", ")[2], done.stderr) == said


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["cst"], "no such command 'cst', perhaps 'cost'; see `prequel --help`"),
        (
            ["cost", "--egress", "vpn"],
            '--egress is "vpn", expected single_nat or nat_per_az; see `prequel cost --help`',
        ),
        (["interview", "create"], "--challenge and --candidate are needed, or --from; see `prequel interview create"),
        (["interview", "reap", "--parallel", "99"], 'less than or equal to 32, got "99"; see `prequel interview reap'),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_call_is_one_line_and_exit_code_2_for_people_and_for_machines(
    tmp_path: Path, arguments: list[str], line: str
) -> None:
    for_people = prequel(*arguments, directory=tmp_path)
    assert for_people.returncode == 2
    assert for_people.stderr.startswith("error: ")
    assert for_people.stderr.count("\n") == 1
    assert line in for_people.stderr
    for_machines = prequel(*arguments, "--json", directory=tmp_path)
    assert for_machines.returncode == 2
    said = json.loads(for_machines.stdout)
    assert (said["event"], for_machines.stderr) == ("error", "")
    assert said["message"] in for_people.stderr.removeprefix("error: ")


def test_a_group_without_a_command_is_answered_with_its_help(tmp_path: Path) -> None:
    done = prequel("interview", directory=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: prequel interview [OPTIONS] COMMAND")


def test_colour_is_for_terminals_whose_user_has_not_asked_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    said = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    Console(err=said).warn("careful")
    assert "\033[" in said.getvalue()
    said = Terminal()
    monkeypatch.setenv("NO_COLOR", "1")
    Console(err=said).warn("careful")
    assert said.getvalue() == "warning: careful\n"
    piped = io.StringIO()
    monkeypatch.delenv("NO_COLOR")
    Console(err=piped).done("it", 1.25)
    assert piped.getvalue() == "  ✓ it 1.2 s\n"


def test_a_result_reaches_a_file_as_it_is_however_long_and_whatever_it_holds() -> None:
    result = "a\tb [bold]c[/bold] :smile: \u200d" + "d" * 500
    written = io.StringIO()
    Console(out=written).result(None, result)
    assert written.getvalue() == result + "\n"


HOSTILE = "\x1b[31mred\x07\x08\x7f\x9b31m\r\u202etxt.exe\u2066\u200f\u061c\u2028\ufeff\ud800\U000e0041"
ESCAPED = r"\x1b[31mred\x07\x08\x7f\x9b31m\r\u202etxt.exe\u2066\u200f\u061c\u2028\ufeff\ud800\U000e0041"


@pytest.mark.parametrize("is_terminal", [False, True])
@pytest.mark.parametrize("json_lines", [False, True])
def test_whatever_a_text_holds_no_command_to_a_terminal_is_printed(*, is_terminal: bool, json_lines: bool) -> None:
    class Stream(io.StringIO):
        def isatty(self) -> bool:
            return is_terminal

    said = Stream()
    console = Console(json_lines=json_lines, out=said, err=said)
    console.say(HOSTILE)
    console.warn(HOSTILE)
    console.error(HOSTILE)
    console.done(HOSTILE, 1)
    with console.step(HOSTILE):
        pass
    console.part("row", HOSTILE, name=HOSTILE)
    console.result({"name": HOSTILE}, HOSTILE)
    console.result(
        [HOSTILE], Grid([Column("name"), Column("other", folds=True)], [{"name": HOSTILE, "other": HOSTILE}]).fitted
    )
    console.result([HOSTILE], card({"name": HOSTILE}, HOSTILE))
    text = re.sub("\033\\[[0-9;]*m", "", said.getvalue()) if is_terminal else said.getvalue()
    assert (
        set(re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]", text))
        == set()
    )
    if json_lines:
        lines = [json.loads(line) for line in text.splitlines()]
        assert lines[0]["message"] == HOSTILE
    else:
        assert text.count(ESCAPED) >= 10
        assert "\x1b[31mred" not in said.getvalue()


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_a_table_is_whole_at_any_width_and_leaves_out_columns_by_their_rank(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    columns = [Column("id"), Column("url", 2), Column("candidate", 1, folds=True), Column("cost", 3, right=True)]
    row = {"id": "a" * 32, "url": "https://" + "b" * 40, "candidate": "Ada Lovelace " * 4, "cost": "$0.05"}
    written = io.StringIO()
    Console(out=written).result(None, Grid(columns, [row]).fitted)
    lines = written.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert row["id"] in written.getvalue()
    assert "…" not in written.getvalue()
    headings = {60: "id candidate", 80: "id candidate", 100: "id url candidate", 140: "id url candidate cost"}
    assert lines[0].split() == headings[width].split()
    assert " ".join(re.findall("Ada|Lovelace", written.getvalue())) == row["candidate"].strip()


def test_an_error_on_a_terminal_is_broken_between_words_and_a_word_is_never_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    said, url = Terminal(), "https://abcdefghjk.interviews.example.com/healthz"
    Console(err=said).error(f"interview abcdefghjk did not answer at {url} within ten minutes of waiting for it")
    assert url in said.getvalue()
    assert all(len(line) <= 40 or line == url for line in said.getvalue().splitlines())


def test_two_environments_live_in_one_checkout_each_in_its_directory(tmp_path: Path) -> None:
    for name in ("staging", "prod"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "terraform.tfvars").write_text(
            f'aws_region = "us-east-1"\nenvironment = "{name}"\ndomain_name = ""\nproject_prefix = "acme-{name}"\n'
        )
    policies = {}
    for name in ("staging", "prod"):
        # --config wins over PREQUEL_CONFIG_DIR.
        done = prequel("--config", str(tmp_path / name), "preflight", "--policy", "create", directory=tmp_path / "prod")
        assert done.returncode == 0, done.stderr
        policies[name] = done.stdout
    assert "acme-staging-instance" in policies["staging"]
    assert "acme-prod" not in policies["staging"]
    assert "acme-prod-instance" in policies["prod"]
    missing = prequel("--config", str(tmp_path / "none"), "backend", "create", directory=tmp_path / "prod")
    assert missing.returncode == 1
    assert f"terraform.tfvars: not found in {tmp_path / 'none'}" in missing.stderr


def test_the_version_is_printed(tmp_path: Path) -> None:
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    assert prequel("--version", directory=tmp_path).stdout == f"prequel {version}\n"


def test_every_problem_of_a_configuration_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "terraform.tfvars").write_text(
        'aws_region = "us-east-1"\nenvironment = "test"\ndomain_name = ""\n'
        'max_instances = 100\nvpc_cdr = "10.0.0.0/16"\n'
    )
    done = prequel("backend", "create", directory=tmp_path)
    lines = done.stderr.splitlines()
    assert done.returncode == 1
    assert len(lines) == 2
    assert all(line.startswith("error: ") for line in lines)
    assert "max_instances" in done.stderr
    assert "vpc_cidr" in done.stderr


@pytest.mark.e2e
def test_the_state_bucket_is_created_once_and_locked_down(configured: Path) -> None:
    with EmbeddedAws.start() as embedded:
        first = prequel("backend", "create", "--json", directory=configured, environment=embedded.environment)
        second = prequel("backend", "create", "--json", directory=configured, environment=embedded.environment)
        s3 = embedded.aws.s3
        assert s3.get_bucket_versioning(Bucket="state")["Status"] == "Enabled"
        assert all(s3.get_public_access_block(Bucket="state")["PublicAccessBlockConfiguration"].values())
        assert "aws:SecureTransport" in s3.get_bucket_policy(Bucket="state")["Policy"]
    results = [json.loads(run.stdout.splitlines()[-1])["result"] for run in (first, second)]
    assert results == [{"bucket": "state", "created": created, "findings": []} for created in (True, False)]


def test_a_state_bucket_that_exists_keeps_its_policy_and_key_and_reports_what_it_lacks(configured: Path) -> None:
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": "Theirs", "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::999999999999:root"}, "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::state/*"}]})  # fmt: skip
    with EmbeddedAws.start() as embedded:
        s3 = embedded.aws.s3
        s3.create_bucket(Bucket="state")
        s3.put_bucket_policy(Bucket="state", Policy=policy)
        done = prequel("backend", "create", directory=configured, environment=embedded.environment)
        assert s3.get_bucket_policy(Bucket="state")["Policy"] == policy
        assert "Status" not in s3.get_bucket_versioning(Bucket="state")
    assert done.returncode == 1
    assert [word for word in ("versioning", "public access", "TLS") if word not in done.stderr] == []


def test_the_state_bucket_lies_in_the_account_of_the_profile_and_uses_the_key_of_backend_config(
    configured: Path,
) -> None:
    key = "arn:aws:kms:us-east-1:999999999999:key/1234"
    with (configured / "backend.config").open("a") as config:
        config.write(f'profile = "states"\nkms_key_id = "{key}"\n')
    with EmbeddedAws.start() as embedded:
        # moto gives the account of an assumed role to the role's own keys; so the profile assumes one.
        (configured / "config").write_text(
            "[profile states]\nrole_arn = arn:aws:iam::999999999999:role/states\nsource_profile = base\n"
            "[profile base]\naws_access_key_id = a\naws_secret_access_key = b\n"
        )
        files = {
            "AWS_CONFIG_FILE": str(configured / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(configured / "none"),
        }
        done = prequel("backend", "create", directory=configured, environment=embedded.environment | files)
        assert done.returncode == 0, done.stderr
        assert embedded.aws.s3.list_buckets()["Buckets"] == []
        role = embedded.aws.sts.assume_role(RoleArn="arn:aws:iam::999999999999:role/states", RoleSessionName="look")
        theirs = boto3.Session(
            aws_access_key_id=role["Credentials"]["AccessKeyId"],
            aws_secret_access_key=role["Credentials"]["SecretAccessKey"],
            aws_session_token=role["Credentials"]["SessionToken"],
        ).client("s3", region_name="us-east-1", endpoint_url=embedded.endpoint)
        (rule,) = theirs.get_bucket_encryption(Bucket="state")["ServerSideEncryptionConfiguration"]["Rules"]
        assert rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == key


@pytest.mark.e2e
def test_a_dry_run_creates_no_bucket(configured: Path) -> None:
    with EmbeddedAws.start() as embedded:
        done = prequel("backend", "create", "--dry-run", directory=configured, environment=embedded.environment)
        assert done.returncode == 0, done.stderr
        assert embedded.aws.s3.list_buckets()["Buckets"] == []


def test_without_a_local_aws_the_error_says_how_to_start_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts", "local", "env"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "error: no local AWS is running; start one with `prequel local up`\n"
