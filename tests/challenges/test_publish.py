"""A challenge is published whole or not at all, and what is there already is not written again."""

import gzip
import hashlib
import io
import json
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from image.loader.prequel_load import extract
from scripts.challenges.archive import pack
from scripts.challenges.catalog import ChallengeBucket
from scripts.challenges.definition import Definition
from scripts.challenges.publish import ChallengeResult, publish, publish_all
from scripts.challenges.source import Challenge, read_challenges
from scripts.errors import AwsError, ChallengeError
from tests.challenges.conftest import Calls, Killed, Tree, beside, is_usable, stored
from tests.challenges.conftest import delivered as delivered_to

NAME = "python/sums"
FIRST = {"README.md": "# Sums\n", "sums.py": "old\n", "data/in.csv": "1,2\n"}
SECOND = {"README.md": "# Sums\n", "sums.py": "new\n", "notes.txt": "more\n"}
MANIFEST = f"challenge-manifests/{NAME}.json"
PLAIN = f"challenge/{NAME}/"


def challenge(directory: Path, files: Mapping[str, str]) -> Challenge:
    """The challenge with just these files, each set in a directory of its own."""
    home = directory / str(abs(hash(tuple(files.items()))))
    for path, content in files.items():
        location = home / NAME / path
        location.parent.mkdir(parents=True, exist_ok=True)
        location.write_text(content)
    return read_challenges(home)[0]


def delivered(bucket: ChallengeBucket, path: str = "") -> dict[str, str]:
    """What an interview that is created now gives its candidate, or one that was given ``path``."""
    archive = stored(bucket, f"challenge/{path or bucket.find(NAME).path}/")["challenge.tar.gz"]
    with tempfile.TemporaryDirectory() as directory:
        extract(io.BytesIO(archive), Path(directory))
        found = [path for path in Path(directory).rglob("*") if path.is_file()]
        return {path.relative_to(directory).as_posix(): path.read_text() for path in found}


def plain(bucket: ChallengeBucket) -> dict[str, str]:
    """What a client gets that copies the plain prefix."""
    return {name: content.decode() for name, content in stored(bucket, PLAIN).items()}


def test_a_challenge_is_delivered_as_it_is(bucket: ChallengeBucket, tmp_path: Path) -> None:
    assert publish(bucket, challenge(tmp_path, FIRST)).status == "new"
    assert delivered(bucket) == FIRST
    assert plain(bucket) == FIRST


def test_the_manifest_has_every_hash_and_size_and_who_and_when(bucket: ChallengeBucket, tmp_path: Path) -> None:
    publish(bucket, challenge(tmp_path, FIRST))
    manifest = json.loads(stored(bucket, MANIFEST)[""])
    assert manifest["files"] == {
        path: {"sha256": hashlib.sha256(content.encode()).hexdigest(), "size": len(content), "mode": "644"}
        for path, content in FIRST.items()
    }
    archive = stored(bucket, f"challenge/{bucket.find(NAME).path}/")["challenge.tar.gz"]
    assert manifest["archive"]["sha256"] == hashlib.sha256(archive).hexdigest()
    assert manifest["archive"]["size"] == len(archive)
    assert manifest["title"] == "Sums"
    assert manifest["published_by"].startswith("arn:aws:")
    assert manifest["published_at"].endswith("Z")


def test_the_manifest_is_out_of_the_candidates_reach(bucket: ChallengeBucket, tmp_path: Path) -> None:
    publish(bucket, challenge(tmp_path, FIRST))
    below = [path for path in stored(bucket, "challenge/") if "manifest" in path or path.endswith(".json")]
    assert below == []


def test_the_manifest_is_written_last(bucket: ChallengeBucket, tmp_path: Path) -> None:
    calls = Calls(bucket)
    publish(bucket, challenge(tmp_path, FIRST))
    assert calls.writes[-1] == ("PutObject", MANIFEST)
    assert [key for _, key in calls.writes].count(MANIFEST) == 1


def test_publishing_the_same_again_writes_nothing(bucket: ChallengeBucket, tmp_path: Path) -> None:
    publish(bucket, challenge(tmp_path, FIRST))
    calls = Calls(bucket)
    assert publish(bucket, challenge(tmp_path, FIRST)) == ChallengeResult(
        NAME, challenge(tmp_path, FIRST).digest, "unchanged", written=0, deleted=0
    )
    assert calls.writes == []


def test_the_plain_copy_is_changed_where_it_differs_and_nowhere_else(bucket: ChallengeBucket, tmp_path: Path) -> None:
    publish(bucket, challenge(tmp_path, FIRST))
    calls = Calls(bucket)
    assert publish(bucket, challenge(tmp_path, SECOND)).status == "changed"
    assert sorted(call for call in calls.writes if call[1].startswith(PLAIN)) == [
        ("DeleteObject", f"{PLAIN}data/in.csv"),
        ("PutObject", f"{PLAIN}notes.txt"),
        ("PutObject", f"{PLAIN}sums.py"),
    ]
    assert plain(bucket) == SECOND


def test_an_interview_keeps_its_version_when_a_newer_one_is_published(bucket: ChallengeBucket, tmp_path: Path) -> None:
    publish(bucket, challenge(tmp_path, FIRST))
    pinned = bucket.find(NAME).path
    publish(bucket, challenge(tmp_path, SECOND))
    assert delivered(bucket, pinned) == FIRST
    assert delivered(bucket) == SECOND


def test_going_back_to_a_former_version_uploads_only_what_the_plain_copy_lacks(
    bucket: ChallengeBucket, tmp_path: Path
) -> None:
    publish(bucket, challenge(tmp_path, FIRST))
    publish(bucket, challenge(tmp_path, SECOND))
    outcome = publish(bucket, challenge(tmp_path, FIRST))
    assert (outcome.written, outcome.deleted) == (len({"sums.py", "data/in.csv", "the manifest"}), 1)
    assert delivered(bucket) == plain(bucket) == FIRST


@pytest.mark.parametrize("before", [{}, FIRST], ids=["from nothing", "from a former version"])
@pytest.mark.parametrize("survived", range(5))
def test_killed_after_n_writes_it_leaves_what_was_and_the_next_publish_completes(
    bucket: ChallengeBucket, tmp_path: Path, before: dict[str, str], survived: int
) -> None:
    if before:
        publish(bucket, challenge(tmp_path, before))
    killed = beside(bucket)
    calls = Calls(killed, kill_before=survived)
    with pytest.raises(Killed):
        publish(killed, challenge(tmp_path, SECOND))
    assert len(calls.writes) == survived
    assert is_usable(bucket, NAME) == bool(before)
    if before:
        assert delivered(bucket) == before
    publish(bucket, challenge(tmp_path, SECOND))
    assert delivered(bucket) == plain(bucket) == SECOND


def test_a_reader_never_gets_a_mixture_while_two_publishers_compete(bucket: ChallengeBucket, tmp_path: Path) -> None:
    versions = [challenge(tmp_path, FIRST), challenge(tmp_path, SECOND)]
    publish(bucket, versions[0])
    failures: list[BaseException] = []

    def compete(wanted: Challenge) -> None:
        own = beside(bucket)
        try:
            for _ in range(6):
                publish(own, wanted)
        except BaseException as error:  # noqa: BLE001  (a thread's failure is the test's)
            failures.append(error)

    publishers = [threading.Thread(target=compete, args=(version,)) for version in versions]
    for publisher in publishers:
        publisher.start()
    seen = []
    while any(publisher.is_alive() for publisher in publishers):
        seen.append(delivered(bucket))
    assert failures == []
    assert seen
    assert all(files in (FIRST, SECOND) for files in seen)
    assert plain(bucket) == delivered(bucket)


def test_whoever_loses_a_race_publishes_once_more(bucket: ChallengeBucket, tmp_path: Path) -> None:
    other = beside(bucket)
    raced: list[str] = []

    def overtake(params: dict[str, str], **_: object) -> None:
        if params["Key"] == MANIFEST and not raced:
            raced.append(MANIFEST)
            publish(other, challenge(tmp_path, FIRST))

    bucket.aws.s3.meta.events.register("before-parameter-build.s3.PutObject", overtake)
    publish(bucket, challenge(tmp_path, SECOND))
    assert raced
    assert delivered(bucket) == plain(bucket) == SECOND


@pytest.mark.parametrize("prefix", [PLAIN, "version"])
@pytest.mark.parametrize("damage", ["altered", "deleted", "surplus"])
def test_objects_changed_by_hand_are_put_right(
    bucket: ChallengeBucket, tmp_path: Path, prefix: str, damage: str
) -> None:
    publish(bucket, challenge(tmp_path, FIRST))
    where = PLAIN if prefix == PLAIN else f"challenge/{bucket.find(NAME).path}/"
    present = "sums.py" if prefix == PLAIN else "challenge.tar.gz"
    if damage == "deleted":
        bucket.aws.s3.delete_object(Bucket=bucket.name, Key=where + present)
    else:
        name = present if damage == "altered" else "solution.py"
        bucket.aws.s3.put_object(Bucket=bucket.name, Key=where + name, Body=b"odd\n")
    assert publish(bucket, challenge(tmp_path, FIRST)).status == "repaired"
    assert delivered(bucket) == plain(bucket) == FIRST


def test_an_altered_manifest_is_replaced(bucket: ChallengeBucket, tmp_path: Path) -> None:
    bucket.aws.s3.put_object(Bucket=bucket.name, Key=MANIFEST, Body=b"{}")
    assert publish(bucket, challenge(tmp_path, FIRST)).status == "repaired"
    assert delivered(bucket) == FIRST


def test_the_manifest_of_a_newer_prequel_is_left_alone(bucket: ChallengeBucket, tmp_path: Path) -> None:
    bucket.aws.s3.put_object(Bucket=bucket.name, Key=MANIFEST, Body=b'{"schema_version": 3}')
    with pytest.raises(ChallengeError, match="schema version 3, expected at most 2; update prequel"):
        publish(bucket, challenge(tmp_path, FIRST))
    assert stored(bucket, "") == {MANIFEST: b'{"schema_version": 3}'}


OLD = {
    "schema_version": 1,
    "name": NAME,
    "title": "Sums",
    "digest": "0" * 64,
    "files": {"README.md": {"sha256": "1" * 64, "size": 7}},
    "published_by": "arn:aws:iam::123456789012:user/ada",
    "published_at": "2026-11-01T12:00:00Z",
    "retired_at": None,
}
"""A manifest as version 0.2.0 wrote it; its version is stored as plain files."""


def test_a_manifest_of_an_earlier_prequel_can_be_used_and_is_replaced(bucket: ChallengeBucket, tmp_path: Path) -> None:
    bucket.aws.s3.put_object(Bucket=bucket.name, Key=MANIFEST, Body=json.dumps(OLD).encode())
    found = bucket.find(NAME)
    assert found.path == f"versions/{NAME}/{'0' * 16}"
    assert (found.title, found.archive, found.definition) == ("Sums", None, Definition())
    assert publish(bucket, challenge(tmp_path, FIRST)).status == "changed"
    assert delivered(bucket) == plain(bucket) == FIRST


def test_an_archive_that_another_machine_packed_otherwise_is_left_as_it_is(
    bucket: ChallengeBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = challenge(tmp_path, FIRST)
    with monkeypatch.context() as other:
        other.setattr(gzip, "GzipFile", partial(gzip.GzipFile, compresslevel=1))
        publish(bucket, wanted)
    assert stored(bucket, f"challenge/{bucket.find(NAME).path}/")["challenge.tar.gz"] != pack(wanted.tree)
    assert publish(bucket, wanted).status == "unchanged"
    assert delivered(bucket) == FIRST


def test_modes_links_and_empty_directories_arrive_and_a_change_of_mode_alone_is_a_change(
    bucket: ChallengeBucket, tmp_path: Path
) -> None:
    home = tmp_path / NAME
    (home / ".vscode").mkdir(parents=True)
    (home / "empty").mkdir()
    files = {
        "README.md": "# Sums\n",
        ".vscode/settings.json": "{}",
        "run.sh": "#!/bin/sh\necho ran\n",
        "two\nlines": "x",
    }
    for path, content in files.items():
        (home / path).write_text(content)
    (home / "link").symlink_to("run.sh")
    assert publish(bucket, read_challenges(tmp_path)[0]).status == "new"
    (home / "run.sh").chmod(0o755)
    assert publish(bucket, read_challenges(tmp_path)[0]).status == "changed"
    assert plain(bucket) == files | {"link": files["run.sh"]}
    target = delivered_to(bucket, NAME, tmp_path / "home")
    assert subprocess.run([target / "link"], capture_output=True, text=True, check=True).stdout == "ran\n"
    assert (target / "link").is_symlink()
    assert list((target / "empty").iterdir()) == []
    assert {path: (target / path).read_text() for path in files} == files


def test_a_file_that_changes_meanwhile_is_not_published(bucket: ChallengeBucket, tmp_path: Path) -> None:
    wanted = challenge(tmp_path, FIRST)
    wanted.tree.files["sums.py"].location.write_text("edited")
    with pytest.raises(ChallengeError, match=r"sums\.py was changed while it was being published; publish again"):
        publish(bucket, wanted)
    assert not is_usable(bucket, NAME)


def test_a_dry_run_says_what_a_run_would_do_and_writes_nothing(bucket: ChallengeBucket, tmp_path: Path) -> None:
    wanted = challenge(tmp_path, FIRST)
    calls = Calls(bucket)
    planned = publish(bucket, wanted, dry_run=True)
    assert calls.writes == []
    calls.stop()
    done = Calls(bucket)
    assert publish(bucket, wanted) == planned
    assert len(done.writes) == planned.written + planned.deleted


def test_a_failing_challenge_does_not_hold_up_the_others(bucket: ChallengeBucket, tree: Tree) -> None:
    challenges = read_challenges(tree({f"python/c{n}/README.md": "# One\n" for n in range(6)}))
    challenges[2].tree.files["README.md"].location.write_text("edited")
    found = list(publish_all(bucket, challenges))
    assert sorted(outcome.name for outcome in found if isinstance(outcome, ChallengeResult)) == [
        "python/c0", "python/c1", "python/c3", "python/c4", "python/c5",
    ]  # fmt: skip
    assert [type(outcome) for outcome in found if not isinstance(outcome, ChallengeResult)] == [ChallengeError]


def test_every_call_names_the_buckets_owner(bucket: ChallengeBucket, tmp_path: Path) -> None:
    owners: list[tuple[str, object]] = []
    bucket.aws.s3.meta.events.register(
        "before-parameter-build.s3",
        lambda params, model, **_: owners.append((model.name, params.get("ExpectedBucketOwner"))),
    )
    publish(bucket, challenge(tmp_path, FIRST))
    publish(bucket, challenge(tmp_path, SECOND))
    assert {name for name, _ in owners} >= {"PutObject", "DeleteObject", "GetObject", "ListObjectsV2"}
    assert {owner for _, owner in owners} == {bucket.aws.account_id}


def test_a_missing_bucket_is_named_in_one_line(bucket: ChallengeBucket, tmp_path: Path) -> None:
    missing = ChallengeBucket(bucket.aws, "nobody-instance")
    with pytest.raises(AwsError, match="there is no bucket nobody-instance in account 123456789012; deploy") as raised:
        publish(missing, challenge(tmp_path, FIRST))
    assert "\n" not in str(raised.value)
