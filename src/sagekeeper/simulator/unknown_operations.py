"""What nobody answers: 501 and a sentence that names service and operation, in the protocol that was asked in.

In: moto's application. Out: the same, but an operation or service that it lacks raises ClientError `NotImplemented` in
boto3, and what breaks inside it `InternalFailure`: never a page of HTML, never silence. A presigned address of a service
other than S3 is signed in its query: moto looks for the header only, so it is given one.
"""

from __future__ import annotations

import gzip
import re
import sys
import traceback
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import botocore
import botocore.session
from botocore.model import OperationNotFoundError
from moto.backends import list_of_moto_modules
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from moto.moto_server.werkzeug_app import SIGNING_ALIASES, DomainDispatcherApplication
from werkzeug.exceptions import NotFound

from sagekeeper.simulator.operations import Refused
from sagekeeper.simulator.own_service import CBOR, Answer, arrived, not_implemented, scope_of, send, serialized
from sagekeeper.simulator.throttling import UNAVAILABLE, Throttle
from sagekeeper.simulator.wrong_requests import wrong_listing

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
AWS_DOMAINS = (".amazonaws.com", ".api.aws", ".amazonaws.com.cn")
SIGNED_BY_RULES = {"IngestionService": "importexport"}
"""Signing names that stand in botocore's endpoint rules only."""
METADATA_BYTES = 6000
"""A service model's metadata stand at its head: the rest need not be read to know for whom it is signed."""


class Complete:
    """moto's application, with an answer for everything."""

    def __init__(self, application: DomainDispatcherApplication, throttle: Throttle) -> None:
        self._application, self._throttle = application, throttle

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = arrived(environ)
        _sign_in_header(environ, request)
        begun: list[Any] = []
        try:
            if not self._has_backend(environ):
                return send(_missing(request), start_response)
            refusal = self._turned_away(request)
            if refusal is not None:
                return send(refusal, start_response)
            answer = self._application(environ, lambda *given: begun.append(given))
        except (NotImplementedError, ImportError, OperationNotFoundError):
            # moto imports a few services only with libraries that are not here, and takes some for others.
            return send(_missing(request), start_response)
        except Exception:  # noqa: BLE001 (whatever moto trips over: the client is answered, the operator sees why)
            traceback.print_exc(file=sys.stderr)
            return send(_broken(request), start_response)
        status, headers = begun[0][:2]
        if _is_moto_at_a_loss(status, dict(headers), request):
            return send(_missing(request), start_response)
        start_response(*begun[0])
        return answer

    def _turned_away(self, request: Request) -> Answer | None:
        """The refusal of a request that is one too many, or that moto would not refuse by itself."""
        throttled = None if self._throttle.idle else self._throttle.refusal(*asked_for(request))
        return wrong_listing(request) if throttled is None else _throttled(request, throttled)

    def _has_backend(self, environ: dict[str, Any]) -> bool:
        path = environ.get("PATH_INFO", "")
        if path.startswith(("/moto-api", "/latest/")) or path == "/favicon.ico":
            return True
        request = arrived(environ)
        host: str | None = request.host.split(":")[0]
        if scope_of(request) is None and not str(host).endswith(AWS_DOMAINS):
            return True
        if scope_of(request) is not None:
            host = self._application.infer_service_region_host(environ, path)
        if host is None or host in list_of_moto_modules():
            return True
        return any(pattern.match(f"http://{host}") for _, pattern in self._application.backend_url_patterns)


def asked_for(request: Request) -> tuple[str, str]:
    """Service and operation that a request is meant for, by botocore's models; "" for what cannot be told."""
    scope, target = scope_of(request), request.headers.get("X-Amz-Target", "")
    signing_name = scope.signing_name if scope else request.host.split(".")[0]
    names = _signed_as().get(signing_name, [])
    for name in names:
        model = get_service_model(name)
        if target:
            prefix, _, operation = target.rpartition(".")
            if model.metadata.get("targetPrefix") == prefix:
                return name, operation
        elif "query" in str(model.resolved_protocol) or "ec2" in str(model.resolved_protocol):
            operation = str(request.values.get("Action", ""))
            if operation in model.operation_names:
                return name, operation
        else:
            try:
                return name, str(get_service_router(name).match(request)[0].name)
            except (NotFound, NotImplementedError):
                continue
    return (names[0] if names else signing_name), ""


def _missing(request: Request) -> Answer:
    service, operation = asked_for(request)
    return not_implemented(service, operation, _protocol(service, request))


def _broken(request: Request) -> Answer:
    service, operation = asked_for(request)
    failure = Refused("InternalFailure", "The request processing has failed because of an unknown error.")
    answer = serialized(service, operation, failure, _protocol(service, request))
    return answer._replace(status=500)


def _throttled(request: Request, refusal: Refused) -> Answer:
    service, operation = asked_for(request)
    answer = serialized(service, operation, refusal, _protocol(service, request))
    return answer._replace(status=UNAVAILABLE if service == "s3" else 400)


def _protocol(service: str, request: Request) -> str | None:
    """The protocol that the client speaks, where a service speaks several."""
    if request.headers.get("smithy-protocol") == "rpc-v2-cbor":
        return CBOR
    if service not in _services():
        return None
    try:
        return str(determine_request_protocol(get_service_model(service), request.headers.get("Content-Type", "")))
    except NotImplementedError:
        return None


def _is_moto_at_a_loss(status: str, headers: dict[str, str], request: Request) -> bool:
    """moto's own pages: no route (404, 405), or an operation it cannot tell (404 and not a word)."""
    kind, size = headers.get("Content-Type", ""), headers.get("Content-Length", "")
    scope = scope_of(request)
    signing_name = scope.signing_name if scope else "s3"
    if status[:3] in ("404", "405", "500") and kind.startswith("text/html") and signing_name != "s3":
        return True
    return status.startswith("404") and size == "0" and request.method != "HEAD" and signing_name != "s3"


def _sign_in_header(environ: dict[str, Any], request: Request) -> None:
    scope = scope_of(request)
    if "Authorization" in request.headers or scope is None or scope.signing_name == "s3":
        return
    credential = request.args["X-Amz-Credential"]
    environ["HTTP_AUTHORIZATION"] = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=query"


@lru_cache(maxsize=1)
def _services() -> frozenset[str]:
    return frozenset(botocore.session.get_session().get_available_services())


@lru_cache(maxsize=1)
def _signed_as() -> dict[str, list[str]]:
    """Services by the name they are signed for. The service of that very name comes first."""
    found: dict[str, list[str]] = {}
    for name in sorted(_services()):
        for signed in {_signing_name(name), name}:
            found.setdefault(signed, []).append(name)
    for alias, name in (SIGNING_ALIASES | SIGNED_BY_RULES).items():
        found.setdefault(alias, []).extend(found.get(name, []))
    return {signed: sorted(names, key=lambda name: name != signed) for signed, names in found.items()}


def _signing_name(service: str) -> str:
    folder = Path(botocore.__file__).parent / "data" / service
    newest = max(file for file in folder.glob("*/service-2.json*"))
    with gzip.open(newest) if newest.suffix == ".gz" else newest.open("rb") as model:
        head = model.read(METADATA_BYTES).decode(errors="replace")
    told = re.search(r'"signingName"\s*:\s*"([^"]+)"', head) or re.search(r'"endpointPrefix"\s*:\s*"([^"]+)"', head)
    return told.group(1) if told else service
