"""The rules that keep the tree as it is explained."""

import ast
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BINDINGS = "cdktf_cdktf_provider_aws"
IMPORT_OF_CDKTF = re.compile(r"^\s*(from|import) (cdktf|constructs|stacks\.(shared|interview|base))\b", re.MULTILINE)
LAYERS = ("image", "contract", "constructs", "stacks", "scripts", "main")
"""From the lowest up: a module imports from its own layer and from lower ones."""


@cache
def sources() -> dict[str, ast.Module]:
    """The syntax tree of each module of the source, by name."""
    paths = [ROOT / "main.py", *(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))]
    names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths}
    return {name.removesuffix(".__init__"): ast.parse(path.read_text()) for path, name in names.items()}


def imports(module: str) -> Iterator[str]:
    """Which of our modules ``module`` imports, however late, also for the type checker alone."""
    for node in ast.walk(sources()[module]):
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            members = [f"{node.module}.{alias.name}" for alias in node.names]
            named = [member if member in sources() else node.module for member in members]
        else:
            continue
        yield from (name for name in named if name in sources())


def layer(module: str) -> int:
    return LAYERS.index(module.partition(".")[0])


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", LAYERS)
def test_dependencies_point_down(name: str) -> None:
    upwards = {
        (module, imported)
        for module in sources()
        if module.partition(".")[0] == name
        for imported in imports(module)
        if layer(imported) > layer(module)
    }
    assert not upwards


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {module: set(imports(module)) - {module} for module in sources()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")


def test_nothing_of_production_imports_the_developers_tools() -> None:
    importers = {
        module
        for module in sources()
        if not module.startswith("scripts.dev")
        and any(imported.startswith("scripts.dev") for imported in imports(module))
    }
    assert not importers


def test_the_container_engine_is_used_by_others_and_uses_none_of_them() -> None:
    imported = {name for module in sources() if module.startswith("scripts.engine") for name in imports(module)}
    known = ("scripts.engine", "scripts.errors", "scripts.console", "scripts.project", "contract")
    assert {name for name in imported if not name.startswith(known)} == set()


def test_no_function_is_longer_than_80_lines() -> None:
    assert [
        f"{module}.{node.name}"
        for module, tree in sources().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno >= 80
    ] == []


def test_no_file_is_longer_than_300_lines() -> None:
    paths = [ROOT / "main.py", *(path for name in LAYERS for path in (ROOT / name).rglob("*.py"))]
    assert [path.relative_to(ROOT).as_posix() for path in paths if len(path.read_text().splitlines()) > 300] == []


def test_a_class_name_means_one_thing() -> None:
    modules = defaultdict(list)
    for module, tree in sources().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                modules[node.name].append(module)
    assert {name: defined for name, defined in modules.items() if len(defined) > 1} == {}


def test_constructs_is_a_namespace_that_pypi_constructs_extends() -> None:
    assert not (ROOT / "constructs" / "__init__.py").exists(), "it would hide PyPI's constructs; docs/decisions/0001"
    imports = "from constructs import Construct; from constructs.network import Network"
    assert run_python(f"{imports}; print(issubclass(Network, Construct))").strip() == "True"


def test_fewer_than_200_binding_modules_load() -> None:
    loaded = run_python(
        "import sys, stacks.shared, stacks.interview\n"
        f"print(sum(name.startswith('{BINDINGS}.') for name in sys.modules))"
    )
    assert 50 < int(loaded) < 200


def test_only_one_module_imports_the_bindings() -> None:
    paths = [ROOT / "main.py", *(path for top in (*LAYERS, "tests") for path in (ROOT / top).rglob("*.py"))]
    importers = {
        path.relative_to(ROOT).as_posix()
        for path in paths
        if re.search(rf"^\s*(from|import) {BINDINGS}\b", path.read_text(), re.MULTILINE)
    }
    assert importers == {"constructs/aws.py"}


def test_only_the_renderer_among_the_scripts_imports_cdktf() -> None:
    importers = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "scripts").rglob("*.py")
        if IMPORT_OF_CDKTF.search(path.read_text())
    }
    assert importers <= {"scripts/dev/render.py"}


def test_constructs_read_neither_settings_nor_environment() -> None:
    for path in (ROOT / "constructs").glob("*.py"):
        assert not re.search(r"stacks\.settings|os\.environ|getenv", path.read_text()), path.name


@pytest.mark.parametrize("module", ["contract.names", "contract.limits", "stacks.configuration"])
def test_settings_load_without_cdktf_and_jsii(module: str) -> None:
    loaded = run_python(f"import sys, {module}; print('cdktf' in sys.modules, 'jsii' in sys.modules)")
    assert loaded.split() == ["False", "False"]


@pytest.mark.parametrize(
    "module",
    [
        "contract.names",
        "contract.limits",
        "contract.prices",
        "stacks.configuration",
        "stacks.shared",
        "stacks.interview",
    ],
)
def test_importing_changes_no_environment_variable(module: str) -> None:
    changed = run_python(f"import os; before = dict(os.environ); import {module}; print(before != dict(os.environ))")
    assert changed.strip() == "False"


def test_all_output_for_people_passes_the_console() -> None:
    # What a Lambda function writes is its log; what the embedded AWS's server writes, its launcher reads.
    paths = [ROOT / "main.py", *(ROOT / "stacks").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")]
    writers = {
        path.relative_to(ROOT).as_posix()
        for path in paths
        if re.search(r"sys\.std(out|err)\.write|\bprint\(|\\033\[|typer\.echo", path.read_text())
        and not {"lambdas", "embedded"} & set(path.parts)
    }
    assert writers <= {"scripts/console.py", "scripts/dev/session.py"}  # the latter prints into a picture


def test_main_is_under_40_lines() -> None:
    assert len((ROOT / "main.py").read_text().splitlines()) < 40


@pytest.mark.slow
def test_loading_the_bindings_lazily_in_node_changes_nothing_in_the_synthesized_stacks(tmp_path: Path) -> None:
    (tmp_path / "terraform.tfvars").write_text(
        'aws_region = "us-east-1"\nenvironment = "test"\ndomain_name = "example.com"\n'
    )
    lazy, eager = tmp_path / "lazy", tmp_path / "eager"
    # Node.js starts with the first jsii module, and only stacks.node has it load the bindings lazily.
    for output, first in ((lazy, "main"), (eager, "constructs, main")):
        subprocess.run(
            [sys.executable, "-c", f"import {first}; raise SystemExit(main.main())"],
            cwd=ROOT,
            env=os.environ | {"PREQUEL_CONFIG_DIR": str(tmp_path), "CDKTF_OUTDIR": str(output), "NODE_OPTIONS": ""},
            check=True,
            capture_output=True,
        )
    written = [path.relative_to(lazy) for path in lazy.rglob("cdk.tf.json")]
    assert len(written) == 2
    for path in written:
        assert (lazy / path).read_bytes() == (eager / path).read_bytes()
