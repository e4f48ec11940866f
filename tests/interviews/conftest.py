"""Each test gets a shared stack of its own, seeded in a fraction of a second on one embedded AWS."""

import io
import itertools
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scripts.aws.clients import Aws
from scripts.challenges.catalog import ChallengeBucket
from scripts.challenges.publish import publish as publish_challenge
from scripts.challenges.source import read_challenges
from scripts.console import Console
from scripts.embedded.launcher import EmbeddedAws
from scripts.embedded.seed import seed_shared_infrastructure
from scripts.interviews.context import Context
from scripts.interviews.records import Inputs, Intent, Status
from scripts.interviews.request import Request
from scripts.project import PROJECT
from scripts.releases.release import (
    FileRecord,
    Limits,
    Origin,
    Pointer,
    PublishedFile,
    Rehearsal,
    Release,
    ReleaseManifest,
)
from scripts.releases.store import POINTER_KEY, ReleaseStore, plain_key
from scripts.shared_stack.values import LIMITS

CHALLENGE = "python/rate-limiter"
_numbers = itertools.count()
_clients: dict[str, Aws] = {}


@dataclass
class Clock:
    """A clock that only the test moves."""

    moment: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.moment

    def forward(self, **distance: float) -> None:
        self.moment += timedelta(**distance)


@dataclass
class Place:
    """A shared stack on the embedded AWS, and this test's view of it."""

    embedded: EmbeddedAws
    values: dict[str, Any]
    directory: Path
    clock: Clock = field(default_factory=Clock)

    @property
    def prefix(self) -> str:
        return str(self.values["project_prefix"])

    @property
    def environment(self) -> dict[str, str]:
        return self.embedded.environment | {
            "PREQUEL_CONFIG_DIR": str(self.directory),
            "XDG_CACHE_HOME": str(self.directory / "cache"),
        }

    @property
    def aws(self) -> Aws:
        """Clients that all tests share, because making them takes most of a fast test's time."""
        if self.embedded.endpoint not in _clients:
            _clients[self.embedded.endpoint] = self.embedded.aws
        return _clients[self.embedded.endpoint]

    def breakable_context(self, **changes: Any) -> Context:
        """A view with clients of its own, for a test to break."""
        return self.context(aws=self.embedded.aws, **changes)

    def context(self, **changes: Any) -> Context:
        """A new process's view: nothing but the clients is remembered from another one."""
        out = changes.pop("out", io.StringIO())
        defaults: dict[str, Any] = {
            "aws": self.aws,
            "bucket": self.values["instance_bucket_name"],
            "console": Console(json_lines=True, out=out, err=io.StringIO()),
            "environment": self.environment,
            "now": self.clock,
            "settling_seconds": 0.1,
        }
        return Context(**(defaults | changes))

    def prequel(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """The `prequel` command as a user runs it."""
        return subprocess.run(
            [sys.executable, "-m", "scripts", *arguments],
            cwd=PROJECT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            **options,
        )

    def start_prequel(self, *arguments: str) -> subprocess.Popen[str]:
        """The `prequel` command, which goes on while the test does."""
        return subprocess.Popen(
            [sys.executable, "-m", "scripts", *arguments],
            cwd=PROJECT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def request(self, **changes: Any) -> Request:
        """A request for an interview with an id that no other test uses."""
        defaults: dict[str, Any] = {
            "challenge": CHALLENGE,
            "candidate_name": "Ada Lovelace",
            "id": f"t{os.getpid()}-{next(_numbers)}",
        }
        return Request(**(defaults | changes))

    def stored(self, interview_id: str, status: Status, **changes: Any) -> Intent:
        """An interview that is written down, with its lease, and of which nothing was ever created."""
        context, now = self.context(), self.clock()
        pointer = context.releases.current()
        assert pointer is not None
        fields: dict[str, Any] = {
            "id": interview_id,
            "incarnation": uuid.uuid4().hex,
            "release_digest": pointer.digest,
            "inputs": Inputs(candidate_name="Ada", challenge=CHALLENGE),
            "created_at": now,
            "starts_at": now,
            "deadline": now + timedelta(minutes=90),
            "expires_at": now + timedelta(minutes=90),
            "status": Status.CREATING,
            "hourly_price": 0.05,
        }
        intent = Intent(**(fields | changes)).moved(Status.CREATING, at=now, actor="ada@host")
        held = context.slots.claim(intent, 10, now=now, actor="ada@host")
        path = {
            Status.CREATING: [],
            Status.ACTIVE: [Status.ACTIVE],
            Status.FAILED: [Status.FAILED],
            Status.DESTROYING: [Status.DESTROYING],
            Status.LEAKING: [Status.DESTROYING, Status.LEAKING],
        }[status]
        intent = replace(intent, slot=held.slot)
        for step in path:
            intent = intent.moved(step, at=now, actor="ada@host")
        context.intents.create(intent)
        return intent

    def objects(self, prefix: str = "") -> list[str]:
        """What the bucket holds, apart from what was published."""
        listed = self.aws.s3.list_objects_v2(Bucket=self.values["instance_bucket_name"], Prefix=prefix)
        published = ("instance/", "releases/", "challenge/", "challenge-manifests/")
        return [entry["Key"] for entry in listed.get("Contents", []) if not entry["Key"].startswith(published)]

    def live(self, interview_id: str) -> dict[str, str]:
        """What exists of an interview, asked of the embedded AWS without the code under test."""
        aws = self.aws
        found: dict[str, str] = {}
        for service in aws.ecs.describe_services(cluster=self.prefix, services=[interview_id])["services"]:
            if service["status"] != "INACTIVE":
                found["service"] = service["serviceArn"]
        for page in aws.elbv2.get_paginator("describe_target_groups").paginate():
            for group in page["TargetGroups"]:
                if group["TargetGroupName"] == interview_id:
                    found["target group"] = group["TargetGroupArn"]
        for rules in aws.elbv2.get_paginator("describe_rules").paginate(ListenerArn=self.values["listener_arn"]):
            for rule in rules["Rules"]:
                if f"{interview_id}.{self.values['domain_name']}" in json.dumps(rule):
                    found["rule"] = rule["RuleArn"]
        for definitions in aws.ecs.get_paginator("list_task_definitions").paginate(status="ACTIVE"):
            for definition in definitions["taskDefinitionArns"]:
                if f"/{self.prefix}-{interview_id}:" in definition:
                    found["task definition"] = definition
        name = f"/{self.prefix}/interviews/{interview_id}/password"
        if aws.ssm.get_parameters(Names=[name])["Parameters"]:
            found["password"] = name
        return found


def publish(
    place_values: dict[str, Any], aws: Aws, max_instances: int, *, templates: Path = PROJECT / "instance_templates"
) -> str:
    """Publishes a template set as it is, without the validation, and returns its digest."""
    values = {name: value for name, value in place_values.items() if name not in LIMITS}
    limits = Limits(max_instances=max_instances, interview_default_minutes=90, interview_maximum_minutes=240)
    release = Release.assemble(templates, values, limits)
    manifest = ReleaseManifest(
        digest=release.digest,
        target=release.target,
        limits=limits,
        terraform_versions=">= 1.11",
        provider_versions=">= 5.100.0",
        checks=(),
        rehearsal=Rehearsal(status="skipped", at=datetime.now(UTC)),
        origin=Origin(published_by="test", published_at=datetime.now(UTC)),
        files={name: FileRecord.of(content) for name, content in release.files.items()},
    )
    store = ReleaseStore(aws, place_values["instance_bucket_name"])
    store.store(release, manifest)
    files = {}
    for name, file in manifest.files.items():
        put = aws.s3.put_object(Bucket=store.bucket.name, Key=plain_key(name), Body=release.files[name])
        files[name] = PublishedFile(**file.model_dump(), version_id=put.get("VersionId", "null"))
    pointer = Pointer(
        **manifest.model_dump(exclude={"files"}),
        files=files,
        generation=1,
        switched_by="test",
        switched_at=datetime.now(UTC),
    )
    aws.s3.put_object(Bucket=place_values["instance_bucket_name"], Key=POINTER_KEY, Body=pointer.to_json())
    return release.digest


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    log = tmp_path_factory.mktemp("embedded") / "requests.log"
    with EmbeddedAws.start(log=log) as running:
        yield running


PlaceFactory = Callable[..., Place]


@pytest.fixture
def new_place(embedded: EmbeddedAws, tmp_path: Path) -> PlaceFactory:
    """Makes shared stacks that nothing else is on, each with its own configuration."""

    def make(*, max_instances: int = 10, wildcard: bool = True) -> Place:
        prefix = f"p{os.getpid()}x{next(_numbers)}"
        values = seed_shared_infrastructure(
            embedded.aws, project_prefix=prefix, domain_name=f"{prefix}.example.com", wildcard=wildcard
        )
        directory = tmp_path / prefix
        directory.mkdir()
        settings = {
            "aws_region": "us-east-1",
            "environment": "embedded",
            "domain_name": values["domain_name"],
            "project_prefix": prefix,
        }
        lines = [f'{name} = "{value}"' for name, value in settings.items()]
        (directory / "terraform.tfvars").write_text("\n".join(lines) + "\n")
        return filled(Place(embedded, values, directory), max_instances)

    return make


@pytest.fixture(scope="session")
def seeded(embedded: EmbeddedAws) -> dict[str, Any]:
    prefix = f"p{os.getpid()}"
    return seed_shared_infrastructure(embedded.aws, project_prefix=prefix, domain_name=f"{prefix}.example.com")


@pytest.fixture
def place(embedded: EmbeddedAws, seeded: dict[str, Any], bucket: Place) -> Place:
    """The session's shared stack, with a bucket and a listener of this test's own."""
    balancer = bucket.aws.elbv2.describe_load_balancers(Names=[seeded["project_prefix"]])["LoadBalancers"][0]
    listener = bucket.aws.elbv2.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Protocol="HTTP",
        Port=1000 + next(_numbers),
        DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
    )["Listeners"][0]["ListenerArn"]
    values = seeded | {"instance_bucket_name": bucket.values["instance_bucket_name"], "listener_arn": listener}
    bucket.aws.s3.put_bucket_versioning(
        Bucket=values["instance_bucket_name"], VersioningConfiguration={"Status": "Enabled"}
    )
    return filled(Place(embedded, values, bucket.directory), 10)


def filled(place: Place, max_instances: int) -> Place:
    """``place`` with a release and a challenge."""
    publish(place.values, place.aws, max_instances)
    (sample,) = [challenge for challenge in read_challenges(PROJECT / "challenge") if challenge.name == CHALLENGE]
    publish_challenge(ChallengeBucket(place.aws, place.values["instance_bucket_name"]), sample)
    return place


@pytest.fixture
def bucket(embedded: EmbeddedAws, tmp_path: Path) -> Place:
    """No more than an empty bucket, for what needs no interview to run."""
    name = f"b{os.getpid()}x{next(_numbers)}-instance"
    place = Place(embedded, {"instance_bucket_name": name, "project_prefix": name}, tmp_path)
    place.aws.s3.create_bucket(Bucket=name)
    return place
