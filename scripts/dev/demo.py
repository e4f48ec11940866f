"""`make demo`: deploys everything on an embedded AWS, runs two interviews, and checks that nothing is left.

It runs `cdktf deploy` and the `prequel` command as a user would; only the endpoint is on this machine.
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

from scripts.console import Console
from scripts.embedded.launcher import EmbeddedAws
from scripts.embedded.local_stack import deploy_shared
from scripts.errors import InterruptedRunError, PrequelError
from scripts.project import PROJECT

CHALLENGE = "python/rate-limiter"
BUCKET = "prequel-instance"


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
        with self._timed("an interview of one minute: created"):
            self._create("short", "Grace Hopper", "1m")
        with self._timed("an interview of an hour: created"):
            self._create("demo", "Ada Lovelace", "60m")
        with self._timed("interviews: listed and shown"):
            self._prequel("interview", "list")
            self._prequel("interview", "show", "demo")
        with self._timed("the interview of an hour: destroyed"):
            self._prequel("interview", "destroy", "demo")
        with self._timed("the interview of one minute: expired"):
            self._wait_for_deadline("short")
        with self._timed("the interview of one minute: reaped"):
            self._prequel("interview", "reap")
        with self._timed("check: nothing is left"):
            self._prequel("doctor")
            self._check_that_nothing_is_left()

    def _create(self, interview: str, candidate: str, duration: str) -> None:
        self._prequel(
            "interview", "create", "--id", interview, "--challenge", CHALLENGE,
            "--candidate", candidate, "--duration", duration,
        )  # fmt: skip

    def _wait_for_deadline(self, interview: str) -> None:
        body = self._embedded.aws.s3.get_object(Bucket=BUCKET, Key=f"workspaces/{interview}/interview.json")["Body"]
        deadline = datetime.fromisoformat(json.loads(body.read())["deadline"])
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
        self._console.say("\nAWS lists no service, no target group and no password of any interview.")


def main() -> None:
    """Runs the demo; exit code 1 when a step fails, 130 on ctrl-C. No process and no file outlives it."""
    console = Console()
    start = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="prequel-demo-") as scratch:
            directory = Path(scratch)
            with console.step("Starting an embedded AWS on this machine"):
                embedded = EmbeddedAws.start(log=directory / "requests.log")
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
