"""`prequel image` and what publishing makes of it, on the embedded AWS; copying with Debian's skopeo."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from contract.names import NO_IMAGE, image_parameter
from scripts.cli import image, templates
from scripts.embedded.seed import seed_shared_infrastructure
from scripts.errors import ImageError, MissingToolError, PrequelError
from scripts.images.catalog import Catalog
from scripts.images.choice import lazy_tag, with_existing_image
from scripts.images.mirror import destination, mirror
from scripts.releases import validation
from tests.images.conftest import Ecr, Registry, make_image

OUTSIDE = "docker.io/codercom/code-server:4.99.4"


class Prequel:
    """The commands, run in this process for one stack."""

    def __init__(self, ecr: Ecr, directory: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.directory = directory
        self._capture = capture
        self.err = ""
        (directory / "terraform.tfvars").write_text(
            'aws_region = "us-east-1"\nenvironment = "embedded"\ndomain_name = "interviews.example.com"\n'
            f'project_prefix = "{ecr.prefix}"\n'
        )

    def __call__(self, *arguments: str) -> str:
        """Standard output; standard error is kept."""
        self._capture.readouterr()
        image.app(list(arguments), standalone_mode=False)
        out, self.err = self._capture.readouterr()
        return out

    def json(self, *arguments: str) -> Any:
        """The result that a machine gets."""
        return json.loads(self(*arguments, "--json").splitlines()[-1])["result"]


@pytest.fixture
def prequel(ecr: Ecr, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Prequel:
    for name, value in ecr.environment.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("PREQUEL_CONFIG_DIR", str(tmp_path))
    return Prequel(ecr, tmp_path, capsys)


def test_status_shows_tag_index_size_and_age_and_marks_the_current_one(ecr: Ecr, prequel: Prequel) -> None:
    first = ecr.push(ecr.image(), "v1")
    index = ecr.push_index(first, "v1-soci")
    second = ecr.push(ecr.image(), "v2")
    prequel("promote", "v1")
    rows = {row["tag"]: row for row in prequel.json("status")}
    assert rows.keys() == {"v1", "v2"}
    assert (rows["v1"]["digest"], rows["v1"]["index"], rows["v1"]["current"]) == (first, index, True)
    assert (rows["v2"]["digest"], rows["v2"]["index"], rows["v2"]["current"]) == (second, "", False)
    assert rows["v1"]["size"] > 0
    head, *lines = prequel("status").splitlines()
    assert head.split() == ["tag", "indexed", "size", "age", "findings"]
    (current,) = [line for line in lines if line.startswith("*")]
    assert re.search(rf"v1 +{index[7:19]} +\d+ MiB +\d+ s +not scanned$", current)
    assert re.search(r"v2 +no ", prequel("status"))


def test_status_shows_what_ecrs_scan_found_by_severity(ecr: Ecr, prequel: Prequel) -> None:
    ecr.push(ecr.image(), "v1")
    ecr.embedded.aws.client("ecr").start_image_scan(repositoryName=ecr.repository, imageId={"imageTag": "v1"})
    (row,) = prequel.json("status")
    assert row["findings"] == {"HIGH": 1}, "as moto answers for every scan"
    assert prequel("status").splitlines()[1].rstrip().endswith("1 high")


def test_status_of_an_empty_repository_says_what_to_do(prequel: Prequel) -> None:
    assert prequel.json("status") == []
    assert "prequel image build" in prequel("status")


def test_status_without_a_stack_is_one_line(prequel: Prequel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREQUEL_PROJECT_PREFIX", "nowhere")
    with pytest.raises(ImageError, match=r"nowhere-code-server is not there; deploy the shared stack") as raised:
        prequel("status")
    assert "\n" not in str(raised.value)


def test_promote_makes_the_index_current_by_digest_and_a_dry_run_changes_nothing(ecr: Ecr, prequel: Prequel) -> None:
    index = ecr.push_index(ecr.push(ecr.image(), "v1"), "v1-soci")
    wanted = f"{ecr.url}@{index}"
    assert prequel.json("promote", "v1", "--dry-run") == {"would_be_current": wanted}
    assert ecr.current == NO_IMAGE
    assert prequel("promote", "v1-soci").strip() == wanted
    assert "prequel templates publish" in prequel.err
    assert ecr.current == wanted


@pytest.mark.parametrize(
    ("tag", "reason"), [("v1", "v1 is not indexed, expected an image with v1-soci"), ("v9", "has no image v9")]
)
def test_promote_refuses_what_would_not_load_lazily(ecr: Ecr, prequel: Prequel, tag: str, reason: str) -> None:
    ecr.push(ecr.image(), "v1")
    with pytest.raises(ImageError, match=reason):
        prequel("promote", tag)
    assert ecr.current == NO_IMAGE


def test_a_plain_image_with_the_suffix_counts_as_no_index(ecr: Ecr, prequel: Prequel) -> None:
    ecr.push(ecr.image(), "v1")
    ecr.push(ecr.image(), "v1-soci")
    (row,) = prequel.json("status")
    assert (row["tag"], row["index"]) == ("v1", "")
    for tag in ("v1", "v1-soci"):
        with pytest.raises(ImageError, match=f"{tag} is not indexed"):
            prequel("promote", tag)


def test_promote_without_indexing_says_that_nothing_would_read_it(ecr: Ecr, prequel: Prequel) -> None:
    ecr.push_index(ecr.push(ecr.image(), "v1"), "v1-soci")
    ecr.embedded.aws.ssm.delete_parameter(Name=image_parameter(ecr.prefix))
    with pytest.raises(ImageError, match=r"soci_indexing is false; set it to true"):
        prequel("promote", "v1")


def chosen(ecr: Ecr, image: str, *, indexing: bool = True) -> tuple[str, list[str]]:
    """What a release would name for ``image``, and the warnings."""
    warnings: list[str] = []
    values = {"code_server_image": image, "code_server_repository_url": ecr.url}
    found = with_existing_image(values, Catalog(ecr.embedded.aws, ecr.prefix), warnings.append, indexing=indexing)
    assert found["code_server_repository_url"] == ecr.url
    return found["code_server_image"], warnings


def test_a_release_names_the_newest_indexed_image_when_the_stacks_own_is_wanted(ecr: Ecr, prequel: Prequel) -> None:
    index = ecr.push_index(ecr.push(ecr.image(), "v1"), "v1-soci")
    prequel("promote", "v1")
    assert chosen(ecr, f"{ecr.url}:latest") == (f"{ecr.url}@{index}", [])


def test_a_release_names_the_index_of_the_tag_that_is_wanted(ecr: Ecr) -> None:
    manifest = ecr.image()
    index = ecr.push_index(ecr.push(manifest, "v1"), "v1-soci")
    ecr.push(manifest, "stable")
    for tag in ("v1", "stable", "v1-soci"):
        assert chosen(ecr, f"{ecr.url}:{tag}") == (f"{ecr.url}@{index}", []), tag


def test_a_release_keeps_a_digest_and_warns_unless_it_is_that_of_an_indexed_image(ecr: Ecr) -> None:
    digest = ecr.push(ecr.image(), "v1")
    index = ecr.push_index(digest, "v1-soci")
    assert chosen(ecr, f"{ecr.url}@{index}") == (f"{ecr.url}@{index}", [])
    named, (warning,) = chosen(ecr, f"{ecr.url}@{digest}")
    assert named == f"{ecr.url}@{digest}"
    assert "start more slowly" in warning


@pytest.mark.parametrize("indexing", [True, False])
@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (":v9", "has no image v9"),
        (f"@sha256:{'0' * 64}", "has no image sha256:0000"),
        (":latest", r"has no image, .*`prequel image build`"),
    ],
)
def test_an_image_that_the_repository_lacks_is_never_released(
    ecr: Ecr, image: str, reason: str, indexing: bool
) -> None:
    with pytest.raises(ImageError, match=reason):
        chosen(ecr, f"{ecr.url}{image}", indexing=indexing)


def test_without_an_index_a_release_names_the_plain_image_and_warns_that_starts_are_slower(ecr: Ecr) -> None:
    ecr.push(ecr.image(), "v1")
    for wanted in (f"{ecr.url}:v1", OUTSIDE, f"{ecr.url}-other:v1"):
        named, (warning,) = chosen(ecr, wanted)
        assert named == wanted
        assert "start more slowly" in warning
        assert chosen(ecr, wanted, indexing=False) == (wanted, [])


@pytest.mark.parametrize("indexing", [True, False])
def test_before_the_first_index_is_ready_a_release_names_the_mirrored_image_by_digest(ecr: Ecr, indexing: bool) -> None:
    digest = ecr.push(ecr.image(), "4.99.4")
    named, warnings = chosen(ecr, f"{ecr.url}:latest", indexing=indexing)
    assert named == f"{ecr.url}@{digest}"
    assert len(warnings) == indexing


def test_a_current_image_that_is_gone_is_never_released(ecr: Ecr, prequel: Prequel) -> None:
    digest = ecr.push(ecr.image(), "v1")
    index = ecr.push_index(digest, "v1-soci")
    prequel("promote", "v1")
    ecr.embedded.aws.client("ecr").batch_delete_image(repositoryName=ecr.repository, imageIds=[{"imageDigest": index}])
    named, (gone, slower) = chosen(ecr, f"{ecr.url}:latest")
    assert named == f"{ecr.url}@{digest}"
    assert "is gone" in gone
    assert "start more slowly" in slower


def test_an_interview_with_a_tag_of_its_own_runs_the_indexed_image(ecr: Ecr) -> None:
    catalog, warnings = Catalog(ecr.embedded.aws, ecr.prefix), list[str]()
    manifest = ecr.image()
    ecr.push_index(ecr.push(manifest, "v1"), "v1-soci")
    ecr.push(manifest, "stable")
    ecr.push(ecr.image(), "v2")
    tags = {tag: lazy_tag(tag, catalog, warnings.append, indexing=True) for tag in ("v1", "stable", "v1-soci", "v2")}
    assert tags == {"v1": "v1-soci", "stable": "v1-soci", "v1-soci": "v1-soci", "v2": "v2"}
    assert [warning.partition(" ")[0] for warning in warnings] == ["v2"]
    assert lazy_tag("v1", catalog, warnings.append, indexing=False) == "v1"
    with pytest.raises(ImageError, match="has no image v9"):
        lazy_tag("v9", catalog, warnings.append, indexing=True)


@pytest.mark.parametrize("indexing", [True, False])
def test_publishing_names_the_indexed_image_only_while_indexing_is_on(
    ecr: Ecr, prequel: Prequel, indexing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = ecr.push(ecr.image(), "v1")
    index = ecr.push_index(digest, "v1-soci")
    prequel("promote", "v1")
    values = seed_shared_infrastructure(ecr.embedded.aws, project_prefix=ecr.prefix)
    values["code_server_image"] = f"{ecr.url}:latest"
    outputs = prequel.directory / "outputs.json"
    outputs.write_text(json.dumps(values))
    monkeypatch.setenv("PREQUEL_SOCI_INDEXING", str(indexing).lower())
    # Takes terraform ten seconds, and tests/releases has it.
    monkeypatch.setattr(validation, "check", lambda *_: ("formatted",))
    templates.app(
        ["publish", "--yes", "--skip-rehearsal", "--outputs-file", str(outputs)],
        standalone_mode=False,
    )
    stored = ecr.embedded.aws.s3.get_object(Bucket=f"{ecr.prefix}-instance", Key="instance/shared.auto.tfvars.json")
    published = json.loads(stored["Body"].read())["code_server_image"]
    assert published == f"{ecr.url}@{index if indexing else digest}"


def test_mirror_copies_an_image_into_a_registry_without_docker(
    ecr: Ecr, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_image(tmp_path / "image", size=1000, seed=3)
    registry.skopeo("copy", "--quiet", f"oci:{tmp_path / 'image'}:v1", f"docker://{registry.host}/public/editor:1.0")
    for name, value in registry.environment.items():
        monkeypatch.setenv(name, value)
    target = f"{registry.host}/own:1.0"
    mirror(ecr.embedded.aws, f"{registry.host}/public/editor:1.0", target, architecture="X86_64")
    layers = [json.loads(registry.raw(name))["layers"] for name in ("public/editor:1.0", "own:1.0")]
    assert layers[0] == layers[1]
    with pytest.raises(ImageError, match=r"cannot copy .*missing:1\.0 to .*: .*manifest unknown") as raised:
        mirror(ecr.embedded.aws, f"{registry.host}/missing:1.0", target, architecture="X86_64")
    assert "\n" not in str(raised.value)


def test_mirror_without_skopeo_says_how_to_install_it(
    ecr: Ecr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match="skopeo is not on PATH; install it"):
        mirror(ecr.embedded.aws, OUTSIDE, f"{ecr.url}:4.99.4", architecture="X86_64")


def test_a_dry_run_of_mirror_says_where_the_image_would_go(ecr: Ecr, prequel: Prequel) -> None:
    assert prequel.json("mirror", OUTSIDE, "--dry-run") == {"would_copy": f"{ecr.url}:4.99.4"}
    assert prequel.json("mirror", OUTSIDE, "--tag", "mine", "--dry-run") == {"would_copy": f"{ecr.url}:mine"}


@pytest.mark.parametrize(
    ("source", "tag", "reason"),
    [
        ("docker.io/codercom/code-server", "", "names no tag"),
        ("localhost:5000/code-server", "", "names no tag"),
        (f"code-server@sha256:{'0' * 64}", "", "names no tag"),
        ("docker.io/codercom/code-server:1-soci", "", "will not do"),
        (OUTSIDE, "x" * 124, "will not do"),
        (OUTSIDE, "taken", "tags never move"),
    ],
)
def test_mirror_refuses_a_tag_that_cannot_be_indexed_or_is_taken(ecr: Ecr, source: str, tag: str, reason: str) -> None:
    ecr.push(ecr.image(), "taken")
    with pytest.raises(PrequelError, match=reason):
        destination(Catalog(ecr.embedded.aws, ecr.prefix), source, tag=tag)
