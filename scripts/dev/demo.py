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
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import requests

from contract.names import password_parameter
from scripts.console import Console
from scripts.dev.leftovers import leftovers
from scripts.dev.photograph import photograph
from scripts.embedded.launcher import EmbeddedAws
from scripts.embedded.live.host import live_engine
from scripts.embedded.local_stack import DEFAULT_PREFIX, deploy_shared, interview_url
from scripts.engine.engine import Engine
from scripts.engine.haproxy import haproxy
from scripts.engine.image import editor_image, has_image, image_name
from scripts.errors import EngineError, InterruptedRunError, PrequelError
from scripts.project import PROJECT

CHALLENGE = "python/rate-limiter"
BUCKET = "prequel-instance"
PICTURE = PROJECT / ".prequel" / "editor.png"

_REAPED_SECONDS = 600
"""The reaper's minute, a build with Terraform, and a proof of absence, on a slow machine."""

NEXT = """\
Keep such an AWS, and run an interview on it:

  source .venv/bin/activate
  prequel local up
  eval "$(prequel local env)"
  make publish
  prequel interview create --challenge python/rate-limiter --candidate "Ada Lovelace"
  prequel local down

Deploy to your AWS account: README.md, "Deploy to your AWS account"."""


@dataclass(frozen=True)
class Part:
    """A step of the demonstration; ``seconds`` is about what it takes on two cores that do nothing else."""

    title: str
    seconds: int
    run: Callable[[], None]


class Demo:
    """One demonstration; ``image`` is that of the candidates, perhaps still being built, or None: no editor runs."""

    _embedded: EmbeddedAws

    def __init__(self, directory: Path, console: Console, image: "Future[str] | None") -> None:
        self._directory = directory
        self._console = console
        self._image = image
        self.times: list[tuple[str, float]] = []
        """The title of each step that has ended, and its seconds."""
        self.picture = False
        """Whether ``PICTURE`` was taken."""

    @property
    def steps(self) -> list[Part]:
        """What is shown, in order."""
        live = self._image is not None
        return [
            Part("shared stack: deployed", 100, self._deploy),
            Part("image, challenges and templates: published", 15, self._publish),
            Part("an interview of an hour: created", 25 if live else 5, self._create),
            Part("its editor opened, and a second interview created", 25, self._visit)
            if live
            else Part("a second interview: created", 5, self._create_second),
            Part("interviews: listed and shown", 2, self._look),
            Part("the first interview: destroyed", 10 if live else 5, self._destroy),
            Part("the second: ended by the reaper at its deadline", 80 if live else 45, self._reap),
            Part("check: nothing is left", 3, self._check),
        ]

    def announce(self) -> None:
        """Says what will be shown, and how long it takes."""
        steps = self.steps
        minutes = sum(step.seconds for step in steps) / 60
        self._console.say(
            f"This takes about {minutes:.0f} minutes on two cores that do nothing else. AWS's API is emulated on this "
            "machine; Terraform, its AWS provider and prequel are the real ones."
        )
        for number, step in enumerate(steps, 1):
            self._console.say(f"  {number}. {step.title:<50} about {step.seconds:>3} s")

    def run(self, embedded: EmbeddedAws) -> None:
        """Every step; raises ``PrequelError`` at the first that fails."""
        self._embedded = embedded
        steps = self.steps
        for number, step in enumerate(steps, 1):
            self._console.say(f"\n[{number} of {len(steps)}] {step.title} …")
            start = time.monotonic()
            step.run()
            self.times.append((step.title, time.monotonic() - start))

    def _deploy(self) -> None:
        self._console.say("Most of it is waiting: the provider looks at a new load balancer after 60 s, not before.")
        deploy_shared(self._embedded, self._directory, self._console)
        if self._image and not self._image.done():
            with self._console.step("Waiting for the candidate's image"):
                self._image.result()

    def _publish(self) -> None:
        if self._image:
            self._image.result()
        self._prequel("image", "build")
        # Without its rehearsal, which creates and destroys an interview on an embedded AWS, as this does next.
        self._prequel("templates", "publish", "--yes", "--skip-rehearsal")
        self._prequel("challenge", "publish")

    def _create(self) -> None:
        self._prequel(*_create("demo", "Ada Lovelace", "60m"))

    def _create_second(self) -> None:
        self._prequel(*self._second())

    def _second(self) -> tuple[str, ...]:
        # The reaper ends it at its deadline, ready or not. A machine that took long for the first takes as long again.
        minutes = 1 + int(2 * self.times[-1][1]) // 60
        return _create("short", "Grace Hopper", f"{minutes}m")

    def _visit(self) -> None:
        """Says where the editor is, and takes a picture of it."""
        url = interview_url(self._embedded, "demo")
        parameter = self._embedded.aws.ssm.get_parameter(
            Name=password_parameter(DEFAULT_PREFIX, "demo"), WithDecryption=True
        )
        password = parameter["Parameter"]["Value"]
        self._console.say(f"The editor is at {url} in any browser on this machine; its password is {password}")
        with self._beside(*self._second()):
            self.picture = photograph(url, password, PICTURE)
        if not self.picture:
            self._console.say("With chromium and chromedriver on this machine, a picture of it would be taken.")

    def _look(self) -> None:
        self._prequel("interview", "list")
        self._prequel("interview", "show", "demo")

    def _destroy(self) -> None:
        self._prequel("interview", "destroy", "demo", "--yes")

    def _reap(self) -> None:
        self._wait_for_deadline("short")
        if self._embedded.live:
            self._wait_for_reaper("short")
        else:
            self._prequel("interview", "reap")

    def _check(self) -> None:
        self._prequel("doctor")
        if left := leftovers(self._embedded):
            raise PrequelError(f"something is left: {json.dumps(left)}")
        self._console.say("AWS lists no service, no target group and no password of any interview.")

    def _wait_for_reaper(self, interview: str) -> None:
        """The reaper looks once a minute and starts a build; nobody calls either."""
        self._console.say(f"waiting until the reaper has destroyed {interview}: it looks once a minute …")
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

    def _wait_for_deadline(self, interview: str) -> None:
        s3, record = self._embedded.aws.s3, f"workspaces/{interview}/interview.json"
        if not s3.list_objects_v2(Bucket=BUCKET, Prefix=record).get("KeyCount"):
            return  # the reaper was faster than the steps before
        deadline = datetime.fromisoformat(
            json.loads(s3.get_object(Bucket=BUCKET, Key=record)["Body"].read())["deadline"]
        )
        remaining = max((deadline - datetime.now(UTC)).total_seconds(), 0) + 0.1
        self._console.say(f"waiting {remaining:.0f} s for the deadline of {interview} …")
        time.sleep(remaining)

    def _prequel(self, *arguments: str) -> None:
        self._console.say(f"\n$ prequel {shlex.join(arguments)}")
        _check_ended(arguments, self._start(arguments).wait())

    @contextmanager
    def _beside(self, *arguments: str) -> Iterator[None]:
        """Runs a command beside the block, and prints its output afterwards."""
        with tempfile.TemporaryFile("w+") as output:
            process = self._start(arguments, output)
            try:
                yield
                exit_code = process.wait()
            except BaseException:
                process.terminate()
                process.wait()
                raise
            output.seek(0)
            self._console.say(f"\n$ prequel {shlex.join(arguments)}   # at the same time\n{output.read().rstrip()}")
        _check_ended(arguments, exit_code)

    def _start(self, arguments: tuple[str, ...], output: IO[str] | None = None) -> "subprocess.Popen[bytes]":
        environment = self._embedded.environment | {"PREQUEL_CONFIG_DIR": str(self._directory)}
        command = [sys.executable, "-m", "scripts", *arguments]
        return subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=output, stderr=output)


def _create(interview: str, candidate: str, duration: str) -> tuple[str, ...]:
    options = ("--id", interview, "--challenge", CHALLENGE, "--candidate", candidate, "--duration", duration)
    return ("interview", "create", *options)


def _check_ended(arguments: tuple[str, ...], exit_code: int) -> None:
    if exit_code:
        raise PrequelError(f"prequel {' '.join(arguments[:2])} ended with exit code {exit_code}")


def _image_name(console: Console) -> str:
    """The name of the candidates' image, built or not; empty where tasks cannot run, after one line that says why."""
    try:
        haproxy()
        with live_engine() as engine:
            if not has_image(engine, image_name()):
                console.say("The candidate's image is built beside the first step; that takes some minutes, once.")
            return image_name()
    except EngineError as error:
        console.say(f"no editor will run: {error}")
        return ""


def _built_image() -> str:
    with Engine.find() as engine:
        return editor_image(engine)


def _conclude(demo: Demo, seconds: float, console: Console) -> None:
    """What each step took, where to look, and what to type next."""
    slowest = max(demo.times, key=lambda step: step[1])[0]
    console.say("")
    for number, (title, took) in enumerate(demo.times, 1):
        console.say(f"  {number}. {title:<50} {took:6.1f} s{'   the slowest' if title == slowest else ''}")
    console.say(f"  {'in all':<53} {seconds:6.1f} s\n")
    if demo.picture:
        console.say(f"The editor as a candidate sees it: {PICTURE}\n")
    console.say(NEXT)


def main() -> None:
    """Runs the demo; exit code 1 when a step fails, 130 on ctrl-C. No process and no file outlives it."""
    console = Console()
    start = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="prequel-demo-") as scratch, ThreadPoolExecutor(1) as builder:
            directory = Path(scratch)
            image = _image_name(console)
            building = builder.submit(_built_image) if image else None
            demo = Demo(directory, console, building)
            demo.announce()
            with EmbeddedAws.start(log=directory / "requests.log", live=image or None) as embedded:
                demo.run(embedded)
    except KeyboardInterrupt:
        console.error("interrupted; the embedded AWS is stopped and deleted")
        sys.exit(InterruptedRunError.exit_code)
    except PrequelError as error:
        console.error(str(error))
        sys.exit(error.exit_code)
    _conclude(demo, time.monotonic() - start, console)


if __name__ == "__main__":
    main()
