"""PutMetricData: checks every datum as CloudWatch does, then stores all of them or none.

Limits from botocore's text of PutMetricData: 1,000 metrics a request, 150 values a metric, times from two weeks ago to
two hours ahead, values within 2^360. Data of standard resolution is kept by the minute.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from sagekeeper.simulator.metric_read import utc
from sagekeeper.simulator.metric_store import Block, Key
from sagekeeper.simulator.operations import Ask, Handler, House, Refused
from sagekeeper.simulator.world import World

MOST_METRICS, MOST_VALUES, MOST_DIMENSIONS, MOST_ENTITIES = 1000, 150, 30, 2
OLDEST, NEWEST = timedelta(weeks=2), timedelta(hours=2)
LARGEST = 2.0**360
SET_MEMBERS = ("SampleCount", "Sum", "Minimum", "Maximum")
Grouped = dict[tuple[Key, str, int], list[tuple[Any, ...]]]


def put_metric_data(ask: Ask) -> dict[str, Any]:
    """Store the datapoints, on disk before the answer."""
    blocks = accepted(ask)
    log = ask.house.metric_log
    if log is not None:
        log.write(ask.now, ask.account, ask.region, blocks)
    for block in blocks:
        ask.here.watch.store.put(block, ask.now.timestamp())
    return {}


def accepted(ask: Ask) -> list[Block]:
    """The request's datapoints as columns, one block per metric, unit and shape of data."""
    if ask.params["Namespace"].startswith("AWS/"):
        raise Refused("InvalidParameterValue", "The value AWS/ for parameter Namespace is invalid.")
    grouped: Grouped = defaultdict(list)
    known: dict[tuple[str, ...], Key] = {}
    now, oldest, newest = ask.now.timestamp(), (ask.now - OLDEST).timestamp(), (ask.now + NEWEST).timestamp()
    for where, datum in _data(ask.params):
        at = _moment(datum, where, now, oldest, newest)
        name = (
            datum["MetricName"],
            *(part for item in datum.get("Dimensions") or () for part in (item["Name"], item["Value"])),
        )
        key = known.get(name) or known.setdefault(name, _key(ask.params["Namespace"], datum, where))
        rows = _rows(datum, where)
        resolution = datum.get("StorageResolution", 60)
        if resolution not in (1, 60):
            raise _wrong(f"The value {resolution} for parameter {where}.StorageResolution is invalid.")
        second = int(at) // resolution * resolution
        width = 1 + len(rows[0])
        grouped[key, datum.get("Unit", "None"), width].append((second, rows))
    return [_block(key, unit, width, found) for (key, unit, width), found in grouped.items()]


def retain(world: World, now: datetime) -> None:
    """Once a day, let old datapoints become coarse and very old ones go. After the alarms have looked at them."""
    for here in list(world.standing.values()):
        if here.watch.rolled_up != now.date():
            here.watch.rolled_up = now.date()
            here.watch.store.roll_up(now.timestamp())


class PutAgain:
    """At start: the datapoints on disk, put again in step with the journal and with what happens by itself."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._records = house.metric_log.records() if house.metric_log is not None else iter(())
        self._next = next(self._records, None)

    def upto(self, at: datetime | None) -> None:
        """Everything that was put before ``at``; None: all there is."""
        while self._next is not None and (at is None or self._next.at <= at):
            put_at = self._next.at
            self._house.world.until(put_at)
            store = self._house.world.at(self._next.account, self._next.region).watch.store
            for block in self._next.blocks:
                store.put(block, put_at.timestamp())
            self._next = next(self._records, None)
            # The clock's own file may be some seconds old: time never goes back behind what was put.
            behind = put_at - self._house.clock.now()
            if self._next is None and behind > timedelta(0):
                self._house.clock.advance(behind)


def _data(params: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    plain, entities = params.get("MetricData") or [], params.get("EntityMetricData") or []
    if not plain and not entities:
        raise Refused("MissingParameter", "The parameter MetricData is required.")
    if len(entities) > MOST_ENTITIES:
        raise _wrong(f"The collection EntityMetricData must not have a size greater than {MOST_ENTITIES}.")
    if len(plain) + sum(len(item.get("MetricData", [])) for item in entities) > MOST_METRICS:
        raise _wrong(f"The collection MetricData must not have a size greater than {MOST_METRICS}.")
    for number, datum in enumerate(plain, 1):
        yield f"MetricData.member.{number}", datum
    for outer, entity in enumerate(entities, 1):
        for number, datum in enumerate(entity.get("MetricData", []), 1):
            yield f"EntityMetricData.member.{outer}.MetricData.member.{number}", datum


def _moment(datum: dict[str, Any], where: str, now: float, oldest: float, newest: float) -> float:
    given = datum.get("Timestamp")
    if given is None:
        return now
    at = float(given) if isinstance(given, int | float) else utc(given).timestamp()
    if at < oldest:
        raise _wrong(f"The parameter {where}.Timestamp must specify a time within the past two weeks.")
    if at > newest:
        raise _wrong(f"The parameter {where}.Timestamp must specify a time no more than two hours in the future.")
    return at


def _key(namespace: str, datum: dict[str, Any], where: str) -> Key:
    dimensions = datum.get("Dimensions") or []
    if len(dimensions) > MOST_DIMENSIONS:
        raise _wrong(f"The collection {where}.Dimensions must not have a size greater than {MOST_DIMENSIONS}.")
    key = Key.of(namespace, datum["MetricName"], dimensions)
    if len({name for name, _ in key.dimensions}) < len(dimensions):
        raise _wrong(f"The parameter {where}.Dimensions must not name a dimension twice.")
    for part in (pair for item in key.dimensions for pair in item):
        if not part.strip() or not part.isascii():
            raise _wrong(f"The value {part} for parameter {where}.Dimensions is invalid.")
    return key


def _rows(datum: dict[str, Any], where: str) -> tuple[tuple[float, ...], ...] | list[tuple[float, ...]]:
    """One row per sample without its time: (value,), (value, count), or the four of a statistic set."""
    value = datum.get("Value")
    if value is not None and "Values" not in datum and "StatisticValues" not in datum:
        return ((_number(value, f"{where}.Value"),),)
    given = [name for name in ("Value", "Values", "StatisticValues") if datum.get(name) is not None]
    if not given:
        raise Refused("MissingParameter", f"The parameter {where}.Value is required.")
    if len(given) > 1:
        raise Refused(
            "InvalidParameterCombination",
            f"The parameters {where}.{given[0]} and {where}.{given[1]} are mutually exclusive and you have specified both.",
        )
    return READ[given[0]](datum, where)


def _values(datum: dict[str, Any], where: str) -> list[tuple[float, ...]]:
    values, counts = datum["Values"], datum.get("Counts")
    if not values:
        raise Refused("MissingParameter", f"The parameter {where}.Values is required.")
    if len(values) > MOST_VALUES:
        raise _wrong(f"The collection {where}.Values must not have a size greater than {MOST_VALUES}.")
    if counts is not None and len(counts) != len(values):
        raise _wrong(f"The parameters {where}.Values and {where}.Counts must be of the same size.")
    read = [_number(value, f"{where}.Values") for value in values]
    if counts is None:
        return list(zip(read))
    weights = [_number(value, f"{where}.Counts") for value in counts]
    if min(weights) <= 0:
        raise _wrong(f"The value {min(weights)} for parameter {where}.Counts is invalid.")
    return list(zip(read, weights, strict=True))


def _set(datum: dict[str, Any], where: str) -> list[tuple[float, ...]]:
    count, total, low, high = (
        _number(datum["StatisticValues"][name], f"{where}.StatisticValues.{name}") for name in SET_MEMBERS
    )
    if count <= 0:
        raise _wrong(f"The value {count} for parameter {where}.StatisticValues.SampleCount is invalid.")
    if low > high:
        raise _wrong(
            f"The parameter {where}.StatisticValues.Minimum must not be greater than {where}.StatisticValues.Maximum."
        )
    # All samples the same: raw values are known, so percentiles are (botocore's text of PutMetricData).
    if low == high and math.isclose(total, low * count):
        return [(low, count)]
    return [(count, total, low, high)]


READ: dict[str, Callable[[dict[str, Any], str], list[tuple[float, ...]]]] = {"Values": _values, "StatisticValues": _set}


def _number(value: Any, where: str) -> float:
    read = float(value)
    if not -LARGEST <= read <= LARGEST:
        raise _wrong(f"The value {value} for parameter {where} is invalid.")
    return read


def _block(key: Key, unit: str, width: int, found: list[tuple[Any, ...]]) -> Block:
    at = np.repeat(np.array([second for second, _ in found], dtype=np.int64), [len(rows) for _, rows in found])
    flat = np.array([row for _, rows in found for row in rows], dtype=np.float64).reshape(len(at), width - 1)
    return Block(key, unit, (at, *(np.ascontiguousarray(flat[:, column]) for column in range(width - 1))))


def _wrong(message: str) -> Refused:
    return Refused("InvalidParameterValue", message)


HANDLERS: dict[str, Handler] = {"PutMetricData": put_metric_data}
