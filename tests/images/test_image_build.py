"""`prequel image build` on the embedded AWS, with CodeBuild's answers given where moto has none."""

import hashlib
import io
import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from contract.names import image_builder, image_indexer
from scripts.aws.bucket import Bucket
from scripts.console import Console
from scripts.embedded.images import manifests, push
from scripts.errors import AwsError, BuildQuotaError, ImageError, InterruptedRunError
from scripts.images.build import ImageBuilder
from scripts.images.catalog import Catalog
from scripts.images.choice import lazy_tag, with_existing_image
from scripts.images.repository import EcrRepository
from scripts.images.source import ImageSource
from scripts.lambdas.image_index import Recorder, SkippedError
from tests.images.conftest import Ecr, event_of


def folder(place: Path, **variants: str) -> Path:
    """A folder of an image."""
    (place / "variants").mkdir(parents=True)
    (place / "Dockerfile").write_text("FROM scratch\n")
    (place / "start").write_text("#!/bin/sh\n")
    (place / "start").chmod(0o755)
    for name, text in variants.items():
        (place / "variants" / f"{name}.Dockerfile").write_text(text)
    return place


@pytest.fixture
def source(tmp_path: Path) -> ImageSource:
    return ImageSource.of(folder(tmp_path / "image", go="ARG EDITOR\nFROM ${EDITOR}\n"))


def test_a_source_is_the_same_archive_wherever_it_is_packed(tmp_path: Path, source: ImageSource) -> None:
    elsewhere = folder(tmp_path / "elsewhere", go="ARG EDITOR\nFROM ${EDITOR}\n")
    (elsewhere / "__pycache__").mkdir()
    (elsewhere / "__pycache__" / "cached.pyc").write_text("left out")
    assert ImageSource.of(elsewhere).archive == source.archive
    assert source.digest == hashlib.sha256(source.archive).hexdigest()
    assert source.key == f"image/source/{source.digest}.zip"
    (elsewhere / "start").write_text("#!/bin/bash\n")
    assert ImageSource.of(elsewhere).digest != source.digest


def test_a_source_keeps_names_content_and_who_may_execute(source: ImageSource) -> None:
    with zipfile.ZipFile(io.BytesIO(source.archive)) as archive:
        modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in archive.infolist()}
        assert archive.read("start") == b"#!/bin/sh\n"
    assert modes == {"Dockerfile": 0o644, "start": 0o755, "variants/go.Dockerfile": 0o644}


def test_a_folder_without_dockerfile_and_one_with_links_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="has no Dockerfile"):
        ImageSource.of(tmp_path)
    (folder(tmp_path / "image") / "link").symlink_to("/etc/passwd")
    with pytest.raises(ImageError, match="holds symbolic links, expected files: link"):
        ImageSource.of(tmp_path / "image")


class CodeBuild:
    """CodeBuild of one account: ``on_start`` does a build's work and gives its end, as CodeBuild describes it."""

    def __init__(self, on_start: Callable[[str, dict[str, str]], dict[str, Any]]) -> None:
        self.builds: list[dict[str, Any]] = []
        self.looks = 0
        self._on_start = on_start
        self._ends: dict[str, dict[str, Any]] = {}

    def start_build(
        self,
        *,
        projectName: str,  # noqa: N803  (boto3's names)
        idempotencyToken: str,  # noqa: N803
        environmentVariablesOverride: list[dict[str, str]],  # noqa: N803
    ) -> dict[str, Any]:
        assert idempotencyToken
        variables = {given["name"]: given["value"] for given in environmentVariablesOverride}
        end = self._on_start(projectName, variables)
        return {"build": self.running(projectName, variables, end)}

    def running(self, project: str, variables: dict[str, str], end: dict[str, Any]) -> dict[str, Any]:
        """A build that ends with ``end`` when it is looked at for the second time."""
        build = {
            "id": f"{project}:{len(self.builds)}",
            "projectName": project,
            "startTime": len(self.builds),
            "buildStatus": "IN_PROGRESS",
            "environment": {"environmentVariables": [{"name": n, "value": v} for n, v in variables.items()]},
            "phases": [{"phaseType": "SUBMITTED", "phaseStatus": "SUCCEEDED", "durationInSeconds": 0}],
        }
        self.builds.append(build)
        self._ends[str(build["id"])] = end
        return build

    def list_builds_for_project(self, *, projectName: str, sortOrder: str) -> dict[str, Any]:  # noqa: N803
        assert sortOrder == "DESCENDING"
        return {"ids": [build["id"] for build in reversed(self.builds) if build["projectName"] == projectName]}

    def batch_get_builds(self, *, ids: list[str]) -> dict[str, Any]:
        self.looks += 1
        found = [build for build in self.builds if build["id"] in ids]
        answer = [dict(build) for build in found]
        if self.looks > 1:
            for build in found:
                build.update(self._ends[build["id"]])
        return {"builds": answer}


def succeeded() -> dict[str, Any]:
    names = ("SUBMITTED", "QUEUED", "PROVISIONING", "PRE_BUILD", "BUILD")
    phases = [{"phaseType": name, "phaseStatus": "SUCCEEDED", "durationInSeconds": 7} for name in names]
    return {"buildStatus": "SUCCEEDED", "phases": [*phases, {"phaseType": "COMPLETED"}]}


class Stack:
    """A stack whose CodeBuild pushes and indexes, as the project and the functions on AWS do."""

    def __init__(
        self, ecr: Ecr, source: ImageSource, *, indexing: bool = True, end: dict[str, Any] | None = None
    ) -> None:
        self.ecr = ecr
        self.aws = ecr.embedded.aws
        self.out, self.err = io.StringIO(), io.StringIO()
        self.end = end or succeeded()
        self.aws.s3.create_bucket(Bucket=f"{ecr.prefix}-instance")
        self.codebuild = CodeBuild(self._work)
        self.aws.__dict__["codebuild"] = self.codebuild
        self.source = source
        self._indexing = indexing

    def _work(self, project: str, variables: dict[str, str]) -> dict[str, Any]:
        assert project == image_builder(self.ecr.prefix)
        if self.end["buildStatus"] == "SUCCEEDED":
            tag = variables["PREQUEL_IMAGE_TAG"]
            digest = self.ecr.push(self.ecr.image(), tag)
            if self._indexing:
                self.index(tag, digest)
        return self.end

    def index(self, tag: str, digest: str) -> None:
        """What the functions and their build do with a pushed image."""
        event = event_of(self.ecr.repository, f"{tag}-soci", self.ecr.push_index(digest, f"{tag}-soci"))
        parameter = f"/{self.ecr.prefix}/images/code-server"
        try:
            Recorder(self.aws, repository=self.ecr.repository, repository_url=self.ecr.url, parameter=parameter).run(
                event
            )
        except SkippedError as reason:
            self.skipped = str(reason)

    def builder(self, *, indexing: bool = True) -> ImageBuilder:
        console = Console(out=self.out, err=self.err)
        prefix = self.ecr.prefix
        return ImageBuilder(self.aws, self.source, console, project_prefix=prefix, indexing=indexing, pause=0.01)

    def build(
        self, *, variant: str = "", tag: str = "", rebuild: bool = False, indexing: bool = True
    ) -> dict[str, Any]:
        builder = self.builder(indexing=indexing)
        return builder.build(builder.wanted(variant=variant, tag=tag, rebuild=rebuild)).document()


def test_a_build_uploads_the_source_pushes_the_image_and_ends_when_it_is_current(ecr: Ecr, source: ImageSource) -> None:
    stack = Stack(ecr, source)
    made = stack.build()
    tag = source.digest[:12]
    assert (made["status"], made["tag"], made["indexed"], made["current"]) == ("built", tag, True, True)
    assert made["image"] == ecr.current
    stored = Bucket(ecr.embedded.aws, f"{ecr.prefix}-instance").read(source.key)
    assert stored is not None
    assert stored.body == source.archive
    said = stack.err.getvalue()
    assert f"Started the build {made['build']} of {tag}" in said
    assert [line.split(" ")[3] for line in said.splitlines() if "✓" in line][:2] == ["submitted", "queued"]
    assert "✓ provisioning 7.0 s" in said


def test_the_same_content_is_built_once_and_again_only_with_rebuild(ecr: Ecr, source: ImageSource) -> None:
    stack = Stack(ecr, source)
    first = stack.build()
    again = stack.build()
    assert again == first | {"status": "already built", "build": ""}
    assert len(stack.codebuild.builds) == 1
    assert stack.build(rebuild=True)["tag"] == f"{first['tag']}-2"
    assert stack.build(rebuild=True)["tag"] == f"{first['tag']}-3"


def test_a_tag_that_is_taken_or_cannot_be_indexed_is_refused(ecr: Ecr, source: ImageSource) -> None:
    stack = Stack(ecr, source)
    assert stack.build(tag="2026-11")["tag"] == "2026-11"
    with pytest.raises(ImageError, match="has an image 2026-11, and tags never move; give --tag"):
        stack.build(tag="2026-11")
    for tag in ("a-soci", "x" * 124, "no spaces", "-a"):
        with pytest.raises(ImageError, match="will not do"):
            stack.build(tag=tag)


def test_a_build_that_runs_already_is_followed_and_not_started_twice(ecr: Ecr, source: ImageSource) -> None:
    stack = Stack(ecr, source)
    tag = source.digest[:12]
    variables = {"PREQUEL_IMAGE_SOURCE": source.digest, "PREQUEL_IMAGE_TAG": tag}
    stack.codebuild.running(image_builder(ecr.prefix), variables, succeeded())
    builder = stack.builder()
    wanted = builder.wanted(variant="", tag="", rebuild=False)
    stack.index(tag, ecr.push(ecr.image(), tag))
    assert builder.build(wanted).document()["status"] == "built"
    assert len(stack.codebuild.builds) == 1
    assert "Following the build" in stack.err.getvalue()


FAILED = {
    "buildStatus": "FAILED",
    "logs": {"groupName": "/built/image", "streamName": "stream"},
    "phases": [
        {"phaseType": "PRE_BUILD", "phaseStatus": "SUCCEEDED", "durationInSeconds": 2},
        {
            "phaseType": "BUILD",
            "phaseStatus": "FAILED",
            "contexts": [{"statusCode": "COMMAND_EXECUTION_ERROR", "message": "docker build: exit status 1"}],
        },
    ],
}


def test_a_build_that_fails_names_its_phase_and_prints_the_end_of_its_log(ecr: Ecr, source: ImageSource) -> None:
    logs = ecr.embedded.aws.client("logs")
    group = f"/{ecr.prefix}/image"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="stream")
    events = [{"timestamp": int(time.time() * 1000) + n, "message": f"line {n}\n"} for n in range(40)]
    logs.put_log_events(logGroupName=group, logStreamName="stream", logEvents=events)
    stack = Stack(ecr, source, end=FAILED | {"logs": {"groupName": group, "streamName": "stream"}})
    with pytest.raises(ImageError) as raised:
        stack.build()
    assert "failed: BUILD: COMMAND_EXECUTION_ERROR: docker build: exit status 1; its whole log is in" in str(
        raised.value
    )
    assert "\n" not in str(raised.value)
    said = stack.err.getvalue()
    assert "  line 39\n" in said
    assert "  line 9\n" not in said
    assert not Catalog(ecr.embedded.aws, ecr.prefix).images()


def test_an_index_that_fails_is_an_error_with_its_phase(ecr: Ecr, source: ImageSource) -> None:
    stack = Stack(ecr, source, indexing=False)
    builder = stack.builder()
    wanted = builder.wanted(variant="", tag="", rebuild=False)

    def push(_: str, variables: dict[str, str]) -> dict[str, Any]:
        digest = ecr.push(ecr.image(), variables["PREQUEL_IMAGE_TAG"])
        stack.codebuild.running(image_indexer(ecr.prefix), {"PREQUEL_IMAGE_DIGEST": digest}, FAILED)
        return succeeded()

    stack.codebuild._on_start = push
    with pytest.raises(
        ImageError, match=r"is in the repository, but the build .* failed: BUILD: .* Image build failures"
    ):
        builder.build(wanted)


def test_without_indexing_a_build_ends_with_its_push_and_says_so(ecr: Ecr, source: ImageSource) -> None:
    stack = Stack(ecr, source, indexing=False)
    made = stack.build(indexing=False)
    assert (made["indexed"], made["current"]) == (False, False)
    assert "soci_indexing is false" in stack.err.getvalue()


def test_a_quota_of_no_builds_is_the_same_line_as_the_runners(ecr: Ecr, source: ImageSource) -> None:
    stack = Stack(ecr, source)

    def refuse(*_: object) -> dict[str, Any]:
        words = {"Code": "AccountLimitExceededException", "Message": "Cannot have more than 0 builds in queue"}
        raise ClientError({"Error": words}, "StartBuild")  # type: ignore[typeddict-item]

    stack.codebuild._on_start = refuse
    with pytest.raises(BuildQuotaError) as raised:
        stack.build()
    assert str(raised.value) == (
        "CodeBuild cannot start a build of the image: AccountLimitExceededException: Cannot have more than 0 builds in"
        " queue; raise the quota Concurrently running builds for Linux/Small environment (L-9D07B6EF) or"
        " Concurrently running builds for ARM/Small environment (L-5ED1D25B) in Service Quotas; until then, build it"
        " with Docker: docs/operations.md, Images"
    )


def test_ctrl_c_says_that_the_build_goes_on_and_how_to_follow_or_stop_it(
    ecr: Ecr, source: ImageSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = Stack(ecr, source)

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("scripts.aws.builds.time.sleep", interrupt)
    with pytest.raises(
        InterruptedRunError, match=r"run the same command again .* `aws codebuild stop-build --id \S+:0`"
    ):
        stack.build()


def test_a_stack_of_an_earlier_version_is_to_be_deployed_again(ecr: Ecr, source: ImageSource) -> None:
    aws = ecr.embedded.aws
    aws.s3.create_bucket(Bucket=f"{ecr.prefix}-instance")
    builder = ImageBuilder(aws, source, Console(err=io.StringIO()), project_prefix=ecr.prefix, indexing=True)
    with pytest.raises(AwsError, match=f"there is no CodeBuild project {ecr.prefix}-image; deploy the shared stack"):
        builder.build(builder.wanted(variant="", tag="", rebuild=False))


def test_a_variant_is_indexed_never_current_and_run_by_its_name(ecr: Ecr, source: ImageSource) -> None:
    stack = Stack(ecr, source)
    default = stack.build()
    made = stack.build(variant="go")
    assert made["tag"] == f"variant-go-{source.digest[:12]}"
    assert (made["indexed"], made["current"]) == (True, False)
    assert "is a variant" in stack.skipped
    assert ecr.current == default["image"]
    assert stack.codebuild.builds[1]["environment"]["environmentVariables"][-1] == {
        "name": "PREQUEL_IMAGE_VARIANT",
        "value": "go",
    }
    catalog = Catalog(ecr.embedded.aws, ecr.prefix)
    assert lazy_tag("go", catalog, pytest.fail, indexing=True) == f"{made['tag']}-soci"
    assert lazy_tag("go", catalog, pytest.fail, indexing=False) == made["tag"]
    with pytest.raises(ImageError, match=r"has no image java; .* `prequel image build --variant java`"):
        lazy_tag("java", catalog, pytest.fail, indexing=True)


def test_a_variant_is_not_taken_for_the_newest_image(ecr: Ecr, source: ImageSource) -> None:
    stack = Stack(ecr, source, indexing=False)
    stack.build(variant="go", indexing=False)
    values = {"code_server_image": f"{ecr.url}:latest", "code_server_repository_url": ecr.url}
    catalog = Catalog(ecr.embedded.aws, ecr.prefix)
    with pytest.raises(ImageError, match=r"run `prequel image build`"):
        with_existing_image(values, catalog, pytest.fail, indexing=False)


def test_a_variant_that_the_folder_has_not_is_refused_with_those_it_has(ecr: Ecr, source: ImageSource) -> None:
    with pytest.raises(ImageError, match="there is no variant rust, expected one of: go"):
        Stack(ecr, source).build(variant="rust")


def test_the_command_says_what_it_would_build(
    ecr: Ecr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from scripts.cli import image

    for name, value in ecr.environment.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("PREQUEL_CONFIG_DIR", str(tmp_path))
    (tmp_path / "terraform.tfvars").write_text(
        f'aws_region = "us-east-1"\nenvironment = "x"\ndomain_name = ""\nproject_prefix = "{ecr.prefix}"\n'
    )
    image.app(["build", "--dry-run", "--json"], standalone_mode=False)
    result = json.loads(capsys.readouterr().out.splitlines()[-1])["result"]
    assert result["would_build"] is True
    assert len(result["tag"]) == 12


def test_an_image_for_another_architecture_is_not_published(ecr: Ecr) -> None:
    image, index = manifests("arm", "ARM64")
    client = ecr.embedded.aws.client("ecr")
    push(client, ecr.repository, image, "arm")
    push(client, ecr.repository, index, "arm-soci")
    catalog = Catalog(ecr.embedded.aws, ecr.prefix)
    catalog.promote("arm", dry_run=False)
    for named in (f"{ecr.url}:latest", f"{ecr.url}:arm-soci"):
        values = {"code_server_image": named, "code_server_repository_url": ecr.url, "cpu_architecture": "X86_64"}
        with pytest.raises(ImageError, match=r"is built for arm64, expected amd64, because of cpu_architecture"):
            with_existing_image(values, catalog, pytest.fail, indexing=True)
        fitting = with_existing_image(values | {"cpu_architecture": "ARM64"}, catalog, pytest.fail, indexing=True)
        assert fitting["code_server_image"] == ecr.current


def test_the_architecture_of_an_image_without_index_is_in_its_configuration(
    ecr: Ecr, monkeypatch: pytest.MonkeyPatch
) -> None:
    ecr.push(ecr.image(), "v1")
    monkeypatch.setattr(EcrRepository, "config", lambda *_: {"architecture": "arm64", "os": "linux"})
    values = {"code_server_image": f"{ecr.url}:v1", "code_server_repository_url": ecr.url, "cpu_architecture": "X86_64"}
    with pytest.raises(ImageError, match="is built for arm64"):
        with_existing_image(values, Catalog(ecr.embedded.aws, ecr.prefix), pytest.fail, indexing=False)
