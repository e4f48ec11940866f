"""What an earlier release made is still there after an upgrade, or was taken out on purpose.

``tests/snapshots/VERSION.json`` holds a release's settings files and, for each resource that they made, its address and
the names that it cannot change. After a release, `python -m tests.test_upgrade STATE` writes the snapshot of the
version in pyproject.toml, and copies its template set, its shared stack and STATE into ``tests/snapshots/VERSION``; the
older ones stay. STATE is what `prequel local up` wrote, ``.prequel/local/terraform.shared.tfstate``.
"""

import gzip
import json
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from scripts.embedded.local_stack import EMBEDDED_SETTINGS
from scripts.programs import PROGRAMS
from stacks.configuration import load_settings

SNAPSHOTS = Path(__file__).parent / "snapshots"
PROJECT = Path(__file__).parent.parent
RENEWAL = "written by `python -m tests.test_upgrade` at a release, and never changed afterwards"

_REQUIRED = 'aws_region = "eu-central-1"\nenvironment = "prod"\n'
_WITH_DOMAIN = _REQUIRED + 'domain_name = "interviews.example.com"\n'
SETTINGS_FILES = {
    "default": _WITH_DOMAIN,
    "record_each": _WITH_DOMAIN + "wildcard_domain = false\n",
    "development": _REQUIRED + 'domain_name = ""\n',
    "everything": _WITH_DOMAIN
    + 'portal_image = "ghcr.io/example/portal:1.0.0"\negress = "nat_per_az"\navailability_zones = 3\n'
    + 'alarm_email = "ops@example.com"\ndeletion_protection = false\n',
}
"""The ``terraform.tfvars`` of a new snapshot; a test reads those of an old one from its file."""


NAMES = (
    *("alarm_name", "availability_zone", "bucket", "cidr_block", "dashboard_name", "domain_name", "family"),
    *("function_name", "name", "statement_id", "target_id"),
)
"""Arguments whose change makes Terraform replace the resource, of every resource that has them."""

REPLACED_ON_PURPOSE = {
    # EC2 refuses the apostrophe of 0.1.0, so that no account holds the old group.
    "aws_security_group.security_code_server",
}


def synthesized(directory: Path, settings_file: str) -> dict[str, dict[str, Any]]:
    """Both stacks' Terraform JSON by stack, for a ``terraform.tfvars``."""
    from cdktf import App

    from stacks.interview import InterviewStack
    from stacks.shared import SharedStack

    directory.mkdir(parents=True)
    (directory / "terraform.tfvars").write_text(settings_file)
    app = App(outdir=str(directory / "cdktf.out"))
    stacks = [
        SharedStack(app, "shared", configuration=load_settings(directory, {}), programs=PROGRAMS),
        InterviewStack(app, "interview"),
    ]
    for stack in stacks:
        stack.prepare_stack()
    return {stack.node.id: stack.to_terraform() for stack in stacks}


def addresses(document: dict[str, Any]) -> list[str]:
    """The address of each resource of a stack."""
    return sorted(f"{kind}.{name}" for kind, named in document["resource"].items() for name in named)


def names(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By address, what cannot change without a replacement; references to other resources are left out."""
    return {
        f"{kind}.{name}": {
            argument: value
            for argument, value in sorted(resource.items())
            if (argument in NAMES or (kind, argument) == ("aws_security_group", "description"))
            and not str(value).startswith("${aws_")
        }
        for kind, named in sorted(document["resource"].items())
        for name, resource in sorted(named.items())
    }


def accounted_for(document: dict[str, Any]) -> set[str]:
    """The addresses that the stack contains, moves to an address that it contains, or removes."""
    held = set(addresses(document))
    moved = {block["from"] for block in document.get("moved", []) if block["to"] in held}
    return held | moved | {block["from"] for block in document.get("removed", [])}


def snapshot(directory: Path) -> dict[str, Any]:
    """A release's settings files and what each of them makes."""
    variants = {}
    for name, settings_file in SETTINGS_FILES.items():
        stacks = synthesized(directory / name, settings_file)
        made = {stack: names(document) for stack, document in stacks.items()}
        variants[name] = {"terraform.tfvars": settings_file.splitlines()} | made
    return {"about": RENEWAL, "variants": variants}


def cases() -> list[Any]:
    return [
        pytest.param(variant, id=f"{path.stem}-{name}")
        for path in sorted(SNAPSHOTS.glob("*.json"))
        for name, variant in json.loads(path.read_text())["variants"].items()
    ]


@pytest.mark.parametrize("variant", cases())
def test_no_resource_of_an_earlier_release_is_lost_without_a_word(variant: dict[str, Any], tmp_path: Path) -> None:
    stacks = synthesized(tmp_path / "configuration", "\n".join(variant["terraform.tfvars"]))
    for stack, document in stacks.items():
        assert len(variant[stack]) >= 5
        lost = set(variant[stack]) - accounted_for(document)
        assert not lost, f"an upgrade would destroy {sorted(lost)}; say so with a moved or removed block"


@pytest.mark.parametrize("variant", cases())
def test_no_resource_of_an_earlier_release_is_replaced_without_a_word(variant: dict[str, Any], tmp_path: Path) -> None:
    stacks = synthesized(tmp_path / "configuration", "\n".join(variant["terraform.tfvars"]))
    for stack, document in stacks.items():
        kept = names(document)
        assert len(kept) >= 5
        replaced = {
            address: (before, kept[address])
            for address, before in variant[stack].items()
            if address in kept and before != kept[address]
        }
        assert replaced.keys() <= REPLACED_ON_PURPOSE, replaced


def test_the_version_has_a_snapshot_for_the_next_one_to_be_compared_with() -> None:
    assert (SNAPSHOTS / f"{version()}.json").is_file(), "run `python -m tests.test_upgrade`, and commit what it writes"


def test_a_resource_that_is_lost_or_moved_to_nowhere_is_noticed() -> None:
    document = {
        "resource": {"aws_vpc": {"new": {}}},
        "moved": [{"from": "aws_vpc.old", "to": "aws_vpc.new"}, {"from": "aws_vpc.lost", "to": "aws_vpc.mistyped"}],
        "removed": [{"from": "aws_vpc.given_up"}],
    }
    before = {"aws_vpc.old", "aws_vpc.lost", "aws_vpc.given_up", "aws_vpc.gone"}
    assert before - accounted_for(document) == {"aws_vpc.lost", "aws_vpc.gone"}


def version() -> str:
    """The one in pyproject.toml."""
    return str(tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"])


def main() -> None:
    """Writes the snapshot of this version."""
    import tempfile

    state = Path(sys.argv[1]).read_bytes()
    with tempfile.TemporaryDirectory() as directory:
        text = json.dumps(snapshot(Path(directory)), indent=2)
        shared = synthesized(Path(directory, "shared"), EMBEDDED_SETTINGS)["shared"]
    (SNAPSHOTS / f"{version()}.json").write_text(f"{text}\n")
    kept = shutil.copytree(PROJECT / "instance_templates", SNAPSHOTS / version(), dirs_exist_ok=True)
    (kept / "shared.tf.json.gz").write_bytes(gzip.compress(json.dumps(shared).encode(), mtime=0))
    (kept / "shared.state.json.gz").write_bytes(gzip.compress(state, mtime=0))


if __name__ == "__main__":
    main()
