"""One live embedded AWS with what an interview needs of the shared stack, the reaper and the runner included.

Everything is reached as users reach it: `prequel`, the load balancer's address, a browser. Only what nobody but AWS
can do, such as killing a container, is asked of the container engine.
"""

import io
import json
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
import requests
from docker.models.containers import Container

from constructs.bundle import archive
from constructs.runner import build_spec
from scripts.embedded.launcher import EmbeddedAws
from scripts.embedded.live.ownership import containers, owner
from scripts.embedded.seed import seed_shared_infrastructure
from scripts.engine.engine import Engine
from scripts.programs import PROGRAMS
from scripts.project import PROJECT
from tests import machine
from tests.interviews.conftest import Place, filled

T = TypeVar("T")

PREFIX = "prequel"
CHALLENGE = "python/rate-limiter"

_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": ["lambda.amazonaws.com", "codebuild.amazonaws.com"]},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
_EVERYTHING = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


def wait_for(look: Callable[[], T | None], what: str, *, seconds: float = 300) -> T:
    """What ``look`` finds at last. The time is for machines that are very busy."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError(f"{what} did not come within {seconds} s")


@dataclass(frozen=True)
class LiveStack:
    """The shared infrastructure on a live embedded AWS, and the engine that its containers run in."""

    place: Place
    engine: Engine

    @property
    def embedded(self) -> EmbeddedAws:
        return self.place.embedded

    def prequel(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.place.prequel(*arguments)

    def create(self, interview: str, *options: str) -> "LiveInterview":
        """An interview by `prequel interview create`, with all that it printed as a test's failure would show it."""
        done = self.prequel(
            *("interview", "create", "--id", interview, "--challenge", CHALLENGE, "--candidate", interview.title()),
            *("--json", *(() if "--duration" in options else ("--duration", "60m")), *options),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return LiveInterview(self, interview)

    def stopped_tasks(self, interview: str) -> list[dict[str, Any]]:
        """Oldest first."""
        ecs = self.embedded.aws.ecs
        arns = ecs.list_tasks(cluster=PREFIX, serviceName=interview, desiredStatus="STOPPED")["taskArns"]
        tasks = ecs.describe_tasks(cluster=PREFIX, tasks=arns)["tasks"] if arns else []
        return sorted((dict(task) for task in tasks), key=lambda task: str(task["createdAt"]))

    def exists(self, interview: str) -> bool:
        """Whether anything of it is written down."""
        return bool(self.place.objects(f"workspaces/{interview}/interview.json"))


@dataclass(frozen=True)
class LiveInterview:
    """An interview that was created, as its candidate and its container engine see it."""

    stack: LiveStack
    id: str

    @property
    def host(self) -> str:
        [listener] = [one for one in self.stack.embedded.listeners if one["port"] == 80]
        return f"{self.id}.{PREFIX}.localhost:{listener['localPort']}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    @property
    def password(self) -> str:
        name = f"/{PREFIX}/interviews/{self.id}/password"
        return str(self.stack.embedded.aws.ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])

    def get(self, path: str = "/", *, cookies: Mapping[str, str] | None = None) -> requests.Response:
        """A request as a browser on this machine would send it, without following redirects."""
        port = self.host.rpartition(":")[2]
        headers = {"Host": self.host}
        url = f"http://127.0.0.1:{port}{path}"
        return requests.get(url, headers=headers, cookies=dict(cookies or {}), allow_redirects=False, timeout=60)

    def answers(self) -> bool:
        return self.get("/healthz").status_code == 200

    def log_in(self, password: str) -> requests.Response:
        port = self.host.rpartition(":")[2]
        return requests.post(
            f"http://127.0.0.1:{port}/login",
            data={"password": password},
            headers={"Host": self.host},
            allow_redirects=False,
            timeout=60,
        )

    @property
    def task(self) -> str:
        """The id of the task that runs."""
        ecs = self.stack.embedded.aws.ecs
        [arn] = ecs.list_tasks(cluster=PREFIX, serviceName=self.id)["taskArns"]
        return str(arn).rsplit("/", 1)[-1]

    def container(self, name: str = "code-server") -> Container:
        return self.stack.engine.client.containers.get(f"prequel-{self.task}-{name}")

    def run(self, *command: str) -> tuple[int, str]:
        """A command in the editor's container, as the candidate's terminal would run it."""
        done = self.container().exec_run(list(command), user="1000:1000")
        assert isinstance(done.output, bytes)
        return int(done.exit_code or 0), done.output.decode(errors="replace")


@pytest.fixture(scope="package")  # its editors and health checks take time from other tests
def live(engine: Engine, editor_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    machine.require(machine.PROXY)
    directory = tmp_path_factory.mktemp("live")
    with EmbeddedAws.start(live=editor_image, log=directory / "requests.log") as embedded:
        values = seed_shared_infrastructure(embedded.aws, project_prefix=PREFIX, domain_name=f"{PREFIX}.test")
        settings = {"aws_region": "us-east-1", "environment": "embedded", "domain_name": "", "project_prefix": PREFIX}
        lines = [f'{name} = "{value}"\n' for name, value in settings.items()]
        (directory / "terraform.tfvars").write_text("".join(lines))
        place = filled(Place(embedded, values, directory), 10)
        _wait_page(place)
        _reaper_and_runner(place)
        yield LiveStack(place, engine)
        assert embedded.process is not None
        server = owner(embedded.process.pid)
    assert containers(engine, server) == []


@pytest.fixture(scope="package")
def created(live: LiveStack) -> dict[str, LiveInterview]:
    """Three interviews, created at the same time, and a scheduled one, ``later``, which nobody starts and nobody ends.

    What takes AWS's minutes begins here, so that the tests which wait for its end come last: ``later``, and ``eve``'s
    editor, which is frozen at once and has its grace period first.
    """
    start = (datetime.now(UTC) + timedelta(seconds=60)).isoformat(timespec="seconds")
    later = live.create("later", "--at", start, "--duration", "3m")
    names = ("ada", "bob", "eve")
    with ThreadPoolExecutor(len(names)) as pool:
        interviews = dict(zip(names, pool.map(live.create, names), strict=True))
    eve = interviews["eve"]
    for process in eve.run("sh", "-c", "cd /proc; ls -d [1-9]*")[1].split():
        eve.container().exec_run(["kill", "-STOP", process], user="1000:1000")
    eve.container().kill("STOP")  # the first process, which its own namespace cannot stop
    return interviews | {"later": later}


def _wait_page(place: Place) -> None:
    """What unknown names are answered, as the shared stack's listener does it."""
    action = {
        "Type": "fixed-response",
        "FixedResponseConfig": {"StatusCode": "404", "ContentType": "text/html", "MessageBody": "<h1>not 'there'</h1>"},
    }
    place.aws.elbv2.modify_listener(ListenerArn=place.values["listener_arn"], DefaultActions=[action])  # type: ignore[list-item]


def _reaper_and_runner(place: Place) -> None:
    """The function, its rule and the project of the shared stack, from the same archives and build spec."""
    aws, bucket = place.aws, place.values["instance_bucket_name"]
    iam = aws.client("iam")
    role = iam.create_role(RoleName="operations", AssumeRolePolicyDocument=_TRUST)["Role"]["Arn"]
    iam.put_role_policy(RoleName="operations", PolicyName="operations", PolicyDocument=_EVERYTHING)
    time.sleep(6)  # the embedded AWS lets nobody assume a role that is too new
    module, _, _ = PROGRAMS.reaper.rpartition(".")
    function = aws.client("lambda").create_function(
        FunctionName="prequel-reaper",
        Runtime="python3.12",
        Role=role,
        Handler=PROGRAMS.reaper,
        Code={"ZipFile": archive(module)},
        Timeout=55,
        Environment={
            "Variables": {
                "PREQUEL_BUCKET": bucket,
                "PREQUEL_CLUSTER": PREFIX,
                "PREQUEL_RUNNER": "prequel-runner",
                "PREQUEL_PROJECT_PREFIX": PREFIX,
                "PREQUEL_MAX_INSTANCES": "10",
            }
        },
    )
    events = aws.client("events")
    events.put_rule(Name="prequel-reaper", ScheduleExpression="rate(1 minute)")
    events.put_targets(Rule="prequel-reaper", Targets=[{"Id": "reaper", "Arn": function["FunctionArn"]}])
    source = io.BytesIO(archive(PROGRAMS.runner))
    with zipfile.ZipFile(source, "a") as packed:
        packed.write(PROJECT / "requirements-runner.txt", "requirements-runner.txt")
    aws.s3.put_object(Bucket=bucket, Key="runner/source.zip", Body=source.getvalue())
    aws.client("logs").create_log_group(logGroupName="/prequel/runner")
    settings = {"AWS_REGION": "us-east-1", "ENVIRONMENT": "embedded", "PROJECT_PREFIX": PREFIX, "DOMAIN_NAME": ""}
    aws.codebuild.create_project(
        name="prequel-runner",
        serviceRole=role,
        source={
            "type": "S3",
            "location": f"{bucket}/runner/source.zip",
            "buildspec": json.dumps(build_spec(PROGRAMS.runner)),
        },
        artifacts={"type": "NO_ARTIFACTS"},
        environment={
            "type": "LINUX_CONTAINER",
            "image": "aws/codebuild/amazonlinux-x86_64-standard:5.0",
            "computeType": "BUILD_GENERAL1_SMALL",
            "environmentVariables": [
                {"name": f"PREQUEL_{name}", "value": value} for name, value in settings.items() if value
            ],
        },
        logsConfig={"cloudWatchLogs": {"status": "ENABLED", "groupName": "/prequel/runner"}},
        timeoutInMinutes=20,
    )
