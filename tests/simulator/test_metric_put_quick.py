"""Plain datapoints are read in one pass; what is anything else is left to the usual way, which refuses it where it is wrong."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from moto.core.request import Request
from werkzeug.test import EnvironBuilder

from sagekeeper.simulator.clock import SimulatedClock
from sagekeeper.simulator.meter import Meter
from sagekeeper.simulator.metric_put_quick import TARGET, quick
from sagekeeper.simulator.metric_store import Key
from sagekeeper.simulator.operations import House
from sagekeeper.simulator.throttling import Throttle
from sagekeeper.simulator.world import PAYER, World

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
AT = NOW.timestamp() - 3600


@pytest.fixture
def house(tmp_path: Path) -> House:
    world = World()
    return House(world, SimulatedClock(tmp_path / "clock.json", NOW, 0.0), Meter(world), None)  # type: ignore[arg-type]


def request(given: dict[str, Any], target: str = TARGET, packed: bool = False) -> Request:
    body = json.dumps(given).encode()
    headers = {
        "X-Amz-Target": target,
        "Authorization": "AWS4-HMAC-SHA256 Credential=test/20261120/us-east-1/monitoring/aws4_request, Signature=x",
        "Content-Type": "application/x-amz-json-1.0",
    }
    if packed:
        body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
    return Request(EnvironBuilder(method="POST", headers=headers, data=body).get_environ())


def put(*data: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"Namespace": "app", "MetricData": list(data)} | more


@pytest.mark.parametrize("packed", [False, True])
def test_single_values_are_stored_under_their_metric_and_minute(house: House, packed: bool) -> None:
    datum = {"MetricName": "jobs", "Dimensions": [{"Name": "Host", "Value": "a"}], "Timestamp": AT, "Unit": "Count"}
    found = quick(
        request(put(datum | {"Value": 3}, datum | {"Value": 4.5, "Timestamp": AT + 61}), packed=packed),
        house,
        Throttle(),
    )
    assert found is not None
    assert found.status == 200
    samples, sets = house.world.at(PAYER, "us-east-1").watch.store.read(Key("app", "jobs", (("Host", "a"),)), "Count")
    assert (list(samples.at), list(samples.value), sets) == ([AT, AT + 60], [3.0, 4.5], None)


@pytest.mark.parametrize(
    "given",
    [
        put({"MetricName": "jobs", "Value": "three"}),
        put({"MetricName": "jobs", "Value": True}),
        put({"MetricName": "jobs", "Value": float("nan")}),
        put({"MetricName": "", "Value": 1}),
        put({"MetricName": "jobs", "Value": 1, "Unit": "Bananas"}),
        put({"MetricName": "jobs", "Value": 1, "Colour": "red"}),
        put({"MetricName": "jobs", "Value": 1, "Dimensions": [{"Name": "Host"}]}),
        put({"MetricName": "jobs", "StatisticValues": {"SampleCount": 1, "Sum": 1, "Minimum": 1, "Maximum": 1}}),
        put({"MetricName": "jobs", "Value": 1}, StrictEntityValidation=True),
        put({"MetricName": "jobs", "Value": 1}, Namespace=":app"),
        {"MetricData": [{"MetricName": "jobs", "Value": 1}]},
    ],
)
def test_what_is_not_plain_goes_the_usual_way(house: House, given: dict[str, Any]) -> None:
    assert quick(request(given), house, Throttle()) is None
    assert len(house.world.at(PAYER, "us-east-1").watch.store) == 0


def test_other_operations_and_broken_bodies_are_left_alone(house: House) -> None:
    assert quick(request(put(), target="GraniteServiceVersion20100801.GetMetricData"), house, Throttle()) is None
    broken = request(put({"MetricName": "jobs", "Value": 1}), packed=True)
    broken.headers = {**dict(broken.headers), "Content-Encoding": ""}  # type: ignore[assignment]
    assert quick(broken, house, Throttle()) is None


def test_a_wrong_time_and_a_throttled_call_are_refused_with_cloudwatchs_codes(house: House) -> None:
    early = quick(request(put({"MetricName": "jobs", "Value": 1, "Timestamp": AT - 40 * 86400})), house, Throttle())
    assert early is not None
    assert (early.status, json.loads(early.body)["__type"].rpartition("#")[2]) == (
        400,
        "InvalidParameterValueException",
    )
    throttle = Throttle()
    throttle.set({"service": "cloudwatch", "operation": "PutMetricData", "calls": 1})
    plain = put({"MetricName": "jobs", "Value": 1})
    refused, passed = (quick(request(plain), house, throttle) for _ in range(2))
    assert refused is not None
    assert passed is not None
    assert (refused.status, passed.status) == (400, 200)
