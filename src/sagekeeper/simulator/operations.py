"""How an operation of ours is hung into moto's server: a function (Ask) -> answer, validated, timed and journalled.

Each completed operation is a plain function taking `Ask` and returning the answer as a dict of botocore's output shape.
Requests are checked against botocore's own service model before the function sees them; what it raises as `Refused`
goes out as the AWS error of that code. A mutating operation is written to the journal, synced to disk, before it is
answered.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import botocore
import botocore.session
import numpy as np
from botocore.validate import ParamValidator
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.sts.models import sts_backends

from sagekeeper.simulator.clock import SimulatedClock
from sagekeeper.simulator.constraints import broken_constraints
from sagekeeper.simulator.journal import Journal, resource_of
from sagekeeper.simulator.meter import Meter
from sagekeeper.simulator.metric_log import MetricLog
from sagekeeper.simulator.world import Standing, World


class Refused(ServiceException):
    """An error as AWS words it: code and message."""


WRONG_JSON = "ValidationException"
WRONG = {
    "cloudwatch": "ValidationError",
    "sts": "ValidationError",
    "resourcegroupstaggingapi": "InvalidParameterException",
}
"""The code of a request that breaks its shape, where it is not `WRONG_JSON`."""
PLAIN = ("ce",)
"""Services whose answers are JSON as they are: no times and no bytes in them."""


@dataclass(frozen=True)
class House:
    """What the operations share."""

    world: World
    clock: SimulatedClock
    meter: Meter
    journal: Journal
    metric_log: MetricLog | None = None


@dataclass(frozen=True)
class Ask:
    """One request: who, where, what, when."""

    house: House
    account: str
    region: str
    params: dict[str, Any]
    now: datetime
    address: str = ""
    """Where the client reached the account, for addresses that are handed out; only services of ours alone know it."""

    @property
    def here(self) -> Standing:
        return self.house.world.at(self.account, self.region)


Handler = Callable[[Ask], dict[str, Any]]


def install(response_class: type, service: str, handlers: dict[str, Handler], mutating: set[str], house: House) -> None:
    """Hang ``handlers`` (by operation name) into moto's response class for ``service``."""
    model = service_model(service)
    for operation, handler in handlers.items():
        method = _method(service, operation, handler, operation in mutating, house, model)
        setattr(response_class, botocore.xform_name(operation), method)


def _method(
    service: str, operation: str, handler: Handler, mutates: bool, house: House, model: Any
) -> Callable[[Any], Any]:
    shape = model.operation_model(operation).input_shape

    def method(response: Any) -> Any:
        params = _params(response, service)
        check(params, shape, WRONG.get(service, WRONG_JSON))
        with house.world.lock:
            ask = Ask(house, response.current_account, response.region, params, house.clock.now())
            house.world.until(ask.now)
            answer = handler(ask)
            if mutates:
                house.journal.write(
                    "call",
                    ask.now,
                    service=service,
                    operation=operation,
                    account=ask.account,
                    region=ask.region,
                    resource=resource_of(params),
                    parameters=params,
                    by=caller(ask.account, response.get_access_key()),
                )
                ask.here.version += 1
        return _answered(answer, response)

    method.__dict__["ours"] = True
    return method


def caller(account: str, access_key: str) -> tuple[str, str] | None:
    """Role and session whose credentials these are; None: nobody's session."""
    role = sts_backends[account]["aws"].get_assumed_role_from_access_key(access_key)
    return (role.role_arn.rpartition("/")[2], role.session_name) if role else None


def check(params: dict[str, Any], shape: Any, code: str = WRONG_JSON) -> None:
    """Refuse parameters that break the operation's input shape."""
    if shape is None:
        return
    report = ParamValidator().validate(params, shape)
    if report.has_errors():
        raise Refused(code, report.generate_report())
    broken = broken_constraints(params, shape)
    if broken:
        many = f"{len(broken)} validation error{'s' * (len(broken) > 1)} detected: "
        raise Refused(code, many + "; ".join(broken))


def checked(response_class: type, service: str, operation: str) -> None:
    """Check the requests of an operation of moto's own too: it fails with a KeyError where a parameter is missing."""
    name, shape = botocore.xform_name(operation), service_model(service).operation_model(operation).input_shape
    own = getattr(response_class, name)
    if "checked" in own.__dict__:
        return

    def method(response: Any) -> Any:
        check(_params(response, service), shape, WRONG.get(service, WRONG_JSON))
        return own(response)

    method.__dict__["checked"] = True
    setattr(response_class, name, method)


def _params(response: Any, service: str) -> dict[str, Any]:
    if service_model(service).metadata["protocol"] == "json":
        found = json.loads(response.body or "{}")
        return dict(with_times(found))
    return dict(response._get_params())


def with_times(found: Any) -> Any:
    """JSON sends times as epoch seconds (the journal as text) under names that end in Time, After or Before."""
    if isinstance(found, dict):
        return {key: _time(key, value) for key, value in found.items()}
    return [with_times(item) for item in found] if isinstance(found, list) else found


def _time(key: str, value: Any) -> Any:
    if not key.endswith(("Time", "After", "Before")) or isinstance(value, bool):
        return with_times(value)
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    return value


def _answered(answer: dict[str, Any], response: Any) -> Any:
    """Long rows of numbers are written at once: moto's serializer takes a dozen calls for each datapoint."""
    if response.service_name in PLAIN:
        return 200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(answer)
    if not any(isinstance(row.get("Values"), np.ndarray) for row in answer.get("MetricDataResults", [])):
        return ActionResult(answer)
    kind = response.headers.get("Content-Type", "")
    if kind.startswith("application/x-amz-json"):
        return 200, {"Content-Type": kind}, json.dumps(answer, default=lambda found: found.tolist())
    rows = [
        row
        | {
            "Timestamps": [datetime.fromtimestamp(moment, UTC) for moment in row["Timestamps"].tolist()],
            "Values": row["Values"].tolist(),
        }
        for row in answer["MetricDataResults"]
    ]
    return ActionResult(answer | {"MetricDataResults": rows})


@lru_cache(maxsize=8)
def service_model(service: str) -> Any:
    """botocore's description of a service."""
    return _session().get_service_model(service)


@lru_cache(maxsize=1)
def _session() -> Any:
    return botocore.session.get_session()


def page(
    items: list[Any], params: dict[str, Any], most: int = 100, size_key: str = "MaxResults"
) -> tuple[list[Any], dict[str, str]]:
    """One page of ``items`` and the NextToken, if there is more."""
    token = str(params.get("NextToken") or "0")
    if not token.isdigit():
        raise Refused("ValidationException", "The NextToken is invalid.")
    start, size = int(token), min(int(params.get(size_key) or most), most)
    more = {"NextToken": str(start + size)} if start + size < len(items) else {}
    return items[start : start + size], more
