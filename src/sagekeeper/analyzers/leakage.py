"""Leakage: does a model know its test already, or its label?

In: data sets by name (train, validation, test ...) as their rows' hashes; and features of the training data with its label.
Out: `Overlap`s, how many rows of one set are in another, exactly or by a sketch of the hashes (bottom-k: those below a
bound, the same for all sets, so what is kept of one can be found in the other; Cohen and Kaplan 2007), and `Tell`s,
features that give the label away by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sagekeeper.analyzers.quality_intervals import of_share

KEPT = 1 << 20
"""Hashes kept of a set: with as many, shares are known to 0.1 %."""
TOO_GOOD = 0.99
FEWEST_ROWS = 50
NUMBERS = 20


@dataclass(frozen=True)
class RowHashes:
    """Different rows of a set. ``hashes``: ascending, all below ``bound``; ``rows`` as they are in the file."""

    hashes: NDArray[np.uint64]
    bound: int
    rows: int

    @property
    def different(self) -> float:
        """How many different rows there are; estimated where not all hashes were kept."""
        return len(self.hashes) * (2**64 / self.bound)


@dataclass(frozen=True)
class Overlap:
    """Of the different rows of ``inner``, ``share`` (95 %: ``low`` to ``high``) are in ``outer``, too."""

    inner: str
    outer: str
    share: float
    low: float
    high: float
    rows: float


@dataclass(frozen=True)
class Tell:
    """``auc``: how well the feature alone, turned the better way, tells the label (0.5 chance, 1 always)."""

    feature: str
    auc: float
    only_missing: bool
    """Whether it is not its value but whether there is one that tells."""


def row_hashes(frame: pl.DataFrame, most: int = KEPT) -> RowHashes:
    """Of rows whose numbers are numbers whatever type they are stored in: 1 is 1.0."""
    plain = frame.select(
        pl.col(name).cast(pl.Float64).cast(pl.String) if kind.is_numeric() else pl.col(name).cast(pl.String)
        for name, kind in sorted(frame.schema.items())
    )
    hashes = np.unique(plain.hash_rows(1).to_numpy())
    if len(hashes) <= most:
        return RowHashes(hashes, 2**64, frame.height)
    # The bound is a power of two: sets of different sizes are compared below the smaller one.
    bound = 2**64
    while np.searchsorted(hashes, np.uint64(bound - 1), "right") > most:
        bound //= 2
    return RowHashes(hashes[: np.searchsorted(hashes, np.uint64(bound - 1), "right")], bound, frame.height)


def overlaps(sets: Mapping[str, RowHashes]) -> list[Overlap]:
    """Every set in every other one, the largest share first; without those that share nothing."""
    found = []
    for inner, outer in permutations(sets, 2):
        bound = np.uint64(min(sets[inner].bound, sets[outer].bound) - 1)
        mine, theirs = (one.hashes[: np.searchsorted(one.hashes, bound, "right")] for one in (sets[inner], sets[outer]))
        both = len(np.intersect1d(mine, theirs, assume_unique=True))
        if not both:
            continue
        exact = sets[inner].bound == sets[outer].bound == 2**64
        share = both / len(mine)
        low, high = (share, share) if exact else of_share(both, len(mine))
        found.append(Overlap(inner, outer, share, low, high, share * sets[inner].different))
    return sorted(found, key=lambda one: (-one.share, one.inner, one.outer))


def tells(frame: pl.DataFrame, label: str, too_good: float = TOO_GOOD) -> list[Tell]:
    """Features that alone tell the label: of two classes, or (of numbers with many values) whether it is above its median.

    A column that is filled in only after the fact tells by being there.
    """
    known = frame.drop_nulls(label)
    if known.height < FEWEST_ROWS:
        return []
    is_yes = _yes(known[label])
    if is_yes is None or not 0 < is_yes.sum() < len(is_yes):
        return []
    found = []
    for name in known.columns:
        if name == label:
            continue
        there = known[name].is_not_null()
        by_missing = _auc(there.cast(pl.Float64), is_yes)
        value = _auc(_ordered(known[name], is_yes), is_yes)
        if max(by_missing, value) >= too_good:
            found.append(Tell(name, max(by_missing, value), by_missing >= value))
    return sorted(found, key=lambda one: (-one.auc, one.feature))


def _yes(label: pl.Series) -> NDArray[np.bool_] | None:
    if label.n_unique() == 2:
        return (label.cast(pl.String) == str(label.cast(pl.String).sort()[-1])).to_numpy()
    if label.dtype.is_numeric() and label.n_unique() > NUMBERS:
        return np.asarray((label > label.median()).to_numpy())
    return None


def _ordered(values: pl.Series, is_yes: NDArray[np.bool_]) -> pl.Series:
    """Numbers as they are; names by their share of yes among the other rows, so a name of one row says nothing."""
    if values.dtype.is_numeric() or values.dtype == pl.Boolean:
        return values.cast(pl.Float64)
    rows = pl.DataFrame({"name": values.cast(pl.String), "yes": is_yes.astype(np.float64)})
    others = rows.select(
        ((pl.col("yes").sum().over("name") - pl.col("yes") + 0.5) / (pl.len().over("name") - 1 + 1)).alias("share")
    )
    return others["share"]


def _auc(values: pl.Series, is_yes: NDArray[np.bool_]) -> float:
    """Of the rows that have a value, the better way round; one half where there are too few."""
    there = values.is_not_null().to_numpy()
    ranks, yes = values.filter(pl.Series(there)).rank("average").to_numpy(), is_yes[there]
    m = int(yes.sum())
    n = len(yes) - m
    if min(n, m) < 5:
        return 0.5
    auc = float((ranks[yes].sum() - m * (m + 1) / 2) / (n * m))
    return max(auc, 1 - auc)
