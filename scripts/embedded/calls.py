"""A log of all API calls, for tests of who calls what."""

import json
from pathlib import Path
from typing import Any


def record_calls(log: Path) -> None:
    """Appends each call to ``log`` as one JSON object: ``key`` (the caller's access key id), ``action`` (as IAM spells
    it), ``path``, ``parameters``, ``if_none_match`` (the header) and ``allowed``.

    Calls are allowed or denied only while moto enforces IAM: POST /moto-api/reset-auth with the number 0, and with
    ``inf`` to stop. It then matches actions for all services and resources for S3 alone.
    """
    from moto.core.authorization import ActionAuthenticatorMixin
    from moto.iam.access_control import IAMRequestBase

    responses: Any = ActionAuthenticatorMixin
    authorize = responses._authenticate_and_authorize_action
    # What the Go SDK signs, chunked uploads for one, moto cannot always verify. Who calls is all that matters here.
    requests: Any = IAMRequestBase
    requests.check_signature = lambda _: None

    def authorize_and_record(response: Any, request_class: type, resource: str = "*") -> None:
        scope = response.headers.get("Authorization", "").partition("Credential=")[2].split("/")
        call = {
            "key": scope[0],
            "action": f"{scope[3] if len(scope) > 3 else ''}:{response._get_action()}",
            "path": response.raw_path,
            "parameters": _parameters(response),
            "if_none_match": response.headers.get("If-None-Match"),
            "allowed": True,
        }
        try:
            authorize(response, request_class, resource)
        except Exception:
            call["allowed"] = False
            raise
        finally:
            with log.open("a") as file:
                file.write(json.dumps(call, default=str) + "\n")

    responses._authenticate_and_authorize_action = authorize_and_record


def _parameters(response: Any) -> dict[str, Any]:
    """What the caller gave, from a JSON body, or from a form or query with any other body beside it, as ``body``."""
    body = response.raw_body or b""
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if isinstance(document, dict):
        return document
    return dict(response.data or {}) | ({"body": body.decode(errors="replace")} if body.startswith(b"<") else {})
