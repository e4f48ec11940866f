"""Starts and stops the embedded AWS; docs/operations.md lists how it differs from AWS."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import requests

from scripts.aws.clients import Aws
from scripts.aws.proxies import direct_here
from scripts.errors import PrequelError
from scripts.project import PROJECT
from scripts.terraform.environment import CUSTOM_ENDPOINT_BACKEND
from scripts.terraform.providers import TESTED_PROVIDER_VARIABLE

SERVER_MODULE = "scripts.embedded.server"
"""The module that serves it, by which a running server's command line is known."""

AccountKind = Literal["new", "raised"]

ACCOUNT_ID = "123456789012"
"""moto's account."""


@dataclass
class EmbeddedAws:
    """A running embedded AWS; as a context manager it ends with the block, and in any case with this process."""

    endpoint: str
    region: str
    process: subprocess.Popen[str] | None = field(default=None, repr=False)
    live: bool = False

    @classmethod
    def start(
        cls,
        region: str = "us-east-1",
        *,
        log: Path | None = None,
        detach: bool = False,
        calls: Path | None = None,
        account: AccountKind = "raised",
        live: str | None = None,
    ) -> Self:
        """Starts the server on a free port and waits until it answers; ``calls`` gets a line for each API call.

        ``account`` is a brand-new one with AWS's first quotas, or one whose quotas were raised.
        ``live`` is an image of this machine's container engine: tasks then run, with that image for those of the
        registry. Without it ECS only claims that they do.
        Raises ``PrequelError`` when it does not start.
        """
        claimed = "0" if live else "1"
        environment = os.environ | {"MOTO_IAM_LOAD_MANAGED_POLICIES": "true", "MOTO_ECS_SERVICE_RUNNING": claimed}
        # moto must not talk to itself through an endpoint that is meant for its clients.
        environment.pop("AWS_ENDPOINT_URL", None)
        environment = direct_here(environment)
        command = [sys.executable, "-m", SERVER_MODULE, "--account", account, *(["--detach"] if detach else [])]
        command += ["--calls", str(calls.resolve())] if calls else []
        command += ["--live", live, "--region", region] if live else []
        with (log or Path(os.devnull)).open("a") as sink:
            process = subprocess.Popen(
                command,
                cwd=PROJECT,
                env=environment,
                stdin=subprocess.DEVNULL if detach else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                text=True,
                # ctrl-C must reach terraform's shutdown first, while the server still answers.
                start_new_session=True,
            )
        assert process.stdout is not None  # noqa: S101  (it is a pipe)
        endpoint = process.stdout.readline().strip()
        if not endpoint:
            process.kill()
            said = log.read_text(errors="replace").strip().splitlines()[-1:] if log else []
            raise PrequelError(": ".join(["the embedded AWS did not start", *said]))
        return cls(endpoint, region, process, bool(live))

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment, changed so that any AWS client, the provider included, uses this AWS only."""
        others = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return direct_here(others | self.variables)

    @property
    def variables(self) -> dict[str, str]:
        """What ``environment`` adds."""
        return {
            "AWS_ACCESS_KEY_ID": "embedded",
            "AWS_SECRET_ACCESS_KEY": "embedded",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            TESTED_PROVIDER_VARIABLE: "1",
            # For the terraform runs of others; ours work it out themselves. Nothing published holds them.
            **CUSTOM_ENDPOINT_BACKEND,
        }

    @property
    def listeners(self) -> list[dict[str, Any]]:
        """``loadBalancer``, ``protocol``, ``port`` and ``localPort`` of each listener of a live one."""
        with requests.Session() as session:
            session.trust_env = False  # a proxy is for what is far away
            return list(session.get(f"{self.endpoint}/_embedded/listeners", timeout=60).json())

    @property
    def aws(self) -> Aws:
        """New clients for this AWS, whatever the environment says."""
        return Aws(self.region, session=self._session, endpoint=self.endpoint)

    @cached_property
    def _session(self) -> Any:
        """One for all clients: it remembers AWS's service descriptions, which take longer to read than to use."""
        import boto3

        return boto3.Session(
            aws_access_key_id="embedded",
            aws_secret_access_key="embedded",  # noqa: S106  (moto takes any)
            region_name=self.region,
        )

    def stop(self) -> None:
        """Ends the server; twice is once."""
        if self.process is None or self.process.poll() is not None:
            return
        if self.process.stdin is not None:
            self.process.stdin.close()
        else:
            self.process.terminate()
        try:
            self.process.wait(timeout=60 if self.live else 5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
