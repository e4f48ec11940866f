"""Renders the interview stack as the template set in ``instance_templates/``; the only script that imports cdktf.

cdktf's own HCL output loses falsy values and breaks strings and conditions, so the values come from its JSON output,
which is right. An element's HCL form is asked only which of its arguments are blocks, because JSON does not say.
"""

import argparse
import difflib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import stacks.node  # noqa: F401  (first: it starts the Node.js process of all jsii modules)

# isort: split
from cdktf import App, TerraformElement, TerraformStack

from contract.names import TEMPLATE_FILES
from scripts.console import Console
from scripts.dev.blocks import BUILT_IN, SECTIONS, TERRAFORM, Block, RenderError, as_list
from scripts.errors import PrequelError
from scripts.project import PROJECT
from scripts.terraform.binary import terraform_binary
from stacks.interview import InterviewStack

TEMPLATE_DIRECTORY = PROJECT / "instance_templates"

HEADERS = {
    "main.tf": "State, provider and tags of one interview; the client replaces the backend's three placeholders.",
    "service.tf": "What one interview creates: its password, its route and its container.",
    "variables.tf": "What the client says about one interview, then what the shared stack gives it.",
    "outputs.tf": "What one interview tells its client.",
}
_ORIGIN = "Produced by `make synth` from stacks/interview.py; do not edit."


def render(stack: TerraformStack) -> dict[str, str]:
    """The files of ``stack`` by name, as `terraform fmt` leaves them; a construct's top scope decides its file."""
    stack.prepare_stack()
    document = stack.to_terraform()
    settings = document.pop("terraform")
    providers = settings.get("required_providers", {})
    for name in providers:
        providers[name] = dict(sorted(providers[name].items()))  # the source before the version
    files: dict[str, dict[str, Block]] = {name: {} for name in TEMPLATE_FILES}
    files["main.tf"]["terraform"] = Block("terraform", TERRAFORM, settings, {}, stack.node.path)
    for element in stack.node.find_all():
        if isinstance(element, TerraformElement):
            scope = element.node.path.removeprefix(f"{stack.node.path}/").split("/")[0]
            blocks = files.get(f"{scope}.tf", files["main.tf"])
            for block in _take(element, document):
                # All locals of a file share one block.
                key = "locals" if block.header == "locals" else block.path
                blocks.setdefault(key, block).values.update(block.values)
    lost = [section for section, content in document.items() if section != "//" and _holds_anything(content)]
    if lost:
        raise RenderError(f"{stack.node.path}: no way to write {', '.join(sorted(lost))}")
    return _formatted({name: "\n\n".join(block.text() for block in blocks.values()) for name, blocks in files.items()})


def _take(element: TerraformElement, document: dict[str, Any]) -> Iterator[Block]:
    """What ``element`` declares, taken out of ``document``, so that whatever stays there was forgotten."""
    for section, declared in element.to_hcl_terraform().items():
        if section not in SECTIONS or not declared:
            continue
        owner, grammar = document[section], SECTIONS[section]
        [(label, shape)] = declared.items()
        labels = [] if section == "locals" else [label]
        if section in ("resource", "data"):
            owner, grammar = owner[label], BUILT_IN if label == "terraform_data" else grammar
            [(label, shape)] = shape.items()
            labels.append(label)
        values = owner[label].pop(0) if section == "provider" else owner.pop(label)
        values = {label: values} if section == "locals" else {key: values[key] for key in values if key != "//"}
        header = " ".join([section, *(f'"{label}"' for label in labels)])
        yield Block(header, grammar, values, as_list(shape)[0], element.node.path)


def _holds_anything(node: Any) -> bool:
    return any(map(_holds_anything, node.values())) if isinstance(node, dict) else node != []


def _formatted(files: dict[str, str]) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as directory:
        paths = {name: Path(directory, name) for name in files}
        for name, path in paths.items():
            path.write_text(f"# {HEADERS[name]}\n# {_ORIGIN}\n\n{files[name]}\n", encoding="utf-8")
        command = [terraform_binary(), "fmt", "-no-color"]
        formatting = subprocess.run(command, cwd=directory, check=False, capture_output=True, text=True)
        if formatting.returncode:
            raise RenderError(f"terraform fmt refuses what was rendered: {formatting.stderr.strip()}")
        return {name: path.read_text(encoding="utf-8") for name, path in paths.items()}


def render_interview() -> dict[str, str]:
    """The template set as the interview stack defines it now."""
    return render(InterviewStack(App(), "interview"))


def difference(rendered: dict[str, str], directory: Path) -> str:
    """A unified diff from the files in ``directory`` to ``rendered``; empty if they are equal."""
    diff: list[str] = []
    for name, text in rendered.items():
        path = directory / name
        old = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        diff += difflib.unified_diff(old, text.splitlines(keepends=True), f"{directory.name}/{name}", f"stack/{name}")
    return "".join(diff)


def main(arguments: list[str] | None = None) -> int:
    """Write the template set that the interview stack defines."""
    parser = argparse.ArgumentParser(prog="python -m scripts.dev.render", description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; show how the files differ, exit 1 if so")
    is_check = parser.parse_args(arguments).check
    console = Console()
    try:
        rendered = render_interview()
    except PrequelError as error:
        console.error(str(error))
        return error.exit_code
    changed = [name for name, text in rendered.items() if difference({name: text}, TEMPLATE_DIRECTORY)]
    if is_check and changed:
        console.result(None, difference(rendered, TEMPLATE_DIRECTORY))
        console.error("the templates are not what stacks/interview.py defines: run `make synth`")
        return 1
    TEMPLATE_DIRECTORY.mkdir(exist_ok=True)
    for name in changed:
        (TEMPLATE_DIRECTORY / name).write_text(rendered[name], encoding="utf-8")
        console.result(None, f"wrote {TEMPLATE_DIRECTORY.name}/{name}")
    if not changed:
        console.result(None, f"{TEMPLATE_DIRECTORY.name} unchanged")
    return 0


if __name__ == "__main__":
    sys.exit(main())
