"""Requests as a function of time: how many come to an endpoint's variant in any period, past or present.

In: the endpoint's lives, the traffic it had from when to when, and what was invoked through the runtime. Out: one count
per period. Requests are counted by one rising function of time, so that any two cuttings of an hour or a day add up to
the same.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import lru_cache
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from sagekeeper.simulator.hosting import ALWAYS, memory_gb
from sagekeeper.simulator.world import FOREVER, Standing, Stretch, Traffic, stretches

Floats = NDArray[np.float64]
HOUR = 3600
DAY_SHAPE = np.sin((np.arange(24.0) - 8) / 24 * 2 * np.pi)
"""Requests over the hours of a day: least at two, most at two in the afternoon."""


def requests(
    here: Standing,
    name: str,
    variant: str | None,
    begin: float,
    count: int,
    period: int,
    now: datetime,
    memory: int | None = None,
) -> Floats:
    """Requests per period to one variant (None: to all): daily and weekly rhythm, noise by hour, none outside its lives.

    ``memory`` counts only those that came while the variant was serverless with so many GB (0: on instances).
    """
    spans = [
        (*span(stretch, np.inf), stretch.share)
        for stretch in stretches_of(here, name, variant, begin, begin + period * count)
        if (variant is not None or not stretch.shadow)
        and memory in (None, memory_gb(stretch.variant))
        and (stretch.serving > 0 or not stretch.variant.get("InstanceType") or "AsyncInferenceConfig" in stretch.config)
    ]
    found = demand(here, name, spans, begin, count, period, now)
    variants = (
        [variant] if variant is not None else sorted({item[1] for item in here.hosting.invoked if item[0] == name})
    )
    for one in variants:
        found += invoked(here, (name, one), begin, count, period, now, None if memory is None else spans)
    return found


def demand(
    here: Standing,
    name: str,
    spans: list[tuple[float, float, float]],
    begin: float,
    count: int,
    period: int,
    now: datetime,
) -> Floats:
    """Requests of the world's clients per period, within spans of time in which a share of them counts."""
    edges = begin + period * np.arange(count + 1, dtype=np.float64)
    found, joined = np.zeros(count), _joined(spans)
    for since, until, profile in here.hosting.windows(name, here.traffic.get(name, Traffic())):
        stop = min(moment for moment in (now, profile.until, until) if moment is not None).timestamp()
        start = since.timestamp() if since > ALWAYS else 0.0
        cut = [(max(low, start, edges[0]), min(high, stop, edges[-1]), share) for low, high, share in joined]
        cut = [span for span in cut if span[0] < span[1]]
        if not cut or not profile.per_hour:
            continue
        # Hours in which nothing can come are not looked at: most endpoints are younger than the bill.
        first = np.floor(min(low for low, _, _ in cut) / HOUR)
        hours = first + np.arange(int(np.ceil(max(high for _, high, _ in cut) / HOUR) - first))
        rates = _hourly(profile, name, hours)
        for low, high, share in cut:
            found += np.diff(_counted(np.clip(edges, low, high), first, np.floor(rates * share)))
    return found


def _joined(spans: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """Spans that follow each other with the same share as one: scaling does not change what comes."""
    found: list[tuple[float, float, float]] = []
    for share, group in groupby(sorted(spans, key=lambda item: (item[2], item[0])), key=lambda item: item[2]):
        for low, high, _ in group:
            if found and found[-1][2] == share and found[-1][1] == low:
                found[-1] = (found[-1][0], high, share)
            else:
                found.append((low, high, share))
    return found


def invoked(
    here: Standing,
    key: tuple[str, str],
    begin: float,
    count: int,
    period: int,
    now: datetime,
    spans: list[tuple[float, float, float]] | None,
    what: str = "requests",
) -> Floats:
    """Requests (or another count of `Invoked`) through the runtime, per period; only within spans where they are given."""
    found = np.zeros(count)
    for minute, row in here.hosting.invoked.get(key, {}).items():
        moment = minute * 60.0
        at = int((moment - begin) // period)
        within = spans is None or any(low <= moment + 60 and moment < high for low, high, _ in spans)
        if 0 <= at < count and moment <= now.timestamp() and within:
            found[at] += getattr(row, what)
    return found


def alive(
    here: Standing, name: str, variant: str | None, begin: float, count: int, period: int, now: datetime
) -> Floats:
    """Share of each period in which the variant stood (not counting what lies in the future)."""
    edges = begin + period * np.arange(count + 1, dtype=np.float64)
    share = np.zeros(count)
    spans = [
        (*span(stretch, now.timestamp()), 1.0)
        for stretch in stretches_of(here, name, variant, begin, begin + period * count)
    ]
    for low, high, _ in _joined(spans):
        if low < high:
            share += np.diff(np.clip(edges, low, high)) / period
    return np.minimum(share, 1.0)


def _hourly(profile: Traffic, name: str, hours: Floats) -> Floats:
    at = hours.astype(np.int64)
    rhythm = 1 + profile.daily_swing * DAY_SHAPE[at % 24]
    rhythm = rhythm * np.where((at // 24 + 3) % 7 >= 5, profile.weekend_share, 1.0)
    noise = 1 + 0.12 * _noise(name, hours)
    made: Floats = np.floor(profile.per_hour * np.maximum(rhythm * noise, 0.02))
    if profile.seasons is None:
        return made
    # Between an odd number of edges lies a season: they are in order and do not overlap.
    return np.where(np.searchsorted(_edges(tuple(profile.seasons)), hours, side="right") % 2 == 1, made, 0.0)


@lru_cache(maxsize=64)
def _edges(seasons: tuple[tuple[datetime, datetime], ...]) -> Floats:
    """Beginnings and ends in hours since 1970."""
    return np.array([[side.timestamp() / HOUR for side in span] for span in seasons]).ravel()


def _counted(moments: Floats, first: float, hourly: Floats) -> Floats:
    """Requests from the start of hour ``first`` until each moment: whole hours, and within an hour in proportion."""
    hour = np.minimum(np.floor(moments / HOUR), first + len(hourly) - 1)
    at = (hour - first).astype(np.int64)
    before = np.concatenate([[0.0], np.cumsum(hourly)])
    made: Floats = before[at] + np.floor(hourly[at] * (moments - hour * HOUR) / HOUR)
    return made


def stretches_of(here: Standing, name: str, variant: str | None, begin: float, end: float) -> list[Stretch]:
    """What ran of a variant (None: of all) between two moments."""
    first, last = datetime.fromtimestamp(begin, UTC), datetime.fromtimestamp(end, UTC)
    return [
        stretch
        for life in here.lives.get(name, [])
        for stretch in stretches(life)
        if stretch.stop > first
        and stretch.start < last
        and (variant is None or stretch.variant["VariantName"] == variant)
    ]


def seconds(moment: datetime) -> float:
    """Since 1970; for ever is infinite."""
    return np.inf if moment == FOREVER else moment.timestamp()


def span(stretch: Stretch, until: float) -> tuple[float, float]:
    """A stretch in seconds, no longer than until then."""
    stop = np.inf if stretch.stop == FOREVER else stretch.stop.timestamp()
    return stretch.start.timestamp(), max(stretch.start.timestamp(), min(stop, until))


def _noise(name: str, hours: Floats) -> Floats:
    """Standard normal per hour, the same every time it is asked for (a hash of name and hour through two waves)."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    x = np.sin(hours * 12.9898 + seed % 7919) * 43758.5453
    y = np.sin(hours * 78.233 + seed % 104729) * 12345.6789
    u, v = x - np.floor(x), y - np.floor(y)
    made: Floats = np.sqrt(-2 * np.log(np.maximum(u, 1e-9))) * np.cos(2 * np.pi * v)
    return made
