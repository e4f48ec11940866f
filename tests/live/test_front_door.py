"""An interview through its front door: the load balancer's address and a browser, with nothing claimed in between."""

import json
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509

from scripts.dev.bench.overload import LOADS, SHELL, STOP
from scripts.project import PROJECT
from tests.candidate.editor import browser
from tests.live.conftest import CHALLENGE, PREFIX, LiveInterview, LiveStack, wait_for

pytestmark = pytest.mark.e2e

Interviews = dict[str, LiveInterview]

SOLUTIONS = PROJECT / "tests" / "challenges" / "solutions"


def test_a_candidate_logs_in_edits_runs_a_command_and_continues_after_a_reload(
    created: Interviews, tmp_path: Path
) -> None:
    ada = created["ada"]
    with browser(tmp_path / "profile") as person:
        person.go(ada.url)
        person.submit_password(ada.password)
        person.edit("rate_limiter.py", "# edited by Ada")
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


def test_an_extension_shows_in_the_editor(live: LiveStack, created: Interviews, tmp_path: Path) -> None:
    ada = created["ada"]
    with browser(tmp_path / "profile") as person:
        person.go(ada.url)
        person.submit_password(ada.password)
        person.wait_for_text(".statusbar", " min left")
        person.wait_for_text(".statusbar", "saved ")
        assert live.prequel("interview", "extend", "ada", "--by", "120m").returncode == 0
        # The saver asks every 20 s, and the extension looks every 5 s.
        person.wait_for_text(".statusbar", " h ")


@pytest.mark.parametrize("load", ["a fork loop", "150 processes of 14 MB"])
def test_the_task_outlives(created: Interviews, load: str) -> None:
    ada = created["ada"]
    before = ada.task
    ada.run(SHELL, "-c", LOADS[load].format(seconds=5))
    ada.run("node", "-e", STOP)
    assert ada.answers()
    assert ada.task == before


def test_a_process_over_the_tasks_memory_is_killed_and_the_editor_lives(created: Interviews) -> None:
    ada = created["ada"]
    exit_code, _ = ada.run("python3", "-c", "x = bytearray(8 << 30); x[::4096] = b'1' * len(x[::4096])")
    assert exit_code == 137
    assert ada.answers()


LISTING = """
import hashlib, json, pathlib, stat, sys
root = pathlib.Path(sys.argv[1])
found = {}
for path in sorted(root.rglob("*")):
    name = path.relative_to(root).as_posix()
    if path.is_file() and not name.startswith(".git/"):
        found[name] = [stat.S_IMODE(path.stat().st_mode), hashlib.sha256(path.read_bytes()).hexdigest()]
print(json.dumps(found))
"""
"""What is in a folder, but for git's own files, which the editor touches too."""


def test_a_killed_container_is_replaced_and_the_candidate_goes_on_where_the_work_was_saved(
    live: LiveStack, created: Interviews, tmp_path: Path
) -> None:
    bob, folder = created["bob"], "/home/coder/challenge"
    solution = SOLUTIONS / CHALLENGE / "rate_limiter.py"
    bob.run(
        "python3",
        "-c",
        "import sys; open(sys.argv[1], 'w').write(sys.argv[2])",
        *(f"{folder}/rate_limiter.py", solution.read_text()),
    )
    with browser(tmp_path / "profile") as person:
        person.go(bob.url)
        person.submit_password(bob.password)
        person.edit("rate_limiter.py", "# Bob's last line")
        who = "-c user.name=Bob -c user.email=bob@example.com"
        person.run_in_terminal(
            f"echo dot > .notes; chmod 700 .notes; git init -q; git add .; git {who} commit -qm begun"
        )
        history = ("git", "-C", folder, "log", "--format=%s")
        wait_for(lambda: bob.run(*history)[1] == "begun\n", "the commit")
        wait_for(lambda: "Bob's last line" in bob.run("cat", f"{folder}/rate_limiter.py")[1], "the last line")
        before = json.loads(bob.run("python3", "-c", LISTING, folder)[1])
        assert before[".notes"][0] == 0o700
        work = wait_for(lambda: fetched_when_equal(live, tmp_path, before), "the saved work")
        killed(live, bob)
        assert json.loads(bob.run("python3", "-c", LISTING, folder)[1]) == before
        wait_for(lambda: bob.run(*history)[1] == "begun\n", "the commit, restored")
        restored = json.loads(bob.run("cat", "/run/prequel/status.json")[1])["restored_from"]
        person.go(bob.url)  # the same address, and still logged in
        person.wait_for_text(
            ".notifications-toasts", f"Your work was restored as it was saved at {restored[11:16]} UTC"
        )
        person.open_file("rate_limiter.py")
        person.wait_for_text(".editor-group-container.active .view-lines", "# Bob's last line")
    # The interviewer's own look at it.
    tried = live.prequel("challenge", "try", f"{PROJECT}/challenge/{CHALLENGE}", "--work", str(work))
    assert tried.returncode == 0, tried.stdout + tried.stderr


def fetched_when_equal(live: LiveStack, directory: Path, wanted: dict[str, list[object]]) -> Path | None:
    """Where `prequel interview work` has written Bob's last state, once that is as ``wanted``."""
    fetched = Path(tempfile.mkdtemp(dir=directory)) / "work"
    live.prequel("interview", "work", "bob", "--to", str(fetched))
    listed = subprocess.run([sys.executable, "-c", LISTING, str(fetched)], capture_output=True, text=True, check=True)
    return fetched if json.loads(listed.stdout) == wanted and (fetched / ".git").is_dir() else None


def killed(live: LiveStack, interview: LiveInterview) -> None:
    """Kills the editor's container, and waits for the one that replaces it."""
    before = interview.task
    interview.container().kill()
    stopped = wait_for(lambda: live.stopped_tasks(interview.id), "the end of the task")[-1]
    assert stopped["stoppedReason"] == "Essential container in task exited"
    assert stopped["stopCode"] == "EssentialContainerExited"
    assert {c["name"]: c.get("exitCode") for c in stopped["containers"]}["code-server"] == 137
    ecs = live.embedded.aws.ecs
    wait_for(lambda: ecs.list_tasks(cluster=PREFIX, serviceName=interview.id)["taskArns"], "a new task")
    wait_for(interview.answers, "the new editor")
    assert interview.task != before


ECHO = """
import socket
server = socket.create_server(("127.0.0.1", 9000))
connection, _ = server.accept()
while b"\\r\\n\\r\\n" not in connection.recv(65536):
    pass
connection.sendall(b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n")
connection.sendall(b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\\r\\n\\r\\n")
while data := connection.recv(4096):
    connection.sendall(data)
"""
"""A candidate's program with one websocket, which answers every byte with itself; the key is RFC 6455's example."""


def test_a_websocket_survives_a_change_of_the_load_balancers_rules(live: LiveStack, created: Interviews) -> None:
    ada, elb = created["ada"], live.embedded.aws.elbv2
    ada.container().exec_run(["python3", "-c", ECHO], user="1000:1000", detach=True)
    cookies = "; ".join(f"{name}={value}" for name, value in ada.log_in(ada.password).cookies.get_dict().items())
    request = [
        "GET /proxy/9000/ HTTP/1.1",
        f"Host: {ada.host}",
        f"Cookie: {cookies}",
        f"Origin: {ada.url}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]

    def opened() -> socket.socket | None:
        connection = socket.create_connection(("127.0.0.1", int(ada.host.rpartition(":")[2])), timeout=60)
        connection.sendall("\r\n".join([*request, "", ""]).encode())
        if connection.recv(65536).startswith(b"HTTP/1.1 101 "):
            return connection
        connection.close()  # the program does not listen yet
        return None

    with wait_for(opened, "the websocket") as websocket:
        websocket.sendall(b"a")
        assert websocket.recv(1) == b"a"
        elb.create_rule(
            ListenerArn=live.place.values["listener_arn"],
            Priority=40001,
            Conditions=[{"Field": "host-header", "HostHeaderConfig": {"Values": ["changed.example.com"]}}],
            Actions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "418"}}],
        )
        port = ada.host.rpartition(":")[2]
        changed = {"Host": "changed.example.com"}
        wait_for(
            lambda: requests.get(f"http://127.0.0.1:{port}/", headers=changed, timeout=60).status_code == 418,
            "the new rule",
        )
        websocket.sendall(b"b")
        assert websocket.recv(1) == b"b"


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
    creating = partial(
        live.prequel,
        *("interview", "create", "--id", "bad", "--challenge", CHALLENGE, "--candidate", "Bad", "--duration", "60m"),
        *("--keep", "--image-tag", bad_image),
    )
    seen = set()
    with ThreadPoolExecutor(1) as pool:
        create = pool.submit(creating)
        while not create.done():
            answer = LiveInterview(live, "bad").get()
            seen.add((answer.status_code, answer.text))
            time.sleep(0.2)
        done = create.result()
    assert seen == {(404, "<h1>not 'there'</h1>")}  # the page that waits, and never a bare 503
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
