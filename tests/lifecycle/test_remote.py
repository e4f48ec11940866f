"""`--remote`: the same results, with terraform somewhere else."""

import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from scripts.aws.clients import Aws
from scripts.cli.interview import app
from scripts.errors import BuildQuotaError, BusyInterviewError, NoFreeSlotError, NotReadyError, PrequelError
from scripts.interviews.builds import Dispatcher
from scripts.interviews.bulk import create_all
from scripts.interviews.records import Status
from scripts.interviews.recover import recover
from scripts.interviews.remote import Remote, reap_remotely
from scripts.interviews.run_lock import run_lock
from tests.interviews.conftest import CHALLENGE, publish
from tests.lifecycle.builds import Builds
from tests.lifecycle.conftest import Shared

RemoteFactory = Callable[[Shared, Builds, Callable[[], object]], Remote]


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> RemoteFactory:
    """Makes remotes that go on with what is given instead of pausing."""

    def make(shared: Shared, builds: Builds, while_waiting: Callable[[], object]) -> Remote:
        monkeypatch.setattr("scripts.interviews.remote.sleep", lambda _: while_waiting())
        context = shared.place.breakable_context()
        context.aws.__dict__["codebuild"] = builds
        return Remote(context, Dispatcher(context.aws, bucket=context.bucket, project="runner"))

    return make


def activate(shared: Shared, builds: Builds) -> None:
    """What a build does, in short."""
    with run_lock(shared.context(host="build"), builds.started[-1]["PREQUEL_INTERVIEW_ID"], "recover") as held:
        held.move(Status.CREATING, slot=0)
        held.move(Status.ACTIVE, outputs={"access_url": "https://one"})
    builds.end("SUCCEEDED")


@pytest.fixture
def builds() -> Builds:
    return Builds()


def test_a_remote_create_starts_a_build_and_returns_url_and_password(
    shared: Shared, builds: Builds, remote: RemoteFactory
) -> None:
    request = shared.place.request(id="one", password="correct-horse-battery")
    made = remote(shared, builds, lambda: activate(shared, builds)).create(request)
    assert (made.intent.status, made.intent.access_url, made.password) == (
        Status.ACTIVE,
        "https://one",
        request.password,
    )
    (build,) = builds.started
    assert (build["PREQUEL_ACTION"], build["PREQUEL_INTERVIEW_ID"]) == ("recover", "one")
    assert "Ada" not in json.dumps(build)
    assert request.password not in json.dumps(build)
    parameter = f"/{shared.place.prefix}/interviews/one/password"
    kept = shared.place.embedded.aws.ssm.get_parameter(Name=parameter, WithDecryption=True)["Parameter"]
    assert kept["Value"] == request.password


def test_the_reaper_does_not_start_a_second_build_meanwhile(
    shared: Shared, builds: Builds, remote: RemoteFactory
) -> None:
    def wait() -> None:
        assert shared.reaper(codebuild=builds, runner="runner").run(shared.place.clock()).started == {}
        activate(shared, builds)

    remote(shared, builds, wait).create(shared.place.request(id="one"))
    assert len(builds.started) == 1


def test_a_build_that_dies_before_it_begins_leaves_nothing(
    shared: Shared, builds: Builds, remote: RemoteFactory
) -> None:
    with pytest.raises(NotReadyError, match="failed before it began"):
        remote(shared, builds, lambda: builds.end("FAILED")).create(shared.place.request(id="one"))
    assert shared.place.live("one") == {}
    assert shared.place.objects("workspaces/") == []


def test_a_create_whose_build_cannot_start_is_left_to_the_reaper(
    shared: Shared, builds: Builds, remote: RemoteFactory
) -> None:
    builds.full = True
    with pytest.raises(
        BuildQuotaError, match=r"Linux/Small environment \(L-9D07B6EF.*prequel interview reap"
    ) as refused:
        remote(shared, builds, lambda: None).create(shared.place.request(id="one"))
    assert "\n" not in str(refused.value)
    builds.full = False
    shared.place.clock.forward(seconds=30)
    assert list(shared.reaper(codebuild=builds).run(shared.place.clock()).started) == ["one"]


def test_without_a_free_slot_nothing_is_begun(shared: Shared, builds: Builds, remote: RemoteFactory) -> None:
    publish(shared.place.values, shared.place.embedded.aws, 1)
    shared.place.stored("other", Status.ACTIVE)
    with pytest.raises(NoFreeSlotError):
        remote(shared, builds, lambda: None).create(shared.place.request(id="one"))
    assert builds.started == []


def test_one_that_starts_later_is_left_to_the_reaper(shared: Shared, builds: Builds, remote: RemoteFactory) -> None:
    later = shared.place.request(id="one", starts_at=shared.place.clock() + timedelta(hours=1))
    made = remote(shared, builds, lambda: None).create(later)
    assert (made.intent.status, builds.started) == (Status.SCHEDULED, [])


def test_bulk_creation_runs_remotely(shared: Shared, builds: Builds, remote: RemoteFactory) -> None:
    runner = remote(shared, builds, lambda: activate(shared, builds))
    requests = [shared.place.request(id="one"), shared.place.request(id="two")]
    rows = create_all(shared.context(), requests, parallel=1, remote=runner)
    assert [row.outcome for row in rows] == ["created", "created"]
    assert len(builds.started) == 2


def test_a_bulk_row_that_was_left_half_done_is_completed_remotely(
    shared: Shared, builds: Builds, remote: RemoteFactory
) -> None:
    shared.place.stored("one", Status.FAILED)
    runner = remote(shared, builds, lambda: activate(shared, builds))
    request = shared.place.request(id="one", candidate_name="Ada")
    (row,) = create_all(shared.context(), [request], parallel=1, remote=runner)
    assert (row.outcome, row.access_url, row.error) == ("completed", "https://one", "")
    assert [build["PREQUEL_ACTION"] for build in builds.started] == ["recover"]


def test_a_create_whose_build_the_reaper_starts_first_waits_for_that_build(
    shared: Shared, builds: Builds, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Overtaken(Dispatcher):
        """The reaper writes its record between this client's reading and writing of it."""

        def _read(self, interview_id: str) -> Any:
            found = super()._read(interview_id)
            if not builds.started:
                shared.reaper(codebuild=builds, runner="runner").run(shared.place.clock())
            return found

    context = shared.place.breakable_context()
    context.aws.__dict__["codebuild"] = builds
    dispatcher = Overtaken(context.aws, bucket=context.bucket, project="runner")
    passed = iter(range(3))

    def wait() -> None:
        # First the client has no build yet; then it waits for the reaper's, which fails.
        if next(passed) == 1:
            builds.end("FAILED")

    monkeypatch.setattr("scripts.interviews.remote.sleep", lambda _: wait())
    runner = Remote(context, dispatcher)
    with pytest.raises(NotReadyError, match="failed before it began"):
        runner.create(shared.place.request(id="one"))
    assert len(builds.started) == 1


@pytest.mark.e2e
def test_a_remote_create_with_the_real_terraform_ends_in_a_running_interview(
    shared: Shared, builds: Builds, remote: RemoteFactory
) -> None:
    def build() -> None:
        recover(shared.context(host="build"), builds.started[-1]["PREQUEL_INTERVIEW_ID"])
        builds.end("SUCCEEDED")

    made = remote(shared, builds, build).create(shared.place.request())
    assert made.intent.status is Status.ACTIVE
    assert {"service", "rule", "password"} <= shared.place.live(made.intent.id).keys()


class Function(Aws):
    """Clients of which the one for Lambda answers as given."""

    def __init__(self, payload: object, error: str = "") -> None:
        super().__init__("us-east-1")
        self._payload = payload
        self._error = error

    def client(self, service: str, **_: Any) -> Any:
        assert service == "lambda"
        return self

    def invoke(self, **given: str) -> dict[str, Any]:
        assert given == {"FunctionName": "prequel-reaper", "InvocationType": "RequestResponse"}
        if self._error == "TooManyRequestsException":
            raise ClientError({"Error": {"Code": self._error, "Message": "busy"}}, "Invoke")
        answer = {"Payload": io.BytesIO(json.dumps(self._payload).encode())}
        return answer | ({"FunctionError": self._error} if self._error else {})


def test_reap_remote_returns_what_the_pass_did() -> None:
    assert reap_remotely(Function({"started": {"one": "b"}}), "prequel") == {"started": {"one": "b"}}


def test_a_failed_pass_is_reported_in_its_own_words() -> None:
    with pytest.raises(PrequelError, match="one: too many"):
        reap_remotely(Function({"errorMessage": "one: too many"}, "Unhandled"), "prequel")


def test_a_pass_that_is_being_made_is_no_failure_of_ours() -> None:
    with pytest.raises(BusyInterviewError, match="at this moment"):
        reap_remotely(Function({}, "TooManyRequestsException"), "prequel")


def test_keep_is_refused_for_what_runs_remotely() -> None:
    made = CliRunner().invoke(app, ["create", "--remote", "--keep", "--challenge", CHALLENGE, "--candidate", "Ada"])
    assert made.exit_code == 2
    assert "a failed remote create is always destroyed" in made.output


def test_the_commands_reach_the_stacks_own_runner_and_reaper(shared: Shared) -> None:
    """Neither exists here, so each command ends by naming what it called."""
    made = shared.place.prequel(
        "interview", "create", "--remote", "--id", "one", "--challenge", CHALLENGE, "--candidate", "Ada"
    )
    assert made.returncode == 1
    assert f"project/{shared.place.prefix}-runner" in made.stderr
    stored = shared.context().intents.load("one")
    assert stored is not None
    assert stored.intent.status is Status.SCHEDULED
    passed = shared.place.prequel("interview", "reap", "--remote")
    assert passed.returncode == 1
    assert f"{shared.place.prefix}-reaper" in passed.stderr
