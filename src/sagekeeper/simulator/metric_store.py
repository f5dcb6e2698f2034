"""What clients put into CloudWatch, indexed by namespace, name and dimensions, held as columns.

In: blocks of datapoints (one metric, arrays of times, values, counts; or statistic sets). Out: the samples of a metric
sorted by time, and what metrics there are. Appending keeps chunks; they are joined and sorted when somebody reads.
Retention (aws-facts 1, CloudWatch rules): old samples move to coarser times, equal ones become one with a count, and
after 455 days they go. Times lose precision, values never do: every statistic stays exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from sagekeeper.simulator.metric_statistics import Floats, Ints, Samples, Sets

DAY = 86_400
ROLL_UP = ((3 * 3600, 60), (15 * DAY, 300), (63 * DAY, 3600))
"""(age in seconds, resolution from then on): botocore's text of GetMetricStatistics."""
KEPT_S = 455 * DAY
MOST_CHUNKS = 256


class Key(NamedTuple):
    """A metric: CloudWatch's name for it, dimensions sorted by name."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, namespace: str, name: str, dimensions: Iterable[dict[str, str]]) -> Key:
        """From a request's members."""
        return cls(namespace, name, tuple(sorted((item["Name"], item["Value"]) for item in dimensions)))

    def written(self) -> dict[str, Any]:
        """As the member ``Metric`` of answers."""
        dimensions = [{"Name": name, "Value": value} for name, value in self.dimensions]
        return {"Namespace": self.namespace, "MetricName": self.name, "Dimensions": dimensions}


class Block(NamedTuple):
    """Datapoints of one metric in one unit: columns (at, value), (at, value, count) or those of ``Sets``."""

    key: Key
    unit: str
    columns: tuple[Any, ...]


class Series:
    """The datapoints of one metric in one unit."""

    def __init__(self) -> None:
        self.published = 0.0
        """When something was last put."""
        self._chunks: list[tuple[Any, ...]] = []
        self._sets: list[tuple[Any, ...]] = []
        self._sorted = True

    def append(self, columns: tuple[Any, ...]) -> None:
        """Take one chunk."""
        chunks = self._chunks if len(columns) < len(Sets._fields) else self._sets
        chunks.append(columns)
        self._sorted = False
        if len(chunks) > MOST_CHUNKS:
            chunks[:] = [_joined(chunks)]

    def samples(self) -> Samples:
        """Raw values, sorted by time."""
        self._sort()
        return Samples(*self._chunks[0]) if self._chunks else Samples(*_NOTHING)

    def sets(self) -> Sets | None:
        """Statistic sets, sorted by time; None where there never was one."""
        self._sort()
        return Sets(*self._sets[0]) if self._sets else None

    def _sort(self) -> None:
        if not self._sorted:
            self._chunks, self._sets = ([_joined(chunks)] if chunks else [] for chunks in (self._chunks, self._sets))
            self._sorted = True

    def roll_up(self, now: float) -> None:
        """Coarsen what is old, forget what is too old."""
        samples, sets = self.samples(), self.sets()
        self._chunks = [_rolled_up(samples, now)] if len(samples.at) else []
        if sets is not None:
            at, keep = _coarse(sets.at, now), sets.at > now - KEPT_S
            self._sets = [tuple(column[keep] for column in (at, *sets[1:]))]

    def __len__(self) -> int:
        return sum(len(chunk[0]) for chunk in (*self._chunks, *self._sets))


class MetricStore:
    """All metrics put in one account and region."""

    def __init__(self) -> None:
        self._series: dict[Key, dict[str, Series]] = {}

    def put(self, block: Block, at: float) -> None:
        """Append a block that was accepted at ``at``. Arrays are kept, not copied."""
        series = self._series.setdefault(block.key, {}).setdefault(block.unit, Series())
        series.append(block.columns)
        series.published = max(series.published, at)

    def keys(self, since: float = 0.0) -> Iterator[Key]:
        """Metrics to which something was put at or after ``since``."""
        return (key for key, units in self._series.items() if any(item.published >= since for item in units.values()))

    def units(self, key: Key) -> dict[str, Series]:
        """The series of a metric by unit; none where nobody ever put it."""
        return self._series.get(key, {})

    def read(self, key: Key, unit: str | None) -> tuple[Samples, Sets | None]:
        """All samples of a metric in a unit, or in any."""
        units = self.units(key)
        found = list(units.values()) if unit is None else [units[unit]] if unit in units else []
        if len(found) == 1:
            return found[0].samples(), found[0].sets()
        chunks = [item.samples() for item in found if len(item.samples().at)]
        sets = [made for item in found if (made := item.sets()) is not None]
        samples = Samples(*_joined([_columns(item) for item in chunks])) if chunks else Samples(*_NOTHING)
        return samples, Sets(*_joined([tuple(item) for item in sets])) if sets else None

    def roll_up(self, now: float) -> None:
        """Apply retention to everything; metrics without a datapoint left go."""
        for units in self._series.values():
            for series in units.values():
                series.roll_up(now)
        self._series = {key: units for key, units in self._series.items() if any(len(item) for item in units.values())}

    def __len__(self) -> int:
        return sum(len(series) for units in self._series.values() for series in units.values())


_NOTHING = (np.array([], dtype=np.int64), np.array([], dtype=np.float64))


def _columns(samples: Samples) -> tuple[Any, ...]:
    return samples[:2] if samples.times is None else tuple(samples)


def _joined(chunks: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    """One chunk, sorted by time; counts appear as soon as one chunk has them."""
    width = max(len(chunk) for chunk in chunks)
    even = [chunk if len(chunk) == width else (*chunk, np.ones(len(chunk[0]))) for chunk in chunks]
    columns = tuple(np.concatenate(column) for column in zip(*even, strict=True)) if len(even) > 1 else even[0]
    if (np.diff(columns[0]) >= 0).all():
        return columns
    order = np.argsort(columns[0], kind="stable")
    return tuple(column[order] for column in columns)


def _coarse(at: Ints, now: float) -> Ints:
    for age, resolution in ROLL_UP:
        at = np.where(at <= now - age, at // resolution * resolution, at)
    return at


def _rolled_up(samples: Samples, now: float) -> tuple[Any, ...]:
    """Only what moves is sorted and merged again: on most days that is little of a large store."""
    kept = tuple(column[np.searchsorted(samples.at, now - KEPT_S, side="right") :] for column in _columns(samples))
    at = kept[0]
    coarse = _coarse(at, now)
    moved = np.flatnonzero(coarse != at)
    if not len(moved):
        return kept
    first, end = int(np.searchsorted(at, coarse[moved[0]])), int(moved[-1]) + 1
    middle = _merged(coarse[first:end], *(column[first:end] for column in kept[1:]))
    return _joined([tuple(column[:first] for column in kept), middle, tuple(column[end:] for column in kept)])


def _merged(at: Ints, value: Floats, times: Floats | None = None) -> tuple[Any, ...]:
    """Equal values at one time become one, with a count."""
    count = np.ones(len(at)) if times is None else times
    order = np.lexsort((value, at))
    at, value, count = at[order], value[order], count[order]
    fresh = np.concatenate([[True], (np.diff(at) > 0) | (np.diff(value) != 0)])
    merged = np.add.reduceat(count, np.flatnonzero(fresh))
    return (at[fresh], value[fresh]) if (merged == 1).all() else (at[fresh], value[fresh], merged)
