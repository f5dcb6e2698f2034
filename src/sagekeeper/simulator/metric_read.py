"""The datapoints of one metric: of the world, of what clients put, or of both; with CloudWatch's rules about time.

In: a metric, a statistic, a period and a range. Out: seconds and values, oldest first. Start times are rounded down by
age, periods follow from the start, and what is older than a period's retention is not there (botocore's text of
GetMetricStatistics).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sagekeeper.simulator.metric_statistics import parsed, per_period
from sagekeeper.simulator.metric_store import Key
from sagekeeper.simulator.world import Standing
from sagekeeper.simulator.world_metrics import source_of, values

RETENTION = (
    (3600, timedelta(days=455)),
    (300, timedelta(days=63)),
    (60, timedelta(days=15)),
    (1, timedelta(hours=3)),
)
"""A period that is a multiple of so many seconds reaches back so far."""
ROUNDED = ((timedelta(days=63), 3600), (timedelta(days=15), 300), (timedelta(0), 60))
"""Start times older than this are rounded down to so many seconds."""
SUB_MINUTE = (1, 5, 10, 20, 30)


class Points(NamedTuple):
    """Datapoints: seconds since 1970, and values."""

    epochs: NDArray[np.int64]
    values: NDArray[np.float64]


NO_POINTS = Points(np.array([], dtype=np.int64), np.array([], dtype=np.float64))


class Span(NamedTuple):
    """Periods of one length, one after another."""

    first: int
    period: int
    periods: int

    def epochs(self) -> NDArray[np.int64]:
        return self.first + self.period * np.arange(self.periods, dtype=np.int64)


def span_of(period: int, start: datetime, end: datetime, now: datetime) -> Span:
    """The periods that a request over this range gets."""
    step = period if period in SUB_MINUTE else next(step for age, step in ROUNDED if now - start >= age or step == 60)
    first = int(start.timestamp()) // step * step
    kept = next(reach for multiple, reach in RETENTION if period % multiple == 0)
    oldest = (now - kept).timestamp()
    if first < oldest:
        first += int(np.ceil((oldest - first) / period)) * period
    return Span(first, period, max(0, int(np.ceil((end.timestamp() - first) / period))))


def published(here: Standing, namespace: str, metric: str, dimensions: list[dict[str, str]]) -> Key | None:
    """The metric, if the world or a client ever published it under exactly these names."""
    key = Key.of(namespace, metric, dimensions)
    return key if source_of(here, key) is not None or here.watch.store.units(key) else None


def points_of(
    here: Standing,
    key: Key | None,
    stat: str,
    period: int,
    start: datetime,
    end: datetime,
    now: datetime,
    unit: str | None = None,
) -> Points:
    """The datapoints that there are, oldest first; none for a metric that nobody publishes."""
    if key is None:
        return NO_POINTS
    return points_in(here, key, stat, span_of(period, start, end, now), now, unit)


def points_in(here: Standing, key: Key, stat: str, span: Span, now: datetime, unit: str | None = None) -> Points:
    """The same over given periods."""
    world = _of_world(here, key, stat, span, now, unit)
    if not here.watch.store.units(key):
        return world
    put = _of_clients(here, key, stat, span, unit)
    if not len(world.epochs):
        return put
    # Where both have a datapoint, the service's own stands.
    more = ~np.isin(put.epochs, world.epochs)
    epochs = np.concatenate([world.epochs, put.epochs[more]])
    order = np.argsort(epochs)
    return Points(epochs[order], np.concatenate([world.values, put.values[more]])[order])


def units_of(here: Standing, key: Key) -> list[str]:
    """The units in which a metric was published."""
    source = source_of(here, key)
    return sorted({*here.watch.store.units(key), *([source.unit(key)] if source else [])})


def _of_world(here: Standing, key: Key, stat: str, span: Span, now: datetime, unit: str | None) -> Points:
    source = source_of(here, key)
    if source is None or unit not in (None, source.unit(key)):
        return NO_POINTS
    first, period, count = span
    if period < 60:
        # Published by the minute: a shorter period has its datapoint where the minute begins.
        first, period = -(-first // 60) * 60, 60
        count = max(0, int(np.ceil((span.first + span.period * span.periods - first) / 60)))
    count = min(count, max(0, int(np.ceil((now.timestamp() - first) / period))))
    if not count:
        return NO_POINTS
    found = values(source, here, key, stat, first, count, period, now)
    there = np.flatnonzero(~np.isnan(found))
    return Points(first + period * there, np.round(found[there], 6))


def _of_clients(here: Standing, key: Key, stat: str, span: Span, unit: str | None) -> Points:
    wanted = parsed(stat)
    if wanted is None or not span.periods:
        return NO_POINTS
    samples, sets = here.watch.store.read(key, unit)
    made = per_period(samples, sets, wanted, *span)
    there = np.flatnonzero(~np.isnan(made))
    return Points(span.first + span.period * there, made[there])


def utc(moment: Any) -> datetime:
    """A request's time, which comes as text, as an epoch or as a datetime."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    if isinstance(moment, int | float):
        return datetime.fromtimestamp(moment, UTC)
    found: datetime = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return found
