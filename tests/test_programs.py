"""The archives of what runs on AWS: what they hold, that it is enough to run, and when they change."""

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from constructs.bundle import PROJECT, archive, files, sources
from constructs.runner import REQUIREMENTS
from scripts.programs import PROGRAMS

HANDLERS = (PROGRAMS.reaper, PROGRAMS.image_starter, PROGRAMS.image_recorder)
MODULES = sorted({PROGRAMS.runner, *(handler.rpartition(".")[0] for handler in HANDLERS)})
COPIED = ("image", "constructs", "contract", "scripts", "stacks", REQUIREMENTS)


def hashes(project: Path) -> dict[str, str]:
    """The hash of each archive of the tree at ``project``."""
    code = (
        "import hashlib, json, sys; from constructs.bundle import archive\n"
        "print(json.dumps({name: hashlib.sha256(archive(name)).hexdigest() for name in sys.argv[1:]}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *MODULES],
        cwd=project,
        env={"PYTHONPATH": str(project), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the project's code."""
    for name in COPIED:
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(PROJECT / name, tmp_path / name)
    return tmp_path


def test_an_edited_docs_tool_changes_no_archive_and_an_edited_program_those_that_hold_it(tree: Path) -> None:
    before = hashes(tree)
    assert before == {module: hashlib.sha256(archive(module)).hexdigest() for module in MODULES}
    for path in (tree / "scripts" / "dev").rglob("*.py"):
        path.write_text(path.read_text() + "\n# edited\n")
    assert hashes(tree) == before
    for module in MODULES:
        name = module.replace(".", "/") + ".py"
        (tree / name).write_text((tree / name).read_text() + "\n# edited\n")
        after = hashes(tree)
        assert {other for other in MODULES if after[other] != before[other]} == {
            other for other in MODULES if name in sources(other)
        }
        before = after


@pytest.mark.parametrize("module", MODULES)
def test_no_archive_holds_developer_tools_the_embedded_aws_or_the_command_line(module: str) -> None:
    held = sources(module)
    assert not [path for path in held if path.startswith(("scripts/dev/", "scripts/embedded/", "scripts/cli/"))]
    assert not [path for path in held if path.startswith(("constructs/", "stacks/"))]


def test_an_archive_is_the_same_byte_for_byte_whenever_it_is_packed() -> None:
    content = archive(PROGRAMS.runner, [REQUIREMENTS])
    assert content == archive(PROGRAMS.runner, [REQUIREMENTS])
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        assert {entry.date_time for entry in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.external_attr >> 16 for entry in packed.infolist()} == {0o100644}
        assert set(packed.namelist()) == {*sources(PROGRAMS.runner), REQUIREMENTS}
        assert packed.read("scripts/runner.py") == (PROJECT / "scripts/runner.py").read_bytes()


def test_a_module_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match=r'no module "scripts\.nothing"'):
        sources("scripts.nothing")


def test_imports_count_wherever_they_stand_but_not_those_for_the_type_checker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "ours/__init__.py": "",
        "ours/entry.py": (
            "from typing import TYPE_CHECKING\nimport json\nfrom . import beside\n"
            "if TYPE_CHECKING:\n    import ours.typed\nelse:\n    import ours.untyped\n"
            "def late():\n    from ours.inner.deep import name\n"
        ),
        "ours/beside.py": "from .inner import *",
        "ours/typed.py": "",
        "ours/untyped.py": "",
        "ours/unused.py": "",
        "ours/inner/__init__.py": "import ours.entry",
        "ours/inner/deep.py": "name = 1",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr("constructs.bundle.PROJECT", tmp_path)
    assert sources("ours.entry") == set(files) - {"ours/typed.py", "ours/unused.py"}


def packages(module: str) -> set[str]:
    """The top-level names that ``module`` and everything of this project that it imports take from elsewhere."""
    names = {name.partition(".")[0] for name in set().union(*files(module).values())}
    return {name for name in names if not (PROJECT / name).is_dir()}


def required(*names: str) -> set[str]:
    """These packages and all that they need, as they are installed here."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name not in found:
            found.add(name)
            needed = map(Requirement, metadata.requires(name) or ())
            waiting += [r.name for r in needed if r.marker is None or r.marker.evaluate({"extra": ""})]
    return found


def locked() -> set[str]:
    """The packages of the runner."""
    return set(re.findall(r"^([a-z0-9-]+)==", (PROJECT / REQUIREMENTS).read_text(), re.MULTILINE))


def environment(directory: Path, packages: set[str]) -> Path:
    """The Python of a new virtual environment that holds ``packages`` and nothing else."""
    venv.create(directory, with_pip=False)
    (site,) = directory.glob("lib/*/site-packages")
    for name in packages:
        for file in metadata.files(name) or ():
            origin, target = Path(str(file.locate())), site / file
            if ".." not in file.parts and origin.is_file() and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(origin.resolve())
    return directory / "bin" / "python"


def start(python: Path, module: str, arguments: list[str], tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Runs Python where nothing but the archive of ``module`` is."""
    with zipfile.ZipFile(io.BytesIO(archive(module))) as packed:
        packed.extractall(tmp_path / "task")
    return subprocess.run(
        [python, "-B", *arguments],
        cwd=tmp_path / "task",
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_function_starts_with_its_archive_and_boto3_alone(handler: str, tmp_path: Path) -> None:
    python = environment(tmp_path / "venv", required("boto3"))
    module, _, function = handler.rpartition(".")
    code = f"import {module}\ntry:\n    {handler}({{}}, None)\nexcept KeyError as error:\n    print(error)"
    done = start(python, module, ["-c", code], tmp_path)
    # It got as far as its settings, which only Lambda gives it.
    assert (done.stdout, done.stderr) == ("'AWS_REGION'\n", ""), function


def test_the_runner_starts_with_its_archive_and_its_locked_packages_alone(tmp_path: Path) -> None:
    python = environment(tmp_path / "venv", locked())
    done = start(python, PROGRAMS.runner, ["-m", PROGRAMS.runner], tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        'error: PREQUEL_ACTION is "", expected create, destroy or recover',
        "error: PREQUEL_INTERVIEW_ID is missing",
        "error: PREQUEL_AWS_REGION is missing",
        "error: PREQUEL_PROJECT_PREFIX is missing",
    ]


def test_the_functions_import_nothing_but_boto3_and_the_standard_library() -> None:
    for module in MODULES:
        if module != PROGRAMS.runner:
            assert packages(module) - sys.stdlib_module_names == {"boto3", "botocore"}, module


def test_the_runners_locked_packages_are_those_that_its_archive_imports() -> None:
    distributions = metadata.packages_distributions()
    imported = packages(PROGRAMS.runner) - sys.stdlib_module_names
    assert required(*(name for top in imported for name in distributions[top])) == locked()
