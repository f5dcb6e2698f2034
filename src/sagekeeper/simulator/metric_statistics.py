"""Every statistic of CloudWatch, over periods: from raw samples (values with counts) and from statistic sets.

In: samples sorted by time, sets sorted by time, a statistic as a request names it. Out: one number per period, NaN where
CloudWatch has no datapoint. Percentiles and trimmed statistics need raw values: a period with a true statistic set or a
negative value has none. Bounds in percent cut whole samples from both ends; bounds in values exclude the lower and
include the upper (CloudWatch User Guide, statistics definitions). Nothing here loops over points.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SIMPLE = ("SampleCount", "Sum", "Average", "Minimum", "Maximum")
_NUMBER = r"\d+(?:\.\d{0,10})?(?:[Ee][+-]?\d+)?"
_PERCENT = r"(?:\d{1,2}(?:\.\d{0,10})?|100(?:\.0{0,10})?)"
ONE_BOUND = re.compile(rf"(p|tm|wm|tc|ts)({_PERCENT})")
PERCENTS = re.compile(rf"(TM|WM|TC|TS)\((?:({_PERCENT})%)?:(?:({_PERCENT})%)?\)")
VALUES = re.compile(rf"(TM|WM|TC|TS|PR)\(({_NUMBER})?:({_NUMBER})?\)")
"""The grammar is that of botocore's AnomalyDetectorMetricStat."""
ROUNDING = 1e-9
"""What floating point may have lost in ``share x count`` before it is cut to whole samples."""


class Statistic(NamedTuple):
    """A statistic, read: ``kind`` is one of SIMPLE, p, TM, WM, TC, TS, PR; bounds as shares of 1 or as values."""

    kind: str
    low: float = 0.0
    high: float = 1.0
    percent: bool = True

    @property
    def extended(self) -> bool:
        """Whether raw values are needed."""
        return self.kind not in SIMPLE


class Samples(NamedTuple):
    """Raw values: seconds since 1970, the value, how often it occurred (None: once each)."""

    at: Ints
    value: Floats
    times: Floats | None = None


class Sets(NamedTuple):
    """Statistic sets as they were put."""

    at: Ints
    number: Floats
    total: Floats
    low: Floats
    high: Floats


@lru_cache(maxsize=512)
def parsed(text: str) -> Statistic | None:
    """The statistic of this name; None where CloudWatch has no such statistic."""
    if text in SIMPLE:
        return Statistic(text)
    if text == "IQM":
        return Statistic("TM", 0.25, 0.75)
    if found := ONE_BOUND.fullmatch(text):
        kind, share = found[1], float(found[2]) / 100
        return Statistic(kind, share, share) if kind == "p" else Statistic(kind.upper(), 0.0, share)
    if (found := PERCENTS.fullmatch(text)) and (found[2] or found[3]):
        low, high = float(found[2] or 0) / 100, float(found[3] or 100) / 100
        return Statistic(found[1], low, high) if low < high else None
    if (found := VALUES.fullmatch(text)) and (found[2] or found[3]):
        low, high = float(found[2] or "-inf"), float(found[3] or "inf")
        return Statistic(found[1], low, high, percent=False) if low < high else None
    return None


def per_period(samples: Samples, sets: Sets | None, stat: Statistic, first: float, period: float, count: int) -> Floats:
    """The statistic of each of ``count`` periods from ``first`` on."""
    edges = first + period * np.arange(count + 1, dtype=np.float64)
    groups = _Groups(samples, np.searchsorted(samples.at, edges))
    if not stat.extended:
        found = [_simple(groups)]
        if sets is not None and len(sets.at):
            found.append(_simple_of_sets(sets, np.searchsorted(sets.at, edges)))
        return _answer(stat.kind, found)
    made = np.full(count, np.nan)
    if len(groups.value):
        made[groups.full] = _extended(groups, stat)
        made[groups.full[groups.smallest() < 0]] = np.nan
    if sets is not None and len(sets.at):
        made[np.diff(np.searchsorted(sets.at, edges)) > 0] = np.nan
    return made


class _Groups:
    """Samples cut into periods; only the periods that have any (``full``) are computed."""

    def __init__(self, samples: Samples, bounds: NDArray[np.intp]) -> None:
        begin, end = int(bounds[0]), int(bounds[-1])
        self.periods = len(bounds) - 1
        self.value = samples.value[begin:end]
        self.count = None if samples.times is None else samples.times[begin:end]
        sizes = np.diff(bounds)
        self.full = np.flatnonzero(sizes)
        self.sizes = sizes[self.full]
        self.starts = bounds[:-1][self.full] - begin

    def add(self, column: Floats) -> Floats:
        return np.add.reduceat(column, self.starts)

    def weights(self) -> Floats:
        return self.sizes.astype(np.float64) if self.count is None else self.add(self.count)

    def smallest(self) -> Floats:
        return np.minimum.reduceat(self.value, self.starts)

    def times_count(self, column: Floats) -> Floats:
        return column if self.count is None else column * self.count

    def ranked(self) -> tuple[Floats, Floats | None]:
        """Values (and counts) ascending within each period."""
        width, rows = int(self.sizes.max()), len(self.sizes)
        if self.count is None and rows * width <= 4 * len(self.value) + 10_000:
            # A row per period, padded: sorting rows is several times quicker than sorting by (period, value).
            there = np.arange(width) < self.sizes[:, None]
            grid = np.full((rows, width), np.inf)
            grid[there] = self.value
            grid.sort(axis=1)
            return grid[there], None
        order = np.lexsort((self.value, np.repeat(np.arange(rows), self.sizes)))
        return self.value[order], None if self.count is None else self.count[order]


class _Sums(NamedTuple):
    full: NDArray[np.intp]
    periods: int
    number: Floats
    total: Floats
    low: Floats
    high: Floats


def _simple(groups: _Groups) -> _Sums:
    if not len(groups.value):
        none = np.array([], dtype=np.float64)
        return _Sums(groups.full, groups.periods, none, none, none, none)
    total = groups.add(groups.times_count(groups.value))
    high = np.maximum.reduceat(groups.value, groups.starts)
    return _Sums(groups.full, groups.periods, groups.weights(), total, groups.smallest(), high)


def _simple_of_sets(sets: Sets, bounds: NDArray[np.intp]) -> _Sums:
    begin, end = int(bounds[0]), int(bounds[-1])
    full = np.flatnonzero(np.diff(bounds))
    starts = bounds[:-1][full] - begin
    if not len(full):
        none = np.array([], dtype=np.float64)
        return _Sums(full, len(bounds) - 1, none, none, none, none)
    columns = [column[begin:end] for column in sets[1:]]
    made = [ufunc.reduceat(column, starts) for ufunc, column in zip(_MERGES, columns, strict=True)]
    return _Sums(full, len(bounds) - 1, *made)


_MERGES = (np.add, np.add, np.minimum, np.maximum)


def _answer(kind: str, parts: list[_Sums]) -> Floats:
    periods = parts[0].periods
    count, total = np.zeros(periods), np.zeros(periods)
    low, high, there = np.full(periods, np.inf), np.full(periods, -np.inf), np.zeros(periods, dtype=bool)
    for part in parts:
        there[part.full] = True
        count[part.full] += part.number
        total[part.full] += part.total
        low[part.full] = np.minimum(low[part.full], part.low)
        high[part.full] = np.maximum(high[part.full], part.high)
    average = total / np.where(count > 0, count, 1.0)
    chosen = {"SampleCount": count, "Sum": total, "Average": average, "Minimum": low, "Maximum": high}[kind]
    return np.where(there, chosen, np.nan)


def _extended(groups: _Groups, stat: Statistic) -> Floats:
    if not stat.percent:
        return _between_values(groups, stat)
    value, count = groups.ranked()
    whole = groups.weights()
    after = None if count is None else np.cumsum(count)
    ends = groups.starts + groups.sizes
    base = groups.starts.astype(np.float64) if after is None else np.concatenate([[0.0], after])[groups.starts]
    if stat.kind == "p":
        return _percentile(value, after, base, whole, ends, stat.high)
    low = np.floor(stat.low * whole + ROUNDING)
    high = whole - np.floor((1 - stat.high) * whole + ROUNDING)
    number = np.maximum(high - low, 0.0)
    if count is None:
        total = _between_ranks(value, base + low, base + np.maximum(high, low))
    else:
        kept = _weights_kept(count, np.repeat(base + low, groups.sizes), np.repeat(base + high, groups.sizes))
        total = groups.add(kept * value)
    if stat.kind == "WM":
        lowest = value[_at_rank(after, base + low, ends)]
        highest = value[_at_rank(after, base + high - 1, ends)]
        wound = (total + low * lowest + (whole - high) * highest) / whole
        return np.where(number > 0, wound, np.nan)
    return _trimmed(stat.kind, number, total)


def _between_ranks(value: Floats, low: Floats, high: Floats) -> Floats:
    """Sums over ranges of ranks."""
    edges = np.stack([low, high], axis=1).astype(np.intp).ravel()
    made = np.add.reduceat(np.append(value, 0.0), edges)[::2]
    return np.where(low < high, made, 0.0)


def _weights_kept(count: Floats, low: Floats, high: Floats) -> Floats:
    """How much of each value's count lies between two ranks."""
    after = np.cumsum(count)
    return np.maximum(np.minimum(after, high) - np.maximum(after - count, low), 0.0)


def _between_values(groups: _Groups, stat: Statistic) -> Floats:
    whole = groups.weights()
    if stat.kind == "WM":
        return groups.add(groups.times_count(np.clip(groups.value, stat.low, stat.high))) / whole
    inside = ((groups.value > stat.low) & (groups.value <= stat.high)).astype(np.float64)
    kept = groups.times_count(inside)
    number = groups.add(kept)
    if stat.kind == "PR":
        return 100 * number / whole
    return _trimmed(stat.kind, number, groups.add(kept * groups.value))


def _trimmed(kind: str, number: Floats, total: Floats) -> Floats:
    if kind == "TC":
        return number
    return np.where(number > 0, total / np.where(number > 0, number, 1.0) if kind == "TM" else total, np.nan)


def _percentile(
    value: Floats, after: Floats | None, base: Floats, whole: Floats, ends: NDArray[np.intp], share: float
) -> Floats:
    """Between the two neighbours of rank share x (n - 1), in proportion."""
    rank = share * np.maximum(whole - 1, 0.0)
    below = np.floor(rank + ROUNDING)
    left = value[_at_rank(after, base + below, ends)]
    right = value[_at_rank(after, base + below + 1, ends)]
    return left + (right - left) * np.maximum(rank - below, 0.0)


def _at_rank(after: Floats | None, rank: Floats, ends: NDArray[np.intp]) -> NDArray[np.intp]:
    """Where the sample of this rank (counted over all periods, from 0) lies; ``after`` are counts added up, if any."""
    place = rank.astype(np.intp) if after is None else np.searchsorted(after, rank, side="right")
    return np.minimum(place, ends - 1)
