"""A whole service of ours beside moto's: parsed, checked, answered and refused by botocore's service model alone.

For services that moto lacks, or has in another shape than AWS. Such a service is a line in ``served.SERVICES`` with None
in place of moto's class: ``(None, "savingsplans", HANDLERS, MUTATING)``; its name is boto3's client name. Handlers keep
the contract of `operations.py`: (Ask) -> answer, `Refused`, journalled when they change something, replayed at start.
In: the request as WSGI gives it. Out: its operation by signing name, X-Amz-Target, host and path, in the protocols json,
rest-json, query and rest-xml; errors with the HTTP status of the model. What is nobody's stays with moto.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import botocore.utils
from botocore.exceptions import UnknownServiceError
from moto.core.parse import PROTOCOL_PARSERS, RequestParserError
from moto.core.request import Request
from moto.core.routing import get_service_router
from moto.core.serialize import DefaultAttributePicker, get_serializer_class
from moto.core.utils import get_service_model
from moto.iam.models import get_account_id_from
from werkzeug.exceptions import NotFound

from sagekeeper.simulator.event_stream import CONTENT_TYPE, event_stream
from sagekeeper.simulator.journal import resource_of
from sagekeeper.simulator.operations import Ask, Handler, House, Refused, check
from sagekeeper.simulator.throttling import Throttle

FAILED = "The request processing has failed because of an unknown error."
DEFAULT_REGION = "us-east-1"
CBOR = "smithy-rpc-v2-cbor"
CBOR_HEADERS = {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
"""The protocol of a few services that are not here: only refusals are ever sent in it."""
INVALID = (
    "ValidationException",
    "ValidationError",
    "InvalidParameterException",
    "InvalidParameterValueException",
    "InvalidRequestException",
)
"""What a service may call a request that breaks its own model: the first of these that its model has."""


class Answer(NamedTuple):
    """What goes out."""

    status: int
    headers: dict[str, str]
    body: bytes


class Scope(NamedTuple):
    """Who signed for what: access key, region and signing name of AWS's Signature Version 4."""

    key: str
    region: str
    signing_name: str


class OwnServices:
    """All services that are ours alone: `find` tells whose a request is, `answer` answers it."""

    def __init__(
        self, house: House, services: Iterable[tuple[str, dict[str, Handler], set[str]]], throttle: Throttle
    ) -> None:
        # Codes common to all of AWS are in no service's model: nothing to warn of.
        warnings.filterwarnings("ignore", message=r"Exception\(Refused\)")
        self._house, self._throttle = house, throttle
        self._handlers: dict[str, dict[str, Handler]] = {}
        self._mutating: dict[str, set[str]] = {}
        for name, handlers, mutating in services:
            self._handlers[name] = self._handlers.get(name, {}) | handlers
            self._mutating[name] = self._mutating.get(name, set()) | mutating

    def find(self, request: Request) -> tuple[str, str, dict[str, Any]] | None:
        """Service, operation and parameters of the path; None when the request is none of ours."""
        scope, target = scope_of(request), request.headers.get("X-Amz-Target", "")
        for name in self._handlers:
            if not _meant(name, scope, request.host, target):
                continue
            found = _operation(name, request)
            if found is not None:
                return name, *found
        return None

    def answer(self, request: Request, service: str, operation: str, uri: dict[str, Any]) -> Answer:
        """The operation's answer or error, as AWS sends it."""
        try:
            refusal = self._throttle.refusal(service, operation)
            if refusal is not None:
                raise refusal
            if operation not in get_service_model(service).operation_names:
                raise Refused("UnknownOperationException", "")
            handler = self._handlers[service].get(operation)
            if handler is None:
                return not_implemented(service, operation)
            return serialized(service, operation, self._done(request, service, operation, uri, handler))
        except Refused as refused:
            return serialized(service, operation, refused)
        except Exception:  # noqa: BLE001 (our own mistake: the client is answered as by AWS, the operator sees why)
            traceback.print_exc(file=sys.stderr)
            return serialized(service, operation, Refused("InternalFailure", FAILED))._replace(status=500)

    def _done(
        self, request: Request, service: str, operation: str, uri: dict[str, Any], handler: Handler
    ) -> dict[str, Any]:
        params = _parsed(request, service, operation, uri)
        _check(service, operation, params)
        with self._house.world.lock:
            who, where, when = account_of(request), region_of(request), self._house.clock.now()
            ask = Ask(self._house, who, where, params, when, request.host_url.rstrip("/"))
            answer = handler(ask)
            if operation in self._mutating[service]:
                self._house.journal.write(
                    "call",
                    ask.now,
                    service=service,
                    operation=operation,
                    account=ask.account,
                    region=ask.region,
                    resource=resource_of(params),
                    parameters=without_bytes(params),
                )
                ask.here.version += 1
        return answer


def arrived(environ: dict[str, Any]) -> Request:
    """The request, its body read once and put back for whoever answers it."""
    chunked = environ.pop("HTTP_TRANSFER_ENCODING", "") == "chunked"
    body = environ["wsgi.input"].read(*() if chunked else (int(environ.get("CONTENT_LENGTH") or 0),))
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
    copy = dict(environ) | {"wsgi.input": io.BytesIO(body)}
    return Request(copy)


def send(answer: Answer, start_response: Callable[..., Any]) -> list[bytes]:
    """Hand an answer to the WSGI server."""
    status = f"{answer.status} {'OK' if answer.status < 300 else 'Error'}"
    start_response(status, [*answer.headers.items(), ("Content-Length", str(len(answer.body)))])
    return [answer.body]


def scope_of(request: Request) -> Scope | None:
    """From the Authorization header or, for a presigned address, from its query."""
    header = request.headers.get("Authorization", "")
    found = header.partition("Credential=")[2].split(",")[0] or request.args.get("X-Amz-Credential", "")
    parts = found.split("/")
    return Scope(parts[0], parts[-3], parts[-2]) if len(parts) >= 5 else None


def account_of(request: Request) -> str:
    """The account whose key signed the request."""
    scope = scope_of(request)
    given = request.headers.get("x-moto-account-id")
    return str(given or get_account_id_from(scope.key if scope else "AKIAEXAMPLE"))


def region_of(request: Request) -> str:
    """The region that the request was signed for."""
    scope = scope_of(request)
    return scope.region if scope and scope.region not in ("", "aws-global") else DEFAULT_REGION


def typed(value: Any, shape: Any) -> Any:
    """Parameters from the journal as a request brings them: times and bytes by the model's types."""
    if value is None or shape is None:
        return value
    kind = shape.type_name
    if kind == "structure":
        return {key: typed(item, shape.members.get(key)) for key, item in value.items()}
    if kind == "list":
        return [typed(item, shape.member) for item in value]
    if kind == "map":
        return {key: typed(item, shape.value) for key, item in value.items()}
    if kind == "timestamp" and not isinstance(value, datetime):
        return botocore.utils.parse_timestamp(value).astimezone(UTC)
    return base64.b64decode(value) if kind == "blob" and isinstance(value, str) else value


def not_implemented(service: str, operation: str, protocol: str | None = None) -> Answer:
    """501, worded for the one who asked, in the service's own protocol."""
    sentence = f"The simulated account does not have the operation {operation or 'asked for'} of the service {service}."
    return serialized(service, operation, Refused("NotImplemented", sentence), protocol)._replace(status=501)


def serialized(service: str, operation: str, result: Any, protocol: str | None = None) -> Answer:
    """An answer or an error as the service sends it. Of a service that botocore does not know: as JSON."""
    if protocol == CBOR:
        return Answer(400, CBOR_HEADERS, _cbor({"__type": result.code, "message": result.message}))
    try:
        model = get_service_model(service)
    except UnknownServiceError:
        body = json.dumps({"__type": result.code, "message": result.message}).encode()
        return Answer(400, {"Content-Type": "application/x-amz-json-1.1", "X-Amzn-Errortype": result.code}, body)
    protocol = protocol or _protocol(service)
    if protocol == CBOR:
        return Answer(400, CBOR_HEADERS, _cbor({"__type": result.code, "message": result.message}))
    known = operation if operation in model.operation_names else model.operation_names[0]
    if isinstance(result, dict) and model.operation_model(known).has_event_stream_output:
        return _streamed(model.operation_model(known).output_shape, result)
    form = get_serializer_class(service, protocol)
    made = form(model.operation_model(known), value_picker=DefaultAttributePicker()).serialize(result)
    body = made["body"].encode() if isinstance(made["body"], str) else bytes(made["body"] or b"")
    headers = {str(key): str(value) for key, value in made["headers"].items()}
    headers["x-amzn-RequestId"] = _request_id(service, operation, body)
    return Answer(int(made["status_code"]), headers, body)


def _meant(name: str, scope: Scope | None, host: str, target: str) -> bool:
    model = get_service_model(name)
    prefix = model.metadata.get("targetPrefix")
    if bool(target) != bool(prefix) or (prefix and target.rpartition(".")[0] != prefix):
        return False
    if scope is None:
        return bool(prefix) or host.startswith(f"{model.endpoint_prefix}.")
    return bool(scope.signing_name == model.signing_name)


def _operation(name: str, request: Request) -> tuple[str, dict[str, Any]] | None:
    """Operation and parameters of the path. A target nobody knows is still this service's to refuse."""
    target = request.headers.get("X-Amz-Target", "")
    if target:
        return target.rpartition(".")[2], {}
    try:
        found, uri = get_service_router(name).match(request)
    except (NotFound, NotImplementedError):
        return None
    return str(found.name), uri


def _parsed(request: Request, service: str, operation: str, uri: dict[str, Any]) -> dict[str, Any]:
    model = get_service_model(service)
    parser = PROTOCOL_PARSERS[_protocol(service)](
        model.operation_model(operation),
        timestamp_parser=lambda found: botocore.utils.parse_timestamp(found).astimezone(UTC),
    )
    _readable(request, service, operation)
    told: Any = {
        "method": request.method,
        "values": request.values,
        "headers": request.headers,
        "body": request.get_data(),
        "url_path": request.path,
        "url_params": uri,
    }
    try:
        found = dict(parser.parse(told))
    except (RequestParserError, ValueError, TypeError, AttributeError) as wrong:
        raise Refused("SerializationException", f"The request cannot be read: {wrong}") from wrong
    # A list that the query does not name comes as an empty one.
    shape = model.operation_model(operation).input_shape
    queried = {name for name, item in shape.members.items() if item.serialization.get("location")} if shape else set()
    return {name: value for name, value in found.items() if value != [] or name not in queried}


def _readable(request: Request, service: str, operation: str) -> None:
    """A body of JSON is an object, or not there; what is sent as it is (a payload of bytes) may be anything."""
    shape = get_service_model(service).operation_model(operation).input_shape
    if "json" not in _protocol(service) or shape is None or "payload" in shape.serialization:
        return
    try:
        readable = isinstance(json.loads(request.get_data() or b"{}"), dict)
    except ValueError:
        readable = False
    if not readable:
        raise Refused("SerializationException", "The request's body is not a JSON object.")


def _check(service: str, operation: str, params: dict[str, Any]) -> None:
    """The request against the model, refused with the code that this service uses for it."""
    model = get_service_model(service)
    try:
        check(params, model.operation_model(operation).input_shape)
    except Refused as refused:
        known = {shape.name for shape in model.error_shapes}
        code = next((name for name in INVALID if name in known), INVALID[0])
        raise Refused(code, refused.message) from refused


def _streamed(shape: Any, result: dict[str, Any]) -> Answer:
    """An answer whose body comes in parts: the other members are headers."""
    [member] = [name for name, about in shape.members.items() if about.type_name == "structure"]
    event = next(iter(shape.members[member].members))
    told = {
        about.serialization["name"]: str(result[name])
        for name, about in shape.members.items()
        if about.serialization.get("location") == "header" and result.get(name)
    }
    return Answer(200, told | {"Content-Type": CONTENT_TYPE}, event_stream(event, result[member]))


@lru_cache(maxsize=64)
def _protocol(service: str) -> str:
    """The one that boto3 speaks to the service."""
    return str(get_service_model(service).resolved_protocol)


def _cbor(found: dict[str, str]) -> bytes:
    """A map of texts, each with its length in two bytes."""
    texts = [text.encode() for pair in found.items() for text in pair]
    return bytes([0xA0 | len(found)]) + b"".join(b"\x79" + len(text).to_bytes(2, "big") + text for text in texts)


def _request_id(*told: Any) -> str:
    digest = hashlib.sha256(repr(told).encode()).hexdigest()
    return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32]))


def without_bytes(found: Any) -> Any:
    """Parameters as the journal keeps them; `typed` reads them back."""
    if isinstance(found, dict):
        return {key: without_bytes(item) for key, item in found.items()}
    if isinstance(found, list):
        return [without_bytes(item) for item in found]
    return base64.b64encode(found).decode() if isinstance(found, bytes) else found
