"""How far two samples lie apart, in shares of records, with an interval: the size beside the p-value.

In: `Cells`, or two counts with their sizes. Out: an `Effect`. For values it is the total variation: the share of
records that would have to be others for the samples to agree. Its plain estimate is above 0 for two samples of one
distribution, the more so the more cells there are; here the sign of every cell's difference is, in expectation, read
from one half of the records and its size from the other, over all ways to halve them, which makes the mean exactly 0
when nothing changed and the truth when much did (cross-fitting in closed form for normal errors: E[sign(d + e)(d -
e)] = d (2 Phi(d/s) - 1) - 2 s phi(d/s)). Of numbers, whose cells lie on a line, two sharper bounds hold as well: no
event differs by more than the total variation, so not "above a value of the other sample" (less a half) and not
"outside the middle half" either; the lower end is the largest of the three, at a third of the risk each. Differences
of shares: Newcombe 1998.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from sagekeeper.analyzers.drift_cells import Array, Cells, Numbers, summed
from sagekeeper.analyzers.quality_intervals import Z as Z95
from sagekeeper.analyzers.quality_intervals import of_share

Z95_OF_THREE = 2.3939797998185104
"""One-sided 2.5 %, shared by three bounds."""
Unit = Literal["total variation", "share of records"]


@dataclass(frozen=True)
class Effect:
    """A size between 0 and 1 with its 95 % interval."""

    value: float
    low: float
    high: float
    unit: Unit


def total_variation(cells: Cells) -> Effect:
    """Of both samples' distributions over the cells (ordered ones put together to as many as the records can bear)."""
    n, m = cells.sizes
    before, now = (cells.reference, cells.current) if not cells.ordered else _coarse(cells)
    p, q = before / n, now / m
    pooled = (before + now) / (n + m)
    sigma = np.sqrt(np.maximum(pooled * (1 - pooled), 1e-300) * (1 / n + 1 / m))
    difference = p - q
    z = difference / sigma
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    sign = 2 * special.ndtr(z) - 1
    value = float((difference * sign - 2 * sigma * density).sum() / 2)
    plain = float(np.abs(difference).sum() / 2)
    slope = sign + 4 * z * density
    error = float(np.sqrt(_variance(p, slope) / n + _variance(q, slope) / m)) / 2
    low = value - (Z95_OF_THREE if cells.ordered else Z95) * error
    if cells.ordered:
        low = max(low, *_events(cells))
    high = plain + Z95 * error
    return Effect(
        value=min(max(value, low, 0.0), 1.0),
        low=min(max(low, 0.0), 1.0),
        high=min(max(high, low), 1.0),
        unit="total variation",
    )


def _events(cells: Cells) -> tuple[float, float]:
    """Lower bounds by 'above a value of the other sample' and by 'outside the middle half of both'."""
    n, m = cells.sizes
    above, spread = _superiority(cells)
    pooled = cells.reference + cells.current
    middle = (np.cumsum(pooled) - pooled / 2) / pooled.sum()
    outside = np.abs(middle - 0.5) > 0.25
    p, q = cells.reference[outside].sum() / n, cells.current[outside].sum() / m
    error = np.sqrt(p * (1 - p) / n + q * (1 - q) / m)
    return abs(above - 0.5) - Z95_OF_THREE * spread, float(abs(p - q) - Z95_OF_THREE * error)


def _superiority(cells: Cells) -> tuple[float, float]:
    """Chance that a current value lies above a reference value (ties half), and its standard error.

    Brunner and Munzel 2000.
    """
    n, m = cells.sizes
    p, q = cells.reference / n, cells.current / m
    below_p, below_q = np.cumsum(p) - p / 2, np.cumsum(q) - q / 2
    spread = np.sqrt(_variance(q, below_p) / m + _variance(p, below_q) / n)
    return float((q * below_p).sum()), float(spread)


def _variance(shares: Array, slope: Array) -> float:
    # Rounding may take it below nothing.
    return max(float((shares * slope**2).sum() - (shares * slope).sum() ** 2), 0.0)


def _coarse(cells: Cells) -> tuple[Array, Array]:
    pooled = cells.reference + cells.current
    size = int(np.clip(2 * min(cells.sizes) ** 0.4, 4, 64))
    middle = (np.cumsum(pooled) - pooled / 2) / pooled.sum()
    groups = np.minimum((middle * size).astype(np.int64), size - 1)
    _, groups = np.unique(groups, return_inverse=True)
    return summed(groups, cells.reference), summed(groups, cells.current)


def share_change(x: float, n: float, y: float, m: float) -> Effect:
    """|y/m - x/n|, with Newcombe's interval from two Wilson intervals.

    >>> effect = share_change(0, 1000, 200, 1000)
    >>> round(effect.value, 3), effect.low > 0.17
    (0.2, True)
    """
    was, is_now = x / n, y / m
    change = is_now - was
    low_was, high_was = of_share(x, n)
    low_now, high_now = of_share(y, m)
    low = change - np.hypot(is_now - low_now, high_was - was)
    high = change + np.hypot(high_now - is_now, was - low_was)
    if change < 0:
        low, high = -high, -low
    return Effect(abs(change), float(max(low, 0.0)), float(min(high, 1.0)), "share of records")


@dataclass(frozen=True)
class Moved:
    """How numbers moved.

    ``superiority``: chance that a current value lies above a reference value (ties half), with its interval.
    """

    superiority: float
    superiority_low: float
    superiority_high: float
    distance: float
    """Largest difference of the distribution functions."""
    shift: float
    """Difference of medians in robust standard deviations (IQR / 1.349) of the reference; NaN if that is 0."""
    scale: float
    """Ratio of the interquartile ranges, current to reference; NaN if one is 0."""


def moved(cells: Cells, reference: Numbers, current: Numbers) -> Moved:
    """For ordered cells."""
    n, m = cells.sizes
    p, q = cells.reference / n, cells.current / m
    superiority, spread = _superiority(cells)
    quarters = np.array([0.25, 0.5, 0.75])
    before, now = reference.quantiles(quarters), current.quantiles(quarters)
    wide, wide_now = before[2] - before[0], now[2] - now[0]
    return Moved(
        superiority=superiority,
        superiority_low=max(float(superiority - Z95 * spread), 0.0),
        superiority_high=min(float(superiority + Z95 * spread), 1.0),
        distance=float(np.abs(np.cumsum(p) - np.cumsum(q)).max()),
        shift=float((now[1] - before[1]) / (wide / 1.349)) if wide > 0 else float("nan"),
        scale=float(wide_now / wide) if wide > 0 and wide_now > 0 else float("nan"),
    )
