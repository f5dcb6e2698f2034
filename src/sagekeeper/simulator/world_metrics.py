"""The metrics that the world's own traffic causes: which there are, and their values, computed and never stored.

A source names its metrics and answers for them; CloudWatch (`metric_read.py`) asks every source in ``SOURCES`` beside
the store of what clients put. The first source are endpoints, from `traffic.py`; more are added to the list. Names,
dimensions and what each kind of endpoint does not publish: aws-facts 1.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np

from sagekeeper.simulator import traffic
from sagekeeper.simulator.metric_statistics import Floats, Samples, parsed, per_period
from sagekeeper.simulator.metric_store import Key
from sagekeeper.simulator.world import Standing, stretches

NAMESPACES = {"AWS/SageMaker": traffic.REQUEST_METRICS, "/aws/sagemaker/Endpoints": traffic.INSTANCE_METRICS}
DIMENSIONS = ("EndpointName", "VariantName")
NOT_OF_ASYNC = {"Invocations", "InvocationsPerInstance", "OverheadLatency"}
NOT_OF_SERVERLESS = {"InvocationsPerInstance"}
UNITS = {"ModelLatency": "Microseconds", "OverheadLatency": "Microseconds"}
SIGNS = {
    "AWS/SageMaker": {"Invocations": sorted(traffic.REQUEST_METRICS)},
    "/aws/sagemaker/Endpoints": {
        "CPUUtilization": sorted(name for name in traffic.INSTANCE_METRICS if not name.startswith("GPU")),
        "GPUUtilization": sorted(name for name in traffic.INSTANCE_METRICS if name.startswith("GPU")),
    },
}
"""Where the first has data, the others have too."""
RANKS = (np.arange(100) + 0.5) / 100
"""Where a distribution is read for trimmed statistics: the middle of each hundredth."""


class Source(NamedTuple):
    """Some of the world's metrics."""

    publishes: Callable[[Standing, Key], bool]
    """Whether such a metric exists, or ever did."""
    keys: Callable[[Standing, datetime, datetime], Iterator[Key]]
    """The metrics that had data between two times."""
    values: Callable[[Standing, Key, str, float, int, int, datetime], Floats]
    """(where, metric, simple statistic or percentile, first second, periods, seconds each, now): NaN for no datapoint."""
    unit: Callable[[Key], str]


def source_of(here: Standing, key: Key) -> Source | None:
    """Who publishes this metric."""
    return next((source for source in SOURCES if source.publishes(here, key)), None)


def values(
    source: Source, here: Standing, key: Key, stat: str, first: float, count: int, period: int, now: datetime
) -> Floats:
    """Any statistic of a metric of the world, per period."""
    wanted = parsed(stat)
    if wanted is None or not wanted.extended or wanted.kind == "p":
        return source.values(here, key, stat, first, count, period, now)
    samples = source.values(here, key, "SampleCount", first, count, period, now)
    quantiles = [source.values(here, key, f"p{100 * rank:g}", first, count, period, now) for rank in RANKS]
    there = np.flatnonzero(~np.isnan(samples))
    value = np.stack(quantiles, axis=1)[there].ravel()
    at = np.repeat(there, len(RANKS)).astype(np.int64)
    weight = np.repeat(samples[there] / len(RANKS), len(RANKS))
    return per_period(Samples(at, value, weight), None, wanted, 0, 1, count)


def _publishes(here: Standing, key: Key) -> bool:
    """Only under exactly these dimensions; EndpointName alone has no such metric, as in AWS."""
    if key.name not in NAMESPACES.get(key.namespace, ()) or tuple(name for name, _ in key.dimensions) != DIMENSIONS:
        return False
    endpoint, variant = (value for _, value in key.dimensions)
    found = [
        stretch
        for life in here.lives.get(endpoint, [])
        for stretch in stretches(life)
        if stretch.variant["VariantName"] == variant
    ]
    if not found:
        return False
    # Asynchronous endpoints publish no request counts, serverless ones nothing of instances (aws-facts 1.1).
    if all("AsyncInferenceConfig" in item.config for item in found) and key.name in NOT_OF_ASYNC:
        return False
    serverless = all("ServerlessConfig" in item.variant for item in found)
    return not (serverless and (key.namespace != "AWS/SageMaker" or key.name in NOT_OF_SERVERLESS))


def _keys(here: Standing, since: datetime, now: datetime) -> Iterator[Key]:
    hours = int((now - since) / timedelta(hours=1))
    for endpoint, lives in sorted(here.lives.items()):
        if lives[-1].deleted is not None and lives[-1].deleted < since:
            continue
        for variant in sorted({stretch.variant["VariantName"] for stretch in stretches(lives[-1])}):
            dimensions = tuple(zip(DIMENSIONS, (endpoint, variant), strict=True))
            for namespace, signs in SIGNS.items():
                for sign, metrics in signs.items():
                    found = _values(
                        here, Key(namespace, sign, dimensions), "SampleCount", since.timestamp(), hours, 3600, now
                    )
                    if not np.isnan(found).all():
                        keys = (Key(namespace, metric, dimensions) for metric in metrics)
                        yield from (key for key in keys if _publishes(here, key))


def _values(here: Standing, key: Key, stat: str, first: float, count: int, period: int, now: datetime) -> Floats:
    endpoint, variant = (value for _, value in key.dimensions)
    return traffic.values(here, endpoint, variant, key.name, stat, first, count, period, now)


def _unit(key: Key) -> str:
    return "Percent" if key.name.endswith("Utilization") else UNITS.get(key.name, "None")


SOURCES: list[Source] = [Source(_publishes, _keys, _values, _unit)]
