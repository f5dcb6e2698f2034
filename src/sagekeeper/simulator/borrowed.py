"""What moto does for us by itself (S3, alarms, scaling targets, roles), made to live in the simulated account's time and
to last.

Mutating requests to moto's own operations are kept as the HTTP requests they were and sent again at start; credentials
that STS gave out are kept too, so that a client's session stays one of its account after a restart. Operations that
nobody has answer 501 with a sentence.
"""

from __future__ import annotations

import base64
import io
import json
import threading
import types
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import moto.core.utils
import moto.sts.models
from moto.core.config import default_user_config
from moto.core.responses import BaseResponse
from moto.iam.models import iam_backends
from moto.moto_api._internal import mock_random
from moto.sts.models import AssumedRole, STSBackend, sts_backends
from werkzeug.test import EnvironBuilder

from sagekeeper.simulator.clock import SimulatedClock
from sagekeeper.simulator.journal import Journal, resource_of
from sagekeeper.simulator.request_counts import RULES, Asked

READS = ("Describe", "List", "Get", "Search", "Query", "BatchGet", "Lookup", "Head", "Select", "Assume", "Decode")
KEPT_HEADERS = ("Authorization", "Content-Type", "Content-Encoding", "User-Agent", "Host")
KEPT_PREFIX = "X-Amz-"
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_SEEN = threading.local()


class Borrowed:
    """moto's application, journalled: call it with a request as any WSGI application."""

    def __init__(self, application: Application, journal: Journal, clock: SimulatedClock) -> None:
        self._application, self._journal, self._clock = application, journal, clock
        self.told: Callable[[Asked, datetime, bool], None] = lambda *_: None
        """Told of every request that was answered: what, when, and whether it may have changed something."""

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        chunked = environ.pop("HTTP_TRANSFER_ENCODING", "") == "chunked"
        body = environ["wsgi.input"].read(*() if chunked else (int(environ.get("CONTENT_LENGTH") or 0),))
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
        begun: dict[str, Any] = {"status": "", "length": 0}
        _SEEN.response = None

        def begin(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            begun["status"] = status
            begun["length"] = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
            return start_response(status, headers, *rest)

        answer = self._application(environ, begin)
        found = _SEEN.response
        if found is not None and begun["status"].startswith("2"):
            changes = _changes(found)
            if changes:
                self._keep(found, environ, body)
            if changes or found.service_name in RULES:
                told = (found.current_account, found.region, found.service_name, _operation(found), _parameters(found))
                self.told(Asked(*told, environ["PATH_INFO"], begun["length"]), self._clock.now(), changes)
        return answer

    def again(self, entry: dict[str, Any]) -> None:
        """Send a kept request once more, as the account that sent it."""
        headers = entry["request"]["headers"] | {"x-moto-account-id": entry["account"]}
        made = EnvironBuilder(
            method=entry["request"]["method"],
            path=entry["request"]["path"],
            query_string=entry["request"]["query"],
            headers=headers,
            input_stream=io.BytesIO(base64.b64decode(entry["request"]["body"])),
            content_length=entry["request"]["length"],
        )
        _SEEN.replayed_at, _SEEN.replayed_random = datetime.fromisoformat(entry["at"]), entry["random"]
        try:
            length = len(b"".join(self._application(made.get_environ(), lambda *_: None)))
            told = (entry["account"], entry["region"], entry["service"], entry["operation"], entry["parameters"])
            self.told(Asked(*told, entry["request"]["path"], length), _SEEN.replayed_at, True)
        finally:
            _SEEN.replayed_at = _SEEN.replayed_random = None

    def _keep(self, response: Any, environ: dict[str, Any], body: bytes) -> None:
        parameters = _parameters(response)
        headers = {
            name: value
            for key, value in environ.items()
            if (name := key.removeprefix("HTTP_").replace("_", "-").title()) in KEPT_HEADERS
            or name.startswith(KEPT_PREFIX)
        }
        request = {
            "method": environ["REQUEST_METHOD"],
            "path": environ["PATH_INFO"],
            "query": environ.get("QUERY_STRING", ""),
            "headers": headers,
            "length": len(body),
            "body": base64.b64encode(body).decode(),
        }
        self._journal.write(
            "request",
            self._clock.now(),
            service=response.service_name,
            operation=_operation(response),
            account=response.current_account,
            region=response.region,
            resource=resource_of(parameters) or environ["PATH_INFO"].strip("/"),
            parameters=parameters,
            random=_SEEN.random,
            request=request,
        )


def borrow(clock: SimulatedClock, journal: Journal) -> None:
    """Give moto the simulated time, see its requests, keep its sessions, and let what is missing say so."""
    _live_in(clock)
    default_user_config["lambda"] = {"use_docker": False}  # No program of anybody's is run: an invocation just answers.
    _watch_requests(journal)
    _keep_sessions(clock, journal)


def restore_session(entry: dict[str, Any]) -> None:
    """Credentials given out before the restart belong to their role and account again."""
    key = iam_backends[entry["account"]]["aws"].create_temp_access_key()
    key.access_key_id, key.secret_access_key, key.role_arn = entry["key"], entry["secret"], entry["role"]
    iam_backends[entry["account"]]["aws"].access_keys[entry["key"]] = key
    role = AssumedRole(entry["account"], entry["region"], key, entry["name"], entry["role"], "", 3600, "")
    sts_backends[entry["account"]]["aws"].assumed_roles.append(role)


def _live_in(clock: SimulatedClock) -> None:
    """moto's modules hold on to its `utcnow` by name, so the function itself is given another body.

    STS keeps the machine's time: clients compare the end of a session with their own clock.
    """
    original = moto.core.utils.utcnow
    machine = types.FunctionType(original.__code__, original.__globals__, "utcnow")

    def utcnow() -> datetime:
        return _simulated_now()  # type: ignore[name-defined] # noqa: F821

    def simulated_now() -> datetime:
        now = getattr(_SEEN, "replayed_at", None) or clock.now()
        return now.astimezone(UTC).replace(tzinfo=None)

    moto.core.utils.__dict__["_simulated_now"] = simulated_now
    original.__code__ = utcnow.__code__
    moto.sts.models.__dict__["utcnow"] = machine


def _watch_requests(journal: Journal) -> None:
    setup = BaseResponse.setup_class

    def setup_class(self: Any, *given: Any, **named: Any) -> None:
        setup(self, *given, **named)
        _SEEN.response = self
        # The same request draws the same identifiers again when it is replayed.
        again = getattr(_SEEN, "replayed_random", None)
        _SEEN.random = len(journal.entries) if again is None else again
        if _changes(self):
            mock_random.seed(_SEEN.random)

    BaseResponse.setup_class = setup_class  # type: ignore[method-assign]


def _keep_sessions(clock: SimulatedClock, journal: Journal) -> None:
    assume = STSBackend.assume_role

    def assume_role(self: STSBackend, **given: Any) -> AssumedRole:
        role = assume(self, **given)
        journal.write(
            "session",
            clock.now(),
            account=role.account_id,
            region=role.region_name,
            role=role.role_arn,
            name=role.session_name,
            key=role.access_key_id,
            secret=role.secret_access_key,
        )
        return role

    STSBackend.assume_role = assume_role  # type: ignore[method-assign, assignment]


def _changes(response: Any) -> bool:
    """Whether a request to one of moto's own operations may change something."""
    operation = _operation(response)
    if getattr(getattr(response, _method_name(operation), None), "ours", False):
        return False
    if response.service_name == "s3":
        return response.method not in ("GET", "HEAD", "OPTIONS") and "select" not in response.querystring
    return bool(operation) and not operation.startswith(READS) and response.service_name != "sts"


def _operation(response: Any) -> str:
    if response.service_name == "s3":
        return f"{response.method.title()}{'Object' if '/' in response.path.strip('/') else 'Bucket'}"
    return str(response._get_action() or "")


def _method_name(operation: str) -> str:
    return str(moto.core.utils.camelcase_to_underscores(operation))


def _parameters(response: Any) -> dict[str, Any]:
    if response.service_name == "s3":
        return {}
    if getattr(response, "params", None):
        found = response.params
        return dict(found.original_dict() if hasattr(found, "original_dict") else found)
    try:
        return dict(json.loads(response.body))
    except (ValueError, TypeError):
        return dict(response._get_params())
