"""One forecast out of several rules: each weighs by how little it was wrong in this series, at this horizon, lately.

In: ``[rule, row, series]`` forecasts made on past rows, and what then happened, ``[row, series]`` (nan: not known yet, or the
series was not there). Out: the weights per row. A row's weights come from rows whose outcome was known on it, so the errors of
the combination on past rows are those it would have made.
"""

from __future__ import annotations

import numpy as np

from sagekeeper.analyzers.forecast_series import Matrix

POWER = 3.0
FORGET = 0.96
"""Of an error's weight, what is left one row later."""
PRIOR_ROWS = 2.0
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
    """``[row, series]``."""
    out: Matrix = (forecasts * shares).sum(axis=0)
    return out
