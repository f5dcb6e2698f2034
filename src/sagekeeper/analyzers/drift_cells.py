"""Two samples of one feature, counted in the same cells: what every drift test takes, whatever the samples come from.

In: `Numbers` (ascending values with their weights: raw columns, or the items of KLL sketches) or `Categories` (counts
by name), one of the reference and one of the current data. Out: `Cells`. Numbers fall into cells between quantiles of
both samples *together*, finer at the ends, so one value of a million is one record in the last cell, and what the
cells are does not depend on which sample a record came from: shuffling records between the samples (the null
hypothesis) leaves them as they are. Categories are cells by name; those too rare to say anything alone are put
together by a hash of their name (the rule must not look at which sample they are in).

A sample may be worth fewer records than it has: neighbours that are alike (`worth` below 1), or a sketch that
misplaces ranks. Its counts are scaled by that, and every test and interval downstream gets wider by itself.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

GRID = np.unique(
    np.concatenate([np.linspace(0, 1, 257)[1:], np.array([0.001, 0.0025, 0.005, 0.01, 0.99, 0.995, 0.9975, 0.999])])
)
FEWEST_EXPECTED = 5.0
"""A cell that expects fewer in the smaller sample is put together with others (Cochran 1954)."""
RANK_ERROR_SIGMAS = 2.58
"""A KLL sketch's normalised rank error holds at 99 % (Apache DataSketches): this many standard deviations."""


@dataclass(frozen=True)
class Numbers:
    """Finite values, ascending. ``weights`` None: each is one record."""

    values: Array
    weights: Array | None = None
    rank_sigma: float = 0.0
    worth: float = 1.0

    @classmethod
    def of_sketches(cls, sketches: Iterable[Any], worth: float = 1.0) -> Numbers:
        """From datasketches kll_doubles_sketch objects: their items weigh two to the power of their level."""
        values: list[float] = []
        weights: list[float] = []
        error = 0.0
        for sketch in sketches:
            for value, weight in sketch:
                values.append(value)
                weights.append(weight)
            if sketch.is_estimation_mode():
                error = max(error, sketch.normalized_rank_error(False) / RANK_ERROR_SIGMAS)
        order = np.argsort(np.asarray(values, dtype=np.float64), kind="stable")
        return cls(
            np.asarray(values, dtype=np.float64)[order],
            np.asarray(weights, dtype=np.float64)[order],
            error,
            worth,
        )

    @property
    def present(self) -> float:
        """Records with a value."""
        return float(len(self.values) if self.weights is None else self.weights.sum())

    def below(self, points: Array) -> Array:
        """How many records are at or below each point."""
        places = np.searchsorted(self.values, points, side="right")
        if self.weights is None:
            return places.astype(np.float64)
        return np.asarray(np.concatenate([[0.0], np.cumsum(self.weights)])[places])

    def quantiles(self, shares: Array) -> Array:
        """The values at these shares, or NaN for each if there is none."""
        if not len(self.values):
            return np.full(len(shares), np.nan)
        if self.weights is None:
            return np.asarray(self.values[np.clip(np.ceil(shares * len(self.values)).astype(int) - 1, 0, None)])
        cumulated = np.cumsum(self.weights)
        places = np.searchsorted(cumulated, shares * cumulated[-1] * (1 - 1e-12), side="left")
        return np.asarray(self.values[np.clip(places, 0, len(self.values) - 1)])

    @property
    def effective(self) -> float:
        """What the sample is worth in independent exact records."""
        if not self.present:
            return 0.0
        sampling = 1.0 / (self.present * self.worth)
        # The variance of a share near one half is 1/4 of this; a sketch adds its own.
        return 1.0 / (sampling + 4.0 * self.rank_sigma**2)


@dataclass(frozen=True)
class Categories:
    """Records by value."""

    counts: Mapping[str, int]
    worth: float = 1.0

    @property
    def present(self) -> float:
        """Records with a value."""
        return float(sum(self.counts.values()))

    @property
    def effective(self) -> float:
        """What the sample is worth in independent records."""
        return self.present * self.worth


Sample = Numbers | Categories


@dataclass(frozen=True)
class Cells:
    """Effective counts by cell. ``ordered``: the cells lie on a line. ``upto``: the upper ends of ordered cells."""

    reference: Array
    current: Array
    ordered: bool
    upto: Array | None = None

    @property
    def sizes(self) -> tuple[float, float]:
        """Effective records on either side."""
        return float(self.reference.sum()), float(self.current.sum())


def number_cells(reference: Numbers, current: Numbers) -> Cells:
    """Cells between the quantiles of both samples together. Both must hold a value."""
    edges = _edges(reference, current)
    counts = [np.diff(one.below(edges), prepend=0.0) * (one.effective / one.present) for one in (reference, current)]
    return Cells(counts[0], counts[1], ordered=True, upto=edges)


def _edges(reference: Numbers, current: Numbers) -> Array:
    both = np.concatenate([reference.values, current.values])
    if reference.weights is None and current.weights is None:
        # Two ascending runs: a merge.
        both.sort(kind="stable")
        places = np.ceil(GRID * len(both)).astype(np.int64) - 1
        return np.unique(both[np.clip(places, 0, len(both) - 1)])
    weights = np.concatenate([_weights(reference), _weights(current)])
    order = np.argsort(both, kind="stable")
    cumulated = np.cumsum(weights[order])
    places = np.searchsorted(cumulated, GRID * cumulated[-1] * (1 - 1e-12), side="left")
    return np.unique(np.append(both[order][np.clip(places, 0, len(both) - 1)], both[order][-1]))


def _weights(sample: Numbers) -> Array:
    return np.ones(len(sample.values)) if sample.weights is None else sample.weights


def category_cells(reference: Categories, current: Categories) -> Cells:
    """Cells by name; rare ones together. Both must hold a value."""
    every = sorted(reference.counts.keys() | current.counts.keys())
    names = [name for name in every if reference.counts.get(name) or current.counts.get(name)]
    before = np.array([reference.counts.get(name, 0) for name in names], dtype=np.float64) * reference.worth
    now = np.array([current.counts.get(name, 0) for name in names], dtype=np.float64) * current.worth
    groups = _groups(names, before, now)
    size = int(groups.max()) + 1
    return Cells(summed(groups, before, size), summed(groups, now, size), ordered=False)


def summed(groups: NDArray[np.int64], counts: Array, size: int = 0) -> Array:
    """Counts of the cells put together by group."""
    return np.bincount(groups, counts, size).astype(np.float64)


def _groups(names: list[str], before: Array, now: Array) -> NDArray[np.int64]:
    """The cell of each name: its own, or one of as many shared cells as the rare names together can fill."""
    pooled = before + now
    smaller = min(before.sum(), now.sum()) / pooled.sum()
    rare = pooled * smaller < FEWEST_EXPECTED
    groups = np.cumsum(~rare) - 1
    if rare.any():
        # Twice what a cell must expect: hashing fills cells unevenly.
        shared = max(int((pooled[rare].sum() * smaller) // (2 * FEWEST_EXPECTED)), 1)
        shared = min(shared, int(rare.sum()))
        first = int((~rare).sum())
        hashed = [first + zlib.crc32(names[place].encode()) % shared for place in np.flatnonzero(rare)]
        groups[rare] = hashed
    _, dense = np.unique(groups, return_inverse=True)
    return np.asarray(dense, dtype=np.int64)
