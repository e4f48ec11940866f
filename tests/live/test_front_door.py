"""An interview through its front door: the load balancer's address and a browser, with nothing claimed in between."""

import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509

from tests.candidate.editor import browser
from tests.live.conftest import CHALLENGE, PREFIX, LiveInterview, LiveStack, wait_for

pytestmark = pytest.mark.e2e

Interviews = dict[str, LiveInterview]


def test_a_candidate_logs_in_edits_runs_a_command_and_continues_after_a_reload(
    created: Interviews, tmp_path: Path
) -> None:
    ada = created["ada"]
    with browser(tmp_path / "profile") as person:
        person.go(ada.url)
        person.submit_password(ada.password)
        person.open_file("rate_limiter.py")
        person.write_line("# edited by Ada")
        person.press("\ue009", "s")  # control
        person.run_in_terminal("echo from-the-terminal > made.txt")
        wait_for(lambda: ada.run("cat", "/home/coder/challenge/made.txt")[1] == "from-the-terminal\n", "the new file")
        person.go(ada.url)  # a reload: still logged in
        person.find(".explorer-folders-view [aria-label='made.txt']")
    assert "# edited by Ada" in ada.run("cat", "/home/coder/challenge/rate_limiter.py")[1]


def test_the_interviewer_sees_who_has_opened_the_interview_and_what_was_changed(
    live: LiveStack, created: Interviews
) -> None:
    """After Ada's visit; nobody ever opens Eve's."""

    def shown(interview: str) -> dict[str, Any]:
        done = live.prequel("interview", "show", interview, "--json")
        assert done.returncode == 0, done.stdout
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])["result"]
        return found

    assert created["ada"].answers()
    ada = wait_for(lambda: found if (found := shown("ada"))["activity"]["requests"] else None, "the first request")
    assert ada["activity"]["opened_at"] <= ada["activity"]["last_active_at"]
    assert ada["remaining_seconds"] > 0
    assert wait_for(lambda: shown("ada")["changes"], "the first save") is not None
    assert shown("eve")["activity"]["requests"] == 0


def test_a_wrong_password_lets_nobody_in(created: Interviews) -> None:
    ada = created["ada"]
    assert ada.log_in("wrong").status_code == 200  # the login page again
    assert ada.log_in(ada.password).status_code == 302


def test_an_unknown_host_gets_the_listeners_page_and_case_does_not_matter(live: LiveStack, created: Interviews) -> None:
    nobody = LiveInterview(live, "nobody").get()
    assert (nobody.status_code, nobody.text) == (404, "<h1>not 'there'</h1>")
    assert LiveInterview(live, "ADA").get("/healthz").status_code == 200
    assert created["ada"].get("/healthz").status_code == 200


def test_two_interviews_cannot_see_each_other(created: Interviews) -> None:
    ada, bob = created["ada"], created["bob"]
    bob.run("sh", "-c", "echo secret > /home/coder/challenge/bob.txt; sleep 600 &")
    assert ada.run("ls", "/home/coder/challenge/bob.txt")[0] != 0
    assert "sleep 600" not in ada.run("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")[1]
    address = bob.container("pause").attrs["NetworkSettings"]["Networks"]
    [bridge] = address.values()
    reached = f"import socket; socket.create_connection(('{bridge['IPAddress']}', 8443), timeout=5)"
    assert ada.run("python3", "-c", reached)[0] != 0
    cookies = ada.log_in(ada.password).cookies.get_dict()
    assert ada.get("/", cookies=cookies).status_code == 302
    assert "login" not in ada.get("/", cookies=cookies).headers["Location"]
    assert "login" in bob.get("/", cookies=cookies).headers["Location"]


def test_a_process_over_the_tasks_memory_is_killed_and_the_editor_lives(created: Interviews) -> None:
    ada = created["ada"]
    exit_code, _ = ada.run("python3", "-c", "x = bytearray(8 << 30); x[::4096] = b'1' * len(x[::4096])")
    assert exit_code == 137
    assert ada.answers()


def test_a_container_that_is_killed_is_replaced(live: LiveStack, created: Interviews) -> None:
    bob = created["bob"]
    before = bob.task
    bob.container().kill()
    stopped = wait_for(lambda: live.stopped_tasks("bob"), "the end of the task")[-1]
    assert stopped["stoppedReason"] == "Essential container in task exited"
    assert stopped["stopCode"] == "EssentialContainerExited"
    assert {c["name"]: c.get("exitCode") for c in stopped["containers"]}["code-server"] == 137
    wait_for(lambda: live.embedded.aws.ecs.list_tasks(cluster=PREFIX, serviceName="bob")["taskArns"], "a new task")
    wait_for(bob.answers, "the new editor")
    assert bob.task != before


@pytest.fixture
def bad_image(live: LiveStack, editor_image: str) -> Iterator[str]:
    """The tag of an image in the stack's repository that lacks the editor."""
    aws, client = live.embedded.aws, live.engine.client
    ecr = aws.client("ecr")
    name = f"{PREFIX}-code-server"
    repository = f"{aws.account_id}.dkr.ecr.{aws.region}.amazonaws.com/{name}"
    container = client.containers.create(
        editor_image, entrypoint=["rm", "/usr/local/bin/code-server"], user="0:0", ulimits=live.engine.ulimits()
    )
    container.start()
    assert container.wait()["StatusCode"] == 0
    container.commit(repository=repository, tag="bad")
    container.remove()
    ecr.create_repository(repositoryName=name)
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json", "layers": []}
    ecr.put_image(repositoryName=name, imageTag="bad", imageManifest=json.dumps(manifest))
    yield "bad"
    client.images.remove(f"{repository}:bad", force=True)


def test_a_bad_image_ends_in_the_circuit_breaker_and_its_reason_is_said(live: LiveStack, bad_image: str) -> None:
    done = live.prequel(
        *("interview", "create", "--id", "bad", "--challenge", CHALLENGE, "--candidate", "Bad", "--duration", "60m"),
        *("--keep", "--image-tag", bad_image),
    )
    assert done.returncode != 0
    assert "its container ended with exit code" in done.stderr
    [service] = live.embedded.aws.ecs.describe_services(cluster=PREFIX, services=["bad"])["services"]
    assert service["deployments"][0]["rolloutState"] == "FAILED"
    assert service["deployments"][0]["failedTasks"] == 3
    assert live.prequel("interview", "destroy", "bad", "--yes").returncode == 0


def test_what_the_container_writes_is_in_its_stream_of_cloudwatch_logs(live: LiveStack, created: Interviews) -> None:
    logs, group = live.embedded.aws.client("logs"), live.place.values["log_group_name"]
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix="ada/code-server/")["logStreams"]
    assert [stream["logStreamName"] for stream in streams] == [f"ada/code-server/{created['ada'].task}"]
    events = logs.get_log_events(logGroupName=group, logStreamName=streams[0]["logStreamName"])["events"]
    assert any("HTTP server listening" in event["message"] for event in events)


def test_a_remote_create_runs_terraform_in_a_build(live: LiveStack) -> None:
    far = live.create("far", "--remote")
    assert far.answers()
    builds = live.embedded.aws.codebuild
    ids = builds.list_builds_for_project(projectName="prequel-runner")["ids"]
    assert {build["buildStatus"] for build in builds.batch_get_builds(ids=ids)["builds"]} <= {
        "SUCCEEDED",
        "IN_PROGRESS",
    }
    logs = live.embedded.aws.client("logs").describe_log_streams(logGroupName="/prequel/runner")["logStreams"]
    assert logs


def test_a_listener_with_tls_presents_a_certificate_and_a_redirect_leads_to_it(live: LiveStack) -> None:
    aws, values = live.embedded.aws, live.place.values
    elb = aws.elbv2
    balancer = elb.describe_load_balancers(Names=[PREFIX])["LoadBalancers"][0]["LoadBalancerArn"]
    name = "*.interviews.example.com"
    certificate = aws.client("acm").request_certificate(DomainName=name)["CertificateArn"]
    elb.create_listener(
        LoadBalancerArn=balancer,
        Protocol="HTTPS",
        Port=443,
        Certificates=[{"CertificateArn": certificate}],
        DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "418"}}],
    )
    elb.create_rule(
        ListenerArn=values["listener_arn"],
        Priority=40000,
        Conditions=[{"Field": "host-header", "HostHeaderConfig": {"Values": [name]}}],
        Actions=[
            {
                "Type": "redirect",
                "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"},
            }
        ],
    )
    ports = wait_for(
        lambda: found if len(found := {o["port"]: o["localPort"] for o in live.embedded.listeners}) == 2 else None,
        "the second listener",
    )

    def redirected() -> str | None:
        answer = requests.get(
            f"http://127.0.0.1:{ports[80]}/a?b=c",
            headers={"Host": "ada.interviews.example.com"},
            allow_redirects=False,
            timeout=60,
        )
        return answer.headers["Location"] if answer.status_code == 301 else None

    assert wait_for(redirected, "the redirect") == f"https://ada.interviews.example.com:{ports[443]}/a?b=c"
    with socket.create_connection(("127.0.0.1", ports[443]), timeout=60) as plain:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(plain, server_hostname="ada.interviews.example.com") as secure:
            presented = x509.load_der_x509_certificate(secure.getpeercert(binary_form=True) or b"")
            secure.sendall(b"GET / HTTP/1.1\r\nHost: ada.interviews.example.com\r\nConnection: close\r\n\r\n")
            assert secure.recv(4096).startswith(b"HTTP/1.1 418")
    alternatives = presented.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert alternatives.get_values_for_type(x509.DNSName) == [name]


def test_a_frozen_editor_is_found_by_its_health_check_and_replaced(live: LiveStack, created: Interviews) -> None:
    stopped = wait_for(lambda: live.stopped_tasks("eve"), "the end of the frozen task")[-1]
    assert stopped["stoppedReason"].startswith("Task failed ELB health checks in (target-group arn:aws:")
    wait_for(created["eve"].answers, "the new editor")


def test_the_reapers_own_ticks_start_and_end_a_scheduled_interview_and_keep_an_extended_one(
    live: LiveStack, created: Interviews
) -> None:
    assert live.prequel("interview", "extend", "ada", "--by", "30m").returncode == 0
    wait_for(lambda: not live.exists("later"), "its end", seconds=900)
    assert live.stopped_tasks("later")  # so it ran
    assert created["later"].get().status_code == 404
    assert live.place.live("later") == {}
    assert created["ada"].answers()
