"""Only what a candidate may get is read from a directory, and every problem is reported at once."""

import os
from pathlib import Path

import pytest

from scripts.challenges import source
from scripts.challenges.source import FILE_LIMIT, MIB, read_challenges
from scripts.errors import ChallengeError
from tests.challenges.conftest import Tree

README = {"python/sums/README.md": "# Sums of money\n"}
TOKEN = "gh" + "p_" + "a1B2" * 9  # in two parts, so that no scanner takes this file for a leak


def problems(directory: Path) -> list[str]:
    with pytest.raises(ChallengeError) as raised:
        read_challenges(directory)
    return str(raised.value).splitlines()


def test_caches_and_dot_files_are_left_out(tree: Tree) -> None:
    directory = tree(
        README
        | {
            "python/sums/sums.py": "",
            "python/sums/deep/er/data.csv": "",
            "python/sums/.env": f"TOKEN={TOKEN}",
            "python/sums/.git/config": "",
            "python/sums/__pycache__/sums.pyc": "",
            "python/sums/old.pyc": "",
            "python/sums/deep/node_modules/left-pad/index.js": "",
            ".cache/x/README.md": "",
        }
    )
    (challenge,) = read_challenges(directory)
    assert sorted(challenge.files) == ["README.md", "deep/er/data.csv", "sums.py"]


def test_the_title_is_the_readmes_first_heading(tree: Tree) -> None:
    directory = tree({"python/sums/README.md": "\n# Sums of money\n# Not this\n", "sql/none/README.md": "text only\n"})
    assert [challenge.title for challenge in read_challenges(directory)] == ["Sums of money", "sql/none"]


def test_the_digest_is_of_the_paths_and_the_contents(tree: Tree) -> None:
    directory = tree(README | {"python/sums/a": "x"})
    digests = {read_challenges(directory)[0].digest}
    (directory / "python/sums/a").write_text("y")
    digests.add(read_challenges(directory)[0].digest)
    (directory / "python/sums/a").rename(directory / "python/sums/b")
    digests.add(read_challenges(directory)[0].digest)
    assert len(digests) == 3


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


def test_a_link_within_the_challenge_is_read_and_one_that_leaves_it_is_refused(tree: Tree) -> None:
    directory = tree(README | {"python/sums/a.txt": "within", "python/other/README.md": "outside"})
    (directory / "python/sums/b.txt").symlink_to("a.txt")
    assert read_challenges(directory)[1].files["b.txt"].read() == b"within"
    (directory / "python/sums/c.txt").symlink_to("../other/README.md")
    assert problems(directory) == [
        f"{directory}/python/sums/c.txt is a link to {directory}/python/other/README.md, "
        "which is outside the challenge; copy the file instead"
    ]


@pytest.mark.parametrize("target", ["deep", ".", "nowhere"])
def test_a_link_to_a_directory_or_to_nothing_is_refused(tree: Tree, target: str) -> None:
    directory = tree(README | {"python/sums/deep/a.txt": ""})
    (directory / "python/sums/link").symlink_to(target)
    assert problems(directory) == [
        f"{directory}/python/sums/link is not a file, expected files and directories only, "
        "and no links to directories; remove it"
    ]


def test_a_directory_linked_from_outside_is_refused(tree: Tree, tmp_path: Path) -> None:
    directory = tree(README)
    (tmp_path / "elsewhere").mkdir()
    (directory / "python/sums/link").symlink_to(tmp_path / "elsewhere")
    assert "which is outside the challenge" in problems(directory)[0]


def test_a_pipe_is_refused_and_not_waited_for(tree: Tree) -> None:
    directory = tree(README)
    os.mkfifo(directory / "python/sums/pipe")
    assert "pipe is not a file" in problems(directory)[0]


@pytest.mark.parametrize("name", [b"two\nlines", b"\xff\xfe", b"bell\x07"])
def test_a_file_name_that_is_no_key_is_refused(tree: Tree, name: bytes) -> None:
    directory = tree(README)
    (directory / "python/sums" / os.fsdecode(name)).write_text("")
    (problem,) = problems(directory)
    assert "has a name that cannot be an S3 key" in problem
    assert problem.isprintable()


def test_a_secret_is_refused_by_its_kind_and_line_and_never_repeated(tree: Tree) -> None:
    (problem,) = problems(tree(README | {"python/sums/config.py": f'URL = "x"\nTOKEN = "{TOKEN}"\n'}))
    assert f"{tree({})}/python/sums/config.py:2 seems to hold a secret (GitHub token)" in problem
    assert TOKEN not in problem


def test_all_problems_of_all_challenges_are_reported_at_once(tree: Tree) -> None:
    directory = tree(
        README | {"python/sums/.x": "", "sql/a b/README.md": "", "sql/c/query.sql": "", "sql/d/README.md": TOKEN}
    )
    assert len(problems(directory)) == 3


def test_a_directory_without_any_challenge_is_refused(tree: Tree, tmp_path: Path) -> None:
    assert problems(tree({"README.md": "", "python/README.md": ""})) == [
        f"there is no challenge in {tree({})}, expected {tree({})}/{{kind}}/{{name}}/README.md"
    ]
    assert problems(tmp_path / "nowhere") == [
        f"{tmp_path}/nowhere is not a directory, expected one that holds {{kind}}/{{name}}/README.md"
    ]
