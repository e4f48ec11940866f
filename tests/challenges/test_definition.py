"""challenge.toml is read strictly: every problem at once, with its key, the value and what is expected."""

import pytest

from scripts.challenges.definition import Definition, Size, parse
from scripts.challenges.source import read_challenges
from scripts.errors import ChallengeError
from tests.challenges.conftest import Tree

COMPLETE = """\
title = "Sums of money"
instructions = "docs/task.md"
test = "go test ./..."
tools = ["go", "g++", "node"]
extensions = ["golang.go"]
image = "1.2.3-go"
setup = "go vet ./..."

[size]
cpu = 2048
memory = 8192
storage = 30
"""


def read(text: str | bytes) -> tuple[Definition, list[str]]:
    problems: list[str] = []
    definition = parse(text if isinstance(text, bytes) else text.encode(), "challenge.toml", problems)
    return definition, problems


def test_every_key_is_read_and_all_are_optional() -> None:
    assert read("") == (Definition(), [])
    definition, problems = read(COMPLETE)
    assert problems == []
    assert definition == Definition(
        title="Sums of money",
        instructions="docs/task.md",
        test="go test ./...",
        tools=["go", "g++", "node"],
        extensions=["golang.go"],
        image="1.2.3-go",
        setup="go vet ./...",
        size=Size(cpu=2048, memory=8192, storage=30),
    )
    assert str(definition.size) == "2 vCPU, 8 GB, 30 GB of storage"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x", "challenge.toml is not TOML: "),
        (b"\xff", "challenge.toml is not TOML: "),
        ("title = 5", "challenge.toml: title is 5, expected one line"),
        ('title = "a\\nb"', 'challenge.toml: title is "a\\nb", expected one line'),
        ('tset = "x"', "challenge.toml: tset is not a key, did you mean test?"),
        (
            "colour = 1",
            "challenge.toml: colour is not a key, expected one of title, instructions, test, tools, extensions",
        ),
        ('tools = "go"', 'challenge.toml: tools is "go", expected programs on PATH, such as ["go", "make"]'),
        ('tools = ["go test"]', 'expected names of programs, such as go, and not "go test"'),
        ('tools = ["/usr/bin/go"]', 'expected names of programs, such as go, and not "/usr/bin/go"'),
        ('extensions = ["go"]', 'expected ids such as golang.go, and not "go"'),
        ('image = "repo:go"', 'image is "repo:go", expected a tag of the stack\'s own repository, such as go'),
        ("size = 5", "size is 5, expected a table such as { cpu = 2048, memory = 8192, storage = 30 }"),
        ("size = { cpus = 2 }", "challenge.toml: size.cpus is not a key, did you mean size.cpu?"),
        ("size = { cpu = 2 }", "size.cpu is 2, expected one of 256, 512, 1024, 2048, 4096, 8192, 16384 CPU units"),
        (
            "size = { cpu = 256 }",
            "size.memory is 0, expected one of 512, 1024, 2048 MiB, as Fargate offers with cpu = 256",
        ),
        ("size = { cpu = 256, memory = 4096 }", "size.memory is 4096, expected one of 512, 1024, 2048 MiB"),
        ("size = { memory = 2048 }", "size.memory is 2048, expected size.cpu beside it"),
        ("size = { storage = 20 }", "size.storage is 20, expected a whole number of GiB from 21 to 200"),
        ('size = { cpu = "2" }', 'size.cpu is "2", expected one of 256'),
    ],
)
def test_a_wrong_value_is_refused_with_its_key_and_what_is_expected(text: str | bytes, problem: str) -> None:
    definition, problems = read(text)
    assert len(problems) == 1
    assert problem in problems[0]
    assert "\n" not in problems[0]
    assert definition == Definition()


def test_all_problems_are_reported_at_once() -> None:
    _, problems = read('titel = "x"\ntools = 5\n[size]\ncpu = 3\nmemroy = 1\n')
    assert [problem.split()[1] for problem in problems] == ["titel", "size.memroy", "tools", "size.cpu"]


def test_the_definitions_title_and_instructions_replace_the_readme(tree: Tree) -> None:
    directory = tree({"python/a/TASK.md": "# From the task\n", "python/a/challenge.toml": 'instructions = "TASK.md"\n'})
    assert [challenge.title for challenge in read_challenges(directory)] == ["From the task"]
    tree({"python/a/challenge.toml": 'instructions = "TASK.md"\ntitle = "From the definition"\n'})
    assert [challenge.title for challenge in read_challenges(directory)] == ["From the definition"]


@pytest.mark.parametrize("instructions", ["MISSING.md", "deep", "../a/README.md", "/etc/passwd", "."])
def test_instructions_that_are_no_file_of_the_challenge_are_refused(tree: Tree, instructions: str) -> None:
    files = {"README.md": "", "deep/x": "", "challenge.toml": f'instructions = "{instructions}"\n'}
    directory = tree({f"python/a/{path}": content for path, content in files.items()})
    expected = (
        f'{directory}/python/a/challenge.toml: instructions is "{instructions}", expected a file of the challenge'
    )
    with pytest.raises(ChallengeError) as raised:
        read_challenges(directory)
    assert str(raised.value) == expected


def test_a_link_may_stand_for_the_instructions_and_the_definition(tree: Tree) -> None:
    directory = tree({"python/a/docs/task.md": "# Linked\n", "python/a/docs/definition": 'test = "make"\n'})
    (directory / "python/a/README.md").symlink_to("docs/task.md")
    (directory / "python/a/challenge.toml").symlink_to("docs/definition")
    (challenge,) = read_challenges(directory)
    assert (challenge.title, challenge.definition.test) == ("Linked", "make")
