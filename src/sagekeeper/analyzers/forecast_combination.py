"""One forecast out of several rules: each weighs by how little it was wrong in this series, at this horizon, lately.

In: ``[rule, row, series]`` forecasts made on past rows, and what then happened, ``[row, series]`` (nan: not known yet, or the
series was not there). Out: the weights per row, and the rules' weighted median. A row's weights come from rows whose outcome was
known on it, so the errors of the combination on past rows are those it would have made. Weights per kind of series, and means
instead of the median, were measured and were worse (docs/forecasts.md).
"""

from __future__ import annotations

import numpy as np

from sagekeeper.analyzers.forecast_series import Matrix

POWER = 5.0
FORGET = 0.96
"""Of an error's weight, what is left one row later."""
PRIOR_ROWS = 6.0
"""How many rows' worth all rules are held to be equally good before anything is known."""


def weights(forecasts: Matrix, outcomes: Matrix, lag: int) -> Matrix:
    """``[rule, row, series]``, at least 0, 1 in sum over the rules. ``lag``: rows until a row's outcome is known."""
    errors = np.abs(forecasts - outcomes)
    known = np.isfinite(outcomes)
    total = np.zeros((forecasts.shape[0], forecasts.shape[2]))
    seen = np.zeros(forecasts.shape[2])
    out = np.empty_like(forecasts)
    for row in range(forecasts.shape[1]):
        told = row - lag
        if told >= 0:
            total = total * FORGET + np.where(known[told], np.nan_to_num(errors[:, told]), 0.0)
            seen = seen * FORGET + known[told]
        usual = total.mean(axis=0)
        mean = (total + PRIOR_ROWS * usual / np.maximum(seen, 1)) / (seen + PRIOR_ROWS)
        best = mean.min(axis=0)
        share = (np.where(mean > 0, best / np.where(mean > 0, mean, 1), 1.0)) ** POWER
        out[:, row] = share / share.sum(axis=0)
    return out


def combined(forecasts: Matrix, shares: Matrix) -> Matrix:
    """``[row, series]``: the weighted median, between two rules where half of the weight is reached between them."""
    order = np.argsort(forecasts, axis=0)
    ranked = np.take_along_axis(forecasts, order, axis=0)
    weight = np.take_along_axis(shares, order, axis=0)
    reached = np.cumsum(weight, axis=0) - weight / 2
    high = np.where((reached >= 0.5).any(axis=0), (reached >= 0.5).argmax(axis=0), len(forecasts) - 1)[None]
    low = np.maximum(high - 1, 0)
    (left,), (right,) = np.take_along_axis(reached, low, axis=0), np.take_along_axis(reached, high, axis=0)
    (below,), (above,) = np.take_along_axis(ranked, low, axis=0), np.take_along_axis(ranked, high, axis=0)
    width = right - left
    share = np.clip(np.where(width > 0, (0.5 - left) / np.where(width > 0, width, 1.0), 1.0), 0.0, 1.0)
    out: Matrix = below + share * (above - below)
    return out
