"""How an operation of ours is hung into moto's server: a function (Ask) -> answer, validated, timed and journalled.

Each completed operation is a plain function taking `Ask` and returning the answer as a dict of botocore's output shape. Requests
are checked against botocore's own service model before the function sees them; what it raises as `Refused` goes out as the
AWS error of that code. A mutating operation is written to the journal, synced to disk, before it is answered.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import botocore.session
from botocore.validate import ParamValidator
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse

from sagekeeper.simulator.clock import SimulatedClock
from sagekeeper.simulator.journal import Journal
from sagekeeper.simulator.meter import Meter
from sagekeeper.simulator.world import Standing, World


class Refused(ServiceException):
    """An error as AWS words it: code and message."""


@dataclass(frozen=True)
class House:
    """What the operations share."""

    world: World
    clock: SimulatedClock
    meter: Meter
    journal: Journal


@dataclass(frozen=True)
class Ask:
    """One request: who, where, what, when."""

    house: House
    account: str
    region: str
    params: dict[str, Any]
    now: datetime

    @property
    def here(self) -> Standing:
        return self.house.world.at(self.account, self.region)


Handler = Callable[[Ask], dict[str, Any]]


def install(response_class: type, service: str, handlers: dict[str, Handler], mutating: set[str], house: House) -> None:
    """Hang ``handlers`` (by operation name) into moto's response class for ``service``."""
    model = _service_model(service)
    for operation, handler in handlers.items():
        method = _method(service, operation, handler, operation in mutating, house, model)
        setattr(response_class, botocore.xform_name(operation), method)


def _method(
    service: str, operation: str, handler: Handler, mutates: bool, house: House, model: Any
) -> Callable[[Any], Any]:
    shape = model.operation_model(operation)

    def method(response: Any) -> Any:
        params = _params(response, service)
        report = ParamValidator().validate(params, shape.input_shape) if shape.input_shape is not None else None
        if report is not None and report.has_errors():
            raise Refused("ValidationException", report.generate_report())
        ask = Ask(house, response.current_account, response.region, params, house.clock.now())
        with house.world.lock:
            answer = handler(ask)
            if mutates:
                house.journal.write(service, operation, ask.account, ask.region, params, ask.now)
                house.world.changed()
        return ActionResult(answer)

    return method


def _params(response: Any, service: str) -> dict[str, Any]:
    if service in ("sagemaker", "ce"):
        found = json.loads(response.body or "{}")
        return _with_times(found)
    return dict(response._get_params())


def _with_times(found: Any) -> Any:
    """JSON sends times as epoch seconds under names that end in Time, After or Before."""
    if isinstance(found, dict):
        return {
            key: datetime.fromtimestamp(value, UTC)
            if isinstance(value, int | float) and key.endswith(("Time", "After", "Before", "TimeAfter", "TimeBefore"))
            else _with_times(value)
            for key, value in found.items()
        }
    return [_with_times(item) for item in found] if isinstance(found, list) else found


@lru_cache(maxsize=8)
def _service_model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def answer_unknown_operations() -> None:
    """Answer what neither moto nor we have with 501 and a sentence, instead of an HTML page."""
    known = BaseResponse.call_action

    def call_action(self: Any) -> Any:
        try:
            return known(self)
        except NotImplementedError as missing:
            body = json.dumps(
                {"__type": "NotImplemented", "message": f"The simulated account has no such operation: {missing}"}
            )
            return 501, {"Content-Type": "application/x-amz-json-1.1"}, body

    BaseResponse.call_action = call_action  # type: ignore[method-assign]


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
