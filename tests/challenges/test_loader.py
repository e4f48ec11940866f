"""`prequel-load` delivers a challenge whole, as it was, and inside its folder, or stops with one line."""

import gzip
import io
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from image.loader import prequel_load
from image.loader.prequel_load import LoadError, S3Folder, deliver, extract, hand_over
from scripts.challenges.catalog import ChallengeBucket
from scripts.embedded.launcher import EmbeddedAws

PREFIX = "challenge/versions/python/sums/0123456789abcdef/"
Member = tuple[tarfile.TarInfo, bytes]
Put = Callable[[str, bytes], None]
Run = Callable[..., str]


def file(name: str, content: bytes = b"", **more: Any) -> Member:
    """A member of an archive: a regular file unless ``more`` says otherwise."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for attribute, value in more.items():
        setattr(info, attribute, value)
    return info, content


def link(name: str, to: str) -> Member:
    return file(name, type=tarfile.SYMTYPE, linkname=to)


def directory(name: str) -> Member:
    return file(name, type=tarfile.DIRTYPE, mode=0o755)


def tar(*members: Member) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def archive(*members: Member) -> bytes:
    return gzip.compress(tar(*members))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "home" / "challenge").mkdir(parents=True)
    return tmp_path / "home" / "challenge"


@pytest.fixture(autouse=True)
def environment(embedded: EmbeddedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in embedded.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def put(bucket: ChallengeBucket) -> Put:
    """Uploads one object below the prefix."""
    return lambda name, body: bucket.aws.s3.put_object(Bucket=bucket.name, Key=PREFIX + name, Body=body) and None


@pytest.fixture
def run(target: Path, bucket: ChallengeBucket, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the program for a user of one's own, and returns what it says at its end."""
    (target.parent.parent / "tmp").mkdir()
    monkeypatch.setattr(prequel_load, "CHALLENGE", target)
    monkeypatch.setattr(prequel_load, "VOLUMES", (target.parent, target.parent.parent / "tmp"))
    monkeypatch.setattr(prequel_load, "CANDIDATE", (os.getuid(), os.getgid()))

    def call(challenge: str = f"s3://{bucket.name}/{PREFIX}") -> str:
        monkeypatch.setenv("CHALLENGE", challenge)
        try:
            prequel_load.main()
        except SystemExit as end:
            return str(end)
        return ""

    return call


def tree(directory: Path) -> dict[str, str]:
    """Everything below ``directory`` by its path: mode and content of files, target of links."""
    found = {}
    for path in directory.rglob("*"):
        name = path.relative_to(directory).as_posix()
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_dir():
            found[name] = "directory"
        else:
            found[name] = f"{stat.S_IMODE(path.stat().st_mode):o} {path.read_text()}"
    return found


def test_an_archive_is_delivered_with_modes_empty_directories_and_links(
    put: Put, bucket: ChallengeBucket, target: Path
) -> None:
    put("stray.txt", b"not part of the archive")
    members = (
        *(directory("./"), directory("./logs"), file("./.vscode/settings.json", b"{}", mode=0o644)),
        *(file("run.sh", b"#!/bin/sh\n", mode=0o755), link("bin/run", "../run.sh"), link("all", ".")),
        *(link("later", "missing"), file("a\u00a0b/z\u200dj \U0001f600 \"'\\.txt", b"x"), file("two\nlines", b"y")),
        *(
            file("n" * 200 + "/" + "m" * 200, b"long"),
            file("same", type=tarfile.LNKTYPE, linkname="run.sh", mode=0o755),
        ),
    )
    put("challenge.tar.gz", archive(*members))
    deliver(S3Folder(f"s3://{bucket.name}/{PREFIX}"), target)
    assert tree(target) == {
        "logs": "directory",
        ".vscode": "directory",
        ".vscode/settings.json": "644 {}",
        "run.sh": "755 #!/bin/sh\n",
        "bin": "directory",
        "bin/run": "-> ../run.sh",
        "all": "-> .",
        "later": "-> missing",
        "a\u00a0b": "directory",
        "a\u00a0b/z\u200dj \U0001f600 \"'\\.txt": "644 x",
        "two\nlines": "644 y",
        "n" * 200: "directory",
        "n" * 200 + "/" + "m" * 200: "644 long",
        "same": "755 #!/bin/sh\n",
    }


def test_plain_files_are_copied_where_there_is_no_archive(run: Run, put: Put, target: Path) -> None:
    files = {"README.md": b"# Sums", "deep/er/a b.txt": b"1", "two\nlines": b"2", "\u00a0\u200d\U0001f600'\"": b"3"}
    for name, content in files.items():
        put(name, content)
    put("", b"")  # what S3's console makes of a folder
    put("empty/", b"")
    assert run() == ""
    assert {p.relative_to(target).as_posix(): p.read_bytes() for p in target.rglob("*") if p.is_file()} == files
    assert (target / "empty").is_dir()


@pytest.mark.parametrize(
    "member",
    [
        file("../evil"), file("/etc/evil"), file("a/../../evil"), file("a//b"), directory(".."),
        file("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3), file("disk", type=tarfile.BLKTYPE),
        file("pipe", type=tarfile.FIFOTYPE), link("up", ".."), link("up", "a/../../x"), link("root", "/"),
        link("same", "/home/coder/challenge"), file("hard", type=tarfile.LNKTYPE, linkname="../evil"),
        file("hard", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
    ],
    ids=lambda member: f"{member[0].name} {member[0].linkname}",
)  # fmt: skip
def test_what_leads_out_of_the_folder_or_is_no_file_is_refused(target: Path, member: Member) -> None:
    with pytest.raises(LoadError):
        extract(io.BytesIO(archive(file("README.md", b"x"), member)), target)
    assert sorted(path.name for path in target.parent.parent.iterdir()) == ["home"]
    assert [path.name for path in target.parent.iterdir()] == ["challenge"]


def test_a_link_that_leads_out_through_another_is_refused(target: Path) -> None:
    members = (
        directory("a/b/c"),
        link("a/up", "b/.."),
        link("out", "a/up/../../x"),
        link("d/p", ".."),
        link("q", "d/p/.."),
    )
    with pytest.raises(LoadError, match="outside the challenge"):
        extract(io.BytesIO(archive(*members)), target)


@pytest.mark.parametrize("through", [file("away/evil", b"x"), link("away/evil", "x"), directory("away/evil")])
@pytest.mark.parametrize("order", [1, -1])
def test_nothing_is_written_through_a_link(target: Path, tmp_path: Path, through: Member, order: int) -> None:
    (tmp_path / "elsewhere").mkdir()
    members = [link("away", str(tmp_path / "elsewhere")), through]
    with pytest.raises(OSError, match="exists"):
        extract(io.BytesIO(archive(*members[::order])), target)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_no_file_of_an_archive_becomes_another_users_program(target: Path) -> None:
    extract(io.BytesIO(archive(file("tool", b"", mode=0o6755))), target)
    assert stat.S_IMODE((target / "tool").stat().st_mode) == 0o755


@pytest.mark.parametrize(
    "body",
    [
        b"", b"no archive", archive(file("a", b"x" * 5000))[:-9],
        gzip.compress(tar(file("a", b"x")))[:-8] + b"\0" * 8,
        gzip.compress(tar(file("a", b"x"), file("b", b"y")).replace(b"b\0\0\0", b"c\0\0\0", 1)),
    ],
    ids=["empty", "text", "cut", "wrong checksum", "damaged header"],
)  # fmt: skip
def test_a_damaged_archive_is_named_in_one_line(run: Run, put: Put, body: bytes, bucket: ChallengeBucket) -> None:
    put("challenge.tar.gz", body)
    said = run()
    assert said.startswith((f"cannot deliver s3://{bucket.name}/{PREFIX}: ", "nothing at "))
    assert "\n" not in said


def test_where_nothing_is_the_place_is_named(run: Run, put: Put, bucket: ChallengeBucket) -> None:
    assert run() == f"nothing at s3://{bucket.name}/{PREFIX}"
    put("challenge.tar.gz", archive())
    assert run() == f"nothing at s3://{bucket.name}/{PREFIX}"


def test_a_bucket_that_is_not_there_is_named_with_the_reason(run: Run) -> None:
    said = run(challenge="s3://not-a-bucket/challenge/python/none/")
    assert said.startswith("cannot deliver s3://not-a-bucket/challenge/python/none/: ")
    assert "NoSuchBucket" in said


@pytest.mark.parametrize(
    "challenge", ["", "s3://bucket", "s3://bucket/challenge", "https://example.com/a/", "s3:///a/"]
)
def test_a_challenge_that_is_no_folder_of_s3_is_refused(run: Run, challenge: str) -> None:
    assert run(challenge=challenge).endswith(f'CHALLENGE is "{challenge}", expected s3://bucket/challenge/kind/name/')


class Forbidden:
    """Stands before a client as S3 does for a role without s3:ListBucket: what is not there is forbidden."""

    def __init__(self, folder: S3Folder, *, listing: bool) -> None:
        events = folder._s3.meta.events
        events.register("after-call.s3.HeadObject", self._missing)
        if not listing:
            events.register("after-call.s3.ListObjectsV2", self._refused)

    def _missing(self, http_response: Any, parsed: dict[str, Any], **_: Any) -> None:
        if http_response.status_code == 404:
            http_response.status_code = 403
            parsed["Error"] = {"Code": "403", "Message": "Forbidden"}

    def _refused(self, http_response: Any, parsed: dict[str, Any], **_: Any) -> None:
        http_response.status_code = 403
        parsed["Error"] = {"Code": "AccessDenied", "Message": "not authorized to perform: s3:ListBucket"}


@pytest.mark.parametrize("listing", [True, False])
def test_a_missing_archive_that_s3_calls_forbidden_is_looked_for_in_the_list(
    put: Put, bucket: ChallengeBucket, target: Path, *, listing: bool
) -> None:
    put("README.md", b"# Sums")
    folder = S3Folder(f"s3://{bucket.name}/{PREFIX}")
    Forbidden(folder, listing=listing)
    if listing:
        deliver(folder, target)
        assert tree(target) == {"README.md": "644 # Sums"}
    else:
        with pytest.raises(ClientError, match="ListBucket"):
            deliver(folder, target)


def test_an_archive_in_a_file_is_delivered_without_s3(run: Run, target: Path, tmp_path: Path) -> None:
    (tmp_path / "challenge.tar.gz").write_bytes(archive(file("README.md", b"x")))
    assert run(str(tmp_path / "challenge.tar.gz")) == ""
    assert run(str(tmp_path / "nowhere")).startswith(f"cannot deliver {tmp_path}/nowhere: ")
    assert tree(target) == {"README.md": "644 x"}


def test_everything_is_handed_over_and_links_are_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home/deep").mkdir(parents=True)
    (tmp_path / "home/deep/file").write_text("")
    (tmp_path / "home/link").symlink_to("/etc")
    (tmp_path / "home/dangling").symlink_to("/nowhere")
    changed: list[tuple[str, int, bool]] = []
    monkeypatch.setattr(
        os, "chown", lambda path, user, _, *, follow_symlinks=True: changed.append((str(path), user, follow_symlinks))
    )
    hand_over(tmp_path / "home", (1000, 1000))
    below = [Path(path).relative_to(tmp_path).as_posix() for path, _, _ in changed]
    assert sorted(below) == ["home", "home/dangling", "home/deep", "home/deep/file", "home/link"]
    assert below[-1] == "home"
    assert {follows for path, _, follows in changed[:-1]} == {False}


def test_a_download_that_breaks_off_is_repeated(put: Put, bucket: ChallengeBucket, target: Path) -> None:
    put("challenge.tar.gz", archive(file("README.md", b"x")))
    folder = S3Folder(f"s3://{bucket.name}/{PREFIX}")
    broken: list[bool] = []

    def cut(parsed: dict[str, Any], **_: Any) -> None:
        if not broken:
            broken.append(True)
            parsed["Body"]._raw_stream.read(10)

    folder._s3.meta.events.register("after-call.s3.GetObject", cut)
    deliver(folder, target)
    assert broken
    assert tree(target) == {"README.md": "644 x"}
