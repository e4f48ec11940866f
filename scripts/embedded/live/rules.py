"""EventBridge: rules fire by their schedule or by an event, and call their functions."""

import re
import time
from datetime import UTC, datetime
from threading import Thread
from typing import Any
from uuid import uuid4

from moto.ecr.models import ECRBackend

from scripts.embedded.checks.backends import ACCOUNT, backend
from scripts.embedded.live.functions import Functions

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}


class Rules:
    """The rules of one region's default event bus, with ``functions`` as targets."""

    def __init__(self, functions: Functions, region: str) -> None:
        self._functions = functions
        self._region = region
        self._next: dict[str, float] = {}

    def step(self) -> None:
        """Fires each enabled rule whose time has come; the first time is one period after it was seen."""
        now = time.monotonic()
        rules = self._rules()
        for rule in rules:
            rate = _RATE.fullmatch(rule.scheduled_expression or "")
            if rate is None or rule.state != "ENABLED":
                self._next.pop(rule.arn, None)
                continue
            period = int(rate[1]) * _SECONDS[rate[2]]
            if now >= self._next.setdefault(rule.arn, now + period):
                self._next[rule.arn] = now + period
                event = self._event("aws.events", "Scheduled Event", {}, [rule.arn])
                self._call_targets(rule, event)
        known = {rule.arn for rule in rules}
        self._next = {arn: moment for arn, moment in self._next.items() if arn in known}

    def publish(self, source: str, kind: str, detail: dict[str, Any]) -> None:
        """Has each enabled rule called whose pattern an event of AWS's own matches."""
        event = self._event(source, kind, detail, [])
        for rule in self._rules():
            if not rule.scheduled_expression and rule.state == "ENABLED" and rule.event_pattern.matches_event(event):
                self._call_targets(rule, event)

    def report_pushes(self) -> None:
        """Makes ECR send an event for each image that is pushed
        (https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html)."""
        rules, region = self, self._region
        ecr: Any = ECRBackend
        put_image = ecr.put_image

        def put(self: Any, repository_name: str, *arguments: Any, **named: Any) -> Any:
            image = put_image(self, repository_name, *arguments, **named)
            if self.region_name == region:
                detail = {
                    "action-type": "PUSH",
                    "image-digest": image.get_image_digest(),
                    "image-tag": image.image_tag or "",
                    "manifest-media-type": image.image_manifest_media_type,
                    "repository-name": repository_name,
                    "result": "SUCCESS",
                }
                rules.publish("aws.ecr", "ECR Image Action", detail)
            return image

        ecr.put_image = put

    def _rules(self) -> list[Any]:
        return list(backend("events", self._region).event_buses["default"].rules.values())

    def _event(self, source: str, kind: str, detail: dict[str, Any], resources: list[str]) -> dict[str, Any]:
        return {
            "version": "0",
            "id": str(uuid4()),
            "detail-type": kind,
            "source": source,
            "account": ACCOUNT,
            "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": self._region,
            "resources": resources,
            "detail": detail,
        }

    def _call_targets(self, rule: Any, event: dict[str, Any]) -> None:
        for target in list(rule.targets):
            function = self._functions.find(target["Arn"])
            if function is not None:
                Thread(target=self._functions.invoke, args=(function, event), daemon=True).start()
