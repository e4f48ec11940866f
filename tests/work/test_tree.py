"""A candidate's folder becomes an archive and a folder again, whatever is planted in it."""

import gzip
import io
import os
import random
import socket
import tarfile
import time
from pathlib import Path
from threading import Event, Thread

import pytest

from image.saver.archive import ArchiveError, pack, unpack
from image.saver.tree import StateLimits, look
from tests.work.conftest import contents


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "challenge").mkdir()
    return tmp_path / "challenge"


def copied(folder: Path, limits: StateLimits | None = None) -> tuple[Path, list[str]]:
    """``folder`` through an archive, and what the archive says is left out."""
    archive = io.BytesIO()
    pack(folder, look(folder, limits), archive)
    archive.seek(0)
    copy = folder.with_name("copy")
    copy.mkdir()
    return copy, unpack(archive, copy)


def test_files_modes_dot_files_empty_folders_and_links_come_back_as_they_were(folder: Path) -> None:
    (folder / ".vscode").mkdir()
    (folder / ".vscode" / "settings.json").write_text("{}")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "private").write_bytes(bytes(range(256)))
    (folder / "private").chmod(0o600)
    (folder / "empty" / "inner").mkdir(parents=True)
    (folder / "readonly").mkdir()
    (folder / "readonly" / "file").write_text("x")
    (folder / "readonly").chmod(0o555)
    (folder / "big").write_bytes(random.Random(1).randbytes(3_000_000))
    (folder / "here").symlink_to("run.sh")
    (folder / "python").symlink_to("/usr/bin/python3")
    copy, left_out = copied(folder)
    assert contents(copy) == contents(folder)
    assert left_out == []
    assert (copy / "big").stat().st_mtime == pytest.approx((folder / "big").stat().st_mtime, abs=1e-3)


@pytest.mark.parametrize(
    "name",
    [b"new\nline", b"\xff\xfe", "ünïcode-𝄞".encode(), b"-rf", b"a" * 255, b"tab\tescape\x1b[31m", b"quote'\"$(id)"],
)
def test_a_name_of_any_bytes_comes_back(folder: Path, name: bytes) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text("content")
    copy, _ = copied(folder)
    assert [os.fsencode(path.name) for path in copy.iterdir()] == [name]


@pytest.mark.parametrize("target", ["/proc/self/environ", "/", "..", "../..", "/etc/passwd", "loop", "/proc/self/fd/0"])
def test_a_planted_link_is_kept_as_a_link_and_never_followed(folder: Path, target: str) -> None:
    (folder / "loop").symlink_to(target)
    copy, _ = copied(folder)
    assert contents(copy) == {"loop": ("link", 0, target)}


def test_a_folder_that_becomes_a_link_after_the_look_is_not_followed(folder: Path) -> None:
    (folder / "inner").mkdir()
    (folder / "inner" / "environ").write_text("harmless")
    tree = look(folder)
    (folder / "inner" / "environ").unlink()
    (folder / "inner").rmdir()
    (folder / "inner").symlink_to("/proc/self")
    archive = io.BytesIO()
    assert pack(folder, tree, archive) == ["inner/environ"]
    assert b"PATH=" not in gzip.decompress(archive.getvalue())


def test_a_file_that_becomes_a_link_or_a_pipe_after_the_look_is_not_opened(folder: Path) -> None:
    (folder / "a").write_text("harmless")
    (folder / "b").write_text("harmless")
    tree = look(folder)
    (folder / "a").unlink()
    (folder / "a").symlink_to("/proc/self/environ")
    (folder / "b").unlink()
    os.mkfifo(folder / "b")
    archive = io.BytesIO()
    assert pack(folder, tree, archive) == ["a", "b"]
    with tarfile.open(fileobj=io.BytesIO(archive.getvalue())) as tar:
        assert tar.getnames() == ["."]


def test_devices_sockets_and_pipes_are_named_and_left_out_without_waiting(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "socket"))
        if os.geteuid() == 0:
            os.mknod(folder / "device", 0o666 | 0o020000, os.makedev(1, 5))  # /dev/zero, endless
        (folder / "file").write_text("x")
        began = time.monotonic()
        copy, left_out = copied(folder)
    assert time.monotonic() - began < 2
    assert list(contents(copy)) == ["file"]
    assert {line.partition(":")[0] for line in left_out} >= {"pipe", "socket"}


def test_what_is_over_the_limit_is_named_and_the_small_files_are_saved(folder: Path) -> None:
    with (folder / "huge").open("wb") as file:
        file.truncate(10 * 1024**3)
    (folder / "medium").write_bytes(b"m" * 600)
    (folder / "source.py").write_text("print()")
    copy, left_out = copied(folder, StateLimits(content=605))
    assert list(contents(copy)) == ["source.py"]
    assert left_out == [
        "medium: its 600 bytes are over the limit of 605",
        "huge: its 10737418240 bytes are over the limit of 605",
    ]


def test_a_sparse_file_within_the_limit_is_saved_and_costs_little(folder: Path) -> None:
    with (folder / "sparse").open("wb") as file:
        file.truncate(40_000_000)
    archive = io.BytesIO()
    pack(folder, look(folder), archive)
    assert len(archive.getvalue()) < 500_000


def test_a_folder_of_too_many_files_is_named_and_the_rest_is_saved(folder: Path) -> None:
    (folder / "many").mkdir()
    for number in range(21):
        (folder / "many" / str(number)).touch()
    (folder / "src").mkdir()
    (folder / "src" / "main.py").write_text("x")
    copy, left_out = copied(folder, StateLimits(entries_of_folder=20))
    assert set(contents(copy)) == {"many", "src", "src/main.py"}
    assert left_out == ["many/: holds more than 20 entries"]


def test_more_entries_than_the_limit_are_counted_and_the_upper_levels_are_saved(folder: Path) -> None:
    (folder / "main.py").write_text("x")
    for number in range(30):
        (folder / "deep" / str(number)).mkdir(parents=True)
        (folder / "deep" / str(number) / "file").touch()
    tree = look(folder, StateLimits(entries=20, named=3))
    assert len(tree.files) + len(tree.folders) == 20
    assert "main.py" in [entry.path for entry in tree.files]
    assert len(tree.left_out.named) == 3
    files_of_saved_folders = 18
    assert tree.left_out.count == 12 + files_of_saved_folders


def test_folders_without_end_are_cut_off(folder: Path) -> None:
    inner = folder
    for _ in range(100):
        inner /= "d"
    inner.mkdir(parents=True)
    copy, left_out = copied(folder)
    assert len(contents(copy)) == 64
    assert "more than 64 folders deep" in left_out[0]


def test_an_emptied_folder_comes_back_empty(folder: Path) -> None:
    copy, _ = copied(folder)
    assert contents(copy) == {}


@pytest.mark.soak
def test_a_million_files_are_looked_at_in_seconds(folder: Path) -> None:
    for part in range(400):
        (folder / str(part)).mkdir()
        for number in range(2_500):
            (folder / str(part) / str(number)).touch()
    began = time.process_time()
    tree = look(folder)
    assert time.process_time() - began < 5
    assert len(tree.files) + len(tree.folders) == StateLimits().entries


def test_what_can_be_made_again_is_left_out_by_name(folder: Path) -> None:
    for path in ("node_modules/left-pad/index.js", "pkg/.venv/bin/python", "src/__pycache__/a.pyc", "src/a.py", "a.o"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("x")
    copy, left_out = copied(folder)
    assert {path for path in contents(copy) if (copy / path).is_file()} == {"src/a.py"}
    named = ["a.o: ignored", "node_modules/: ignored", "pkg/.venv/: ignored", "src/__pycache__/: ignored"]
    assert sorted(left_out) == named


def test_the_challenges_own_ignore_file_leaves_out_more_and_takes_back(folder: Path) -> None:
    (folder / ".prequelignore").write_text("# data\n/data/\n*.log\n!keep.log\n!target/\n")
    for path in ("data/a", "src/data/b", "x.log", "keep.log", "target/made"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("x")
    copy, _ = copied(folder)
    files = {path for path in contents(copy) if (copy / path).is_file()}
    assert files == {".prequelignore", "src/data/b", "keep.log", "target/made"}


def test_an_ignore_file_that_is_a_link_too_long_or_endless_work_has_no_effect_and_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.py").write_text("x")
    ignore = folder / ".prequelignore"
    ignore.symlink_to("/proc/self/environ")
    assert "no effect" in look(folder).left_out.named[0]
    ignore.unlink()
    ignore.write_text("x\n" * 100_000)
    assert "no effect" in look(folder).left_out.named[0]
    monkeypatch.setattr("image.saver.tree._LONGEST_SECONDS", 0.3)
    ignore.write_text("*a" * 40 + "b\n")
    (folder / ("a" * 250)).touch()
    began = time.monotonic()
    tree = look(folder)
    assert time.monotonic() - began < 3
    assert "takes too long" in tree.left_out.named[0]
    assert len(tree.files) == 3


def test_a_file_that_changes_while_it_is_read_never_breaks_the_archive(folder: Path) -> None:
    (folder / "small").write_bytes(b"0" * 1000)
    (folder / "large").write_bytes(b"0" * 2_000_000)
    (folder / "still").write_text("still")
    stop = Event()

    def scribble() -> None:
        chance = random.Random(2)
        while not stop.is_set():
            (folder / "small").write_bytes(b"1" * chance.randrange(2000))
            with (folder / "large").open("r+b") as file:
                file.truncate(chance.randrange(3_000_000))

    writer = Thread(target=scribble)
    writer.start()
    try:
        for number in range(20):
            archive = io.BytesIO()
            pack(folder, look(folder), archive)
            archive.seek(0)
            copy = folder.with_name(f"copy{number}")
            copy.mkdir()
            unpack(archive, copy)
            assert (copy / "still").read_text() == "still"
    finally:
        stop.set()
        writer.join()


def test_any_change_differs_and_no_change_does_not(folder: Path) -> None:
    file = folder / "a"
    file.write_text("one")
    seen = [look(folder).signature]
    assert look(folder).signature == seen[0]
    changes = (
        lambda: file.write_text("two"),
        lambda: file.chmod(0o600),
        lambda: file.rename(folder / "b"),
        lambda: (folder / "c").symlink_to("b"),
        (folder / "d").mkdir,
        (folder / "b").unlink,
    )
    for change in changes:
        change()
        seen.append(look(folder).signature)
    assert len(set(seen)) == len(seen)


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, size
    return info


@pytest.mark.parametrize(
    "members",
    [
        [member("../out")],
        [member("/etc/out")],
        [member("a/../../out")],
        [member("missing/file")],
        [member("link", tarfile.SYMTYPE, "/tmp"), member("link/out")],  # noqa: S108
        [member("a"), member("a", tarfile.DIRTYPE), member("a/b")],
        [member("hard", tarfile.LNKTYPE, "/etc/passwd")],
        [member("device", tarfile.CHRTYPE)],
        [member("d", tarfile.DIRTYPE), member("d", tarfile.SYMTYPE, "/")],
        [member("bomb", size=50_000_001)],
    ],
)
def test_an_archive_that_leads_out_or_is_too_much_is_refused(folder: Path, members: list[tarfile.TarInfo]) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for info in members:
            tar.addfile(info, io.BytesIO(bytes(info.size)))
    file.seek(0)
    with pytest.raises((ArchiveError, OSError)):
        unpack(file, folder)
    assert not (folder.parent / "out").exists()
