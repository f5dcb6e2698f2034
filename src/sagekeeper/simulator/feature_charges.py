"""What the Feature Store costs and measures: units by request or capacity by the hour, online bytes, CloudWatch metrics.

The rates are not among the facts at hand (aws-facts 1.10 names what is billed, not for how much): stand-ins, to be
replaced by the price list's. Metrics and dimensions: aws-facts 1.10; the namespace is the one that public code uses.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

import numpy as np

from sagekeeper.simulator.charges import DAY, HOURS_A_MONTH, SAGEMAKER, Daily, Run, _span
from sagekeeper.simulator.feature_book import Asked, FeatureBook
from sagekeeper.simulator.keeping import tags_of
from sagekeeper.simulator.metric_statistics import Floats, Samples, parsed, per_period
from sagekeeper.simulator.metric_store import Key
from sagekeeper.simulator.things import Thing
from sagekeeper.simulator.world import Standing
from sagekeeper.simulator.world_metrics import Source

USD_A_WRITE, USD_A_READ, USD_A_GIGABYTE_MONTH = 1.25e-6, 0.25e-6, 0.45
USD_A_WRITE_UNIT_HOUR, USD_A_READ_UNIT_HOUR = 0.00065, 0.00013
"""Stand-ins; capacity at what DynamoDB asks for the same (aws-facts 5.3)."""
NAMESPACE = "AWS/SageMaker/FeatureStore"
DIMENSIONS = ("FeatureGroupName", "OperationName")
LATENCY_US = {"PutRecord": 11_000.0, "GetRecord": 6_000.0, "BatchGetRecord": 9_000.0, "DeleteRecord": 8_000.0}
METRICS = {
    "ConsumedReadRequestsUnits": lambda call: np.nan if call.provisioned or not call.read else call.read,
    "ConsumedWriteRequestsUnits": lambda call: np.nan if call.provisioned or not call.written else call.written,
    "ConsumedReadCapacityUnits": lambda call: call.read if call.provisioned and call.read else np.nan,
    "ConsumedWriteCapacityUnits": lambda call: call.written if call.provisioned and call.written else np.nan,
    "Invocations": lambda _: 1.0,
    "Latency": lambda call: LATENCY_US[call.operation],
}


def runs(here: Standing) -> Iterator[Run]:
    """Provisioned capacity, by the hour."""
    for group in here.work.feature_groups.ever():
        tags = json.dumps(tags_of(here, group))
        for start, stop, about in group.stays():
            wish, span = about["x_throughput"], _span(start, stop)
            for name, price in (("Write", USD_A_WRITE_UNIT_HOUR), ("Read", USD_A_READ_UNIT_HOUR)):
                count = wish.get(f"Provisioned{name}CapacityUnits", 0)
                if count:
                    usage = f"FeatureStore:{name}CapacityUnit-Hrs"
                    yield Run(*span, usage, f"Provisioned{name}", group.arn, tags, count, price)


def daily(here: Standing, begin: datetime, end: datetime) -> Iterator[Daily]:
    """Request units and online storage, by the day."""
    for group in here.work.feature_groups.ever():
        book = here.work.records.get(group.arn)
        if book is not None and group is here.work.feature_groups.lives[group.key][-1]:
            yield from _of_group(here, group, book, begin, end)


def _of_group(here: Standing, group: Thing, book: FeatureBook, begin: datetime, end: datetime) -> Iterator[Daily]:
    lives = here.work.feature_groups.lives[group.key]
    first = int(max(begin, lives[0].created).timestamp()) // DAY
    days = int(np.ceil(end.timestamp() / DAY)) - first
    if days <= 0:
        return
    tags = json.dumps(tags_of(here, group))
    calls = [call for call in book.asked if not call.provisioned and call.at < end.timestamp()]
    number = np.array([call.at // DAY - first for call in calls])
    for usage, operation, price, found in (
        ("FeatureStore:WriteRequestUnits", "PutRecord", USD_A_WRITE, [call.written for call in calls]),
        ("FeatureStore:ReadRequestUnits", "GetRecord", USD_A_READ, [call.read for call in calls]),
    ):
        there = number >= 0
        units = np.bincount(number[there].astype(int), np.array(found)[there], days)[:days] if calls else np.zeros(days)
        yield Daily(first, units, SAGEMAKER, usage, operation, group.arn, tags, price)
    edges = np.minimum((np.arange(days + 1) + first) * DAY, end.timestamp())
    held = np.diff(book.gigabyte_seconds(edges)) / 3600 / HOURS_A_MONTH
    usage = "FeatureStore:OnlineStorage-ByteHrs"
    yield Daily(first, held, SAGEMAKER, usage, "OnlineStorage", group.arn, tags, USD_A_GIGABYTE_MONTH)


def _calls(here: Standing, key: Key) -> list[Asked]:
    name, operation = (value for _, value in key.dimensions)
    book = here.work.records.get(here.arn("feature-group", name))
    return [call for call in book.asked if call.operation == operation] if book else []


def _publishes(here: Standing, key: Key) -> bool:
    if key.namespace != NAMESPACE or key.name not in METRICS:
        return False
    return tuple(name for name, _ in key.dimensions) == DIMENSIONS and bool(_calls(here, key))


def _keys(here: Standing, since: datetime, now: datetime) -> Iterator[Key]:
    for group in here.work.feature_groups.standing(now):
        book = here.work.records.get(group.arn)
        for operation in sorted(
            {call.operation for call in book.asked if call.at >= since.timestamp()} if book else ()
        ):
            dimensions = tuple(zip(DIMENSIONS, (group.key[0], operation), strict=True))
            for name in METRICS:
                key = Key(NAMESPACE, name, dimensions)
                if any(not np.isnan(METRICS[name](call)) for call in _calls(here, key)):
                    yield key


def _values(here: Standing, key: Key, stat: str, first: float, count: int, period: int, now: datetime) -> Floats:
    calls = [call for call in _calls(here, key) if first <= call.at < min(first + count * period, now.timestamp())]
    value = np.array([METRICS[key.name](call) for call in calls], dtype=float)
    at = np.array([(call.at - first) // period for call in calls], dtype=np.int64)
    there = ~np.isnan(value)
    wanted = parsed(stat)
    if wanted is None or not there.any():
        return np.full(count, np.nan)
    return per_period(Samples(at[there], value[there], np.ones(int(there.sum()))), None, wanted, 0, 1, count)


def _unit(key: Key) -> str:
    return "Microseconds" if key.name == "Latency" else "Count"


SOURCE = Source(_publishes, _keys, _values, _unit)
