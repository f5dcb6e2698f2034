"""What people forecast a month's end with otherwise: the pace of the month so far, and last week again.

In: `SpendDays` and an origin. Out: a frame like `forecasting.month_end`'s, so that all are scored alike. The run rate's range is
a normal distribution of independent days; the seasonal naive's comes of its own past errors per series (conformal).
"""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
from scipy.special import ndtri

from sagekeeper.analyzers.forecast_series import Matrix, SpendDays
from sagekeeper.analyzers.forecast_settings import LEVELS, QUANTILES
from sagekeeper.core.clock import month_start, next_month


def run_rate(days: SpendDays, origin: date) -> pl.DataFrame:
    """What was spent, and as much per day until the month ends."""
    until, month, ahead = _cut(days, origin)
    so_far = until[-month:]
    spread = so_far.std(axis=0) * np.sqrt(ahead)
    ends = so_far.mean(axis=0) * ahead + ndtri(np.array(LEVELS))[:, None] * spread
    return _frame(days, origin, so_far.sum(axis=0), ends)


def seasonal_naive(days: SpendDays, origin: date) -> pl.DataFrame:
    """What was spent, and the last week again and again until the month ends."""
    until, month, ahead = _cut(days, origin)
    last = len(until) - 1
    rows = range(6, last - ahead + 1, 5)
    errors = np.stack([until[row + 1 : row + 1 + ahead].sum(axis=0) - _week_again(until, row, ahead) for row in rows])
    ends = _week_again(until, last, ahead) + np.quantile(errors, LEVELS, axis=0)
    ends[2] = _week_again(until, last, ahead)
    return _frame(days, origin, until[-month:].sum(axis=0), np.sort(ends, axis=0))


def _cut(days: SpendDays, origin: date) -> tuple[Matrix, int, int]:
    return days.until(origin), (origin - month_start(origin)).days + 1, (next_month(origin) - origin).days - 1


def _week_again(costs: Matrix, row: int, ahead: int) -> Matrix:
    out: Matrix = costs[[row - 6 + day % 7 for day in range(ahead)]].sum(axis=0)
    return out


def _frame(days: SpendDays, origin: date, spent: Matrix, ends: Matrix) -> pl.DataFrame:
    least = np.where((days.costs >= 0).all(axis=0), 0.0, -np.inf)
    totals = spent + np.maximum(ends, least)
    return pl.DataFrame(
        {"series_id": days.names, **dict(zip(QUANTILES, totals, strict=True)), "spent": spent}
    ).with_columns(origin=pl.lit(origin))
