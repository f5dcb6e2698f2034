"""What the next days cost by several simple rules, from many past days at once.

In: ``costs[day, series]`` of whole days, the weekdays of the days, the rows to forecast from, and how many days ahead. Out:
``[rule, row, series]``, the sum of those days. Rules: the last week again, the same weekdays of the last weeks (mean of
eight, median of three), a level that follows quickly or slowly under the usual shape of the week, and the plain mean for what
comes in bursts. No rule sees a day after its row; only the shape of the week, which hardly changes, is that of the whole
matrix.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sagekeeper.analyzers.forecast_calendar import rests, without_holidays
from sagekeeper.analyzers.forecast_series import Matrix, born

Rows = npt.NDArray[np.int64]
Days = npt.NDArray[np.int64]
WEEKS = 12
"""How far back the rules look that compare weekdays."""
LONG_WEEKS = 8
SPEEDS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.7)
"""Of a new day's distance from the level, what moves the level."""


def week_shape(costs: Matrix, plain: Days) -> Matrix:
    """``[7, series]``: a weekday beside the mean of its week, 1 where the two do not differ or nothing is known."""
    days = min(len(costs), 7 * WEEKS)
    recent = costs[len(costs) - days :]
    numbers = plain[len(costs) - days : len(costs)]
    own = np.abs(recent)
    around = np.cumsum(np.vstack([np.zeros((1, costs.shape[1])), own]), axis=0)
    low, high = np.maximum(np.arange(days) - 3, 0), np.minimum(np.arange(days) + 4, days)
    mean = (around[high] - around[low]) / (high - low)[:, None]
    ratio = np.where(mean > 0, np.minimum(own / np.where(mean > 0, mean, 1), 4.0), np.nan)
    shape = np.ones((7, costs.shape[1]))
    for number in range(7):
        mine = ratio[numbers == number]
        seen = np.isfinite(mine).sum(axis=0)
        shape[number] = (np.nansum(mine, axis=0) + 2.0) / (seen + 2.0)
    out: Matrix = shape / shape.mean(axis=0)
    return out


def days_ahead(like: Days, rows: Rows, ahead: int) -> npt.NDArray[np.float64]:
    """``[row, 7]``: how many of the days ahead of each row are like each weekday."""
    until = np.vstack([np.zeros((1, 7)), np.cumsum(np.eye(7)[like], axis=0)])
    out: npt.NDArray[np.float64] = until[rows + 1 + ahead] - until[rows + 1]
    return out


def levels(costs: Matrix, plain: Days, shape: Matrix, rows: Rows) -> Matrix:
    """``[speed, row, series]``: the level on each row, at each speed. It starts with the first day that costs anything."""
    start = born(costs)
    wanted = {int(row): place for place, row in enumerate(rows)}
    out = np.zeros((len(SPEEDS), len(rows), costs.shape[1]))
    level = np.zeros((len(SPEEDS), costs.shape[1]))
    speeds = np.array(SPEEDS)[:, None]
    for row, today in enumerate(costs):
        weight = shape[plain[row]]
        pull = weight / np.maximum(weight, 1.0) ** 2
        age = row - start
        step = np.maximum(speeds, 1.0 / np.maximum(age + 1, 1)) * pull
        level = np.where(age >= 0, level + step * (today - level * weight), 0.0)
        if row in wanted:
            out[:, wanted[row]] = level
    return out


def predict(costs: Matrix, plain: Days, like: Days, rows: Rows, ahead: int) -> tuple[Matrix, Matrix, Days]:
    """``[rule, row, series]`` sums of the days ahead, and ``[rule, 7, series]``: the days of a week ahead of the last row.

    ``plain``, ``like``: the weekdays of the days there are and of those ahead, and the weekdays they are like where people rest
    (`forecast_calendar`). Third, ``[day, series]``: which weekday each day ahead of the last row counts as.
    """
    shape = week_shape(costs, plain)
    resting = rests(shape)
    costs = without_holidays(costs, (like != plain)[: len(costs)], resting)
    days = np.where(resting, days_ahead(like, rows, ahead)[:, :, None], days_ahead(plain, rows, ahead)[:, :, None])
    followed = levels(costs, plain, shape, rows)
    by_level = followed * np.einsum("rws,ws->rs", days, shape)
    weeks = (_week(_block(costs, int(row)), plain, int(row)) for row in rows)
    by_week = np.stack([np.einsum("ws,kws->ks", count, week) for week, count in zip(weeks, days, strict=True)], axis=1)
    week = np.concatenate([followed[:, -1][:, None] * shape, _week(_block(costs, int(rows[-1])), plain, int(rows[-1]))])
    coming = slice(int(rows[-1]) + 1, int(rows[-1]) + 1 + ahead)
    counted_as = np.where(resting, like[coming][:, None], plain[coming][:, None])
    return np.concatenate([by_level, by_week]), week, counted_as


def _block(costs: Matrix, row: int) -> Matrix:
    """``[WEEKS, 7, series]``, the weeks that end on ``row``; days before the first are not known."""
    days = 7 * WEEKS
    block = np.full((days, costs.shape[1]), np.nan)
    have = min(days, row + 1)
    block[days - have :] = costs[row + 1 - have : row + 1]
    return block.reshape(WEEKS, 7, costs.shape[1])


def _week(block: Matrix, plain: Days, row: int) -> Matrix:
    """``[rule, 7 (Monday first), series]``."""
    known = np.isfinite(block)
    filled = np.where(known, block, 0.0)
    last = filled[-1]
    seen = known[-LONG_WEEKS:].sum(axis=0)
    usual = np.where(seen > 0, filled[-LONG_WEEKS:].sum(axis=0) / np.maximum(seen, 1), last)
    every = filled.sum(axis=(0, 1)) / np.maximum(known.sum(axis=(0, 1)), 1)
    rules = [last, usual, np.median(filled[-3:], axis=0), np.broadcast_to(every, last.shape)]
    # The block's days run from the weekday after the row's to the row's own.
    order = (plain[row] + 1 + np.arange(7)) % 7
    out = np.empty((len(rules), *last.shape))
    out[:, order] = np.stack(rules)
    return out
