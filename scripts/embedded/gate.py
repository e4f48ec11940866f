"""The gate before moto: each API call is read by AWS's own models, and refused if AWS would refuse it."""

import sys
from collections.abc import Iterable
from typing import Any

from moto.core.model import OperationModel
from moto.core.request import Request, determine_request_protocol
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.wrappers import Response

from scripts.embedded.checks import models, not_run, rights, rules, state, tags
from scripts.embedded.checks.call import Call, Refusal
from scripts.embedded.checks.quotas import SimulatedAccount
from scripts.embedded.checks.requests import read, service_of


class Gate:
    """A WSGI application in front of ``application``, moto's; in front of a ``live`` one, what that runs is checked."""

    def __init__(self, application: Any, account: SimulatedAccount, *, live: bool = False) -> None:
        self._application = application
        checks = (models.check, rules.check, tags.check, rights.check, state.check, account.check)
        self._checks = (*checks, not_run.check) if live else checks
        self._after = (state.after, account.after)
        self._account = account

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Passes a call on, or answers it as AWS would and moto would not."""
        request = Request(environ, populate_request=False)
        try:
            call = read(request)
            if call is None:
                return self._application(environ, start_response)  # type: ignore[no-any-return]
            with self._account.counting(call):
                for check in self._checks:
                    check(call)
                known = self._account.answer(call)
                if known is not None:
                    return _response(request, known, call)(environ, start_response)
                return self._pass_on(call, environ, start_response)
        except Refusal as refusal:
            sys.stderr.write(f"refused {request.method} {request.path}: {refusal}\n")
            return _response(request, refusal, None)(environ, start_response)

    def _pass_on(self, call: Call, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        statuses: list[str] = []

        def started(status: str, *arguments: Any) -> Any:
            statuses.append(status)
            return start_response(status, *arguments)

        body: Iterable[bytes] = self._application(environ, started)
        if statuses and statuses[0].startswith("2"):
            for follow in self._after:
                follow(call)
        return body


def _response(request: Request, result: object, call: Call | None) -> Response:
    """``result``, which may be a refusal, in the format of the service that was asked."""
    model = get_service_model(service_of(request) or "s3")
    serializer = get_serializer_class(model.service_name, determine_request_protocol(model, request.content_type))
    answer = serializer(call.model if call else OperationModel({}, model)).serialize(result)
    status = getattr(result, "status", None) or answer["status_code"]
    return Response(answer["body"], status, answer["headers"])
