"""An interview gets what its challenge asks for: its present version, its size and its image."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from contract.prices import interview_per_hour
from scripts.challenges.catalog import ChallengeBucket
from scripts.challenges.definition import Definition, Size
from scripts.challenges.publish import publish
from scripts.challenges.source import Challenge, read_challenges
from scripts.cli.interview_views import sheet
from scripts.errors import ImageError, RefusedError
from scripts.interviews.create import create
from scripts.interviews.drift import drift
from scripts.interviews.inputs import pinned, with_image_tags
from scripts.interviews.listing import details
from scripts.interviews.records import Status
from scripts.interviews.recover import recover
from scripts.interviews.workspace import Workspace
from scripts.project import PROJECT
from tests.interviews.conftest import CHALLENGE, Place

LARGE = Size(cpu=4096, memory=8192, storage=50)


def sample() -> Challenge:
    return next(one for one in read_challenges(PROJECT / "challenge") if one.name == CHALLENGE)


def needing(place: Place, definition: Definition) -> ChallengeBucket:
    """Publishes the sample as a challenge with ``definition``."""
    bucket = ChallengeBucket(place.aws, place.values["instance_bucket_name"])
    publish(bucket, replace(sample(), definition=definition, tree=replace(sample().tree, directories=["new"])))
    return bucket


def workspace(place: Place, directory: Path, variables: str) -> Workspace:
    (directory / "variables.tf").write_text(variables)
    return Workspace(place.context(), directory, None)


@pytest.mark.e2e
def test_the_size_reaches_the_task_the_price_and_the_view_and_survives_a_recovery(place: Place) -> None:
    needing(place, Definition(size=LARGE))
    said = io.StringIO()
    request = place.request()
    created = create(place.context(out=said), request)
    price = interview_per_hour(cpu=4096, memory=8192, architecture="X86_64", storage=50, region="us-east-1")
    assert created.document()["hourly_price_usd"] == round(price, 4)
    assert f"costs about ${price * 1.5:.2f}" in said.getvalue()

    def task() -> tuple[str, str, int]:
        arn = place.live(request.id)["task definition"]
        found = place.aws.ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
        return found["cpu"], found["memory"], found["ephemeralStorage"]["sizeInGiB"]

    assert task() == ("4096", "8192", 50)
    shown = details(place.context(), request.id)
    assert shown["size"] == {"cpu": 4096, "memory": 8192, "storage": 50}
    assert "4 vCPU, 8 GB, 50 GB of storage" in sheet(shown, place.clock())(200)
    assert drift(place.context(), request.id) == []
    needing(place, Definition())  # what is published later is for later interviews
    place.aws.ecs.deregister_task_definition(taskDefinition=place.live(request.id)["task definition"])
    recover(place.context(), request.id)
    assert task() == ("4096", "8192", 50)


def test_an_interview_of_the_shared_stacks_size_is_written_down_as_before(place: Place) -> None:
    stored = place.stored("as-before", Status.CREATING)
    key = "workspaces/as-before/interview.json"
    body = place.aws.s3.get_object(Bucket=place.context().bucket, Key=key)["Body"].read()
    assert json.loads(body)["inputs"] == {"candidate_name": "Ada", "challenge": CHALLENGE, "image_tag": ""}
    assert place.context().intents.get("as-before").inputs == stored.inputs


def test_a_size_of_its_own_is_written_down_and_read_again(place: Place) -> None:
    intent = place.stored("sized", Status.CREATING)
    inputs = replace(intent.inputs, task_cpu=512, task_memory=1024)
    stored = place.context().intents.load("sized")
    assert stored
    place.context().intents.replace(stored, replace(intent, inputs=inputs))
    assert place.context().intents.get("sized").inputs == inputs


def test_a_release_of_an_earlier_prequel_gets_the_plain_copy(place: Place, tmp_path: Path) -> None:
    intent = place.stored("older", Status.CREATING)
    new = workspace(place, tmp_path, (PROJECT / "instance_templates" / "variables.tf").read_text())
    assert pinned(place.context(), intent, new).challenge.startswith(f"versions/{CHALLENGE}/")
    old = workspace(place, tmp_path, 'variable "image_tag" {}\n')
    assert pinned(place.context(), intent, old) == intent.inputs
    needing(place, Definition(size=LARGE))
    with pytest.raises(RefusedError, match=r"needs 4 vCPU, 8 GB, 50 GB of storage, which the release .* cannot"):
        pinned(place.context(), intent, old)


def test_the_challenges_image_is_the_default_and_the_requests_own_wins(place: Place) -> None:
    needing(place, Definition(image="go"))
    repository = f"{place.prefix}-code-server"
    place.aws.client("ecr").create_repository(repositoryName=repository)
    for tag in ("go", "own"):
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "layers": [],
                "config": {"digest": f"sha256:{tag}"},
            }
        )
        place.aws.client("ecr").put_image(repositoryName=repository, imageManifest=manifest, imageTag=tag)
    requests = [place.request(), place.request(image_tag="own"), place.request(challenge="python/nowhere")]
    found = with_image_tags(place.context(), requests, project_prefix=place.prefix, indexing=False)
    assert [request.image_tag for request in found] == ["go", "own", ""]


def test_an_image_that_is_not_there_is_named_with_the_challenge_that_needs_it(place: Place) -> None:
    needing(place, Definition(image="rust"))
    with pytest.raises(ImageError, match=rf"has no image rust; .*{CHALLENGE} needs it \(image in challenge\.toml\)"):
        with_image_tags(place.context(), [place.request()], project_prefix=place.prefix, indexing=False)
