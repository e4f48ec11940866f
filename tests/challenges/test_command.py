"""`prequel challenge`, as a user runs it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from scripts.challenges.catalog import ChallengeBucket
from scripts.cli.challenge import app
from scripts.cli.session import Session
from scripts.embedded.launcher import EmbeddedAws
from scripts.errors import PrequelError
from tests.challenges.conftest import Tree, stored

Run = Callable[..., Result]

FILES = {"python/sums/README.md": "# Sums\n", "python/sums/sums.py": "pass\n", "sql/report/README.md": "# Report\n"}


@pytest.fixture
def run(bucket: ChallengeBucket, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on the test's bucket."""
    monkeypatch.setattr(Session, "aws", bucket.aws)
    monkeypatch.setattr(Session, "bucket", bucket.name)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def result_of(done: Result) -> Any:
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout.splitlines()[-1])["result"]


def failure_of(done: Result) -> str:
    assert isinstance(done.exception, PrequelError)
    assert done.exception.exit_code == 1
    return str(done.exception)


def test_it_uses_the_configured_bucket_and_the_environments_credentials(
    bucket: ChallengeBucket, embedded: EmbeddedAws, tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in embedded.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PREQUEL_CONFIG_DIR", str(tmp_path))
    (tmp_path / "terraform.tfvars").write_text(
        'aws_region = "us-east-1"\nenvironment = "test"\ndomain_name = ""\n'
        f'project_prefix = "{bucket.name.removesuffix("-instance")}"\n'
    )
    done = CliRunner().invoke(app, ["publish", str(tree(FILES))])
    assert done.exit_code == 0, done.output
    assert stored(bucket, "challenge/python/sums/")["sums.py"] == b"pass\n"


def test_publish_reports_the_result_of_each_challenge(run: Run, tree: Tree) -> None:
    first = run("publish", tree(FILES))
    assert "python/sums is new: 4 objects written, 0 deleted" in first.stderr
    assert first.stdout == "2 challenges published, 0 unchanged\n"
    second = run("publish", tree({"python/sums/sums.py": "changed\n"}))
    assert "sql/report is unchanged" in second.stderr
    assert "python/sums is changed: 3 objects written, 0 deleted" in second.stderr
    assert run("publish", tree({})).stdout == "2 challenges unchanged, nothing written\n"


def test_publish_names_what_is_left_out(run: Run, tree: Tree) -> None:
    directory = tree(FILES | {"python/sums/.git/config": "", "python/sums/deep/__pycache__/a.pyc": ""})
    assert "python/sums: left out .git, deep/__pycache__\n" in run("publish", directory).stderr
    assert result_of(run("publish", directory, "--json"))["left_out"] == {"python/sums": [".git", "deep/__pycache__"]}


def test_publish_says_so_when_no_templates_are_published(run: Run, tree: Tree) -> None:
    hint = "warning: no templates are published yet; run `prequel templates publish`"
    assert hint in run("publish", tree(FILES)).stderr


def test_publish_answers_machines_in_json(run: Run, tree: Tree) -> None:
    done = run("publish", tree(FILES), "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["status"] for event in events if event["event"] == "done"] == ["new", "new"]
    result = result_of(done)
    assert [(one["name"], one["status"], one["written"]) for one in result["challenges"]] == [
        ("python/sums", "new", 4),
        ("sql/report", "new", 3),
    ]


def test_a_dry_run_writes_nothing(run: Run, bucket: ChallengeBucket, tree: Tree) -> None:
    done = run("publish", tree(FILES), "--dry-run")
    assert "python/sums is new: 4 objects would be written" in done.stderr
    assert stored(bucket, "") == {}


def test_one_refused_challenge_keeps_all_from_being_published(run: Run, bucket: ChallengeBucket, tree: Tree) -> None:
    done = run("publish", tree(FILES | {"sql/other/query.sql": ""}))
    assert "sql/other has no README.md" in failure_of(done)
    assert stored(bucket, "") == {}


def test_delete_removes_what_the_directory_no_longer_has(run: Run, bucket: ChallengeBucket, tree: Tree) -> None:
    directory = tree(FILES)
    run("publish", directory)
    (directory / "sql/report/README.md").unlink()
    kept = run("publish", directory)
    assert kept.stdout == "1 challenge unchanged, nothing written\n"
    assert "pass --yes" in failure_of(run("publish", directory, "--delete"))
    planned = run("publish", directory, "--delete", "--dry-run")
    assert "sql/report would be removed" in planned.stderr
    assert [key for key in stored(bucket, "") if "sql" in key]
    assert result_of(run("publish", directory, "--delete", "--yes", "--json"))["removed"] == ["sql/report"]
    assert [key for key in stored(bucket, "") if "sql" in key] == []


def test_delete_keeps_a_challenge_that_is_in_use_and_says_so(run: Run, bucket: ChallengeBucket, tree: Tree) -> None:
    directory = tree(FILES)
    run("publish", directory)
    (directory / "sql/report/README.md").unlink()
    intent = json.dumps({"status": "active", "inputs": {"challenge": "sql/report"}})
    bucket.aws.s3.put_object(Bucket=bucket.name, Key="workspaces/ada/interview.json", Body=intent.encode())
    (directory / "python/sums/sums.py").write_text("changed")
    done = run("publish", directory, "--delete", "--yes")
    assert failure_of(done).startswith("sql/report is in use by the interview ada")
    assert "python/sums is changed" in done.stderr


def test_delete_never_empties_the_bucket_because_of_a_wrong_directory(
    run: Run, bucket: ChallengeBucket, tree: Tree, tmp_path: Path
) -> None:
    run("publish", tree(FILES))
    before = stored(bucket, "")
    (tmp_path / "empty").mkdir()
    assert "there is no challenge in" in failure_of(run("publish", tmp_path / "empty", "--delete", "--yes"))
    assert stored(bucket, "") == before


def test_list_shows_every_challenge_in_a_line(run: Run, tree: Tree) -> None:
    assert run("list").stdout == "no challenge is published; publish with `prequel challenge publish`\n"
    run("publish", tree(FILES))
    heading, *lines = run("list").stdout.splitlines()
    assert heading.split()[:2] == ["challenge", "title"]
    assert [tuple(line.split()[:2]) for line in lines] == [("python/sums", "Sums"), ("sql/report", "Report")]
    assert [one["name"] for one in result_of(run("list", "--json"))] == ["python/sums", "sql/report"]


def test_show_names_the_files_and_the_interviews(run: Run, bucket: ChallengeBucket, tree: Tree) -> None:
    run("publish", tree(FILES))
    shown = result_of(run("show", "python/sums", "--json"))
    intent = json.dumps({"status": "active", "inputs": {"challenge": shown["path"]}})
    bucket.aws.s3.put_object(Bucket=bucket.name, Key="workspaces/ada/interview.json", Body=intent.encode())
    text = run("show", "python/sums").stdout
    assert "interviews  ada\n" in text
    assert "README.md" in text
    assert "sums.py" in text
    assert result_of(run("show", "python/sums", "--json"))["interviews"] == ["ada"]


def test_show_names_what_a_challenge_needs(run: Run, tree: Tree) -> None:
    definition = (
        'title = "Adding"\ntest = "make test"\ntools = ["make"]\nimage = "go"\n[size]\ncpu = 2048\nmemory = 4096\n'
    )
    run("publish", tree(FILES | {"python/sums/challenge.toml": definition}))
    text = run("show", "python/sums").stdout
    assert "python/sums: Adding\n" in text
    for line in ("test        make test", "tools       make", "size        2 vCPU, 4 GB", "image       go"):
        assert f"{line}\n" in text
    assert result_of(run("show", "python/sums", "--json"))["definition"]["size"] == {
        "cpu": 2048, "memory": 4096, "storage": 0,
    }  # fmt: skip


def test_every_error_of_every_challenge_toml_is_reported_at_once(run: Run, bucket: ChallengeBucket, tree: Tree) -> None:
    bad = {"python/sums/challenge.toml": "titel = 1\n[size]\ncpu = 3\n", "sql/report/challenge.toml": "setup = 5\n"}
    directory = tree(FILES | bad)
    first, second = (f"{directory}/{name}/challenge.toml" for name in ("python/sums", "sql/report"))
    assert failure_of(run("publish", directory)).splitlines() == [
        f"{first}: titel is not a key, did you mean title?",
        f"{first}: size.cpu is 3, expected one of 256, 512, 1024, 2048, 4096, 8192, 16384 CPU units",
        f"{second}: setup is 5, expected a shell command in one line, such as python3 -m unittest",
    ]
    assert stored(bucket, "") == {}


def test_remove_asks_first(run: Run, bucket: ChallengeBucket, tree: Tree) -> None:
    run("publish", tree(FILES))
    before = stored(bucket, "")
    assert "not interactive: pass --yes, or look with --dry-run" in failure_of(run("remove", "python/sums"))
    assert "python/sums would be removed" in run("remove", "python/sums", "--dry-run").stderr
    assert stored(bucket, "") == before
    assert result_of(run("remove", "python/sums", "--yes", "--json"))["removed"] == ["python/sums"]
    assert "did you mean" not in failure_of(run("remove", "python/sums", "--yes"))


def test_a_bucket_without_versioning_is_refused(run: Run, bucket: ChallengeBucket, tree: Tree) -> None:
    bucket.aws.s3.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Suspended"})
    assert "is suspended, expected enabled" in failure_of(run("publish", tree(FILES)))
    assert stored(bucket, "") == {}
