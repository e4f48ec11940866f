"""Accounts to look at: a ready one, and the changes that make it less so."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from scripts.aws.clients import Aws
from scripts.embedded.launcher import EmbeddedAws
from scripts.preflight.findings import Subject
from scripts.preflight.linked_roles import LINKED_ROLES
from stacks.settings import Settings

QUOTAS = {
    "L-F678F1CE": 5,
    "L-0263D0A3": 5,
    "L-FE5A380F": 5,
    "L-822D1B1B": 100,
    "L-3032A538": 100,
    "L-B99A9384": 1000,
    "L-9D07B6EF": 60,
    "L-5ED1D25B": 60,
}
"""Of an account in use; moto knows only those of VPCs."""

Ready = Callable[..., Subject]
_numbers = count()


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    with EmbeddedAws.start(log=tmp_path_factory.mktemp("preflight") / "requests.log") as running:
        yield running


@dataclass(frozen=True)
class Refusal:
    """An answer that is AWS's error ``code``."""

    code: str
    message: str = ""


def answered(aws: EmbeddedAws, answers: dict[str, Any], region: str = "us-east-1") -> Aws:
    """Clients of ``aws``, but with the given answer for each call in ``answers``, by service and operation.

    An answer is botocore's own of the call, a function of the request that gives it, or a ``Refusal``.
    """
    session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name=region)

    def answer(result: Any) -> Callable[..., Any]:
        def respond(params: dict[str, Any], **_: Any) -> Any:
            given = result(params) if callable(result) else result
            if isinstance(given, Refusal):
                return SimpleNamespace(status_code=400), {"Error": {"Code": given.code, "Message": given.message}}
            return SimpleNamespace(status_code=200), given

        return respond

    for event, result in answers.items():
        session.events.register(f"before-call.{event}", answer(result))
    return Aws(region, session=session, endpoint=aws.endpoint)


def quotas(**changes: int) -> dict[str, Any]:
    """Answers of Service Quotas, with ``changes`` by code, whose hyphen is an underscore here."""
    values = QUOTAS | {code.replace("_", "-"): value for code, value in changes.items()}

    def value(params: dict[str, Any]) -> Any:
        code = json.loads(params["body"])["QuotaCode"]
        return {"Quota": {"QuotaCode": code, "Value": float(values[code])}}

    return {"service-quotas.GetServiceQuota": value}


@pytest.fixture
def ready(embedded: EmbeddedAws) -> Ready:
    """An account and a configuration without a problem, of a domain and prefix that no other test uses."""
    number = next(_numbers)
    domain = f"interviews{number}.example.com"
    zone = embedded.aws.route53.create_hosted_zone(Name=domain, CallerReference=domain)
    servers = frozenset(zone["DelegationSet"]["NameServers"])
    iam = embedded.aws.client("iam")
    made = {role["RoleName"] for role in iam.list_roles()["Roles"]}
    for role in LINKED_ROLES.keys() - made:  # moto names them otherwise
        iam.create_role(RoleName=role, AssumeRolePolicyDocument="{}")

    def subject(*, answers: dict[str, Any] | None = None, **changes: Any) -> Subject:
        given = {
            "aws_region": "us-east-1",
            "environment": "prod",
            "domain_name": domain,
            "project_prefix": f"ready{number}",
            "code_server_image": "ghcr.io/example/editor:1",
        }
        outside = {name: changes.pop(name) for name in ("nameservers", "manifest", "home") if name in changes}
        settings = Settings(**(given | changes))
        aws = answered(embedded, quotas() | (answers or {}), settings.aws_region)
        return replace(Subject(settings, aws, aws, lambda _: servers, lambda _: 200), **outside)

    return subject
