"""The whole shared stack of an earlier release is upgraded to this one while an interview runs on it."""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scripts.embedded.launcher import EmbeddedAws
from scripts.embedded.local_stack import DOMAIN, EMBEDDED_SETTINGS
from scripts.interviews.create import create
from scripts.interviews.destroy import destroy
from scripts.interviews.doctor import diagnose
from scripts.interviews.drift import drift
from scripts.interviews.extend import extend
from scripts.interviews.recover import recover
from scripts.project import PROJECT
from scripts.shared_stack.values import SharedValues, TemplateVariables
from scripts.terraform.process import Terraform
from tests.e2e.conftest import Deployed
from tests.interviews.conftest import Place, filled, publish
from tests.test_upgrade import SNAPSHOTS

pytestmark = pytest.mark.e2e

EARLIER = SNAPSHOTS / "0.2.0"
"""Beside the template set, the shared stack as it was synthesized for ``EMBEDDED_SETTINGS``, and the state that
Terraform wrote when it was deployed on the embedded AWS."""


def write_earlier(directory: Path) -> None:
    """Writes the shared stack as 0.2.0 synthesized it for ``EMBEDDED_SETTINGS``; its functions have no code."""
    text = gzip.decompress((EARLIER / "shared.tf.json.gz").read_bytes()).decode()
    for name in set(re.findall(r"assets/[\w/]+\.zip", text)):
        archive = directory / name
        archive.parent.mkdir(parents=True)
        with zipfile.ZipFile(archive, "w") as bundle:
            bundle.writestr("empty.py", "")
    write_configuration(directory, json.loads(text))


def write_current(directory: Path) -> None:
    """Writes the shared stack of this tree in the place of the earlier one."""
    configuration, out = directory / "configuration", directory / "cdktf.out"
    configuration.mkdir()
    (configuration / "terraform.tfvars").write_text(EMBEDDED_SETTINGS)
    environment = os.environ | {"PREQUEL_CONFIG_DIR": str(configuration), "CDKTF_OUTDIR": str(out)}
    subprocess.run([sys.executable, "main.py"], cwd=PROJECT, env=environment, check=True, capture_output=True)
    shared = out / "stacks" / "shared"
    shutil.copytree(shared / "assets", directory / "assets", dirs_exist_ok=True)
    write_configuration(directory, json.loads((shared / "cdk.tf.json").read_text()))


def write_configuration(directory: Path, document: dict[str, Any]) -> None:
    """Writes a stack, whose state is then kept in ``directory``."""
    del document["terraform"]["backend"]
    (directory / "cdk.tf.json").write_text(json.dumps(document))


def released(place: Place, templates: Path) -> str:
    """Publishes a template set with what of the stack's outputs it takes."""
    variables = TemplateVariables((templates / "variables.tf").read_text())
    return publish(SharedValues.of(place.values, variables).template, place.aws, 10, templates=templates)


def replaced(stack: Terraform, *arguments: str) -> dict[str, list[str]]:
    """What a plan would destroy or replace, by address."""
    changes = {change["address"]: change["change"]["actions"] for change in stack.changes(*arguments)}
    assert changes
    return {address: actions for address, actions in changes.items() if "delete" in actions}


def test_an_upgrade_replaces_nothing_of_the_last_releases_shared_stack(deployed: Deployed, tmp_path: Path) -> None:
    state = gzip.decompress((EARLIER / "shared.state.json.gz").read_bytes()).decode()
    (then,) = re.findall(r'"type": "aws_route53_zone".*?"zone_id": "(\w+)"', state, re.DOTALL)
    zone = deployed.embedded.aws.route53.list_hosted_zones_by_name(DNSName=DOMAIN)["HostedZones"][0]
    (tmp_path / "terraform.tfstate").write_text(state.replace(then, zone["Id"].rpartition("/")[2]))
    write_current(tmp_path)
    stack = Terraform(tmp_path, deployed.environment)
    stack.init()
    assert replaced(stack, "-refresh=false") == {}


@pytest.mark.soak(amount="once")
def test_the_shared_stack_of_the_last_release_is_upgraded_while_an_interview_goes_on(tmp_path: Path) -> None:
    with EmbeddedAws.start(log=tmp_path / "requests.log") as embedded:
        embedded.aws.route53.create_hosted_zone(Name=DOMAIN, CallerReference=DOMAIN)
        (tmp_path / "stack").mkdir()
        stack = Terraform(tmp_path / "stack", embedded.environment)
        write_earlier(stack.directory)
        stack.init()
        place = Place(embedded, stack.apply(), tmp_path)
        filled(place, 10)
        earlier = released(place, EARLIER)
        request = place.request()
        created = create(place.context(), request)
        assert created is not None
        assert created.intent.release_digest == earlier
        before = place.live(request.id)

        write_current(stack.directory)
        stack.init("-upgrade")
        assert replaced(stack) == {}
        image = {"code_server_image": place.values["code_server_image"]}  # nobody has built one since
        place.values = stack.apply() | image
        assert stack.changes() == []
        assert released(place, PROJECT / "instance_templates") != earlier

        context = place.context()
        assert place.live(request.id) == before
        assert drift(context, request.id) == []
        assert recover(context, request.id).did == "nothing: it is as it should be"
        extended = extend(context, request.id, timedelta(minutes=30))
        assert (extended.deadline, extended.release_digest) == (
            created.intent.deadline + timedelta(minutes=30),
            earlier,
        )
        assert diagnose(context) == []
        assert destroy(context, request.id).existed
        assert place.live(request.id) == {}
        stack.destroy()
        assert json.loads((stack.directory / "terraform.tfstate").read_text())["resources"] == []
        assert embedded.aws.elbv2.describe_load_balancers()["LoadBalancers"] == []
        assert embedded.aws.s3.list_buckets()["Buckets"] == []
