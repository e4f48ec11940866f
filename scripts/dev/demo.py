"""`make demo`: deploys everything on an embedded AWS, runs two interviews, and checks that nothing is left.

It runs `cdktf deploy` and the `prequel` command as a user would; only the endpoint is on this machine. With a container
engine the editors run, a picture of one is taken, and the reaper ends an overdue interview by itself.
"""

import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import requests

from contract.names import password_parameter
from scripts.console import Console
from scripts.dev.photograph import photograph
from scripts.embedded.launcher import EmbeddedAws
from scripts.embedded.live.ownership import containers, owner
from scripts.embedded.local_stack import DEFAULT_PREFIX, deploy_shared, interview_url, live_image
from scripts.engine.engine import Engine
from scripts.errors import InterruptedRunError, PrequelError
from scripts.project import PROJECT

CHALLENGE = "python/rate-limiter"
BUCKET = "prequel-instance"
PICTURE = PROJECT / ".prequel" / "editor.png"

_REAPED_SECONDS = 600
"""The reaper's minute, a build with Terraform, and a proof of absence, on a slow machine."""


class Demo:
    """One demonstration; ``times`` are its steps in order with their seconds."""

    def __init__(self, embedded: EmbeddedAws, directory: Path, console: Console) -> None:
        self._embedded = embedded
        self._directory = directory
        self._console = console
        self.times: list[tuple[str, float]] = []

    def run(self) -> None:
        """Every step; raises ``PrequelError`` at the first that fails."""
        with self._timed("shared stack: cdktf deploy"):
            deploy_shared(self._embedded, self._directory, self._console)
        with self._timed("image: built"):
            self._prequel("image", "build")
        with self._timed("templates: rehearsed and published"):
            self._prequel("templates", "publish", "--yes")
        with self._timed("challenges: published"):
            self._prequel("challenge", "publish")
        with self._timed("a short interview: created"):
            # The reaper ends it at its deadline, ready or not, and a busy machine takes a minute to start an editor.
            self._create("short", "Grace Hopper", "3m" if self._embedded.live else "1m")
        with self._timed("an interview of an hour: created"):
            self._create("demo", "Ada Lovelace", "60m")
        with self._timed("interviews: listed and shown"):
            self._prequel("interview", "list")
            self._prequel("interview", "show", "demo")
        if self._embedded.live:
            with self._timed("the interview of an hour: visited"):
                self._visit("demo")
        with self._timed("the interview of an hour: destroyed"):
            self._prequel("interview", "destroy", "demo", "--yes")
        with self._timed("the short interview: expired"):
            self._wait_for_deadline("short")
        with self._timed("the short interview: reaped"):
            if self._embedded.live:
                self._wait_for_reaper("short")
            else:
                self._prequel("interview", "reap")
        with self._timed("check: nothing is left"):
            self._prequel("doctor")
            self._check_that_nothing_is_left()

    def _visit(self, interview: str) -> None:
        """Says where the editor is, and takes a picture of it."""
        url = interview_url(self._embedded, interview)
        parameter = self._embedded.aws.ssm.get_parameter(
            Name=password_parameter(DEFAULT_PREFIX, interview), WithDecryption=True
        )
        password = parameter["Parameter"]["Value"]
        self._console.say(f"\nThe editor is at {url} in any browser on this machine; its password is {password}")
        if photograph(url, password, PICTURE):
            self._console.say(f"A picture of it: {PICTURE}")
        else:
            self._console.say("With chromium and chromedriver on this machine, a picture of it would be taken.")

    def _wait_for_reaper(self, interview: str) -> None:
        """The reaper looks once a minute and starts a build; nobody calls either."""
        self._console.say(f"\nwaiting until the reaper has destroyed {interview}: it looks once a minute …")
        records = f"workspaces/{interview}/interview.json"
        deadline = time.monotonic() + _REAPED_SECONDS
        while self._embedded.aws.s3.list_objects_v2(Bucket=BUCKET, Prefix=records).get("KeyCount"):
            if time.monotonic() > deadline:
                raise PrequelError(f"the reaper did not destroy {interview} within {_REAPED_SECONDS} s")
            time.sleep(2)
        # Browsers find names under .localhost by themselves; not every program does.
        url = urlsplit(interview_url(self._embedded, interview))
        answer = requests.get(f"http://127.0.0.1:{url.port}", headers={"Host": url.netloc}, timeout=30)
        self._console.say(f"{url.geturl()} answers {answer.status_code}, the page for interviews that are not there.")

    def _create(self, interview: str, candidate: str, duration: str) -> None:
        self._prequel(
            "interview", "create", "--id", interview, "--challenge", CHALLENGE,
            "--candidate", candidate, "--duration", duration,
        )  # fmt: skip

    def _wait_for_deadline(self, interview: str) -> None:
        s3, record = self._embedded.aws.s3, f"workspaces/{interview}/interview.json"
        if not s3.list_objects_v2(Bucket=BUCKET, Prefix=record).get("KeyCount"):
            return  # the reaper was faster than the steps before
        deadline = datetime.fromisoformat(
            json.loads(s3.get_object(Bucket=BUCKET, Key=record)["Body"].read())["deadline"]
        )
        remaining = max((deadline - datetime.now(UTC)).total_seconds(), 0) + 0.1
        self._console.say(f"\nwaiting {remaining:.0f} s for the deadline of {interview} …")
        time.sleep(remaining)

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        start = time.monotonic()
        yield
        self.times.append((name, time.monotonic() - start))

    def _prequel(self, *arguments: str) -> None:
        self._console.say(f"\n$ prequel {shlex.join(arguments)}")
        done = subprocess.run(
            [sys.executable, "-m", "scripts", *arguments], cwd=PROJECT, env=self._environment(), check=False
        )
        if done.returncode != 0:
            raise PrequelError(f"prequel {arguments[0]} {arguments[1]} ended with exit code {done.returncode}")

    def _environment(self) -> Mapping[str, str]:
        return self._embedded.environment | {"PREQUEL_CONFIG_DIR": str(self._directory)}

    def _check_that_nothing_is_left(self) -> None:
        """Asks AWS itself, not our own records."""
        aws = self._embedded.aws
        services = [
            service["serviceName"]
            for cluster in aws.ecs.list_clusters()["clusterArns"]
            for arn in aws.ecs.list_services(cluster=cluster)["serviceArns"]
            for service in aws.ecs.describe_services(cluster=cluster, services=[arn])["services"]
            if service["status"] != "INACTIVE"
        ]
        groups = [group["TargetGroupName"] for group in aws.elbv2.describe_target_groups()["TargetGroups"]]
        parameters = [p["Name"] for p in aws.ssm.describe_parameters()["Parameters"] if "/interviews/" in p["Name"]]
        left = {"services": services, "target groups": groups, "passwords": parameters}
        if any(left.values()):
            raise PrequelError(f"something is left: {json.dumps(left)}")
        if self._embedded.live and self._embedded.process:
            with Engine.find() as engine:
                if running := containers(engine, owner(self._embedded.process.pid)):
                    raise PrequelError(f"containers are left: {', '.join(running)}")
        self._console.say("\nAWS lists no service, no target group and no password of any interview.")


def main() -> None:
    """Runs the demo; exit code 1 when a step fails, 130 on ctrl-C. No process and no file outlives it."""
    console = Console()
    start = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="prequel-demo-") as scratch:
            directory = Path(scratch)
            image = live_image(console)
            with console.step("Starting an embedded AWS on this machine"):
                embedded = EmbeddedAws.start(log=directory / "requests.log", live=image)
            with embedded:
                demo = Demo(embedded, directory, console)
                demo.run()
    except KeyboardInterrupt:
        console.error("interrupted; the embedded AWS is stopped and deleted")
        sys.exit(InterruptedRunError.exit_code)
    except PrequelError as error:
        console.error(str(error))
        sys.exit(error.exit_code)
    console.say("")
    for name, seconds in [*demo.times, ("in all", time.monotonic() - start)]:
        console.say(f"  {name:<42}  {seconds:6.1f} s")


if __name__ == "__main__":
    main()
