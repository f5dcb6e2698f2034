"""PutMetricData as boto3 sends it, read once: a request of a thousand plain datums in a few milliseconds.

In: a request. Out: its answer; None for everything that is not a plain PutMetricData in JSON, which then goes the usual way
and is refused there where it is wrong. moto parses and botocore checks a request member by member, which took 80 % of
the time of putting single values; here pydantic reads and checks the same in one pass. What is stored, and every other
check, is `metric_put`.
"""

from __future__ import annotations

import gzip
import zlib
from functools import lru_cache
from typing import Annotated, Any, NotRequired

from moto.core.request import Request
from pydantic import ConfigDict, FiniteFloat, StringConstraints, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from sagekeeper.simulator.metric_put import put_metric_data
from sagekeeper.simulator.operations import Ask, House, Refused, service_model
from sagekeeper.simulator.own_service import Answer, account_of, region_of, serialized
from sagekeeper.simulator.throttling import Throttle

SERVICE, OPERATION = "cloudwatch", "PutMetricData"
TARGET = f"GraniteServiceVersion20100801.{OPERATION}"
PLAIN = ConfigDict(extra="forbid", strict=True)
Text = Annotated[str, StringConstraints(min_length=1, max_length=255)]


@with_config(PLAIN)
class Dimension(TypedDict):
    """Botocore's shape of that name."""

    Name: Text
    Value: Annotated[str, StringConstraints(min_length=1, max_length=1024)]


@with_config(PLAIN)
class Datum(TypedDict):
    """A MetricDatum without statistic sets."""

    MetricName: Text
    Dimensions: NotRequired[list[Dimension]]
    Timestamp: NotRequired[FiniteFloat]
    Value: NotRequired[FiniteFloat]
    Values: NotRequired[list[FiniteFloat]]
    Counts: NotRequired[list[FiniteFloat]]
    Unit: NotRequired[str]
    StorageResolution: NotRequired[int]


@with_config(PLAIN)
class Put(TypedDict):
    """A request without entities."""

    Namespace: Annotated[str, StringConstraints(min_length=1, max_length=255, pattern="^[^:].*$")]
    MetricData: list[Datum]


READER = TypeAdapter(Put)


def quick(request: Request, house: House, throttle: Throttle) -> Answer | None:
    """The answer to a plain PutMetricData; None where the usual way has to look at it."""
    if request.headers.get("X-Amz-Target") != TARGET:
        return None
    given = _plain(request)
    if given is None:
        return None
    try:
        refusal = throttle.refusal(SERVICE, OPERATION)
        if refusal is not None:
            raise refusal
        with house.world.lock:
            now = house.clock.now()
            house.world.until(now)
            answer = put_metric_data(Ask(house, account_of(request), region_of(request), given, now))
    except Refused as refused:
        return serialized(SERVICE, OPERATION, refused)
    return serialized(SERVICE, OPERATION, answer)


def _plain(request: Request) -> dict[str, Any] | None:
    body = request.get_data()
    try:
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        found = READER.validate_json(body)
    except (ValidationError, OSError, EOFError, zlib.error):
        return None
    if {datum.get("Unit", "None") for datum in found["MetricData"]} - _units():
        return None
    return dict(found)


@lru_cache(maxsize=1)
def _units() -> frozenset[str]:
    return frozenset(service_model(SERVICE).shape_for("StandardUnit").enum)
