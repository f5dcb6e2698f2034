"""How far two samples of one feature lie apart, how sure that is, and whether chance alone explains it.

In: two `Sample`s, each a quantile sketch or counts per category, with their sizes. Out: a `Shift`: effect with a 95 % interval
and a p-value, or None where a sample is empty. Numbers: the largest distance of the two distribution functions (Kolmogorov,
Smirnov), less what the sketches may err. Categories: half the sum of the share differences (total variation), less what chance
adds to it, and a two-sample chi-square test with rare categories put together. Both samples err: a baseline is a sample too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import stats

MARGIN = 1.3581
"""sqrt(-ln(0.05 / 2) / 2): times sqrt(1/n + 1/m) it bounds the error of a KS distance (asymptotic two-sample quantile) and of a
total variation (McDiarmid's inequality) at 95 %."""
GRID = np.linspace(0.0, 1.0, 513)
FEWEST_EXPECTED = 5.0
"""A cell of a chi-square table that expects fewer is put together with others (Cochran's rule)."""
NOISE_SIGMAS = 2.0
"""A share that differs by less than this many standard errors may well be the same: its mean error is taken off the effect."""

Unit = Literal["KS distance", "total variation", "share missing"]


@dataclass(frozen=True)
class Sample:
    """One feature over one time. Exactly one of ``sketch`` (datasketches kll_doubles_sketch) and ``counts`` is there."""

    records: int
    missing: int
    sketch: Any | None
    counts: Counter[str] | None

    @property
    def present(self) -> int:
        """Records that had a value."""
        if self.counts is not None:
            return self.counts.total()
        return int(self.sketch.n) if self.sketch is not None else 0


@dataclass(frozen=True)
class Shift:
    """``effect`` between 0 and 1, its 95 % interval, and the p-value of 'both samples come from one distribution'."""

    unit: Unit
    effect: float
    low: float
    high: float
    p_value: float


def value_shift(before: Sample, now: Sample) -> Shift | None:
    """Of the values. None where they cannot be compared: nothing on one side, or numbers here and categories there."""
    if not before.present or not now.present:
        return None
    if before.counts is not None and now.counts is not None:
        return _categories(before.counts, now.counts, "total variation")
    if before.sketch is not None and now.sketch is not None:
        return _numbers(before.sketch, now.sketch)
    return None


def missing_shift(before: Sample, now: Sample) -> Shift | None:
    """Of the share of records without a value."""
    if not before.records or not now.records:
        return None
    if not before.missing and not now.missing:
        return Shift("share missing", 0.0, 0.0, _margin(before.records, now.records), 1.0)
    was, is_now = (Counter(missing=one.missing, there=one.records - one.missing) for one in (before, now))
    return _categories(was, is_now, "share missing")


def false_discovery(p_values: list[float], rate: float) -> list[bool]:
    """Which may be called, so that on average at most ``rate`` of the called are chance (Benjamini and Hochberg 1995).

    >>> false_discovery([0.001, 0.2, 0.03], 0.05)
    [True, False, True]
    """
    if not p_values:
        return []
    return [bool(adjusted <= rate) for adjusted in stats.false_discovery_control(p_values)]


def _numbers(before: Any, now: Any) -> Shift:
    n, m = int(before.n), int(now.n)
    points = np.unique(np.concatenate([before.get_quantiles(GRID), now.get_quantiles(GRID)]))
    distance = float(np.max(np.abs(_cdf(before, points) - _cdf(now, points))))
    # Each sketch may misplace a rank by its error; between two points of the grid the distance may be a little larger.
    error = sum(one.normalized_rank_error(False) for one in (before, now) if one.is_estimation_mode())
    certain = max(distance - error, 0.0)
    margin = _margin(n, m)
    return Shift(
        unit="KS distance",
        effect=distance,
        low=max(certain - margin, 0.0),
        high=min(distance + error + margin, 1.0),
        p_value=float(stats.kstwobign.sf(certain * np.sqrt(n * m / (n + m)))),
    )


def _cdf(sketch: Any, points: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.asarray(sketch.get_cdf(points, True))[:-1]


def _categories(before: Counter[str], now: Counter[str], unit: Unit) -> Shift:
    n, m = before.total(), now.total()
    names = sorted(before.keys() | now.keys())
    table = np.array([[before[name] for name in names], [now[name] for name in names]], dtype=np.float64)
    shares = table / np.array([[n], [m]])
    differences = np.abs(shares[0] - shares[1])
    pooled = table.sum(axis=0) / (n + m)
    noise = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    chance = np.where(differences <= NOISE_SIGMAS * noise, np.sqrt(2 / np.pi) * noise, 0.0)
    effect = max(float(differences.sum() - chance.sum()) / 2, 0.0)
    margin = _margin(n, m)
    return Shift(unit, effect, max(effect - margin, 0.0), min(effect + margin, 1.0), _chi_square(table))


def _chi_square(table: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """Two-sample chi-square; categories that expect too few in the smaller sample count as one."""
    expected = table.sum(axis=0) * table.sum(axis=1).min() / table.sum()
    rare = expected < FEWEST_EXPECTED
    merged = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)]) if rare.any() else table
    merged = merged[:, merged.sum(axis=0) > 0]
    if merged.shape[1] < 2:
        return 1.0
    return float(stats.chi2_contingency(merged, correction=False).pvalue)


def _margin(n: int, m: int) -> float:
    return MARGIN * float(np.sqrt(1 / n + 1 / m))
