"""One forecast out of several rules: each weighs by how little it was wrong at this horizon, in this series and in its like.

In: ``[rule, row, series]`` forecasts made on past rows, and what then happened, ``[row, series]`` (nan: not known yet, or the
series was not there). Out: the weights per row, and the rules' weighted median. A row's weights come from rows whose outcome was
known on it, so the errors of the combination on past rows are those it would have made. A series alone has seen too few steps
to know which rule bears them: the errors of all series of its kind (`forecast_kinds`) say which rules are good for such ones,
and where there are few of these, what was found elsewhere (`BEFORE`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sagekeeper.analyzers.forecast_kinds import BUSY, UNEASE
from sagekeeper.analyzers.forecast_series import Matrix

POWER = 7.0
FORGET = 0.98
"""Of an error's weight, what is left one row later."""
PRIOR_ROWS = 60.0
"""How many rows' worth the rules' errors in all series of the kind weigh beside those in the series."""
PRIOR_ERRORS = 100.0
"""How many errors' worth all series weigh beside those of the kind, and `BEFORE` beside those of all series."""


# By unease (`forecast_kinds`), from what hardly changes to what comes in bursts; rules in the order of `forecast_predictors`.
# Seeds 1 to 3. Steady spend moves by steps, and quick rules bear these; the average of a long time bears bursts.
BEFORE = (
    (1.57, 1.07, 0.83, 0.69, 0.63, 0.62, 0.67, 1.44, 0.89, 1.81),
    (1.37, 1.01, 0.87, 0.82, 0.84, 0.90, 0.85, 1.18, 0.96, 1.36),
    (1.00, 0.89, 0.90, 0.97, 1.10, 1.25, 1.07, 0.99, 0.93, 1.07),
    (0.83, 0.84, 0.92, 1.06, 1.24, 1.44, 1.20, 0.81, 0.92, 0.82),
    (0.80, 0.83, 0.90, 1.03, 1.23, 1.45, 1.24, 0.81, 1.04, 0.79),
)
"""How wrong a rule is beside the others, before any error of the series and its like is known."""


def before_any_error(kinds: npt.NDArray[np.int64]) -> Matrix:
    """``[rule, series]``, from `BEFORE`. What does not cost something nearly every day is as uneasy as bursts are."""
    busy, unease = np.divmod(kinds, len(UNEASE) + 1)
    rows = np.where(busy < len(BUSY), np.maximum(unease, len(UNEASE) - 1), unease)
    out: Matrix = np.array(BEFORE)[rows].T
    return out


def weights(forecasts: Matrix, outcomes: Matrix, lag: int, kinds: npt.NDArray[np.int64], before: Matrix) -> Matrix:
    """``[rule, row, series]``, at least 0, 1 in sum over the rules.

    ``lag``: rows until a row's outcome is known. ``before``: `before_any_error`, or 1 where nothing is known of the rules.
    """
    rules, rows, series = forecasts.shape
    errors = np.abs(forecasts - outcomes)
    known = np.isfinite(outcomes)
    # Bounded: 1 where a rule said something and nothing came, or the other way round.
    whole = np.abs(outcomes) + np.abs(forecasts).mean(axis=0)
    relative = np.where(known & (whole > 0), np.nan_to_num(errors) / np.where(whole > 0, whole, 1.0), 0.0)
    _, first, place = np.unique(kinds, return_index=True, return_inverse=True)
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
        # Nobody was wrong yet: then only what holds for its like counts, in any unit.
        usual = np.where(usual > 0, usual, 1.0)
        in_like = _beside_each_other(pooled, counted, before[:, first])[:, place]
        mean = (total + PRIOR_ROWS * usual * in_like) / (seen + PRIOR_ROWS)
        share = (mean.min(axis=0) / mean) ** POWER
        out[:, row] = share / share.sum(axis=0)
    return out


def _beside_each_other(pooled: Matrix, counted: Matrix, usual: Matrix) -> Matrix:
    """``[rule, kind]``: how wrong a rule was in series of a kind, 1 where it was as wrong as the others."""
    all_errors = counted.sum()
    every = (all_errors * _over_mean(pooled.sum(axis=1, keepdims=True)) + PRIOR_ERRORS * usual) / (
        all_errors + PRIOR_ERRORS
    )
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
