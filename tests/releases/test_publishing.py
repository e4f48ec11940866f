"""Publishing and rolling back, with the validation and the rehearsal replaced: those have tests of their own."""

import io
import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contract.names import SHARED_VALUES_FILE
from scripts.console import Console
from scripts.errors import AlteredReleaseError, ReleaseError, SharedValuesError, TemplateError
from scripts.releases import rehearsal, validation
from scripts.releases.archive import file_key, manifest_key
from scripts.releases.publishing import Publisher, PublishResult, git_commit
from scripts.releases.release import Rehearsal, Release
from scripts.releases.store import POINTER_KEY, plain_key
from tests.releases.conftest import Cloud
from tests.releases.interleaving import Counter
from tests.releases.samples import LIMITS, SHARED, assert_settled, objects, published, release

MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"})
HERE = {"aws_account_id": "123456789012", "aws_region": "us-east-1", "environment": "test"}


@pytest.fixture
def rehearsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The digests that were rehearsed, instead of rehearsing them."""
    digests: list[str] = []

    def rehearse(sample: Release, _console: Console) -> Rehearsal:
        digests.append(sample.digest)
        return Rehearsal(status="passed", at=datetime.now(UTC), seconds=1)

    monkeypatch.setattr(rehearsal, "rehearse", rehearse)
    monkeypatch.setattr(validation, "check", lambda *_: ("formatted",))
    monkeypatch.setattr(validation, "version_ranges", lambda _: (">= 1.11", ">= 5.100.0"))
    return digests


class Run:
    """Publishers on one cloud: what they ``said`` and ``asked``, and the digests that they ``rehearsed``."""

    def __init__(self, cloud: Cloud, rehearsed: list[str]) -> None:
        self.cloud = cloud
        self.rehearsed = rehearsed
        self.said = io.StringIO()
        self.asked: list[str] = []

    def publisher(self, *, answer: bool = True, rehearse: bool = True, dry_run: bool = False) -> Publisher:
        def ask(question: str) -> bool:
            self.asked.append(question)
            return answer

        return Publisher(self.cloud.store(), Console(err=self.said), ask, rehearse=rehearse, dry_run=dry_run)

    def publish(self, label: str, **options: bool) -> PublishResult:
        """Templates that hold ``label``, with the shared values of one deployment."""
        return self.publisher(**options).publish(release(label, values="deployed"), Path())


@pytest.fixture
def run(cloud: Cloud, rehearsed: list[str]) -> Run:
    return Run(cloud, rehearsed)


def test_a_first_release_is_published_and_rehearsed(run: Run, cloud: Cloud, rehearsed: list[str]) -> None:
    outcome = run.publish("one")
    assert outcome.status == "published"
    assert outcome.previous_digest is None
    assert rehearsed == [outcome.digest] == [assert_settled(cloud.observer())]


def test_the_difference_is_shown_before_the_question(run: Run) -> None:
    first = run.publish("one")
    second = run.publish("two")
    said = run.said.getvalue()
    assert f"--- {first.digest[:12]}/main.tf\n+++ {second.digest[:12]}/main.tf\n" in said
    assert "\n-# one\n+# two\n" in said
    assert run.asked[-1] == f"Switch from {first.digest[:12]} to {second.digest[:12]}?"


def test_publishing_what_is_current_writes_nothing_asks_nothing_and_takes_some_twenty_small_requests(
    run: Run, cloud: Cloud, rehearsed: list[str]
) -> None:
    run.publish("one")
    before = objects(cloud.operator, cloud.bucket)
    publisher = run.publisher()
    counter = Counter(publisher.store.aws)
    outcome = publisher.publish(release("one", values="deployed"), Path())
    assert (outcome.status, counter.writes) == ("unchanged", 0)
    assert counter.calls <= 20  # eight at a time, some 30 ms each on AWS: well under a second
    assert "unchanged" in run.said.getvalue()
    assert objects(cloud.operator, cloud.bucket) == before
    assert len(rehearsed) == len(run.asked) == 1


def test_a_no_writes_nothing(run: Run, cloud: Cloud) -> None:
    assert run.publish("one", answer=False).status == "declined"
    assert objects(cloud.operator, cloud.bucket) == {}


def test_a_dry_run_rehearses_and_writes_nothing(run: Run, cloud: Cloud, rehearsed: list[str]) -> None:
    assert run.publish("one", dry_run=True).status == "dry-run"
    assert objects(cloud.operator, cloud.bucket) == {}
    assert len(rehearsed) == 1
    assert run.asked == []


def test_a_set_that_fails_the_validation_changes_nothing(
    run: Run, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.publish("one")
    before = objects(cloud.operator, cloud.bucket)

    def fail(*_: object) -> None:
        raise TemplateError("no")

    monkeypatch.setattr(rehearsal, "rehearse", fail)
    with pytest.raises(TemplateError):
        run.publish("two")
    assert objects(cloud.operator, cloud.bucket) == before


def test_a_skipped_rehearsal_stays_visible(run: Run, cloud: Cloud, rehearsed: list[str]) -> None:
    outcome = run.publish("one", rehearse=False)
    pointer = cloud.observer().current()
    assert pointer is not None
    assert outcome.rehearsal == pointer.rehearsal.status == "skipped"
    assert cloud.observer().manifest(outcome.digest).rehearsal.status == "skipped"
    assert "the rehearsal is skipped" in run.said.getvalue()
    assert rehearsed == []


def test_publishing_an_unrehearsed_current_release_again_rehearses_it(
    run: Run, cloud: Cloud, rehearsed: list[str]
) -> None:
    digest = run.publish("one", rehearse=False).digest
    assert run.publish("one").status == "published"
    pointer = cloud.observer().current()
    assert pointer is not None
    assert pointer.rehearsal.status == cloud.observer().manifest(digest).rehearsal.status == "passed"
    assert rehearsed == [digest]


def test_a_retry_after_a_crash_does_not_rehearse_again(run: Run, cloud: Cloud, rehearsed: list[str]) -> None:
    run.publish("one")
    digest = run.publish("two").digest
    run.publisher().roll_back(None, HERE)
    run.publish("two")
    assert rehearsed.count(digest) == 1
    assert assert_settled(cloud.observer()) == digest


def test_rolling_back_goes_to_the_previous_release_without_another_rehearsal(
    run: Run, cloud: Cloud, rehearsed: list[str]
) -> None:
    first = run.publish("one").digest
    second = run.publish("two").digest
    assert run.publisher().roll_back(None, HERE).digest == first == assert_settled(cloud.observer())
    assert run.publisher().roll_back(None, HERE).digest == second == assert_settled(cloud.observer())
    assert len(rehearsed) == 2


def test_rolling_back_to_a_release_that_was_never_rehearsed_rehearses_it(run: Run, rehearsed: list[str]) -> None:
    first = run.publish("one", rehearse=False).digest
    run.publish("two")
    assert run.publisher().roll_back(first, HERE).rehearsal == "passed"
    assert first in rehearsed


def test_rolling_back_keeps_the_present_shared_values_and_limits_and_rehearses_what_is_new(
    run: Run, cloud: Cloud, rehearsed: list[str]
) -> None:
    run.publish("one")
    more = LIMITS.model_copy(update={"max_instances": 20})
    run.publisher().publish(release("bug", values="another load balancer", limits=more), Path())
    digest = run.publisher().roll_back(None, HERE).digest
    assert assert_settled(cloud.observer()) == digest == rehearsed[-1]
    manifest, current = cloud.observer().read(digest)
    assert current.files["service.tf"] == b"# one\n"
    assert current.shared_values["label"] == "another load balancer"
    assert manifest.limits.max_instances == 20
    assert "with the present values of label, the limits" in run.said.getvalue()
    assert len(rehearsed) == 3


def test_rolling_back_brings_a_former_image_back(run: Run, cloud: Cloud) -> None:
    good, bad = (
        Release(
            {**release("one").files, SHARED_VALUES_FILE: json.dumps(SHARED | {"code_server_image": image}).encode()},
            LIMITS,
        )
        for image in ("docker.io/example/editor:1", "docker.io/example/editor:2")
    )
    run.publisher().publish(good, Path())
    run.publisher().publish(bad, Path())
    assert run.publisher().roll_back(None, HERE).digest == good.digest == assert_settled(cloud.observer())


def test_rolling_back_from_a_current_release_that_was_altered_takes_the_former_one_whole(
    run: Run, cloud: Cloud
) -> None:
    first = run.publish("one").digest
    second = run.publish("two").digest
    cloud.observer().bucket.write(file_key(second, "service.tf"), b"altered")
    assert run.publisher().roll_back(first, HERE).digest == first == assert_settled(cloud.observer())


def test_rolling_back_to_an_altered_release_is_refused_with_the_file_named(run: Run, cloud: Cloud) -> None:
    first = run.publish("one").digest
    second = run.publish("two").digest
    cloud.observer().bucket.write(file_key(first, "service.tf"), b"altered")
    with pytest.raises(AlteredReleaseError, match=r"service\.tf was altered"):
        run.publisher().roll_back(first, HERE)
    assert assert_settled(cloud.observer()) == second


def test_rolling_back_to_a_release_of_another_place_is_refused(run: Run) -> None:
    run.publish("one")
    run.publish("two")
    with pytest.raises(SharedValuesError, match="environment is test, expected prod"):
        run.publisher().roll_back(None, HERE | {"environment": "prod"})


def test_rolling_back_to_a_release_whose_image_is_gone_is_refused(run: Run, cloud: Cloud) -> None:
    ecr = cloud.operator.client("ecr")
    url = ecr.create_repository(repositoryName="prequel-code-server")["repository"]["repositoryUri"]
    image = ecr.put_image(repositoryName="prequel-code-server", imageManifest=MANIFEST, imageTag="v1")["image"][
        "imageId"
    ]
    shared = SHARED | {
        "project_prefix": "prequel",
        "code_server_image": f"{url}@{image['imageDigest']}",
        "code_server_repository_url": url,
    }
    files = dict(release("own image").files) | {SHARED_VALUES_FILE: json.dumps(shared).encode()}
    first = run.publisher().publish(Release(files, LIMITS), Path()).digest
    second = run.publish("two").digest
    assert run.publisher(dry_run=True).roll_back(first, HERE).status == "dry-run"
    ecr.batch_delete_image(repositoryName="prequel-code-server", imageIds=[image])
    with pytest.raises(ReleaseError, match="which is gone, so nothing could start with it"):
        run.publisher().roll_back(first, HERE)
    assert assert_settled(cloud.observer()) == second


def test_there_is_nothing_to_roll_back_to_after_the_first_release(run: Run) -> None:
    run.publish("one")
    with pytest.raises(ReleaseError, match="no release before the current one"):
        run.publisher().roll_back(None, HERE)


@pytest.mark.parametrize("key", ["plain", "file", "manifest"])
def test_publishing_again_restores_what_was_altered(run: Run, cloud: Cloud, key: str) -> None:
    digest = run.publish("one").digest
    keys = {"plain": plain_key("main.tf"), "file": file_key(digest, "main.tf"), "manifest": manifest_key(digest)}
    cloud.observer().bucket.write(keys[key], b"altered")
    assert run.publish("one").status == "unchanged"
    assert "restored" in run.said.getvalue()
    assert assert_settled(cloud.observer()) == digest


def test_publishing_replaces_an_unreadable_pointer(run: Run, cloud: Cloud) -> None:
    run.publish("one")
    cloud.observer().bucket.write(POINTER_KEY, b"altered")
    digest = run.publish("two").digest
    assert f"{POINTER_KEY} was altered" in run.said.getvalue()
    assert assert_settled(cloud.observer()) == digest


def test_publishing_warns_of_what_no_release_holds(run: Run, cloud: Cloud) -> None:
    cloud.observer().bucket.write("instance/evil.tf", b"")
    run.publish("one")
    assert "instance/evil.tf belongs to no release" in run.said.getvalue()


def test_a_release_remembers_the_commit_that_it_came_from_and_whether_its_files_differ(tmp_path: Path) -> None:
    assert git_commit(tmp_path) == (None, False)

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
        run = subprocess.run(["git", *identity, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True)
        return run.stdout.strip()

    templates = tmp_path / "templates"
    templates.mkdir()
    (templates / "main.tf").write_text("# one\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "One")
    (tmp_path / "elsewhere").write_text("not a template")
    assert git_commit(templates) == (git("rev-parse", "HEAD"), False)
    (templates / "main.tf").write_text("# two\n")
    assert git_commit(templates) == (git("rev-parse", "HEAD"), True)


def test_a_publisher_that_was_overtaken_says_by_whom(run: Run, cloud: Cloud) -> None:
    publisher = run.publisher()
    object.__setattr__(publisher, "ask", lambda _: bool(published(cloud.observer(), "winner")))
    with pytest.raises(ReleaseError, match=r"made [0-9a-f]{12} the current release in the meantime"):
        publisher.publish(release("loser"), Path())
    assert assert_settled(cloud.observer()) == release("winner").digest
