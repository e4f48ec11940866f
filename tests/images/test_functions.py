"""The two Lambda functions on the embedded AWS, with the events that AWS documents, and with junk."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from constructs.bundle import archive
from constructs.image_build_spec import BUILD_IMAGE
from contract.names import NO_IMAGE
from scripts.errors import PrequelError
from scripts.lambdas.image_index import Recorder, SkippedError, Starter
from tests.embedded.roles import settled_role
from tests.images.conftest import Ecr, event_of
from tests.lifecycle.builds import Builds

GONE = f"sha256:{'0' * 64}"


class Project(Builds):
    """CodeBuild with the list of a project's builds, as far as the starter knows it."""

    def list_builds_for_project(self, *, projectName: str, sortOrder: str) -> dict[str, Any]:  # noqa: N803
        assert (projectName, sortOrder) == ("indexer", "DESCENDING")
        return {"ids": [build["id"] for build in reversed(self.started)]}

    def batch_get_builds(self, *, ids: list[str]) -> dict[str, Any]:
        given = {build["id"]: build for build in self.started}
        builds = super().batch_get_builds(ids=ids)["builds"]
        for build in builds:
            variables = [{"name": name, "value": value} for name, value in given[build["id"]].items()]
            build["environment"] = {"environmentVariables": variables}
        return {"builds": builds}

    def forget_tokens(self) -> None:
        """Five minutes go by."""
        self._tokens.clear()


@pytest.fixture
def project() -> Project:
    return Project()


def starter(ecr: Ecr, project: Project, architecture: str = "amd64") -> Starter:
    return Starter(
        ecr.embedded.aws, repository=ecr.repository, project="indexer", architecture=architecture, codebuild=project
    )


def recorder(ecr: Ecr) -> Recorder:
    return Recorder(
        ecr.embedded.aws,
        repository=ecr.repository,
        repository_url=ecr.url,
        parameter=f"/{ecr.prefix}/images/code-server",
    )


def skipped(work: Starter | Recorder, event: object) -> str:
    with pytest.raises(SkippedError) as raised:
        work.run(event)
    return str(raised.value)


def test_a_pushed_image_is_indexed_under_its_tag_and_digest(ecr: Ecr, project: Project) -> None:
    digest = ecr.push(ecr.image(), "v1")
    starter(ecr, project).run(event_of(ecr.repository, "v1", digest))
    (build,) = project.started
    assert (build["PREQUEL_IMAGE_TAG"], build["PREQUEL_IMAGE_DIGEST"]) == ("v1", digest)


def test_the_same_event_again_starts_no_second_build_now_or_after_the_token_has_expired(
    ecr: Ecr, project: Project
) -> None:
    digest = ecr.push(ecr.image(), "v1")
    event = event_of(ecr.repository, "v1", digest)
    starter(ecr, project).run(event)
    assert "is indexing" in skipped(starter(ecr, project), event)
    project.forget_tokens()
    assert "is indexing" in skipped(starter(ecr, project), event)
    assert len(project.started) == 1


def test_a_second_tag_of_an_image_that_is_being_indexed_starts_no_second_build(ecr: Ecr, project: Project) -> None:
    manifest = ecr.image()
    digest = ecr.push(manifest, "v1")
    starter(ecr, project).run(event_of(ecr.repository, "v1", digest))
    ecr.push(manifest, "stable")
    assert "is indexing" in skipped(starter(ecr, project), event_of(ecr.repository, "stable", digest))
    assert len(project.started) == 1


def test_two_functions_at_once_share_one_build(ecr: Ecr, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = ecr.push(ecr.image(), "v1")
    monkeypatch.setattr(project, "list_builds_for_project", lambda **_: {"ids": []})
    builds = {starter(ecr, project).run(event_of(ecr.repository, "v1", digest)) for _ in range(2)}
    assert len(builds) == len(project.started) == 1


def test_an_image_whose_build_failed_is_indexed_when_it_is_pushed_again_at_once_or_under_another_tag(
    ecr: Ecr, project: Project
) -> None:
    manifest = ecr.image()
    digest = ecr.push(manifest, "v1")
    event = event_of(ecr.repository, "v1", digest)
    starter(ecr, project).run(event)
    project.end("FAILED")
    starter(ecr, project).run(event | {"time": "2019-11-16T01:55:34Z"})
    project.end("FAILED")
    ecr.push(manifest, "stable")
    starter(ecr, project).run(event_of(ecr.repository, "stable", digest))
    assert [build["PREQUEL_IMAGE_TAG"] for build in project.started] == ["v1", "v1", "stable"]


def test_the_event_of_a_build_that_failed_is_an_error_until_codebuild_has_forgotten_it(
    ecr: Ecr, project: Project
) -> None:
    event = event_of(ecr.repository, "v1", ecr.push(ecr.image(), "v1"))
    starter(ecr, project).run(event)
    project.end("FAILED")
    with pytest.raises(PrequelError, match="is FAILED; CodeBuild starts another after 5 minutes"):
        starter(ecr, project).run(event)
    project.forget_tokens()
    starter(ecr, project).run(event)
    assert len(project.started) == 2


def test_a_pushed_image_starts_a_build_of_the_project_through_boto3(ecr: Ecr) -> None:
    codebuild, name = ecr.embedded.aws.client("codebuild"), f"{ecr.prefix}-image-indexer"
    codebuild.create_project(
        name=name,
        source={"type": "NO_SOURCE", "buildspec": "version: 0.2"},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={"type": "LINUX_CONTAINER", "image": BUILD_IMAGE, "computeType": "BUILD_GENERAL1_SMALL"},
        serviceRole=settled_role(ecr.embedded.aws.client("iam"), name, "codebuild.amazonaws.com"),
    )
    work = Starter(ecr.embedded.aws, repository=ecr.repository, project=name, architecture="amd64")
    build = work.run(event_of(ecr.repository, "v1", ecr.push(ecr.image(), "v1")))
    assert codebuild.list_builds_for_project(projectName=name)["ids"] == [build]


@pytest.mark.parametrize("tag", ["v1", "stable"])
def test_an_image_that_is_indexed_under_any_of_its_tags_is_left_alone(ecr: Ecr, project: Project, tag: str) -> None:
    manifest = ecr.image()
    digest = ecr.push(manifest, "v1")
    ecr.push(manifest, "stable")
    ecr.push_index(digest, "v1-soci")
    reason = skipped(starter(ecr, project), event_of(ecr.repository, tag, digest))
    assert "is indexed as v1-soci" in reason
    assert not project.started


def test_a_plain_image_with_the_indexs_tag_is_an_error_and_not_taken_for_the_index(ecr: Ecr, project: Project) -> None:
    digest = ecr.push(ecr.image(), "v1")
    ecr.push(ecr.image(), "v1-soci")
    with pytest.raises(PrequelError, match="v1 cannot be indexed: v1-soci is an image without a SOCI index"):
        starter(ecr, project).run(event_of(ecr.repository, "v1", digest))
    assert not project.started


def test_a_plain_image_with_the_indexs_tag_does_not_keep_another_tag_of_the_image_from_being_indexed(
    ecr: Ecr, project: Project
) -> None:
    manifest = ecr.image()
    ecr.push(manifest, "v1")
    ecr.push(ecr.image(), "v1-soci")
    digest = ecr.push(manifest, "stable")
    starter(ecr, project).run(event_of(ecr.repository, "stable", digest))
    (build,) = project.started
    assert build["PREQUEL_IMAGE_TAG"] == "stable"


def test_the_push_of_an_index_never_starts_a_build(ecr: Ecr, project: Project) -> None:
    index = ecr.push_index(ecr.push(ecr.image(), "v1"), "v1-soci")
    assert "is itself an indexed image" in skipped(starter(ecr, project), event_of(ecr.repository, "v1-soci", index))
    assert not project.started


def test_an_index_under_another_name_never_starts_a_build(ecr: Ecr, project: Project) -> None:
    index = ecr.push_index(ecr.push(ecr.image(), None), "renamed")
    assert "holds a SOCI index already" in skipped(starter(ecr, project), event_of(ecr.repository, "renamed", index))
    assert not project.started


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"media_type": "application/vnd.oci.image.layer.v1.tar+zstd"}, "expected gzip"),
        ({"media_type": "application/vnd.oci.image.layer.v1.tar"}, "expected gzip"),
        ({"size": (10 << 20) - 1}, "nothing to gain"),
    ],
)
def test_what_cannot_be_indexed_is_skipped_and_said(
    ecr: Ecr, project: Project, changes: dict[str, Any], reason: str
) -> None:
    digest = ecr.push(ecr.image(**changes), "v1")
    assert reason in skipped(starter(ecr, project), event_of(ecr.repository, "v1", digest))
    assert not project.started


@pytest.mark.parametrize(("architecture", "started"), [("arm64", 1), ("amd64", 0)])
def test_of_an_image_for_several_platforms_the_one_that_tasks_run_decides(
    ecr: Ecr, project: Project, architecture: str, started: int
) -> None:
    child = ecr.push(ecr.image(), None)
    entry = {"mediaType": ecr.image()["mediaType"], "digest": child, "size": 2}
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry | {"platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}}],
    }
    digest = ecr.push(index, "v1")
    event = event_of(ecr.repository, "v1", digest)
    if started:
        starter(ecr, project, architecture).run(event)
    else:
        assert "no image for linux/amd64" in skipped(starter(ecr, project, architecture), event)
    assert len(project.started) == started


def junk(ecr: Ecr) -> list[object]:
    good = event_of(ecr.repository, "v1-soci", GONE)
    detail = good["detail"]
    # Word for word from the documentation: the digest is cut short there, and the repository is another.
    documented = event_of(
        "my-repository-name", "latest", "sha256:7f5b2640fe6fb4f46592dfd3410c4a79dac4f89e4782432e0378abcd1234"
    )
    return [
        None,
        [],
        "event",
        {},
        {"detail": None},
        {"detail": []},
        documented,
        event_of(ecr.repository, None, GONE),
        event_of(ecr.repository, "", GONE),
        event_of(ecr.repository, "v1", GONE),
        event_of(ecr.repository, "v1-soci", GONE),
        event_of(ecr.repository, "$(reboot)", GONE),
        event_of(ecr.repository, "x" * 124, GONE),
        event_of(ecr.repository, "v1", "sha256:short"),
        good | {"detail": detail | {"action-type": "DELETE"}},
        good | {"detail": detail | {"result": "FAILURE"}},
        good | {"detail": detail | {"image-tag": ["v1"], "image-digest": {"a": 1}}},
        good | {"detail": detail | {"image-digest": 7}},
    ]


def test_junk_is_skipped_by_both_functions_and_retried_by_none(ecr: Ecr, project: Project) -> None:
    for event in junk(ecr):
        assert skipped(starter(ecr, project), event)
        assert skipped(recorder(ecr), event)
    assert not project.started
    assert ecr.current == NO_IMAGE


def test_a_pushed_index_becomes_the_current_image_by_digest(ecr: Ecr) -> None:
    index = ecr.push_index(ecr.push(ecr.image(), "v1"), "v1-soci")
    event = event_of(ecr.repository, "v1-soci", index)
    assert recorder(ecr).run(event) == recorder(ecr).run(event) == ecr.current == f"{ecr.url}@{index}"


@pytest.mark.slow
def test_the_image_that_was_pushed_last_wins_whenever_the_builds_end(ecr: Ecr) -> None:
    old = ecr.push(ecr.image(), "v1")
    time.sleep(1.1)  # ECR's times have a resolution of a second
    new = ecr.push(ecr.image(), "v2")
    new_index = ecr.push_index(new, "v2-soci")
    recorder(ecr).run(event_of(ecr.repository, "v2-soci", new_index))
    time.sleep(1.1)
    # The build of a large image ends later than that of a small one, or was retried a day later.
    late = event_of(ecr.repository, "v1-soci", ecr.push_index(old, "v1-soci"))
    assert "is newer" in skipped(recorder(ecr), late)
    assert ecr.current == f"{ecr.url}@{new_index}"


def test_a_promoted_image_gives_way_to_the_next_one_that_is_indexed(ecr: Ecr) -> None:
    first = ecr.push_index(ecr.push(ecr.image(), "v1"), "v1-soci")
    second = ecr.push_index(ecr.push(ecr.image(), "v2"), "v2-soci")
    recorder(ecr).run(event_of(ecr.repository, "v1-soci", first))
    assert recorder(ecr).run(event_of(ecr.repository, "v2-soci", second)) == ecr.current == f"{ecr.url}@{second}"


def test_a_plain_image_with_the_suffix_is_not_made_current(ecr: Ecr) -> None:
    digest = ecr.push(ecr.image(), "v1-soci")
    assert "holds no SOCI index" in skipped(recorder(ecr), event_of(ecr.repository, "v1-soci", digest))
    assert ecr.current == NO_IMAGE


def test_a_refusal_of_awss_is_an_error_that_lambda_retries(ecr: Ecr, project: Project) -> None:
    missing = Starter(
        ecr.embedded.aws, repository="nowhere", project="indexer", architecture="amd64", codebuild=project
    )
    with pytest.raises(ClientError):
        missing.run(event_of("nowhere", "v1", GONE))


def test_the_archive_handles_a_push_with_nothing_but_boto3(ecr: Ecr, tmp_path: Path) -> None:
    index = ecr.push_index(ecr.push(ecr.image(), "v1"), "v1-soci")
    (tmp_path / "functions.zip").write_bytes(archive("scripts.lambdas.image_index"))
    shutil.unpack_archive(tmp_path / "functions.zip", tmp_path / "task")
    code = (
        "import json, sys; from scripts.lambdas.image_index import record, start\n"
        "event = json.load(sys.stdin); print(json.dumps([record(event, None), start(event, None)]))\n"
        "tops = {name.partition('.')[0] for name in sys.modules if not name.startswith('_')}\n"
        "print(*sorted(tops - sys.stdlib_module_names))"
    )
    variables = {
        "PREQUEL_REPOSITORY": ecr.repository,
        "PREQUEL_REPOSITORY_URL": ecr.url,
        "PREQUEL_IMAGE_PARAMETER": f"/{ecr.prefix}/images/code-server",
        "PREQUEL_INDEXER": "indexer",
        "PREQUEL_ARCHITECTURE": "amd64",
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "task",
        env=ecr.environment | variables,
        input=json.dumps(event_of(ecr.repository, "v1-soci", index)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *_, outcomes, modules = done.stdout.splitlines()
    recorded, started = json.loads(outcomes)
    assert recorded == {"current": f"{ecr.url}@{index}"}
    assert started == {"skipped": "v1-soci is itself an indexed image"}
    allowed = {"boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3", "site", "certifi"}
    assert set(modules.split()) <= allowed | {"contract", "scripts"}
