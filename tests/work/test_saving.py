"""The work is saved while it changes, and the next task of the same interview begins with it."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from image.loader.prequel_load import restore_or_deliver
from image.saver import prequel_save
from image.saver.cipher import CipherError, StateName, decrypt, encrypt, kms_key, password_key
from image.saver.prequel_save import run
from image.saver.restore import add_left_out
from image.saver.states import States, last_true
from image.saver.status import SaveStatus
from image.saver.tree import StateLimits, look
from scripts.embedded.launcher import EmbeddedAws
from tests.work.conftest import BUCKET, PASSWORD, Task, contents

pytestmark = pytest.mark.e2e


def keys(aws: EmbeddedAws, task: Task) -> list[str]:
    prefix = task.environment["WORK"].removeprefix(f"s3://{BUCKET}/")
    listed = aws.aws.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return [entry["Key"].removeprefix(prefix) for entry in listed]


def test_the_next_task_begins_with_the_last_saved_state_with_its_git_history(task: Task) -> None:
    def git(*arguments: str, folder: Path = task.folder) -> str:
        identity = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
        who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "safe.directory=*"]
        return subprocess.run(
            ["git", *who, *arguments], cwd=folder, env=os.environ | identity, check=True, capture_output=True, text=True
        ).stdout

    git("init", "-q")
    (task.folder / ".env").write_text("A=1\n")
    (task.folder / "solve.py").write_text("first line\n")
    (task.folder / "solve.py").chmod(0o755)
    git("add", "-A")
    git("commit", "-qm", "begin")
    (task.folder / "link").symlink_to("solve.py")
    task.save()
    (task.folder / "solve.py").write_text("last line\n")
    saved = task.save()

    following = task.replaced()
    state = following.restore()
    assert state is not None
    assert (state.number, state.sha256 != "") == (2, True)
    assert contents(following.folder) == contents(task.folder)
    assert "begin" in git("log", folder=following.folder)
    assert following.status == SaveStatus(saved.saved_at, 2, saved.bytes, (), restored_from=saved.saved_at)
    (following.folder / "solve.py").write_text("and on\n")
    assert following.save().state == 3
    assert following.status.restored_from == saved.saved_at


def test_nothing_is_written_while_nothing_changes(aws: EmbeddedAws, task: Task) -> None:
    (task.folder / "a").write_text("x")
    saver = task.saver()
    assert all(saver.save() for _ in range(5))
    assert keys(aws, task) == ["000001"]
    (task.folder / "a").write_text("y")
    assert all(saver.save() for _ in range(5))
    assert keys(aws, task) == ["000001", "000002"]


def test_the_last_save_is_made_when_the_task_is_told_to_stop(task: Task) -> None:
    (task.folder / "a").write_text("x")

    def told_to_stop() -> bool:
        (task.folder / "a").write_text("the last word")
        return True

    assert run(task.session, told_to_stop)
    following = task.replaced()
    assert following.restore() is not None
    assert (following.folder / "a").read_text() == "the last word"


def test_a_saver_that_was_killed_goes_on_after_its_last_state(aws: EmbeddedAws, task: Task) -> None:
    (task.folder / "a").write_text("1")
    task.save()
    status = task.status
    (task.folder / "a").write_text("2")
    task.save()
    status.write(task.session.directory)  # killed after S3 had the state, before it noted that
    (task.folder / "a").write_text("3")
    assert task.save().state == 3
    assert keys(aws, task) == ["000001", "000002", "000003"]


def test_a_write_whose_answer_is_lost_counts_once(
    aws: EmbeddedAws, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    (task.folder / "a").write_text("1")
    saver = task.saver()
    client: Any = task.session.states._s3
    put = client.put_object

    def put_twice(**arguments: Any) -> Any:
        put(**arguments)
        arguments["Body"].seek(0)
        return put(**arguments)  # as botocore does when the first answer is lost

    monkeypatch.setattr(client, "put_object", put_twice)
    assert saver.save()
    assert (keys(aws, task), task.status.state) == (["000001"], 1)


def test_a_state_of_another_password_is_skipped_and_the_one_before_is_taken(
    aws: EmbeddedAws, task: Task, capsys: pytest.CaptureFixture[str]
) -> None:
    (task.folder / "a").write_text("mine")
    task.save()
    forger = task.replaced(PASSWORD="another password")
    (forger.folder / "a").write_text("forged")
    forger.save()
    assert keys(aws, task) == ["000001", "000002"]

    following = forger.replaced(PASSWORD=PASSWORD)
    state = following.restore()
    assert state is not None
    assert state.number == 1
    assert (following.folder / "a").read_text() == "mine"
    assert "state 2 is skipped" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["cut off", "one bit", "swapped"])
def test_a_damaged_or_swapped_state_is_skipped(aws: EmbeddedAws, task: Task, damage: str) -> None:
    (task.folder / "a").write_text("good")
    task.save()
    (task.folder / "a").write_text("better")
    task.save()
    key = task.session.states.key(2)
    body = aws.aws.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    first = aws.aws.s3.get_object(Bucket=BUCKET, Key=task.session.states.key(1))["Body"].read()
    changed = {"cut off": body[:-20], "one bit": body[:-1] + bytes([body[-1] ^ 1]), "swapped": first}
    aws.aws.s3.put_object(Bucket=BUCKET, Key=key, Body=changed[damage])
    following = task.replaced()
    state = following.restore()
    assert state is not None
    assert state.number == 1
    assert (following.folder / "a").read_text() == "good"


def test_another_interviews_keys_open_nothing_and_operators_can(aws: EmbeddedAws, task: Task, key_arn: str) -> None:
    (task.folder / "a").write_text("x")
    task.save()
    states = task.session.states
    name = StateName(states.incarnation, 1)
    stored = aws.aws.s3.get_object(Bucket=BUCKET, Key=states.key(1))["Body"]
    (task.root / "stored").write_bytes(stored.read())
    others = (
        password_key("another password", states.incarnation),
        password_key(PASSWORD, "demo/0000000000000001"),
    )
    for key in others:
        with pytest.raises(CipherError), (task.root / "stored").open("rb") as file, (task.root / "x").open("wb") as out:
            decrypt(file, out, name, key)
    with (task.root / "stored").open("rb") as file, (task.root / "out").open("wb") as out:
        decrypt(file, out, name, kms_key(aws.aws.client("kms"), key_arn))
    with pytest.raises(CipherError, match="expected"), (task.root / "stored").open("rb") as file:
        decrypt(file, (task.root / "x").open("wb"), StateName(states.incarnation, 2), task.session.password_key)


def test_every_state_has_a_data_key_of_its_own(aws: EmbeddedAws, task: Task, key_arn: str) -> None:
    (task.root / "plain").write_bytes(b"same")
    stored = []
    for number in range(2):
        with (task.root / "plain").open("rb") as source, (task.root / f"{number}").open("w+b") as target:
            kms = kms_key(aws.aws.client("kms"), key_arn)
            encrypt(source, target, StateName("demo/0", 1), kms, task.session.password_key)
            target.seek(0)
            stored.append(target.read())
    assert stored[0] != stored[1]


def test_another_incarnation_inherits_nothing(task: Task) -> None:
    (task.folder / "a").write_text("x")
    task.save()
    other = task.replaced(WORK=f"s3://{BUCKET}/work/demo/fedcba9876543210/")
    assert other.restore() is None
    assert list(other.folder.iterdir()) == []
    assert other.status == SaveStatus()


class Broken:
    """S3's client with some calls that fail."""

    def __init__(self, client: Any, error: Exception, *calls: str) -> None:
        self._client, self._error, self._calls = client, error, calls
        self.failing = True

    def __getattr__(self, name: str) -> Any:
        if self.failing and name in self._calls:
            return self._fail
        return getattr(self._client, name)

    def _fail(self, *_: object, **__: object) -> None:
        raise self._error


ERRORS = [
    ClientError({"Error": {"Code": "503", "Message": "Slow Down"}}, "PutObject"),
    ClientError({"Error": {"Code": "InternalError", "Message": "internal"}}, "PutObject"),
    ReadTimeoutError(endpoint_url="https://s3"),
    EndpointConnectionError(endpoint_url="https://s3"),
]


@pytest.mark.parametrize("error", ERRORS, ids=str)
def test_while_s3_fails_the_status_says_so_and_saving_catches_up(
    task: Task, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    (task.folder / "a").write_text("1")
    saver = task.saver()
    assert saver.save()
    before = task.status
    broken = Broken(task.session.states._s3, error, "put_object")
    monkeypatch.setattr(task.session.states, "_s3", broken)
    (task.folder / "a").write_text("2")
    assert not saver.save()
    assert not saver.save()
    during = task.status
    assert during.error != ""
    assert (during.saved_at, during.state) == (before.saved_at, 1)
    broken.failing = False
    assert saver.save()
    assert (task.status.error, task.status.state) == ("", 2)


def test_while_kms_fails_the_status_says_so(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    saver = task.saver()
    denied = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GenerateDataKey")
    monkeypatch.setattr(saver._kms.config.client, "generate_data_key", Broken(None, denied)._fail)
    assert not saver.save()
    assert "AccessDenied" in task.status.error


def test_a_full_disk_ends_neither_the_saver_nor_the_work(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    (task.folder / "a").write_text("1")
    saver = task.saver()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(prequel_save, "pack", full)
    assert not saver.save()
    assert "No space left" in task.status.error


def test_a_restore_that_gets_no_answer_fails_instead_of_beginning_anew(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Broken(task.session.states._s3, ERRORS[0], "head_object")
    monkeypatch.setattr(task.session.states, "_s3", broken)
    with pytest.raises(ClientError):
        task.restore()


@pytest.mark.parametrize("last", [0, 1, 2, 3, 7, 8, 9, 500])
def test_the_newest_state_is_found_by_few_questions(last: int) -> None:
    asked: list[int] = []

    def exists(number: int) -> bool:
        asked.append(number)
        return number <= last

    assert last_true(exists) == last
    assert len(asked) <= 2 + 2 * last.bit_length()


def test_the_status_says_what_is_left_out_and_holds_no_secret(task: Task) -> None:
    (task.folder / "node_modules").mkdir()
    (task.folder / "a\nb").symlink_to("/proc/self/environ")
    os.mkfifo(task.folder / "pi\npe")
    task.save()
    text = (task.session.directory / "status.json").read_text()
    assert json.loads(text)["left_out"] == [
        "node_modules/: ignored",
        "pi\\npe: is neither a file nor a folder nor a link",
    ]
    assert PASSWORD not in text
    following = task.replaced()
    following.restore()
    assert following.status.left_out == task.status.left_out


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"PASSWORD": ""}, "PASSWORD missing"),
        ({"WORK": "s3://bucket/other/"}, "WORK is"),
        ({"WORK_KEY": "alias/x"}, "WORK_KEY is"),
    ],
)
def test_a_missing_or_wrong_variable_is_named(task: Task, changes: dict[str, str], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        task.replaced(**changes)


def test_the_challenges_own_files_that_a_state_leaves_out_are_there_again(task: Task, tmp_path: Path) -> None:
    def write(root: Path, *paths: str) -> None:
        for path in paths:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(path)

    delivered = ("node_modules/dep/a.js", "app/target/b.o", "data/large.csv", "solve.py", "gone.py", "old/venv/c")
    challenge = tmp_path / "delivered"
    for root in (challenge, task.folder):
        write(root, *delivered, ".prequelignore", "linked/node_modules/d.js")
        (root / ".prequelignore").write_text("data/\n")
    (task.folder / "solve.py").write_text("the candidate's")
    (task.folder / "gone.py").unlink()
    shutil.rmtree(task.folder / "old")
    shutil.rmtree(task.folder / "linked")
    (task.folder / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    write(task.folder, "node_modules/installed/e.js")
    task.save()

    following = task.replaced()
    state = following.restore()
    assert state is not None
    assert state.left_out == 3
    add_left_out(challenge, following.session)
    files = {path.relative_to(following.folder).as_posix() for path in following.folder.rglob("*") if path.is_file()}
    assert files == {"node_modules/dep/a.js", "app/target/b.o", "data/large.csv", "solve.py", ".prequelignore"}
    assert (following.folder / "solve.py").read_text() == "the candidate's"
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("published", [True, False])
def test_a_replaced_task_goes_on_with_or_without_the_challenge(
    aws: EmbeddedAws,
    task: Task,
    published: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kind = f"left-out-{published}"
    if published:
        for path in ("solve.py", "node_modules/a.js"):
            aws.aws.s3.put_object(Bucket=BUCKET, Key=f"challenge/{kind}/sums/{path}", Body=b"")
    (task.folder / "solve.py").write_text("work")
    (task.folder / "node_modules").mkdir()
    task.save()
    following = task.replaced()
    monkeypatch.setenv("WORK", task.environment["WORK"])
    monkeypatch.setattr("image.saver.session.of_this_task", lambda: following.session)
    restore_or_deliver(f"s3://{BUCKET}/challenge/{kind}/sums/")
    found = {path.relative_to(following.root).as_posix() for path in following.root.rglob("*") if path.is_file()}
    more = {"challenge/node_modules/a.js"} if published else set()
    assert found == {"challenge/solve.py", "session/status.json"} | more
    assert (following.folder / "solve.py").read_text() == "work"
    assert "are missing" not in capsys.readouterr().err


def test_the_challenges_files_over_the_limits_of_a_state_are_there_again(task: Task, tmp_path: Path) -> None:
    limits = StateLimits(content=100, entries_of_folder=2)
    for root in (tmp_path / "delivered", task.folder):
        (root / "full").mkdir(parents=True)
        (root / "large").write_text("x" * 101)
        for name in "abc":
            (root / "full" / name).write_text(name)
    left_out = tuple(look(task.folder, limits).left_out.named)
    shutil.rmtree(task.folder)
    (task.folder / "full").mkdir(parents=True)  # a folder with too many entries is saved as an empty one
    SaveStatus(left_out=left_out).write(task.session.directory)
    wanted = contents(tmp_path / "delivered")
    add_left_out(tmp_path / "delivered", task.session)
    assert contents(task.folder) == wanted


def test_numbers_go_on_past_a_state_that_somebody_else_wrote(aws: EmbeddedAws, task: Task) -> None:
    for number in (1, 2, 3):
        aws.aws.s3.put_object(Bucket=BUCKET, Key=task.session.states.key(number), Body=b"planted")
    (task.folder / "a").write_text("mine")
    assert task.save().state == 4
    following = task.replaced()
    state = following.restore()
    assert state is not None
    assert state.number == 4


def test_states_are_of_work_only() -> None:
    with pytest.raises(ValueError, match="WORK is"):
        States(None, "s3://bucket/challenge/python/x/")
