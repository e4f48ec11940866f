"""The log group of Container Insights, which ECS creates again after a destroy."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from constructs.cluster import insights_log_group_name
from scripts.embedded.launcher import EmbeddedAws
from scripts.terraform.providers import terraform_environment
from tests.conftest import SynthesizedStack

pytestmark = pytest.mark.e2e

ADDRESS = "cluster_insights"


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    with EmbeddedAws.start(log=tmp_path_factory.mktemp("aws") / "requests.log") as running:
        yield running


def test_a_deployment_adopts_the_log_group_that_came_back_after_a_destroy(
    embedded: EmbeddedAws, default_stack: SynthesizedStack, tmp_path: Path
) -> None:
    document = default_stack.document
    group = {**document["resource"]["aws_cloudwatch_log_group"][ADDRESS], "kms_key_id": None}
    part = {
        "terraform": {"required_providers": document["terraform"]["required_providers"]},
        "provider": {"aws": [{"region": embedded.region}]},
        "data": {"aws_cloudwatch_log_groups": document["data"]["aws_cloudwatch_log_groups"]},
        "import": document["import"],
        "removed": document["removed"],
        "resource": {"aws_cloudwatch_log_group": {ADDRESS: group}},
    }
    (tmp_path / "main.tf.json").write_text(json.dumps(part))
    environment = terraform_environment(embedded.environment)
    environment.pop("TF_CLI_ARGS_init")

    def terraform(*arguments: str) -> str:
        done = subprocess.run(
            ["terraform", *arguments, "-no-color"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    logs, name = embedded.aws.client("logs"), insights_log_group_name("prequel")
    terraform("init")
    assert "1 added" in terraform("apply", "-auto-approve")
    assert "No changes." in terraform("plan")
    assert "1 destroyed" in terraform("destroy", "-auto-approve")
    if not logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]:
        logs.create_log_group(logGroupName=name)
    assert "1 imported, 0 added" in terraform("apply", "-auto-approve")
    (adopted,) = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    assert adopted["retentionInDays"] == group["retention_in_days"]
