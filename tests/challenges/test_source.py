"""Only what a candidate may get is read from a directory, and every problem is reported at once."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from scripts.challenges import source
from scripts.challenges.archive import pack
from scripts.challenges.source import read_challenges
from scripts.challenges.tree import FILE_LIMIT, MIB, name_problem
from scripts.errors import ChallengeError
from tests.challenges.conftest import Tree

README = {"python/sums/README.md": "# Sums of money\n"}
TOKEN = "gh" + "p_" + "a1B2" * 9  # in two parts, so that no scanner takes this file for a leak


def problems(directory: Path) -> list[str]:
    with pytest.raises(ChallengeError) as raised:
        read_challenges(directory)
    return str(raised.value).splitlines()


def test_caches_are_left_out_by_name_and_dot_files_are_not(tree: Tree) -> None:
    directory = tree(
        README
        | {
            "python/sums/sums.py": "",
            "python/sums/deep/er/data.csv": "",
            "python/sums/.env": "MODE=test",
            "python/sums/.vscode/settings.json": "{}",
            "python/sums/.git/config": "",
            "python/sums/__pycache__/sums.pyc": "",
            "python/sums/only/__pycache__/sums.pyc": "",
            "python/sums/old.pyc": "",
            "python/sums/deep/node_modules/left-pad/index.js": "",
            "python/sums/deep/.DS_Store": "",
            ".cache/x/README.md": "",
        }
    )
    (challenge,) = read_challenges(directory)
    assert sorted(challenge.tree.files) == [
        ".env", ".vscode/settings.json", "README.md", "deep/er/data.csv", "sums.py",
    ]  # fmt: skip
    assert challenge.tree.directories == []
    assert sorted(challenge.tree.left_out) == [
        ".git", "__pycache__", "deep/.DS_Store", "deep/node_modules", "old.pyc", "only/__pycache__",
    ]  # fmt: skip


def test_the_title_is_the_readmes_first_heading(tree: Tree) -> None:
    directory = tree({"python/sums/README.md": "\n# Sums of money\n# Not this\n", "sql/none/README.md": "text only\n"})
    assert [challenge.title for challenge in read_challenges(directory)] == ["Sums of money", "sql/none"]


def test_the_digest_is_of_the_paths_the_modes_the_kinds_and_the_contents(tree: Tree) -> None:
    directory = tree(README | {"python/sums/a": "x"})
    digests = {read_challenges(directory)[0].digest}
    changes = [
        'printf y > a', 'mv a b', 'chmod +x b', 'mkdir empty', 'ln -s a link', 'ln -sf b link',
        'rm link; printf b > link', 'rmdir empty; touch empty',
    ]  # fmt: skip
    for number, change in enumerate(changes, start=2):
        subprocess.run(["sh", "-euc", change], cwd=directory / "python/sums", check=True)
        digests.add(read_challenges(directory)[0].digest)
        assert len(digests) == number, change


def test_permissions_of_others_and_times_change_nothing(tree: Tree) -> None:
    directory = tree(README | {"python/sums/a": "x"})
    before = read_challenges(directory)[0]
    packed = pack(before.tree)
    (directory / "python/sums/a").chmod(0o600)
    os.utime(directory / "python/sums/a", (1, 1))
    after = read_challenges(directory)[0]
    assert (after.digest, pack(after.tree)) == (before.digest, packed)


def test_what_git_leaves_behind_of_another_branch_is_no_challenge(tree: Tree) -> None:
    directory = tree(README | {"python/gone/__pycache__/gone.pyc": ""})
    assert [challenge.name for challenge in read_challenges(directory)] == ["python/sums"]


def test_a_directory_of_files_without_a_readme_is_refused(tree: Tree) -> None:
    assert problems(tree(README | {"sql/report/query.sql": ""})) == [
        f"{tree({})}/sql/report has no README.md, expected one with the task; write it, or move the directory away"
    ]


@pytest.mark.parametrize("kind", ["python", "versions"])
@pytest.mark.parametrize("name", ["two sum", "two.sum", "-sum", "ünder", "a" * 96])
def test_a_name_that_the_template_would_refuse_is_refused(tree: Tree, kind: str, name: str) -> None:
    (problem,) = problems(tree({f"{kind}/{name}/README.md": ""}))
    assert problem.startswith(f'"{kind}/{name}" cannot name a challenge, expected kind/name such as')


def test_the_kind_that_holds_the_versions_is_refused(tree: Tree) -> None:
    (problem,) = problems(tree({"versions/sums/README.md": ""}))
    assert problem.endswith('and a kind other than "versions"')


def test_a_file_over_the_limit_is_refused_and_one_at_the_limit_is_not(tree: Tree) -> None:
    directory = tree(README | {"python/sums/data.bin": b"0" * FILE_LIMIT})
    assert read_challenges(directory)[0].size > FILE_LIMIT
    with (directory / "python/sums/data.bin").open("ab") as file:
        file.truncate(FILE_LIMIT + MIB)
    assert problems(directory) == [
        f"{directory}/python/sums/data.bin has 6 MiB, expected at most 5 MiB; make it smaller"
    ]


def test_a_challenge_over_the_limit_is_refused(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    assert source.CHALLENGE_LIMIT == 50 * MIB
    monkeypatch.setattr(source, "CHALLENGE_LIMIT", MIB)
    directory = tree(README | {f"python/sums/{half}.bin": b"0" * (MIB // 2) for half in range(2)})
    assert problems(directory) == [f"{directory}/python/sums has 1.1 MiB, expected at most 1 MiB; make it smaller"]


def test_links_within_the_challenge_are_kept_and_those_to_files_are_plain_files_too(tree: Tree) -> None:
    directory = tree(README | {"python/sums/a.txt": "within", "python/sums/deep/c.txt": ""})
    home = directory / "python/sums"
    links = {"b.txt": "a.txt", "deep/up": "../b.txt", "all": ".", "later": "nowhere", "deep/d/e": "../..//./a.txt"}
    (home / "deep/d").mkdir()
    for path, target in links.items():
        (home / path).symlink_to(target)
    (challenge,) = read_challenges(directory)
    assert challenge.tree.links == links
    plain = challenge.tree.plain_files
    assert plain.keys() - challenge.tree.files.keys() == {"b.txt", "deep/up", "deep/d/e"}
    assert {plain[path].read() for path in ("b.txt", "deep/up", "deep/d/e")} == {b"within"}


@pytest.mark.parametrize(
    "target",
    ["../other/README.md", "../sums/a.txt", "/etc/passwd", "deep/../../x", "through/../../x", "link", "loop/a"],
)
def test_a_link_that_leaves_the_challenge_or_leads_nowhere_is_refused(tree: Tree, target: str) -> None:
    directory = tree(README | {"python/sums/a.txt": "", "python/sums/deep/er/b": "", "python/other/README.md": ""})
    home = directory / "python/sums"
    (home / "through").symlink_to("deep/er/..")
    (home / "loop").symlink_to("loop")
    (home / "link").symlink_to(target)
    found = [problem for problem in problems(directory) if problem.startswith(f"{home}/link ")]
    assert found == [
        f"{home}/link is a link to {target}, which is outside the challenge; "
        "copy the file instead, or link by a relative path"
    ]


def test_a_link_with_the_candidates_own_path_is_refused(tree: Tree) -> None:
    directory = tree(README | {"python/sums/a.txt": ""})
    (directory / "python/sums/link").symlink_to(directory / "python/sums/a.txt")
    assert "which is outside the challenge" in problems(directory)[0]


def test_what_is_no_file_is_refused_by_its_kind_and_not_waited_for(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tree(README)
    home = directory / "python/sums"
    os.mkfifo(home / "pipe")
    monkeypatch.chdir(home)  # a socket's path has at most 107 bytes (unix(7))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        assert sorted(problems(directory)) == [
            f"{home}/pipe is a pipe, expected files, directories and links; remove it",
            f"{home}/socket is a socket, expected files, directories and links; remove it",
        ]


LEGAL = [
    "no\u00a0break", "narrow\u202fspace", "zero\u200dwidth", "\U0001f600", "\u2028", "\u202e", "two\nlines", "bell\x07",
    "\x7f", " ", "'\"", "a%20b+c?d#e&f", "back\\slash", "-rf", "*", "u\u0308", "\u00fc", "\ufeff",
]  # fmt: skip
"""Names that Linux, tar and S3 take."""


@pytest.mark.parametrize("name", LEGAL)
def test_a_name_that_linux_tar_and_s3_take_is_taken(tree: Tree, name: str) -> None:
    directory = tree(README)
    (directory / "python/sums" / name).write_text("x")
    (challenge,) = read_challenges(directory)
    assert challenge.tree.files.keys() == {"README.md", name}


def test_a_file_name_that_no_key_can_have_is_refused_in_plain_words(tree: Tree) -> None:
    directory = tree(README)
    (directory / "python/sums" / os.fsdecode(b"caf\xe9\n")).write_text("")
    assert problems(directory) == [
        f"{directory}/python/sums/caf\\udce9\\x0a has a name that is not UTF-8, as the keys of S3 are; rename it"
    ]


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("a/" * 400 + "b", "has a path of 801 bytes, expected at most 800; shorten it"),
        ("\u00fc" * 128, "has a name of 256 bytes, expected at most 255, as Linux allows; shorten it"),
        ("challenge.tar.gz", "has the name of the archive that delivers a challenge; rename it"),
        ("deep/challenge.tar.gz", None),
        ("a/" * 399 + "bc", None),
    ],
)
def test_a_path_is_refused_for_a_true_reason(path: str, problem: str | None) -> None:
    assert name_problem(path) == problem


def test_many_small_files_count_with_what_they_take_in_the_archive(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "CHALLENGE_LIMIT", MIB)
    directory = tree(README | {f"python/sums/{number}": "" for number in range(2048)})
    assert problems(directory) == [f"{directory}/python/sums has 1.1 MiB, expected at most 1 MiB; make it smaller"]


def test_a_secret_is_refused_by_its_kind_and_line_and_never_repeated(tree: Tree) -> None:
    (problem,) = problems(tree(README | {"python/sums/config.py": f'URL = "x"\nTOKEN = "{TOKEN}"\n'}))
    assert f"{tree({})}/python/sums/config.py:2 seems to hold a secret (GitHub token)" in problem
    assert TOKEN not in problem


def test_all_problems_of_all_challenges_are_reported_at_once(tree: Tree) -> None:
    directory = tree(
        README | {"python/sums/x": "", "sql/a b/README.md": "", "sql/c/query.sql": "", "sql/d/README.md": TOKEN}
    )
    assert len(problems(directory)) == 3


def test_a_directory_without_any_challenge_is_refused(tree: Tree, tmp_path: Path) -> None:
    assert problems(tree({"README.md": "", "python/README.md": ""})) == [
        f"there is no challenge in {tree({})}, expected {tree({})}/{{kind}}/{{name}}/README.md"
    ]
    assert problems(tmp_path / "nowhere") == [
        f"{tmp_path}/nowhere is not a directory, expected one that holds {{kind}}/{{name}}/README.md"
    ]
