"""S3 calls under a test's control: counted, stopped between any two, answered in AWS's place."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from scripts.aws.clients import Aws

Handler = Callable[[AWSPreparedRequest], AWSResponse | None]


def before_each_call(aws: Aws, handle: Handler) -> None:
    """Calls ``handle`` with each S3 request just before it is sent; what it returns is taken for the answer.

    On a served AWS the request is not sent then; moto within this process has carried it out by that time.
    """

    def hear(request: AWSPreparedRequest, **_: Any) -> Any:
        return handle(request)

    aws.s3.meta.events.register_first("before-send.s3", hear)


def is_write(request: AWSPreparedRequest) -> bool:
    return request.method not in {"GET", "HEAD"}


def refusal(status: int, code: str, message: str = "refused") -> AWSResponse:
    """S3's answer to a request that it refuses."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    headers: Any = {"content-type": "application/xml", "x-amz-bucket-region": "eu-central-1"}
    raw: Any = _Raw(body)
    return AWSResponse("https://s3.example.com", status, headers, raw)


class _Raw(BytesIO):
    def stream(self, amount: int = 1024, **_: Any) -> Any:
        while chunk := self.read(amount):
            yield chunk


@dataclass
class Counter:
    """Counts the calls of one client, ``writes`` apart, and calls ``at`` just before call number ``number``."""

    aws: Aws
    number: int | None = None
    at: Callable[[], None] = lambda: None
    writes_only: bool = False
    calls: int = 0
    writes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        before_each_call(self.aws, self._count)

    def _count(self, request: AWSPreparedRequest) -> None:
        with self._lock:
            self.calls += 1
            self.writes += is_write(request)
            is_counted = is_write(request) or not self.writes_only
            reached = is_counted and (self.writes if self.writes_only else self.calls) == self.number
            if reached:
                self.at()


def interleave(
    first: Callable[[], None],
    first_aws: Aws,
    second: Callable[[], None],
    second_aws: Aws,
    *,
    first_stops_at: int,
    second_stops_at: int | None,
) -> tuple[bool, bool]:
    """Runs ``first`` up to a call, then ``second`` up to a call or its end, then the rest of each in the same order.

    Returns whether each of the two came to its stop. Both must make one request at a time.
    """
    errors: list[BaseException] = []
    second_paused, second_may_go_on = threading.Event(), threading.Event()

    def pause_second() -> None:
        second_paused.set()
        assert second_may_go_on.wait(30)

    def run_second() -> None:
        try:
            second()
        except BaseException as error:  # noqa: BLE001  (raised again below)
            errors.append(error)
        finally:
            second_paused.set()

    thread = threading.Thread(target=run_second)

    def start_second() -> None:
        thread.start()
        assert second_paused.wait(30)

    one = Counter(first_aws, first_stops_at, start_second)
    two = Counter(second_aws, second_stops_at, pause_second)
    try:
        first()
    finally:
        second_may_go_on.set()
        if thread.ident is None:
            thread.start()
        thread.join()
    if errors:
        raise errors[0]
    return one.calls >= first_stops_at, second_stops_at is not None and two.calls >= second_stops_at
