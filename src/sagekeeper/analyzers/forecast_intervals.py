"""How far the outcome may lie from the forecast: quantiles of past errors, a series' own and those of all series (conformal).

In: ``[row, series]`` past errors (outcome - forecast, nan where not known), and the scale that the error of each row was to be
expected at. Out: ``[quantile, series]`` distances from today's forecast. A series with many errors of its own goes by these;
one with few by all series' errors, each in units of its own scale.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sagekeeper.analyzers.forecast_series import Matrix


def distances(
    errors: Matrix, scales: Matrix, scale_now: npt.NDArray[np.float64], levels: tuple[float, ...], pooled_weight: float
) -> Matrix:
    """``[quantile, series]``, in the unit of the errors."""
    usable = np.isfinite(errors) & (scales > 0)
    relative = np.where(usable, errors / np.where(usable, scales, 1.0), np.nan)
    pooled = np.quantile(relative[usable], levels) if usable.any() else np.zeros(len(levels))
    # All series widen the range of one; they do not move its middle.
    side = np.sign(np.array(levels) - 0.5)
    pooled = np.where(side < 0, np.minimum(pooled, 0.0), np.where(side > 0, np.maximum(pooled, 0.0), 0.0))
    seen = usable.sum(axis=0)
    own = _own_quantiles(relative, seen, levels)
    trust = seen / (seen + pooled_weight)
    out: Matrix = (trust * own + (1 - trust) * pooled[:, None]) * scale_now
    return out


def _own_quantiles(relative: Matrix, seen: npt.NDArray[np.int64], levels: tuple[float, ...]) -> Matrix:
    """Per column, nan left out; 0 where a column has none."""
    # Missing ones sort to the end; they are never reached where a column has any.
    ranked = np.nan_to_num(np.sort(relative, axis=0))
    # The conformal rank: of n errors and one to come, each order is as likely.
    place = np.clip(np.array(levels)[:, None] * (seen + 1) - 1, 0, np.maximum(seen - 1, 0))
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(seen - 1, 0))
    columns = np.arange(relative.shape[1])
    below, above = ranked[low, columns], ranked[high, columns]
    return np.asarray(below + (place - low) * (above - below))
