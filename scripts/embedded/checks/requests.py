"""Reads an HTTP request by the service's protocol, with moto's parsers, and refuses what does not parse.

moto's parsers skip members that the model does not have, and convert what they can. AWS's services answer with a
serialization error, or ignore what is unknown; here both are refused, because an ignored member is a mistake as well.
"""

import gzip
import io
from collections.abc import Iterable
from functools import cache
from typing import Any, NoReturn

import botocore.session
from moto.core.parse import EC2QueryParser, JSONParser, QueryParser, RequestParserError, RestJSONParser, RestXMLParser
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from werkzeug.exceptions import NotFound

from scripts.embedded.checks.call import Call, Refusal

_SIGNED_AS = {"elasticloadbalancing": "elbv2", "monitoring": "cloudwatch", "servicequotas": "service-quotas"}
"""Signing names that are not botocore's name of the service."""

_UNREADABLE = {
    "ec2": "UnknownParameter",
    "json": "SerializationException",
    "query": "MalformedInput",
    "rest-json": "SerializationException",
    "rest-xml": "MalformedXML",
}
_UNKNOWN_OPERATION = {"ec2": "InvalidAction", "json": "UnknownOperationException", "query": "InvalidAction"}


def read(request: Request) -> Call | None:
    """The call that ``request`` makes, or None for what is no signed call of a service that botocore knows.

    Raises ``Refusal`` for an operation, a member or a type that the service's model does not have.
    """
    service = service_of(request)
    if service is None:
        return None
    protocol = determine_request_protocol(get_service_model(service), request.content_type)
    if protocol not in _PARSERS:
        return None
    if protocol in _UNKNOWN_OPERATION:
        _keep_body(request)
    try:
        operation, uri = get_service_router(service).match(request)
    except NotFound:
        if protocol not in _UNKNOWN_OPERATION:
            return None  # a path that moto may know by itself
        asked = request.values.get("Action") or request.headers.get("X-Amz-Target", "").rpartition(".")[2]
        raise Refusal(_UNKNOWN_OPERATION[protocol], f"The action {asked} is not valid for this web service.") from None
    values = {
        "method": request.method,
        "values": request.values,
        "headers": request.headers,
        # An object's content may be large, and no rule looks at it.
        "body": b"" if operation.has_streaming_input else _keep_body(request),
        "url_path": request.path,
        "url_params": uri,
    }
    try:
        parameters = _PARSERS[protocol](operation).parse(values)
    except (ValueError, TypeError, RequestParserError) as error:
        raise Refusal(_UNREADABLE[protocol], str(error)) from None
    access_key, _, region, *_ = _scope(request)
    return Call(service, operation.name, parameters, region, access_key, operation)


def service_of(request: Request) -> str | None:
    """botocore's name of the service that ``request`` is signed for, if any."""
    scope = _scope(request)
    service = _SIGNED_AS.get(scope[3], scope[3]) if len(scope) == 5 else ""
    return service if service in _known_services() else None


def _scope(request: Request) -> list[str]:
    """The credential's parts: access key, date, region, service and ``aws4_request``."""
    return request.headers.get("Authorization", "").partition("Credential=")[2].partition(",")[0].split("/")


def _keep_body(request: Request) -> bytes:
    """The body, unpacked, which can be read once more afterwards."""
    body = request.get_data()
    if request.content_encoding == "gzip":
        body = gzip.decompress(body)
        del request.environ["HTTP_CONTENT_ENCODING"]
        request.environ["CONTENT_LENGTH"] = str(len(body))
    request.environ["wsgi.input"] = io.BytesIO(body)
    return body


@cache
def _known_services() -> frozenset[str]:
    return frozenset(botocore.session.get_session().get_available_services())


def _unknown(names: Iterable[str]) -> NoReturn:
    raise RequestParserError(f"The parameter {sorted(names)[0]} is not recognized")


class _ReadForm(dict[str, str]):
    """A form that remembers which of its fields were asked for."""

    def __init__(self, values: Any) -> None:
        super().__init__(values.items())
        self.unread = set(self) - {"Action", "Version"}

    def get(self, key: str, default: Any = None) -> Any:
        self.unread.discard(key)
        return super().get(key, default)


class _StrictForm(QueryParser):
    def _do_parse(self, request_dict: Any, shape: Any) -> Any:
        form = _ReadForm(request_dict["values"])
        parsed = super()._do_parse({"values": form}, shape)
        # An empty list is sent as its name without a number.
        unread = {name for name in form.unread if form[name] != ""}
        return _unknown(unread) if unread else parsed


class _Query(_StrictForm):
    pass


class _Ec2(_StrictForm, EC2QueryParser):
    pass


_JSON_TYPES: dict[str, Any] = {
    "boolean": bool,
    "double": (int, float),
    "float": (int, float),
    "integer": int,
    "list": list,
    "long": int,
    "map": dict,
    "string": str,
    "structure": dict,
}


class _StrictJson:
    """What JSON must hold, because moto's parsers convert or pass on whatever they find."""

    def _parse_shape(self, shape: Any, node: Any) -> Any:
        expected = _JSON_TYPES.get(shape.type_name)
        # What comes from the path, the query or a header is text.
        from_text = isinstance(node, str) and "location" in shape.serialization
        if expected and not from_text and node is not None and not getattr(shape, "is_document_type", False):
            right = isinstance(node, expected) and (shape.type_name == "boolean" or not isinstance(node, bool))
            if not right:
                raise RequestParserError(f"{type(node).__name__} can not be converted to {shape.type_name}")
        return super()._parse_shape(shape, node)  # type: ignore[misc]

    def _parse_structure(self, shape: Any, value: Any) -> Any:
        if value and not shape.is_document_type:
            names = {member.serialization.get("name", name) for name, member in shape.members.items()}
            unknown = value.keys() - names
            if unknown:
                _unknown(unknown)
        return super()._parse_structure(shape, value)  # type: ignore[misc]


class _Json(_StrictJson, JSONParser):
    pass


class _RestJson(_StrictJson, RestJSONParser):
    pass


class _RestXml(RestXMLParser):
    def _parse_structure(self, shape: Any, node: Any) -> Any:
        members = shape.members.items()
        names = {
            self._member_key_name(member, name) for name, member in members if "location" not in member.serialization
        }
        element = node[0] if isinstance(node, list) else node
        if any(self._node_tag(child) not in names for child in element):
            raise RequestParserError(
                "The XML you provided was not well-formed or did not validate against our published schema"
            )
        return super()._parse_structure(shape, node)


_PARSERS: dict[str, Any] = {
    "ec2": _Ec2,
    "json": _Json,
    "query": _Query,
    "rest-json": _RestJson,
    "rest-xml": _RestXml,
}
