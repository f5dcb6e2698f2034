"""How far the outcome may lie from the forecast: quantiles of past errors of all series of a kind (split conformal).

In: ``[row, series]`` past errors (outcome - forecast, nan where not known), the scale that the error of each row was to be
expected at, and the kind of each series (`forecast_kinds`). Out: ``[quantile, series]`` distances from today's forecast. Errors
are pooled in units of their scales: the fifty rows of one series are too few for its own tail, and one step among them would be
its whole range. Kinds with few errors lean on those of all series. Source: Vovk, Gammerman, Shafer, Algorithmic Learning in a
Random World (2005), by groups.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from sagekeeper.analyzers.forecast_series import Matrix

LEAST_ERRORS = 20
"""Of a kind; with fewer it has no quantiles of its own."""


def distances(
    errors: Matrix,
    scales: Matrix,
    scale_now: npt.NDArray[np.float64],
    levels: tuple[float, ...],
    kinds: npt.NDArray[np.int64],
    pooled_weight: float,
    overlap: float = 1.0,
) -> Matrix:
    """``[quantile, series]``, in the unit of the errors; where no error is known at all, a normal distribution of that scale.

    ``overlap``: how many rows in a row have most of their days in common, and so are one error rather than many.
    """
    usable = np.isfinite(errors) & (scales > 0)
    if not usable.any():
        guess: Matrix = ndtri(np.array(levels))[:, None] * scale_now
        return guess
    relative = np.where(usable, errors / np.where(usable, scales, 1.0), np.nan)
    every = _quantiles(relative[usable], levels, overlap)
    pooled = np.repeat(every[:, None], errors.shape[1], axis=1)
    for kind in np.unique(kinds):
        mine = kinds == kind
        found = relative[:, mine][usable[:, mine]]
        if len(found) >= LEAST_ERRORS:
            own = _quantiles(found, levels, overlap)
            pooled[:, mine] = ((len(found) * own + pooled_weight * every) / (len(found) + pooled_weight))[:, None]
    # Other series widen the range of one; they do not move its middle.
    side = np.sign(np.array(levels) - 0.5)[:, None]
    pooled = np.where(side < 0, np.minimum(pooled, 0.0), np.where(side > 0, np.maximum(pooled, 0.0), 0.0))
    out: Matrix = pooled * scale_now
    return out


def _quantiles(errors: Matrix, levels: tuple[float, ...], overlap: float) -> Matrix:
    """Further out the fewer errors there are: of n and one to come, each order is as likely (the conformal rank)."""
    few = max(len(errors) / max(overlap, 1.0), 1.0)
    wanted = np.array(levels)
    out = np.where(wanted > 0.5, wanted * (few + 1) / few, 1 - (1 - wanted) * (few + 1) / few)
    found: Matrix = np.quantile(errors, np.clip(np.where(wanted == 0.5, 0.5, out), 0.0, 1.0))
    return found
