"""One forecast out of several rules: each weighs by how little it was wrong at this horizon, in this series and in its like.

In: ``[rule, row, series]`` forecasts made on past rows, and what then happened, ``[row, series]`` (nan: not known yet, or the
series was not there). Out: the weights per row, and the rules' weighted median. A row's weights come from rows whose outcome was
known on it, so the errors of the combination on past rows are those it would have made. A series alone has seen too few steps
to know which rule bears them: the errors of all series of its kind (`forecast_kinds`) say which rules are good for such ones.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sagekeeper.analyzers.forecast_series import Matrix

POWER = 7.0
FORGET = 0.98
"""Of an error's weight, what is left one row later."""
PRIOR_ROWS = 60.0
"""How many rows' worth the rules' errors in all series of the kind weigh beside those in the series."""
PRIOR_ERRORS = 100.0
"""How many errors' worth all series weigh beside those of the kind."""


def weights(forecasts: Matrix, outcomes: Matrix, lag: int, kinds: npt.NDArray[np.int64]) -> Matrix:
    """``[rule, row, series]``, at least 0, 1 in sum over the rules. ``lag``: rows until a row's outcome is known."""
    rules, rows, series = forecasts.shape
    errors = np.abs(forecasts - outcomes)
    known = np.isfinite(outcomes)
    # Bounded: 1 where a rule said something and nothing came, or the other way round.
    whole = np.abs(outcomes) + np.abs(forecasts).mean(axis=0)
    relative = np.where(known & (whole > 0), np.nan_to_num(errors) / np.where(whole > 0, whole, 1.0), 0.0)
    place = np.unique(kinds, return_inverse=True)[1]
    member = np.eye(place.max() + 1)[place]
    total, seen = np.zeros((rules, series)), np.zeros(series)
    pooled, counted = np.zeros((rules, member.shape[1])), np.zeros(member.shape[1])
    out = np.empty_like(forecasts)
    for row in range(rows):
        told = row - lag
        if told >= 0:
            total = total * FORGET + np.where(known[told], np.nan_to_num(errors[:, told]), 0.0)
            seen = seen * FORGET + known[told]
            pooled += relative[:, told] @ member
            counted += known[told] @ member
        usual = total.mean(axis=0) / np.maximum(seen, 1e-9)
        mean = (total + PRIOR_ROWS * usual * _beside_each_other(pooled, counted)[:, place]) / (seen + PRIOR_ROWS)
        best = mean.min(axis=0)
        share = (np.where(mean > 0, best / np.where(mean > 0, mean, 1), 1.0)) ** POWER
        out[:, row] = share / share.sum(axis=0)
    return out


def _beside_each_other(pooled: Matrix, counted: Matrix) -> Matrix:
    """``[rule, kind]``: how wrong a rule was in series of a kind, 1 where it was as wrong as the others."""
    every = _over_mean(pooled.sum(axis=1, keepdims=True))
    out: Matrix = (counted * _over_mean(pooled) + PRIOR_ERRORS * every) / (counted + PRIOR_ERRORS)
    return out


def _over_mean(values: Matrix) -> Matrix:
    mean = values.mean(axis=0)
    out: Matrix = np.where(mean > 0, values / np.where(mean > 0, mean, 1.0), 1.0)
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
